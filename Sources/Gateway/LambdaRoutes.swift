import AccessControl
public import FunctionModel
public import InvocationPipeline
import LambdaAPI
import NIOCore
public import Registry

/// Lambda's management operations as routes over the registry: decode, call, encode.
public struct LambdaRoutes: Sendable {
    let registry: FunctionRegistry
    private let layers: LayerRegistry
    private let codeSigning: CodeSigningRegistry
    private let archives: (any ObjectArchives)?
    let baseURL: String
    let addresses: FunctionURLAddresses
    private let maximumUpload: Int
    /// What a version has in memory; nil for nothing.
    let describe: @Sendable (FunctionVersion) async throws -> HostDescription?
    /// Whether a queue is there that events may be sent to.
    let queueExists: @Sendable (_ account: String, _ region: String, _ name: String) async throws -> Bool
    let busExists: @Sendable (_ account: String, _ region: String, _ name: String) -> Bool

    /// - Parameters:
    ///   - archives: where code comes from that is named by S3 bucket and key; nil where it cannot.
    ///   - baseURL: what function URLs begin with, without a closing slash.
    ///   - defaults: the account and region whose functions are reached as `/fn/NAME`.
    public init(
        registry: FunctionRegistry, layers: LayerRegistry, codeSigning: CodeSigningRegistry, archives: (any ObjectArchives)? = nil, baseURL: String,
        defaults: (account: String, region: String), maximumUpload: Int = 70 * 1024 * 1024,
        describe: @escaping @Sendable (FunctionVersion) async throws -> HostDescription? = { _ in nil },
        busExists: @escaping @Sendable (_ account: String, _ region: String, _ name: String) -> Bool = { _, _, _ in false },
        queueExists: @escaping @Sendable (_ account: String, _ region: String, _ name: String) async throws -> Bool = { _, _, _ in false }
    ) {
        self.registry = registry
        self.layers = layers
        self.codeSigning = codeSigning
        self.archives = archives
        self.baseURL = baseURL
        addresses = FunctionURLAddresses(baseURL: baseURL, defaults: defaults)
        self.describe = describe
        self.maximumUpload = maximumUpload
        self.queueExists = queueExists
        self.busExists = busExists
    }

    public var all: [ControlRoute] {
        functionRoutes + versionRoutes + aliasRoutes + concurrencyRoutes + provisionedRoutes + eventRoutes + urlRoutes + settingsRoutes + accountRoutes
    }

    // MARK: Functions

    private var functionRoutes: [ControlRoute] {
        let path = "/2015-03-31/functions"
        return [
            ControlRoute("POST", path, maximumBody: maximumUpload) { try await create($0) },
            ControlRoute("GET", path) { try await list($0) },
            ControlRoute("GET", "\(path)/{FunctionName}") { request in
                let target = try Self.target(request)
                let snapshot = await registry.snapshot
                let record = try snapshot.record(target.key)
                let version = try snapshot.version(target.key, qualifier: target.qualifier)
                return try .json(
                    GetFunctionResponse(
                        configuration: FunctionConfigurationResponse(version, as: target),
                        location: "\(baseURL)/martlet/v1/packages/\(version.code.sha256)", tags: record.tags,
                        reservedConcurrency: record.reservedConcurrency))
            },
            ControlRoute("GET", "\(path)/{FunctionName}/configuration") { request in
                let target = try Self.target(request)
                let version = try await registry.snapshot.version(target.key, qualifier: target.qualifier)
                return try .json(FunctionConfigurationResponse(version, as: target))
            },
            ControlRoute("PUT", "\(path)/{FunctionName}/code", maximumBody: maximumUpload) { try await updateCode($0) },
            ControlRoute("PUT", "\(path)/{FunctionName}/configuration") { try await updateConfiguration($0) },
            ControlRoute("DELETE", "\(path)/{FunctionName}") { request in
                let target = try Self.target(request)
                try await registry.delete(target.key, qualifier: target.qualifier)
                return .noContent
            },
        ]
    }

    private func create(_ request: ControlRequest) async throws -> ControlResponse {
        let upload = try UploadedArchive(body: request.body)
        var body = try LambdaJSON.decode(CreateFunctionRequest.self, from: upload.json)
        if let archive = upload.archive { body.code.archive = archive }
        let target = try Self.target(body.functionName, request, qualifier: nil)
        try body.configuration.validate(creating: true)
        try await checkDeadLetters(body.configuration, of: target.key)
        let source = try body.code.source()
        let wanted = body.configuration
        let signing = try wanted.codeSigningConfigArn.flatMap { arn throws(ServiceError) in
            try arn.isEmpty ? nil : CodeSigningRoutes.linkable(arn, request)
        }
        // Before the code is looked at, which may have to be fetched.
        if let signing { try await codeSigning.using(signing) { try $0.checkUnsigned() } }
        let configuration = FunctionConfiguration(
            runtime: wanted.runtime ?? "", handler: wanted.handler ?? "", memorySize: wanted.memorySize ?? 128,
            timeout: wanted.timeout ?? 3, ephemeralStorage: wanted.ephemeralStorage?.size ?? 512,
            environment: wanted.environment?.variables ?? [:],
            isolation: wanted.martletIsolation.flatMap(Isolation.init(rawValue:)) ?? .invocation,
            network: wanted.martletNetwork.flatMap(NetworkAccess.init(rawValue:)),
            description: wanted.description ?? "", role: wanted.role ?? "", deadLetterTarget: wanted.deadLetter ?? "",
            layers: try await layers.resolve(wanted.layers ?? [], for: target.key),
            logging: wanted.loggingConfig?.configuration ?? LoggingConfiguration(), kept: wanted.keptSettings)
        let code = try await code(source, request)
        let (publish, tags) = (body.publish, body.tags)
        let create: @Sendable () async throws -> FunctionVersion = {
            try await registry.create(
                target.key, configuration: configuration, code: code, publish: publish, tags: tags, codeSigningConfig: signing)
        }
        let version = if let signing { try await codeSigning.using(signing) { _ in try await create() } } else { try await create() }
        return try .json(FunctionConfigurationResponse(version, qualified: publish), status: 201)
    }

    private func updateCode(_ request: ControlRequest) async throws -> ControlResponse {
        let upload = try UploadedArchive(body: request.body)
        var body = try LambdaJSON.decode(UpdateFunctionCodeRequest.self, from: upload.json)
        if let archive = upload.archive { body.code.archive = archive }
        let target = try Self.target(request)
        try Self.refuseQualifier(target)
        try body.validate()
        try await checkDeadLetters(body.configuration, of: target.key)
        try await codeSigning.checkDeployment(to: registry.snapshot.record(target.key))
        let version = try await registry.updateCode(
            target.key, code: try await code(body.code.source(), request), change: change(body.configuration, of: target.key), publish: body.publish,
            expectedRevision: Self.revision(body.revisionID), dryRun: body.dryRun)
        return try .json(FunctionConfigurationResponse(version, qualified: body.publish))
    }

    private func updateConfiguration(_ request: ControlRequest) async throws -> ControlResponse {
        let body = try request.decode(ConfigurationRequest.self)
        let target = try Self.target(request)
        try Self.refuseQualifier(target)
        try body.validate(creating: false)
        try await checkDeadLetters(body, of: target.key)
        // Layers are code too.
        if body.layers?.isEmpty == false { try await codeSigning.checkDeployment(to: registry.snapshot.record(target.key)) }
        let version = try await registry.updateConfiguration(
            target.key, change: change(body, of: target.key), expectedRevision: Self.revision(body.revisionID))
        return try .json(FunctionConfigurationResponse(version, qualified: false))
    }

    private func change(_ body: ConfigurationRequest, of key: FunctionKey) async throws -> ConfigurationChange {
        var layers: FunctionLayers?
        if let arns = body.layers { layers = try await self.layers.resolve(arns, for: key) }
        return ConfigurationChange(
            runtime: body.runtime, handler: body.handler, memorySize: body.memorySize, timeout: body.timeout,
            ephemeralStorage: body.ephemeralStorage?.size, environment: body.environment.map { $0.variables ?? [:] },
            isolation: body.martletIsolation.flatMap(Isolation.init(rawValue:)), network: body.martletNetwork.flatMap(NetworkAccess.init(rawValue:)),
            description: body.description, role: body.role, deadLetterTarget: body.deadLetter, layers: layers, logging: body.loggingConfig?.configuration, kept: body.keptSettings)
    }

    private func list(_ request: ControlRequest) async throws -> ControlResponse {
        let wantsVersions = request.value("FunctionVersion") == "ALL"
        let records = await registry.functions(account: request.caller.account, region: request.caller.region)
        let versions = records.flatMap { wantsVersions ? [$0.latest] + $0.published : [$0.latest] }
        let page = try Self.page(versions, request)
        return try .json(
            ListFunctionsResponse(
                functions: page.items.map { FunctionConfigurationResponse($0, qualified: wantsVersions) }, nextMarker: page.next))
    }

    // MARK: Versions

    private var versionRoutes: [ControlRoute] {
        let path = "/2015-03-31/functions/{FunctionName}/versions"
        return [
            ControlRoute("POST", path) { request in
                let body = try request.decode(PublishVersionRequest.self)
                let target = try Self.target(request)
                try Self.refuseQualifier(target)
                try body.validate()
                var digest: String?
                if let base64 = body.codeSha256, !base64.isEmpty {
                    guard let hexadecimal = CodeDigest.hexadecimal(base64: base64) else {
                        throw ServiceError(.invalidParameterValue, "CodeSha256 '\(base64.prefix(64))' must be the base64 of a SHA-256")
                    }
                    digest = hexadecimal
                }
                let version = try await registry.publishVersion(
                    target.key, description: body.description, codeSha256: digest, expectedRevision: Self.revision(body.revisionID))
                return try .json(FunctionConfigurationResponse(version, qualified: true), status: 201)
            },
            ControlRoute("GET", path) { request in
                let target = try Self.target(request)
                let record = try await registry.snapshot.record(target.key)
                let page = try Self.page([record.latest] + record.published, request)
                return try .json(
                    ListVersionsResponse(
                        versions: page.items.map { FunctionConfigurationResponse($0, qualified: true) }, nextMarker: page.next))
            },
        ]
    }

    // MARK: Concurrency

    private var concurrencyRoutes: [ControlRoute] {
        let put = "/2017-10-31/functions/{FunctionName}/concurrency"
        return [
            ControlRoute("PUT", put) { request in
                let target = try Self.target(request)
                let reserved = try request.decode(PutFunctionConcurrencyRequest.self).validated()
                try await registry.setConcurrency(target.key, reserved: reserved)
                return try .json(ConcurrencyResponse(reservedConcurrentExecutions: reserved))
            },
            ControlRoute("DELETE", put) { request in
                try await registry.setConcurrency(Self.target(request).key, reserved: nil)
                return .noContent
            },
            ControlRoute("GET", "/2019-09-30/functions/{FunctionName}/concurrency") { request in
                let record = try await registry.snapshot.record(Self.target(request).key)
                return try .json(ConcurrencyResponse(reservedConcurrentExecutions: record.reservedConcurrency))
            },
        ]
    }

    // MARK: Account

    private var accountRoutes: [ControlRoute] {
        [
            ControlRoute("GET", "/2016-08-19/account-settings") { request in
                let records = await registry.snapshot.functions.values.filter { $0.key.account == request.caller.account }
                let limit = registry.configuration.accountConcurrency
                let claimed = await registry.snapshot.claimedConcurrency(account: request.caller.account)
                let packages = Set(records.flatMap { [$0.latest.code] + $0.published.map(\.code) })
                return try .json(
                    AccountSettingsResponse(
                        concurrentExecutions: limit, unreserved: limit - claimed, totalCodeSize: packages.reduce(0) { $0 + $1.size },
                        functionCount: records.count))
            },
        ]
    }

    // MARK: Reading requests

    static func target(_ request: ControlRequest) throws(ServiceError) -> FunctionTarget {
        try target(request.parameters["FunctionName"] ?? "", request, qualifier: request.value("Qualifier"))
    }

    private static func target(_ name: String, _ request: ControlRequest, qualifier: String?) throws(ServiceError) -> FunctionTarget {
        try FunctionTarget(name, qualifier: qualifier, account: request.caller.account, region: request.caller.region)
    }

    static func refuseQualifier(_ target: FunctionTarget) throws(ServiceError) {
        if let qualifier = target.qualifier, qualifier != FunctionVersion.latest {
            throw ServiceError(
                .invalidParameterValue, "This operation is permitted on Lambda functions only, not on the qualifier '\(qualifier)'")
        }
    }

    private func code(_ source: CodeSource, _ request: ControlRequest) async throws -> NewCode {
        try await source.code(archives, request) { sha256 in
            await registry.mayReuse(sha256, account: request.caller.account, isOperator: request.caller.isOperator)
        }
    }

    /// A text that is no revision of ours can match none; 0 is never handed out.
    static func revision(_ text: String?) -> UInt64? {
        text.map { RevisionID.revision($0) ?? 0 }
    }

    /// `Marker` is `NAME:VERSION` of the last item of the page before; it counts also when that item is gone.
    private static func page(
        _ versions: [FunctionVersion], _ request: ControlRequest
    ) throws(ServiceError) -> (items: [FunctionVersion], next: String?) {
        let size = min(50, try request.integer("MaxItems", in: 1...10_000) ?? 50)
        var rest = versions[...]
        if let marker = request.value("Marker"), !marker.isEmpty {
            guard let colon = marker.lastIndex(of: ":"), let number = number(marker[marker.index(after: colon)...]) else {
                throw ServiceError(.invalidParameterValue, "Marker '\(marker.prefix(200))' is not one that a list has given: begin again without it")
            }
            let last = (String(marker[..<colon]), number)
            rest = rest.drop { ($0.key.name, Self.number($0.version[...]) ?? 0) <= last }
        }
        let page = rest.prefix(size)
        return (Array(page), page.count < rest.count ? page.last.map { "\($0.key.name):\($0.version)" } : nil)
    }

    private static func number(_ version: Substring) -> Int? { version == FunctionVersion.latest ? 0 : Int(version) }
}
