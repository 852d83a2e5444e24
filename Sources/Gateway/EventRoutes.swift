import AccessControl
import FunctionModel
import LambdaAPI
import NIOCore
import Registry

/// How asynchronous invocations are retried and where their outcomes go.
extension LambdaRoutes {
    var eventRoutes: [ControlRoute] {
        let path = "/2019-09-25/functions/{FunctionName}/event-invoke-config"
        return [
            ControlRoute("PUT", path) { try await change($0, merging: false) },
            ControlRoute("POST", path) { try await change($0, merging: true) },
            ControlRoute("GET", path) { request in
                let target = try Self.target(request)
                let snapshot = await registry.snapshot
                _ = try snapshot.version(target.key, qualifier: target.qualifier)
                let qualifier = target.qualifier ?? FunctionVersion.latest
                guard let config = try snapshot.record(target.key).eventInvokeConfigs[qualifier] else { throw Self.noConfig(target.key, qualifier) }
                return try .json(EventInvokeConfigResponse(config, key: target.key, qualifier: qualifier))
            },
            ControlRoute("DELETE", path) { request in
                let target = try Self.target(request)
                let qualifier = target.qualifier ?? FunctionVersion.latest
                try await registry.setEventInvokeConfig(target.key, qualifier: target.qualifier) { config, _ throws(ServiceError) in
                    guard config != nil else { throw Self.noConfig(target.key, qualifier) }
                    return nil
                }
                return .noContent
            },
            ControlRoute("GET", "\(path)/list") { request in
                let target = try Self.target(request)
                let record = try await registry.snapshot.record(target.key)
                let size = try request.integer("MaxItems", in: 1...50) ?? 50
                let marker = request.value("Marker") ?? ""
                let rest = record.eventInvokeConfigs.sorted { Self.order($0.key) < Self.order($1.key) }
                    .drop { !marker.isEmpty && Self.order($0.key) <= Self.order(marker) }
                let page = rest.prefix(size)
                return try .json(
                    ListEventInvokeConfigsResponse(
                        configs: page.map { EventInvokeConfigResponse($0.value, key: target.key, qualifier: $0.key) },
                        nextMarker: page.count < rest.count ? page.last?.key : nil))
            },
        ]
    }

    private func change(_ request: ControlRequest, merging: Bool) async throws -> ControlResponse {
        let target = try Self.target(request)
        let body = try request.decode(EventInvokeConfigRequest.self)
        try body.validate()
        _ = try await registry.snapshot.version(target.key, qualifier: target.qualifier)
        let qualifier = target.qualifier ?? FunctionVersion.latest
        for arn in body.destinationConfig?.arns ?? [] { try await check(arn, of: target.key) }
        let config = try await registry.setEventInvokeConfig(target.key, qualifier: target.qualifier) { config, now throws(ServiceError) in
            if merging, config == nil { throw Self.noConfig(target.key, qualifier) }
            return body.applied(to: merging ? config : nil, now: now)
        }
        guard let config else { throw Self.noConfig(target.key, qualifier) }
        return try .json(EventInvokeConfigResponse(config, key: target.key, qualifier: qualifier))
    }

    /// A destination belongs to the function's account and region and is there.
    private func check(_ arn: String, of key: FunctionKey) async throws {
        guard let destination = EventDestination(arn: arn), destination.account == key.account, destination.region == key.region else {
            throw ServiceError(.invalidParameterValue, "The destination ARN \(arn) is invalid: it must be of account \(key.account) and region \(key.region)")
        }
        switch destination {
        case .function(let target, let qualifier):
            do throws(ServiceError) { try await registry.snapshot.eventTarget(target, qualifier: qualifier, of: "A destination") } catch {
                throw ServiceError(.invalidParameterValue, "The destination ARN \(arn) is invalid: \(error.message)")
            }
        case .queue(let account, let region, let name):
            guard try await queueExists(account, region, name) else {
                throw ServiceError(.invalidParameterValue, "The destination ARN \(arn) is invalid: the queue \(name) does not exist")
            }
        case .eventBus(let account, let region, let name):
            guard busExists(account, region, name) else {
                throw ServiceError(.invalidParameterValue, "The destination ARN \(arn) is invalid: the event bus \(name) does not exist")
            }
        }
    }

    /// That it is a queue's ARN has been validated.
    func checkDeadLetters(_ body: ConfigurationRequest, of key: FunctionKey) async throws {
        guard let arn = body.deadLetter, !arn.isEmpty else { return }
        guard case .queue(let account, let region, let name)? = EventDestination(arn: arn), account == key.account, region == key.region,
            try await queueExists(account, region, name)
        else {
            throw ServiceError(
                .invalidParameterValue, "The DeadLetterConfig target \(arn) does not exist: make the queue first, in account \(key.account) and region \(key.region)")
        }
    }

    private static func noConfig(_ key: FunctionKey, _ qualifier: String) -> ServiceError {
        ServiceError(.resourceNotFound, "The function \(key.arn):\(qualifier) doesn't have an EventInvokeConfig")
    }

    /// `$LATEST`, then numbers, then names.
    private static func order(_ qualifier: String) -> (Int, String) {
        qualifier == FunctionVersion.latest ? (0, "") : (Int(qualifier) ?? .max, qualifier)
    }
}
