import AccessControl
import FunctionModel
import LambdaAPI
import NIOCore
import Registry

/// Names for versions, and how their invocations are shared.
extension LambdaRoutes {
    var aliasRoutes: [ControlRoute] {
        let path = "/2015-03-31/functions/{FunctionName}/aliases"
        return [
            ControlRoute("POST", path) { request in
                let body = try request.decode(AliasRequest.self)
                let key = try Self.unqualified(request)
                try body.validate(creating: true)
                let alias = try await registry.createAlias(
                    key, name: body.name ?? "", version: body.functionVersion ?? "", additional: body.additional ?? nil,
                    description: body.description ?? "")
                return try .json(AliasResponse(alias, of: key), status: 201)
            },
            ControlRoute("GET", path) { try await listAliases($0) },
            ControlRoute("GET", "\(path)/{Name}") { request in
                let (key, name) = try Self.alias(request)
                return try .json(AliasResponse(await registry.snapshot.alias(key, name: name), of: key))
            },
            ControlRoute("PUT", "\(path)/{Name}") { request in
                let body = try request.decode(AliasRequest.self)
                let (key, name) = try Self.alias(request)
                try body.validate(creating: false)
                let alias = try await registry.updateAlias(
                    key, name: name, AliasChange(version: body.functionVersion, description: body.description, additional: body.additional),
                    expectedRevision: Self.revision(body.revisionID))
                return try .json(AliasResponse(alias, of: key))
            },
            ControlRoute("DELETE", "\(path)/{Name}") { request in
                let (key, name) = try Self.alias(request)
                try await registry.deleteAlias(key, name: name)
                return .noContent
            },
        ]
    }

    /// By name; `Marker` is the last name of the page before.
    private func listAliases(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try Self.unqualified(request)
        let record = try await registry.snapshot.record(key)
        let size = min(50, try request.integer("MaxItems", in: 1...10_000) ?? 50)
        let marker = request.value("Marker") ?? ""
        var aliases = record.aliases.values.sorted { $0.name < $1.name }
        if let version = request.value("FunctionVersion") {
            try AliasRequest.validate(version: version)
            aliases.removeAll { !$0.refers(to: version) }
        }
        let rest = aliases.drop { $0.name <= marker }
        let page = rest.prefix(size)
        return try .json(
            ListAliasesResponse(
                aliases: page.map { AliasResponse($0, of: key) }, nextMarker: page.count < rest.count ? page.last?.name : nil))
    }

    private static func alias(_ request: ControlRequest) throws -> (FunctionKey, name: String) {
        let name = request.parameters["Name"] ?? ""
        let key = try unqualified(request)
        try AliasRequest.validate(name: name)
        return (key, name)
    }

    /// The function as a whole.
    static func unqualified(_ request: ControlRequest) throws(ServiceError) -> FunctionKey {
        let target = try target(request)
        try refuseQualifier(target)
        return target.key
    }
}
