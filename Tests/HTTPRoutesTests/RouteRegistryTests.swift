import FunctionModel
import HTTPRoutes
import Synchronization
import Testing

private final class MemoryStore: RouteStore {
    let domains = Mutex<[String: RouteDomain]>([:])
    func loadDomains() -> [RouteDomain] { domains.withLock { Array($0.values) } }
    func save(_ domain: RouteDomain) { domains.withLock { $0[domain.name] = domain } }
    func deleteDomain(_ name: String) { domains.withLock { $0[name] = nil } }
}

private let rules = DomainRules(reserved: ["martlet.example", "localhost"], defaults: ("111111111111", "us-east-1"))
private let owner = RouteRegistry.Caller(account: "111111111111", region: "us-east-1", isOperator: false)
private let stranger = RouteRegistry.Caller(account: "222222222222", region: "us-east-1", isOperator: false)
private let operatorOfStranger = RouteRegistry.Caller(account: "222222222222", region: "us-east-1", isOperator: true)

private func registry(_ store: MemoryStore = MemoryStore()) async throws -> RouteRegistry {
    try await RouteRegistry(store: store, rules: rules) { 7 }
}

private func definition(_ keys: String...) throws -> RouteDomain.Definition {
    RouteDomain.Definition(routes: try keys.map { Route(key: try RouteKey($0), function: "f") })
}

private func code(_ body: () async throws -> Void) async -> ServiceError.Code? {
    do { try await body() } catch { return (error as? ServiceError)?.code }
    return nil
}

@Suite struct RouteRegistryTests {
    @Test func aDomainOutlivesTheRegistryAndKeepsItsID() async throws {
        let store = MemoryStore()
        let made = try await registry(store).put("Shop.API.localhost", by: owner) { _ in try definition("GET /a") }
        #expect(made.name == "shop.api.localhost" && made.id.count == 10)
        let again = try await registry(store)
        let changed = try await again.put("shop.api.localhost", by: owner) { known in
            #expect(known?.routes.map(\.key.description) == ["GET /a"])
            return try definition("GET /b")
        }
        #expect(changed.id == made.id)
        #expect(await again.snapshot.entry(host: "SHOP.api.localhost")?.domain.definition.routes.count == 1)
        try await again.delete("shop.api.localhost", account: owner.account, region: owner.region)
        #expect(await again.snapshot.entry(host: "shop.api.localhost") == nil && store.loadDomains().isEmpty)
    }

    @Test func subscribersSeeEachChangeBeforeItReturns() async throws {
        let registry = try await registry()
        let seen = Mutex<[Int]>([])
        await registry.subscribe { snapshot in seen.withLock { $0.append(snapshot.domains.count) } }
        try await registry.put("a.api.localhost", by: owner) { _ in try definition() }
        #expect(seen.withLock { $0 } == [1])
        try await registry.delete("a.api.localhost", account: owner.account, region: owner.region)
        #expect(seen.withLock { $0 } == [1, 0])
    }

    @Test func nobodyTakesAnothersDomain() async throws {
        let registry = try await registry()
        try await registry.put("shop.api.localhost", by: owner) { _ in try definition("GET /a") }
        #expect(await code { try await registry.put("shop.api.localhost", by: stranger) { _ in try definition() } } == .resourceConflict)
        #expect(await code { try await registry.put("api.localhost", by: stranger) { _ in try definition() } } == .accessDenied)
        #expect(await code { try await registry.put("shop.example", by: stranger) { _ in try definition() } } == .accessDenied)
        #expect(await code { try await registry.delete("shop.api.localhost", account: stranger.account, region: stranger.region) } == .resourceNotFound)
        #expect(await registry.list(account: stranger.account, region: stranger.region).isEmpty)
        try await registry.put("shop.example", by: operatorOfStranger) { _ in try definition() }
        // It is the tenant's from then on.
        try await registry.put("shop.example", by: stranger) { _ in try definition("GET /b") }
        try await registry.put("api.localhost", by: owner) { _ in try definition() }
    }

    @Test(arguments: ["martlet.example", "localhost", "fn.localhost", "x.fn.localhost", "127.0.0.1", "10.0.0.1", "shop", "", "a..b", "-a.b", "a.b-", "a_b.c", "a.b/c", "[::1]"])
    func namesOfTheServersOwnAreRefused(_ name: String) async throws {
        let registry = try await registry()
        #expect(await code { try await registry.put(name, by: operatorOfStranger) { _ in try definition() } } == .invalidParameterValue)
    }

    @Test func definitionsAreBounded() async throws {
        let registry = try await registry()
        func put(_ definition: RouteDomain.Definition) async -> ServiceError.Code? {
            await code { try await registry.put("a.api.localhost", by: owner) { _ in definition } }
        }
        #expect(await put(try definition("GET /a/{b}", "GET /a/{c}")) == .resourceConflict)
        #expect(await put(try definition("GET /a/{b}", "POST /a/{c}")) == nil)
        #expect(await put(RouteDomain.Definition(stage: "a b")) == .invalidParameterValue)
        #expect(await put(RouteDomain.Definition(kind: .rest, routes: [Route(key: .default, function: "f", payloadFormat: .v1)])) == .invalidParameterValue)
        #expect(await put(RouteDomain.Definition(kind: .rest, routes: [Route(key: try RouteKey("GET /"), function: "f")])) == .invalidParameterValue)
        let many = try (0...RouteDomain.Definition.maximumRoutes).map { Route(key: try RouteKey("GET /\($0)"), function: "f") }
        #expect(await put(RouteDomain.Definition(routes: many)) == .invalidParameterValue)
        #expect(await put(RouteDomain.Definition(routes: Array(many.dropLast()))) == nil)
        for index in 1..<RouteRegistry.maximumPerRegion { try await registry.put("n\(index).api.localhost", by: owner) { _ in try definition() } }
        #expect(await code { try await registry.put("last.api.localhost", by: owner) { _ in try definition() } } == .tooManyRequests)
    }
}
