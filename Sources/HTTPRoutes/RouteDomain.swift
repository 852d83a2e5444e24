public import FunctionModel

/// How a function is told of a request, and how its answer is read.
///
/// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
public enum PayloadFormat: String, Hashable, Sendable, Codable, CaseIterable {
    case v1 = "1.0"
    case v2 = "2.0"
}

/// Requests of one kind and the function that answers them.
public struct Route: Hashable, Sendable, Codable {
    public var key: RouteKey
    /// Of the domain's own account and region.
    public var function: String
    /// A version or alias; nil for `$LATEST`.
    public var qualifier: String?
    public var payloadFormat: PayloadFormat

    public init(key: RouteKey, function: String, qualifier: String? = nil, payloadFormat: PayloadFormat = .v2) {
        self.key = key
        self.function = function
        self.qualifier = qualifier
        self.payloadFormat = payloadFormat
    }
}

/// A host name and the routes behind it; what API Gateway calls an API with its stage and its domain name.
public struct RouteDomain: Hashable, Sendable {
    /// Which of API Gateway's products it is like.
    public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        /// HTTP APIs: payload format 2.0 or 1.0, header names in lower case.
        case http
        /// REST APIs: payload format 1.0, header names as they were sent.
        case rest
    }

    /// What its owner says of it.
    public struct Definition: Hashable, Sendable, Codable {
        public var kind: Kind
        public var stage: String
        public var stageVariables: [String: String]
        /// Answers to web pages; nil leaves them to the functions.
        public var cors: CORSPolicy?
        public var routes: [Route]
        public var tags: [String: String]

        public init(
            kind: Kind = .http, stage: String = "$default", stageVariables: [String: String] = [:], cors: CORSPolicy? = nil, routes: [Route] = [],
            tags: [String: String] = [:]
        ) {
            self.kind = kind
            self.stage = stage
            self.stageVariables = stageVariables
            self.cors = cors
            self.routes = routes
            self.tags = tags
        }

        public static let maximumRoutes = 300
        private static let maximumStageVariables = 100

        /// - Throws: `.invalidParameterValue`, naming the member and the bound; `.resourceConflict` for two routes of the same requests.
        public func validate() throws(ServiceError) {
            guard stage == "$default" || (1...128).contains(stage.utf8.count) && stage.utf8.allSatisfy(Self.isStageByte) else {
                throw ServiceError(
                    .invalidParameterValue, "the stage '\(stage.prefix(64))' cannot be used: it is $default, or 1 to 128 letters, digits, '-' and '_'")
            }
            guard stageVariables.count <= Self.maximumStageVariables, stageVariables.values.allSatisfy({ $0.utf8.count <= 2_048 }) else {
                throw ServiceError(.invalidParameterValue, "a stage has at most \(Self.maximumStageVariables) variables of at most 2048 bytes")
            }
            guard routes.count <= Self.maximumRoutes else {
                throw ServiceError(.invalidParameterValue, "a domain has at most \(Self.maximumRoutes) routes, not \(routes.count)")
            }
            var shapes: [String: RouteKey] = [:]
            for route in routes {
                if let known = shapes.updateValue(route.key, forKey: route.key.shape) {
                    throw ServiceError(.resourceConflict, "the routes '\(known)' and '\(route.key)' take the same requests: keep one of them")
                }
                if kind == .rest, route.payloadFormat != .v1 || route.key == .default {
                    throw ServiceError(
                        .invalidParameterValue, "the route '\(route.key)' cannot be of a rest domain: these have payload format 1.0 and no $default")
                }
            }
        }

        private static func isStageByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }

    /// In lower case, unique over all tenants.
    public let name: String
    /// 10 characters of `[a-z0-9]`; events call it `apiId`.
    public let id: String
    public let account: String
    public let region: String
    public var definition: Definition
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(name: String, id: String, account: String, region: String, definition: Definition, created: Int64, modified: Int64) {
        self.name = name
        self.id = id
        self.account = account
        self.region = region
        self.definition = definition
        self.created = created
        self.modified = modified
    }

    public func function(of route: Route) -> FunctionKey { FunctionKey(account: account, region: region, name: route.function) }
}

/// Where domains live between starts. Any task may call; what returned is on the disk.
public protocol RouteStore: Sendable {
    /// Every domain of every account, in no particular order. Called once at start.
    func loadDomains() async throws -> [RouteDomain]
    /// Inserts or replaces by name.
    func save(_ domain: RouteDomain) async throws
    /// Nothing happens if there is none.
    func deleteDomain(_ name: String) async throws
}
