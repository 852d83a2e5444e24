public import EventSourceMappings
import FunctionModel
import LambdaAPI
public import Registry

/// TagResource, UntagResource and ListTags, for functions, event source mappings and code signing configurations.
public struct TagRoutes: Sendable {
    private enum Resource {
        case function(FunctionKey)
        case mapping(id: String)
        case codeSigningConfig(CodeSigningConfigKey)
    }

    private let functions: FunctionRegistry
    private let mappings: EventSourceMappingRegistry
    private let codeSigning: CodeSigningRegistry

    public init(functions: FunctionRegistry, mappings: EventSourceMappingRegistry, codeSigning: CodeSigningRegistry) {
        self.functions = functions
        self.mappings = mappings
        self.codeSigning = codeSigning
    }

    public var all: [ControlRoute] {
        let path = "/2017-03-31/tags/{Resource}"
        return [
            ControlRoute("GET", path) { request in
                switch try Self.resource(request) {
                case .function(let key): return try .json(ListTagsResponse(tags: try await functions.snapshot.record(key).tags))
                case .mapping(let id):
                    let mapping = try mappings.mapping(id, account: request.caller.account, region: request.caller.region)
                    return try .json(ListTagsResponse(tags: mapping.tags))
                case .codeSigningConfig(let key): return try .json(ListTagsResponse(tags: try await codeSigning.config(key).tags))
                }
            },
            ControlRoute("POST", path) { request in
                try await change(request, adding: try request.decode(TagResourceRequest.self).tags)
            },
            ControlRoute("DELETE", path) { request in
                try await change(request, removing: request.query.filter { $0.name == "tagKeys" }.map(\.value))
            },
        ]
    }

    private func change(_ request: ControlRequest, adding: [String: String] = [:], removing: [String] = []) async throws -> ControlResponse {
        switch try Self.resource(request) {
        case .function(let key): try await functions.setTags(key, adding: adding, removing: removing)
        case .mapping(let id):
            try await mappings.setTags(id, account: request.caller.account, region: request.caller.region) { tags throws(ServiceError) in
                for name in removing { tags[name] = nil }
                tags.merge(adding) { _, new in new }
                try TagRules.check(tags)
            }
        case .codeSigningConfig(let key):
            try await codeSigning.update(key) { config throws(ServiceError) in
                for name in removing { config.tags[name] = nil }
                config.tags.merge(adding) { _, new in new }
                try TagRules.check(config.tags)
            }
        }
        return .noContent
    }

    private static func resource(_ request: ControlRequest) throws(ServiceError) -> Resource {
        let (text, caller) = (request.parameters["Resource"] ?? "", request.caller)
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 7, parts[0] == "arn", parts[2] == "lambda", parts[5] == "event-source-mapping" {
            guard parts[4] == caller.account, parts[3] == caller.region else {
                throw ServiceError(.accessDenied, "User: arn:aws:iam::\(caller.account):root is not authorized to use \(text.prefix(200))")
            }
            return .mapping(id: String(parts[6]))
        }
        if let key = CodeSigningConfigKey(arn: text) {
            guard key.account == caller.account, key.region == caller.region else {
                throw ServiceError(.accessDenied, "User: arn:aws:iam::\(caller.account):root is not authorized to use \(text.prefix(200))")
            }
            return .codeSigningConfig(key)
        }
        let target = try FunctionTarget(text, qualifier: nil, account: caller.account, region: caller.region)
        try LambdaRoutes.refuseQualifier(target)
        return .function(target.key)
    }
}
