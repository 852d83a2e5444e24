import FunctionModel
import LambdaAPI
public import Registry

/// Code signing configurations, and which functions have them.
public struct CodeSigningRoutes: Sendable {
    private let configs: CodeSigningRegistry
    private let functions: FunctionRegistry

    public init(_ configs: CodeSigningRegistry, functions: FunctionRegistry) {
        self.configs = configs
        self.functions = functions
    }

    public var all: [ControlRoute] { configRoutes + functionRoutes }

    private var configRoutes: [ControlRoute] {
        let path = "/2020-04-22/code-signing-configs"
        return [
            ControlRoute("POST", path) { try await create($0) },
            ControlRoute("GET", path) { try await list($0) },
            ControlRoute("GET", "\(path)/{CodeSigningConfigArn}") { request in
                try .json(CodeSigningConfigResponse(try await configs.config(try Self.key(request))))
            },
            ControlRoute("PUT", "\(path)/{CodeSigningConfigArn}") { try await update($0) },
            ControlRoute("DELETE", "\(path)/{CodeSigningConfigArn}") { request in
                try await configs.delete(try Self.key(request))
                return .noContent
            },
            ControlRoute("GET", "\(path)/{CodeSigningConfigArn}/functions") { try await listFunctions($0) },
        ]
    }

    private var functionRoutes: [ControlRoute] {
        let path = "/2020-06-30/functions/{FunctionName}/code-signing-config"
        return [
            ControlRoute("GET", path) { request in
                let record = try await functions.snapshot.record(try LambdaRoutes.unqualified(request))
                return try .json(FunctionCodeSigningResponse(record.codeSigningConfig, functionName: record.key.name))
            },
            ControlRoute("PUT", path) { request in
                let key = try LambdaRoutes.unqualified(request)
                let body = try request.decode(FunctionCodeSigningRequest.self)
                // The function's absence is said before the configuration's.
                _ = try await functions.snapshot.record(key)
                let config = try Self.linkable(body.codeSigningConfigArn, request)
                // What is deployed already stays: the configuration counts from the next deployment on.
                try await configs.using(config) { _ in try await functions.setCodeSigningConfig(key, config) }
                return try .json(FunctionCodeSigningResponse(config.arn, functionName: key.name))
            },
            ControlRoute("DELETE", path) { request in
                try await functions.setCodeSigningConfig(try LambdaRoutes.unqualified(request), nil)
                return .noContent
            },
        ]
    }

    private func create(_ request: ControlRequest) async throws -> ControlResponse {
        let body = try request.decode(CodeSigningConfigRequest.self)
        try body.validate()
        let config = try await configs.create(
            account: request.caller.account, region: request.caller.region, description: body.description ?? "",
            signingProfiles: body.signingProfiles ?? [], policy: body.policy ?? .warn, tags: body.tags)
        return try .json(CodeSigningConfigResponse(config), status: 201)
    }

    private func update(_ request: ControlRequest) async throws -> ControlResponse {
        let body = try request.decode(CodeSigningConfigRequest.self)
        try body.validate()
        let config = try await configs.update(try Self.key(request)) { config in
            if let description = body.description { config.description = description }
            if let profiles = body.signingProfiles { config.signingProfiles = profiles }
            if let policy = body.policy { config.policy = policy }
        }
        return try .json(CodeSigningConfigResponse(config))
    }

    /// By ID; `Marker` is the last one of the page before.
    private func list(_ request: ControlRequest) async throws -> ControlResponse {
        let size = min(50, try request.integer("MaxItems", in: 1...10_000) ?? 50)
        let marker = request.value("Marker") ?? ""
        let rest = await configs.list(account: request.caller.account, region: request.caller.region).drop { $0.key.id <= marker }
        let page = rest.prefix(size)
        return try .json(ListCodeSigningConfigsResponse(configs: page, nextMarker: page.count < rest.count ? page.last?.key.id : nil))
    }

    /// By name; `Marker` is the last one of the page before.
    private func listFunctions(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try Self.key(request)
        _ = try await configs.config(key)
        let size = min(50, try request.integer("MaxItems", in: 1...10_000) ?? 50)
        let marker = request.value("Marker") ?? ""
        let rest = await functions.snapshot.functions(codeSigningConfig: key).drop { $0.key.name <= marker }
        let page = rest.prefix(size)
        return try .json(
            ListFunctionArnsResponse(functionArns: page.map(\.key.arn), nextMarker: page.count < rest.count ? page.last?.key.name : nil))
    }

    // MARK: Names

    /// - Throws: `.resourceNotFound` also for another account's or region's, so that nobody learns whether it exists.
    private static func key(_ request: ControlRequest) throws(ServiceError) -> CodeSigningConfigKey {
        let arn = request.parameters["CodeSigningConfigArn"] ?? ""
        guard let key = own(arn, request) else { throw ServiceError(.resourceNotFound, missing(arn)) }
        return key
    }

    /// A configuration that a function is to have.
    /// - Throws: `.codeSigningConfigNotFound`, for every ARN that is none of the caller's.
    static func linkable(_ arn: String, _ request: ControlRequest) throws(ServiceError) -> CodeSigningConfigKey {
        guard let key = own(arn, request) else { throw ServiceError(.codeSigningConfigNotFound, missing(arn)) }
        return key
    }

    static func own(_ arn: String, _ request: ControlRequest) -> CodeSigningConfigKey? {
        guard let key = CodeSigningConfigKey(arn: arn), key.account == request.caller.account, key.region == request.caller.region else { return nil }
        return key
    }

    private static func missing(_ arn: String) -> String {
        "The code signing config cannot be found. Check that the provided code signing config is not deleted: \(arn.prefix(200))"
    }
}
