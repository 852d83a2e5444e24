import AccessControl
import FunctionModel
public import HTTPRoutes
import JSONValues
public import Registry

/// Domains and their routes, below /martlet/v1/domains.
public struct RouteDomainRoutes: Sendable {
    private let domains: RouteRegistry
    private let functions: FunctionRegistry
    private let baseURL: String
    private let port: Int

    /// - Parameter baseURL: of the server, without a closing slash.
    public init(domains: RouteRegistry, functions: FunctionRegistry, baseURL: String, port: Int) {
        self.domains = domains
        self.functions = functions
        self.baseURL = baseURL
        self.port = port
    }

    public var all: [ControlRoute] {
        let path = "/martlet/v1/domains"
        return [
            ControlRoute("GET", path) { request in
                let found = await domains.list(account: request.caller.account, region: request.caller.region)
                return Self.answer(.object([.init("domains", .array(found.map(form)))]))
            },
            ControlRoute("GET", "\(path)/{Domain}") { Self.answer(form(try await domain($0))) },
            ControlRoute("PUT", "\(path)/{Domain}") { try await put($0) },
            ControlRoute("DELETE", "\(path)/{Domain}") { request in
                try await domains.delete(Self.name(request), account: request.caller.account, region: request.caller.region)
                return .noContent
            },
            ControlRoute("PUT", "\(path)/{Domain}/routes") { try await putRoute($0) },
            ControlRoute("DELETE", "\(path)/{Domain}/routes") { try await deleteRoute($0) },
        ]
    }

    // MARK: Operations

    private struct Replacement: Decodable {
        struct CORS: Decodable {
            var allowOrigins: [String]?
            var allowMethods: [String]?
            var allowHeaders: [String]?
            var exposeHeaders: [String]?
            var maxAge: Int?
            var allowCredentials: Bool?
        }
        var kind: String?
        var stage: String?
        var stageVariables: [String: String]?
        var cors: CORS?
        /// Without it those there are stay.
        var routes: [WantedRoute]?
        var tags: [String: String]?
        /// Whose domain it is to be; for the operator.
        var account: String?
    }

    private struct WantedRoute: Decodable {
        var route: String
        var function: String
        var qualifier: String?
        var payloadFormat: String?
    }

    /// The whole of a domain at once.
    private func put(_ request: ControlRequest) async throws -> ControlResponse {
        let wanted = try request.decode(Replacement.self)
        var caller = Self.caller(request)
        if let account = wanted.account, account != caller.account {
            guard caller.isOperator else { throw ServiceError(.accessDenied, "only the operator makes domains for other accounts") }
            caller = RouteRegistry.Caller(account: account, region: caller.region, isOperator: true)
        }
        let owner = caller
        let made = try await domains.put(Self.name(request), by: caller) { known in
            let kind = try Self.choice(wanted.kind, "kind", or: known?.kind ?? RouteDomain.Kind.http)
            var definition = RouteDomain.Definition(
                kind: kind, stage: wanted.stage ?? (kind == .rest ? "Prod" : "$default"), stageVariables: wanted.stageVariables ?? [:],
                cors: try wanted.cors.map(Self.cors), routes: known?.routes ?? [], tags: wanted.tags ?? [:])
            try TagRules.check(definition.tags)
            if let routes = wanted.routes {
                definition.routes = []
                for route in routes { definition.routes.append(try await self.route(route, kind: kind, owner: owner)) }
            }
            return definition
        }
        return Self.answer(form(made))
    }

    /// Adds a route, or replaces that of the same key; makes the domain where there is none.
    private func putRoute(_ request: ControlRequest) async throws -> ControlResponse {
        let wanted = try request.decode(WantedRoute.self)
        let caller = Self.caller(request)
        let made = try await domains.put(Self.name(request), by: caller) { known in
            var definition = known ?? RouteDomain.Definition()
            let route = try await self.route(wanted, kind: definition.kind, owner: caller)
            definition.routes.removeAll { $0.key == route.key }
            definition.routes.append(route)
            return definition
        }
        return Self.answer(form(made))
    }

    private func deleteRoute(_ request: ControlRequest) async throws -> ControlResponse {
        guard let text = request.value("route") else { throw ServiceError(.invalidParameterValue, "say which route is to be deleted: ?route=GET%20/path") }
        let key = try RouteKey(text)
        _ = try await domain(request)
        let made = try await domains.put(Self.name(request), by: Self.caller(request)) { known in
            guard var definition = known, definition.routes.contains(where: { $0.key == key }) else {
                throw ServiceError(.resourceNotFound, "there is no route '\(key)' in the domain '\(Self.name(request))'; `martlet route list` shows those there are")
            }
            definition.routes.removeAll { $0.key == key }
            return definition
        }
        return Self.answer(form(made))
    }

    // MARK: Reading

    private func domain(_ request: ControlRequest) async throws -> RouteDomain {
        try await domains.domain(Self.name(request), account: request.caller.account, region: request.caller.region)
    }

    private func route(_ wanted: WantedRoute, kind: RouteDomain.Kind, owner: RouteRegistry.Caller) async throws -> Route {
        let route = Route(
            key: try RouteKey(wanted.route), function: wanted.function, qualifier: wanted.qualifier,
            payloadFormat: try Self.choice(wanted.payloadFormat, "payloadFormat", or: kind == .rest ? PayloadFormat.v1 : .v2))
        try await functions.snapshot.eventTarget(
            FunctionKey(account: owner.account, region: owner.region, name: route.function), qualifier: route.qualifier, of: "A route")
        return route
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(_ text: String?, _ name: String, or usual: Choice) throws(ServiceError) -> Choice {
        guard let text else { return usual }
        guard let choice = Choice(rawValue: text) else {
            throw ServiceError(
                .invalidParameterValue,
                "'\(name)' must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")), not '\(text.prefix(32))'")
        }
        return choice
    }

    /// The bounds are those of a function URL's.
    private static func cors(_ wanted: Replacement.CORS) throws(ServiceError) -> CORSPolicy {
        let policy = CORSPolicy(
            allowOrigins: wanted.allowOrigins ?? [], allowMethods: wanted.allowMethods ?? [], allowHeaders: wanted.allowHeaders ?? [],
            exposeHeaders: wanted.exposeHeaders ?? [], maxAge: wanted.maxAge, allowCredentials: wanted.allowCredentials)
        for (name, values) in [
            ("allowOrigins", policy.allowOrigins), ("allowMethods", policy.allowMethods), ("allowHeaders", policy.allowHeaders),
            ("exposeHeaders", policy.exposeHeaders),
        ] where values.count > 100 || !values.allSatisfy({ (1...1_024).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x20..<0x7F).contains($0) } }) {
            throw ServiceError(.invalidParameterValue, "'cors.\(name)' takes at most 100 texts of 1 to 1024 printable ASCII characters")
        }
        if let age = policy.maxAge, !(0...86_400).contains(age) {
            throw ServiceError(.invalidParameterValue, "'cors.maxAge' is 0 to 86400 (seconds), not \(age)")
        }
        if policy.allowCredentials == true, policy.allowOrigins.contains("*") {
            throw ServiceError(.invalidParameterValue, "'cors.allowCredentials' cannot be true for the origin *: name the origins")
        }
        return policy
    }

    private static func name(_ request: ControlRequest) -> String { request.parameters["Domain"] ?? "" }

    private static func caller(_ request: ControlRequest) -> RouteRegistry.Caller {
        RouteRegistry.Caller(account: request.caller.account, region: request.caller.region, isOperator: request.caller.isOperator)
    }

    // MARK: Writing

    private func form(_ domain: RouteDomain) -> JSON {
        let definition = domain.definition
        return .object([
            .init("domain", .string(domain.name)), .init("id", .string(domain.id)),
            .init("url", .string("\(baseURL.hasPrefix("https:") ? "https" : "http")://\(domain.name):\(port)")), .init("account", .string(domain.account)),
            .init("kind", .string(definition.kind.rawValue)), .init("stage", .string(definition.stage)),
            .init("stageVariables", Self.object(definition.stageVariables)), .init("cors", definition.cors.map(Self.form) ?? .null),
            .init("routes", .array(definition.routes.sorted { $0.key.description < $1.key.description }.map(Self.form))),
            .init("tags", Self.object(definition.tags)), .init("created", .integer(domain.created)), .init("modified", .integer(domain.modified)),
        ])
    }

    private static func form(_ route: Route) -> JSON {
        .object([
            .init("route", .string(route.key.description)), .init("function", .string(route.function)), .init("qualifier", .optional(route.qualifier)),
            .init("payloadFormat", .string(route.payloadFormat.rawValue)),
        ])
    }

    private static func form(_ policy: CORSPolicy) -> JSON {
        func texts(_ values: [String]) -> JSON { .array(values.map { .string($0) }) }
        return .object([
            .init("allowOrigins", texts(policy.allowOrigins)), .init("allowMethods", texts(policy.allowMethods)),
            .init("allowHeaders", texts(policy.allowHeaders)), .init("exposeHeaders", texts(policy.exposeHeaders)),
            .init("maxAge", policy.maxAge.map { .integer($0) } ?? .null), .init("allowCredentials", policy.allowCredentials.map { .bool($0) } ?? .null),
        ])
    }

    private static func object(_ values: [String: String]) -> JSON {
        .object(values.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })
    }

    private static func answer(_ value: JSON) -> ControlResponse { .json(text: Array(value.text().utf8)) }
}
