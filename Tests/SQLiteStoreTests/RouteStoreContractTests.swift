import FunctionModel
import HTTPRoutes
import SQLiteStore
import Testing

/// What every `RouteStore` promises, with two instances over one file.
@Suite struct RouteStoreContractTests {
    private let temporary: TemporaryFolder
    private let writer: any RouteStore
    private let reader: any RouteStore

    init() async throws {
        temporary = try TemporaryFolder()
        writer = try await SQLiteStore.open(path: temporary.database)
        reader = try await SQLiteStore.open(path: temporary.database)
    }

    private func domain(_ name: String, _ definition: RouteDomain.Definition) -> RouteDomain {
        RouteDomain(name: name, id: "id-\(name)", account: "123456789012", region: "us-east-1", definition: definition, created: 1, modified: 2)
    }

    @Test func domainsComeBackAsTheyWere() async throws {
        let full = RouteDomain.Definition(
            kind: .rest, stage: "Prod", stageVariables: ["ä": "'quoted' \"x\""],
            cors: CORSPolicy(allowOrigins: ["*"], allowMethods: ["GET"], maxAge: 5, allowCredentials: false),
            routes: [Route(key: try RouteKey("ANY /a/{b}/{c+}"), function: "f", qualifier: "live", payloadFormat: .v1)], tags: ["martlet:stack": "s"])
        let plain = RouteDomain.Definition(routes: [Route(key: .default, function: "g")])
        let expected: Set<RouteDomain> = [domain("a.api.localhost", full), domain("b.api.localhost", plain)]
        for domain in expected { try await writer.save(domain) }
        #expect(Set(try await reader.loadDomains()) == expected)
    }

    @Test func savingAgainReplacesAndDeletingTwiceIsNoError() async throws {
        var made = domain("a.api.localhost", RouteDomain.Definition())
        try await writer.save(made)
        made.definition.stage = "next"
        made.modified = 9
        try await reader.save(made)
        #expect(try await writer.loadDomains() == [made])
        try await writer.deleteDomain(made.name)
        try await reader.deleteDomain(made.name)
        #expect(try await reader.loadDomains().isEmpty)
    }
}
