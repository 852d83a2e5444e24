import FunctionModel
import LambdaAPI
import Registry

/// Recursion and runtime management.
extension LambdaRoutes {
    var settingsRoutes: [ControlRoute] {
        let recursion = "/2024-08-31/functions/{FunctionName}/recursion-config"
        let runtime = "/2021-07-20/functions/{FunctionName}/runtime-management-config"
        return [
            ControlRoute("GET", recursion) { request in
                let record = try await registry.snapshot.record(Self.unqualified(request))
                return try .json(RecursionConfig(record.recursiveLoop))
            },
            ControlRoute("PUT", recursion) { request in
                let key = try Self.unqualified(request)
                let loop = try request.decode(RecursionConfig.self).validated()
                try await registry.setRecursiveLoop(key, loop)
                return try .json(RecursionConfig(loop))
            },
            ControlRoute("GET", runtime) { request in
                let (record, version) = try await managed(request)
                return try .json(RuntimeManagementResponse(record.runtimeManagement[version.version] ?? .automatic, of: version))
            },
            ControlRoute("PUT", runtime) { request in
                let (record, version) = try await managed(request)
                let management = try request.decode(RuntimeManagementRequest.self).validated()
                try await registry.setRuntimeManagement(record.key, version: version.version, management)
                return try .json(RuntimeManagementResponse(management, of: version))
            },
        ]
    }

    /// A version by its number, or the latest; an alias has no runtime of its own.
    private func managed(_ request: ControlRequest) async throws -> (FunctionRecord, FunctionVersion) {
        let target = try Self.target(request)
        let record = try await registry.snapshot.record(target.key)
        let number = target.qualifier ?? FunctionVersion.latest
        guard let version = record.version(number: number) else {
            guard record.aliases[number] == nil else {
                throw ServiceError(.invalidParameterValue, "The Qualifier must be $LATEST or the number of a version, not the alias '\(number)'.")
            }
            throw record.unknown(qualifier: number)
        }
        return (record, version)
    }
}
