public import EventBus
import FoundationEssentials
import JSONValues

extension SQLiteStore: EventBusStore {
    public func loadEventBuses() throws -> [StoredEventBus] {
        try attempt("load the event buses") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT account, region, name, description, tags, created, modified FROM event_buses")
            defer { statement.reset() }
            var buses: [StoredEventBus] = []
            while try statement.step() {
                let key = EventBusKey(account: statement.text(0), region: statement.text(1), name: statement.text(2))
                buses.append(
                    StoredEventBus(
                        key: key, description: statement.optionalText(3), tags: try tags(statement.text(4), key.arn), created: statement.integer(5),
                        modified: statement.integer(6)))
            }
            return buses
        }
    }

    public func loadEventRules() throws -> [StoredRule] {
        try attempt("load the event rules") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                "SELECT account, region, bus, name, pattern, schedule, enabled, description, role, targets, tags, created, modified FROM event_rules")
            defer { statement.reset() }
            var rules: [StoredRule] = []
            while try statement.step() {
                let bus = EventBusKey(account: statement.text(0), region: statement.text(1), name: statement.text(2))
                let key = RuleKey(bus: bus, name: statement.text(3))
                guard case .array(let targets)? = try? JSON(parsing: statement.text(9)) else { throw unreadable(key.arn, "its targets are no JSON") }
                rules.append(
                    StoredRule(
                        key: key, pattern: statement.optionalText(4), schedule: statement.optionalText(5), isEnabled: statement.integer(6) != 0,
                        description: statement.optionalText(7), role: statement.optionalText(8), targets: targets,
                        tags: try tags(statement.text(10), key.arn), created: statement.integer(11), modified: statement.integer(12)))
            }
            return rules
        }
    }

    public func save(_ bus: StoredEventBus) throws {
        try attempt("save event bus \(bus.key.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                "INSERT OR REPLACE INTO event_buses (account, region, name, description, tags, created, modified) VALUES (?, ?, ?, ?, ?, ?, ?)")
            statement.bind(1, bus.key.account)
            statement.bind(2, bus.key.region)
            statement.bind(3, bus.key.name)
            statement.bind(4, bus.description)
            statement.bind(5, Self.json(bus.tags))
            statement.bind(6, bus.created)
            statement.bind(7, bus.modified)
            try statement.run()
        }
    }

    public func save(_ rule: StoredRule) throws {
        try attempt("save rule \(rule.key.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                """
                INSERT OR REPLACE INTO event_rules (account, region, bus, name, pattern, schedule, enabled, description, role, targets, tags,
                    created, modified) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
            bind(rule.key, to: statement)
            statement.bind(5, rule.pattern)
            statement.bind(6, rule.schedule)
            statement.bind(7, rule.isEnabled ? 1 : 0)
            statement.bind(8, rule.description)
            statement.bind(9, rule.role)
            statement.bind(10, JSON.array(rule.targets).text())
            statement.bind(11, Self.json(rule.tags))
            statement.bind(12, rule.created)
            statement.bind(13, rule.modified)
            try statement.run()
        }
    }

    public func delete(_ bus: EventBusKey) throws {
        try attempt("delete event bus \(bus.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM event_buses WHERE account = ? AND region = ? AND name = ?")
            statement.bind(1, bus.account)
            statement.bind(2, bus.region)
            statement.bind(3, bus.name)
            try statement.run()
        }
    }

    public func delete(_ rule: RuleKey) throws {
        try attempt("delete rule \(rule.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM event_rules WHERE account = ? AND region = ? AND bus = ? AND name = ?")
            bind(rule, to: statement)
            try statement.run()
        }
    }

    public func loadEndpoints() throws -> [StoredEndpoint] {
        try attempt("load the API destinations") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT account, region, kind, name, id, definition, created, modified FROM event_endpoints")
            defer { statement.reset() }
            var endpoints: [StoredEndpoint] = []
            while try statement.step() {
                guard let kind = EndpointKey.Kind(rawValue: statement.text(2)), let definition = try? JSON(parsing: statement.text(5)) else {
                    throw unreadable(statement.text(3), "it is of no known kind, or no JSON")
                }
                let key = EndpointKey(kind, account: statement.text(0), region: statement.text(1), name: statement.text(3))
                endpoints.append(
                    StoredEndpoint(key: key, id: statement.text(4), definition: definition, created: statement.integer(6), modified: statement.integer(7)))
            }
            return endpoints
        }
    }

    public func save(_ endpoint: StoredEndpoint) throws {
        try attempt("save \(endpoint.key.kind.rawValue) \(endpoint.key.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                "INSERT OR REPLACE INTO event_endpoints (account, region, kind, name, id, definition, created, modified) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            bind(endpoint.key, to: statement)
            statement.bind(5, endpoint.id)
            statement.bind(6, endpoint.definition.text())
            statement.bind(7, endpoint.created)
            statement.bind(8, endpoint.modified)
            try statement.run()
        }
    }

    public func delete(_ endpoint: EndpointKey) throws {
        try attempt("delete \(endpoint.kind.rawValue) \(endpoint.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM event_endpoints WHERE account = ? AND region = ? AND kind = ? AND name = ?")
            bind(endpoint, to: statement)
            try statement.run()
        }
    }

    private func bind(_ endpoint: EndpointKey, to statement: Statement) {
        statement.bind(1, endpoint.account)
        statement.bind(2, endpoint.region)
        statement.bind(3, endpoint.kind.rawValue)
        statement.bind(4, endpoint.name)
    }

    private func bind(_ rule: RuleKey, to statement: Statement) {
        statement.bind(1, rule.bus.account)
        statement.bind(2, rule.bus.region)
        statement.bind(3, rule.bus.name)
        statement.bind(4, rule.name)
    }

    private static func json(_ tags: [String: String]) -> String {
        JSON.object(tags.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }).text()
    }

    private func tags(_ text: String, _ arn: String) throws(SQLiteStoreError) -> [String: String] {
        guard case .object(let members)? = try? JSON(parsing: text) else { throw unreadable(arn, "its tags are no JSON") }
        return Dictionary(members.map { ($0.name, $0.value.string ?? "") }) { _, last in last }
    }

    private func unreadable(_ arn: String, _ reason: String) -> SQLiteStoreError {
        SQLiteStoreError(step: "read \(arn) from \(connection.path)", code: 0, reason: reason)
    }
}
