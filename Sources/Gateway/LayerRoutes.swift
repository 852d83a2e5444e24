import AccessControl
import FunctionModel
import LambdaAPI
import NIOCore
public import Registry

/// Layers: content that several functions have under /opt.
public struct LayerRoutes: Sendable {
    private let layers: LayerRegistry
    private let archives: (any ObjectArchives)?
    private let baseURL: String
    private let maximumUpload: Int

    public init(layers: LayerRegistry, archives: (any ObjectArchives)? = nil, baseURL: String, maximumUpload: Int = 70 * 1024 * 1024) {
        self.layers = layers
        self.archives = archives
        self.baseURL = baseURL
        self.maximumUpload = maximumUpload
    }

    public var all: [ControlRoute] {
        let path = "/2018-10-31/layers"
        let versions = "\(path)/{LayerName}/versions"
        let policy = "\(versions)/{VersionNumber}/policy"
        return [
            ControlRoute("GET", path) { request in
                try await request.value("find") == "LayerVersion" ? getByArn(request) : list(request)
            },
            ControlRoute("POST", versions, maximumBody: maximumUpload) { try await publish($0) },
            ControlRoute("GET", versions) { try await listVersions($0) },
            ControlRoute("GET", "\(versions)/{VersionNumber}") { request in
                let (key, number) = try Self.version(request)
                return try await response(key, number, request)
            },
            ControlRoute("DELETE", "\(versions)/{VersionNumber}") { request in
                let (key, number) = try Self.version(request)
                try Self.checkOwner(key, request)
                try await layers.delete(key, version: number)
                return .noContent
            },
            ControlRoute("GET", policy) { request in
                let (key, number) = try Self.version(request)
                let version = try await layers.version(key, number, for: request.caller.account)
                guard !version.permissions.isEmpty else {
                    throw ServiceError(.resourceNotFound, "No policy is associated with the given resource.")
                }
                return try .json(LayerPolicyResponse(policy: LayerPolicy(version, of: key), revision: version.policyRevision))
            },
            ControlRoute("POST", policy) { request in
                let (key, number) = try Self.version(request)
                try Self.checkOwner(key, request)
                let permission = try request.decode(AddLayerVersionPermissionRequest.self).validated()
                let version = try await layers.addPermission(
                    key, version: number, permission, expectedRevision: LambdaRoutes.revision(request.value("RevisionId")))
                return try .json(
                    LayerPolicyResponse(
                        statement: LayerPolicy.Statement(permission, resource: "\(key.arn):\(number)"), revision: version.policyRevision),
                    status: 201)
            },
            ControlRoute("DELETE", "\(policy)/{StatementId}") { request in
                let (key, number) = try Self.version(request)
                try Self.checkOwner(key, request)
                try await layers.removePermission(
                    key, version: number, id: request.parameters["StatementId"] ?? "",
                    expectedRevision: LambdaRoutes.revision(request.value("RevisionId")))
                return .noContent
            },
        ]
    }

    private func publish(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try Self.layer(request)
        try Self.checkOwner(key, request)
        let upload = try UploadedArchive(body: request.body)
        var body = try LambdaJSON.decode(PublishLayerVersionRequest.self, from: upload.json)
        if let archive = upload.archive { body.content?.archive = archive }
        try body.validate()
        guard let source = try body.content?.source() else { return .noContent }
        let version = try await layers.publish(
            // Stored code is reached by its digest only by the operator: who has not uploaded it must not get at it by a number that is no secret.
            key, code: try await source.code(archives, request) { _ in request.caller.isOperator },
            LayerDescription(
                description: body.description ?? "", compatibleRuntimes: body.compatibleRuntimes ?? [],
                compatibleArchitectures: body.compatibleArchitectures ?? [], licenseInfo: body.licenseInfo ?? ""))
        return try .json(LayerVersionResponse(version, of: key, location: location(version)), status: 201)
    }

    private func getByArn(_ request: ControlRequest) async throws -> ControlResponse {
        let arn = request.value("Arn") ?? ""
        guard let (key, number) = LayerKey.parse(arn: arn), let number else {
            var validation = Validation()
            validation.fail(arn, "arn", .pattern("arn:(aws[a-zA-Z-]*)?:lambda:[a-z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+"))
            try validation.check()
            return .noContent
        }
        return try await response(key, number, request)
    }

    private func response(_ key: LayerKey, _ number: Int, _ request: ControlRequest) async throws -> ControlResponse {
        let version = try await layers.version(key, number, for: request.caller.account)
        return try .json(LayerVersionResponse(version, of: key, location: location(version)))
    }

    private func location(_ version: LayerVersion) -> String { "\(baseURL)/martlet/v1/packages/\(version.code.sha256)" }

    // MARK: Lists

    /// By name, each with its newest version that fits; `Marker` is the last name of the page before.
    private func list(_ request: ControlRequest) async throws -> ControlResponse {
        let size = try request.integer("MaxItems", in: 1...50) ?? 50
        let marker = request.value("Marker") ?? ""
        let found: [ListLayersResponse.Item] = await layers.layers(account: request.caller.account, region: request.caller.region)
            .drop { $0.key.name <= marker }
            .compactMap { record in record.versions.last { Self.fits($0, request) }.map { ListLayersResponse.Item(record.key, latest: $0) } }
        let page = found.prefix(size)
        return try .json(ListLayersResponse(layers: Array(page), nextMarker: page.count < found.count ? page.last?.layerName : nil))
    }

    /// The newest first; `Marker` is the last number of the page before.
    private func listVersions(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try Self.layer(request)
        let size = try request.integer("MaxItems", in: 1...50) ?? 50
        let marker = try request.integer("Marker", in: 1...Int.max) ?? .max
        var found: [LayerVersion] = []
        for version in (await layers.layer(key)?.versions ?? []).reversed() where version.number < marker && Self.fits(version, request) {
            if (try? await layers.version(key, version.number, for: request.caller.account)) != nil { found.append(version) }
        }
        let page = found.prefix(size)
        return try .json(
            ListLayerVersionsResponse(
                layerVersions: page.map { LayerVersionItem($0, of: key) },
                nextMarker: page.count < found.count ? page.last.map { String($0.number) } : nil))
    }

    private static func fits(_ version: LayerVersion, _ request: ControlRequest) -> Bool {
        if let runtime = request.value("CompatibleRuntime"), !version.compatibleRuntimes.contains(runtime) { return false }
        if let architecture = request.value("CompatibleArchitecture"), !version.compatibleArchitectures.contains(architecture) { return false }
        return true
    }

    // MARK: Reading requests

    /// A name, or an ARN.
    private static func layer(_ request: ControlRequest) throws(ServiceError) -> LayerKey {
        let text = request.parameters["LayerName"] ?? ""
        if LayerKey.isName(text) { return LayerKey(account: request.caller.account, region: request.caller.region, name: text) }
        guard let (key, number) = LayerKey.parse(arn: text), number == nil, key.region == request.caller.region else {
            var validation = Validation()
            validation.fail(text, "layerName", .pattern("(arn:(aws[a-zA-Z-]*)?:lambda:[a-z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+"))
            try validation.check()
            throw ServiceError(.invalidParameterValue, "no layer is named '\(text.prefix(200))'")
        }
        return key
    }

    private static func version(_ request: ControlRequest) throws(ServiceError) -> (LayerKey, Int) {
        let key = try layer(request)
        let text = request.parameters["VersionNumber"] ?? ""
        guard let number = Int(text), number > 0 else {
            throw ServiceError(.invalidParameterValue, "Layer Version Cannot be less than 1: '\(text.prefix(64))' is no version number")
        }
        return (key, number)
    }

    /// A policy gives others the content, never the right to change it.
    private static func checkOwner(_ key: LayerKey, _ request: ControlRequest) throws(ServiceError) {
        guard key.account == request.caller.account else {
            throw ServiceError(.accessDenied, "account \(request.caller.account) is not authorized to change layer \(key.arn)")
        }
    }
}
