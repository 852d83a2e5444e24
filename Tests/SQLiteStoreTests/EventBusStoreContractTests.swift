import EventBus
import JSONValues
import SQLiteStore
import Testing

/// What every `EventBusStore` promises, with two instances over one file.
@Suite struct EventBusStoreContractTests {
    private let temporary: TemporaryFolder
    private let writer: any EventBusStore
    private let reader: any EventBusStore

    init() async throws {
        temporary = try TemporaryFolder()
        writer = try await SQLiteStore.open(path: temporary.database)
        reader = try await SQLiteStore.open(path: temporary.database)
    }

    private func key(_ name: String, account: String = "123456789012", region: String = "us-east-1") -> EventBusKey {
        EventBusKey(account: account, region: region, name: name)
    }

    @Test func busesComeBackAsTheyWere() async throws {
        let buses: Set<StoredEventBus> = [
            StoredEventBus(key: key("a"), description: "ä 'quoted'", tags: ["k": "v", "ü": ""], created: 1, modified: 2),
            StoredEventBus(key: key("a", account: "999999999999"), created: 3, modified: 4), StoredEventBus(key: key("a", region: "eu-west-1"), created: 5, modified: 6),
        ]
        for bus in buses { try await writer.save(bus) }
        #expect(Set(try await reader.loadEventBuses()) == buses)
        var changed = StoredEventBus(key: key("a"), created: 1, modified: 9)
        changed.tags = ["only": "this"]
        try await reader.save(changed)
        let found = try await writer.loadEventBuses()
        #expect(found.contains(changed) && found.count == 3)
        try await writer.delete(key("a"))
        try await reader.delete(key("a"))
        #expect(try await reader.loadEventBuses().count == 2)
    }

    @Test func endpointsComeBackAsTheyWere() async throws {
        func endpoint(_ kind: EndpointKey.Kind, _ name: String, account: String = "123456789012") throws -> StoredEndpoint {
            StoredEndpoint(
                key: EndpointKey(kind, account: account, region: "us-east-1", name: name), id: "id-\(name)",
                definition: try JSON(parsing: #"{"HttpMethod":"POST","ä":[1.50]}"#), created: 1, modified: 2)
        }
        let endpoints = Set(try [endpoint(.connection, "a"), endpoint(.destination, "a"), endpoint(.destination, "a", account: "999999999999")])
        for endpoint in endpoints { try await writer.save(endpoint) }
        #expect(Set(try await reader.loadEndpoints()) == endpoints)
        try await reader.delete(EndpointKey(.connection, account: "123456789012", region: "us-east-1", name: "a"))
        try await reader.delete(EndpointKey(.connection, account: "123456789012", region: "us-east-1", name: "never"))
        #expect(Set(try await writer.loadEndpoints()) == endpoints.filter { $0.key.kind == .destination })
    }

    @Test func rulesComeBackAsTheyWere() async throws {
        let targets = try [JSON(parsing: #"{"Id":"1","Arn":"a","Input":"{\"n\":1.50}"}"#), JSON(parsing: #"{"Id":"2"}"#)]
        let rules: Set<StoredRule> = [
            StoredRule(
                key: RuleKey(bus: key("a"), name: "r"), pattern: #"{"source":["ä"]}"#, schedule: "rate(1 hour)", isEnabled: false, description: "d", role: "x",
                targets: targets, tags: ["k": "v"], created: 1, modified: 2),
            StoredRule(key: RuleKey(bus: key("b"), name: "r"), pattern: "{}", created: 3, modified: 4),
            StoredRule(key: RuleKey(bus: key("a", account: "999999999999"), name: "r"), created: 5, modified: 6),
        ]
        for rule in rules { try await writer.save(rule) }
        #expect(Set(try await reader.loadEventRules()) == rules)
        let changed = StoredRule(key: RuleKey(bus: key("b"), name: "r"), schedule: "rate(2 hours)", created: 3, modified: 9)
        try await reader.save(changed)
        #expect(try await writer.loadEventRules().contains(changed))
        try await writer.delete(RuleKey(bus: key("b"), name: "r"))
        try await writer.delete(RuleKey(bus: key("b"), name: "never"))
        #expect(Set(try await reader.loadEventRules()) == rules.filter { $0.key.bus.name == "a" })
    }
}
