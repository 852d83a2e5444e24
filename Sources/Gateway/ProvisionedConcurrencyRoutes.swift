import AccessControl
import FunctionModel
import InvocationPipeline
import LambdaAPI
import NIOCore
import Registry
import WarmPool

/// Environments that are kept ready for versions and aliases.
extension LambdaRoutes {
    var provisionedRoutes: [ControlRoute] {
        let path = "/2019-09-30/functions/{FunctionName}/provisioned-concurrency"
        return [
            ControlRoute("PUT", path) { request in
                let (key, qualifier) = try Self.provisioned(request)
                let requested = try request.decode(PutProvisionedConcurrencyRequest.self).validated()
                let config = try await registry.setProvisionedConcurrency(key, qualifier: qualifier, requested: requested)
                // What was asked for a moment ago has hardly begun.
                return try .json(
                    ProvisionedConcurrencyResponse(config, allocated: 0, available: 0, status: .inProgress), status: 202)
            },
            ControlRoute("GET", path) { request in
                if request.value("List") == "ALL" { return try await listProvisioned(request) }
                let (key, qualifier) = try Self.provisioned(request)
                let record = try await registry.snapshot.record(key)
                try record.checkProvisionable(qualifier, isNew: false)
                guard let config = record.provisioned[qualifier] else {
                    throw ServiceError(.provisionedConcurrencyConfigNotFound, "No Provisioned Concurrency Config found for this function")
                }
                return try .json(await response(record, qualifier, config))
            },
            ControlRoute("DELETE", path) { request in
                let (key, qualifier) = try Self.provisioned(request)
                try await registry.deleteProvisionedConcurrency(key, qualifier: qualifier)
                return .noContent
            },
        ]
    }

    /// By qualifier; `Marker` is the last one of the page before.
    private func listProvisioned(_ request: ControlRequest) async throws -> ControlResponse {
        let record = try await registry.snapshot.record(Self.unqualified(request))
        let size = try request.integer("MaxItems", in: 1...50) ?? 50
        let marker = request.value("Marker") ?? ""
        let rest = record.provisioned.sorted { $0.key < $1.key }.drop { $0.key <= marker }
        let page = rest.prefix(size)
        var configs: [ProvisionedConcurrencyResponse] = []
        for (qualifier, config) in page {
            configs.append(try await response(record, qualifier, config, functionArn: "\(record.key.arn):\(qualifier)"))
        }
        return try .json(ListProvisionedConcurrencyResponse(configs: configs, nextMarker: page.count < rest.count ? page.last?.key : nil))
    }

    private func response(
        _ record: FunctionRecord, _ qualifier: String, _ config: ProvisionedConcurrency, functionArn: String? = nil
    ) async throws -> ProvisionedConcurrencyResponse {
        let host = if let version = record.version(qualifier: qualifier) { try await describe(version) } else { HostDescription?.none }
        guard let host else {
            return ProvisionedConcurrencyResponse(config, functionArn: functionArn, allocated: 0, available: 0, status: .inProgress)
        }
        let counts = host.counts
        let status: ProvisionStatus =
            if host.holdsProvision { .ready } else if host.state == "failed" { .failed(host.initError ?? host.lastFailure ?? "the function could not be started") } else { .inProgress }
        return ProvisionedConcurrencyResponse(
            config, functionArn: functionArn, allocated: counts.starting + counts.ready + counts.busy, available: counts.ready + counts.busy,
            status: status)
    }

    /// The qualifier is required.
    private static func provisioned(_ request: ControlRequest) throws -> (FunctionKey, qualifier: String) {
        let target = try target(request)
        guard let qualifier = target.qualifier else {
            var validation = Validation()
            validation.fail(String?.none, "qualifier", .notNull)
            try validation.check()
            return (target.key, FunctionVersion.latest)
        }
        return (target.key, qualifier)
    }
}
