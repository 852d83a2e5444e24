import Synchronization

/// The buses and rules of all tenants. Changes go one after the other through the store; an event takes a snapshot, in
/// which every pattern is compiled.
public actor EventBusRegistry {
    /// Of one bus; EventBridge's usual quota.
    public static let maximumRules = 300
    /// Of one account and region, the default one included.
    public static let maximumBuses = 100
    /// Connections, and API destinations, of one account and region.
    public static let maximumEndpoints = 1_000
    /// Changes that wait for the one before.
    private static let maximumWaiting = 1_000

    struct Table: Sendable {
        var buses: [EventBusKey: StoredEventBus] = [:]
        var lists: [EventBusKey: RuleList] = [:]
        var endpoints: [EndpointKey: StoredEndpoint] = [:]

        func hasBus(_ key: EventBusKey) -> Bool { key.isDefault || buses[key] != nil }

        /// In the order of their names.
        func rules(of bus: EventBusKey) -> [EventRule] { lists[bus]?.rules ?? [] }

        func rule(_ key: RuleKey) -> EventRule? { rules(of: key.bus).first { $0.key.name == key.name } }
    }

    private let store: any EventBusStore
    private nonisolated let snapshot: Mutex<Table>
    nonisolated let statistics = RuleStatistics()
    private var isChanging = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// - Parameter report: told of a stored rule that this program cannot read; the others work.
    public init(store: any EventBusStore, report: (_ rule: RuleKey, _ reason: String) -> Void) async throws {
        self.store = store
        var table = Table()
        for bus in try await store.loadEventBuses() { table.buses[bus.key] = bus }
        for endpoint in try await store.loadEndpoints() { table.endpoints[endpoint.key] = endpoint }
        var rules: [EventBusKey: [EventRule]] = [:]
        for stored in try await store.loadEventRules().sorted(by: { $0.key.name < $1.key.name }) {
            do throws(EventBusError) {
                rules[stored.key.bus, default: []].append(try EventRule(stored))
                statistics.begin(stored.key)
            } catch {
                report(stored.key, error.message)
            }
        }
        table.lists = rules.mapValues(RuleList.init)
        snapshot = Mutex(table)
    }

    nonisolated var table: Table { snapshot.withLock { $0 } }

    /// Whether events can be put on it.
    public nonisolated func hasBus(_ key: EventBusKey) -> Bool { table.hasBus(key) }

    /// The buses of an account and region in the order of their names, the default one included.
    public nonisolated func buses(account: String, region: String) -> [StoredEventBus] {
        let main = EventBusKey(account: account, region: region, name: EventBusKey.defaultName)
        var found = table.buses.values.filter { $0.key.account == account && $0.key.region == region }
        if !found.contains(where: \.key.isDefault) { found.append(StoredEventBus(key: main, created: 0, modified: 0)) }
        return found.sorted { $0.key.name < $1.key.name }
    }

    /// In the order of their names.
    public nonisolated func rules(of bus: EventBusKey) -> [(rule: EventRule, counts: RuleCounts)] {
        table.rules(of: bus).map { ($0, statistics[$0.key]) }
    }

    nonisolated var allRules: [EventRule] { table.lists.values.flatMap(\.rules) }

    // MARK: Changes

    /// - Parameter change: gets the bus that is there.
    func changeBus(_ key: EventBusKey, _ change: @Sendable (StoredEventBus?) throws(EventBusError) -> StoredEventBus) async throws {
        try await exclusively {
            let table = self.table
            let bus = try change(table.buses[key])
            if table.buses[key] == nil, !key.isDefault, buses(account: key.account, region: key.region).count >= Self.maximumBuses {
                throw EventBusError(.limitExceeded, "There are \(Self.maximumBuses) event buses already, which is the limit of an account and region.")
            }
            try await store.save(bus)
            snapshot.withLock { $0.buses[key] = bus }
        }
    }

    /// - Throws: `.validation` for a bus that has rules.
    func deleteBus(_ key: EventBusKey) async throws {
        try await exclusively {
            guard table.rules(of: key).isEmpty else {
                throw EventBusError.invalid("Event bus \(key.name) can't be deleted since it has rules.")
            }
            try await store.delete(key)
            snapshot.withLock { table in
                table.buses[key] = nil
                table.lists[key] = nil
            }
        }
    }

    /// - Parameter change: gets the rule that is there, and gives what it becomes, or nil for nothing to be done.
    /// - Returns: the rule before and after.
    @discardableResult
    func changeRule(
        _ key: RuleKey, _ change: @Sendable (StoredRule?) throws(EventBusError) -> StoredRule?
    ) async throws -> (before: StoredRule?, after: StoredRule?) {
        try await exclusively {
            let table = self.table
            guard table.hasBus(key.bus) else { throw EventBusError(.resourceNotFound, "Event bus \(key.bus.name) does not exist.") }
            let before = table.rule(key)?.stored
            guard let after = try change(before) else { return (before, before) }
            let rule = try EventRule(after)
            if before == nil, table.rules(of: key.bus).count >= Self.maximumRules {
                throw EventBusError(
                    .limitExceeded, "The requested resource exceeds the maximum number allowed: a bus has at most \(Self.maximumRules) rules.")
            }
            try await store.save(after)
            statistics.begin(key)
            snapshot.withLock { table in
                var rules = table.rules(of: key.bus)
                if let index = rules.firstIndex(where: { $0.key == key }) {
                    rules[index] = rule
                } else {
                    rules.insert(rule, at: rules.firstIndex { $0.key.name > key.name } ?? rules.count)
                }
                table.lists[key.bus] = RuleList(rules)
            }
            return (before, after)
        }
    }

    /// - Parameter check: gets the rule that is there; may refuse.
    /// - Returns: the rule, if there was one.
    func deleteRule(_ key: RuleKey, _ check: @Sendable (StoredRule) throws(EventBusError) -> Void) async throws -> StoredRule? {
        try await exclusively {
            guard let rule = table.rule(key)?.stored else { return nil }
            try check(rule)
            try await store.delete(key)
            statistics.forget(key)
            snapshot.withLock { table in table.lists[key.bus] = RuleList(table.rules(of: key.bus).filter { $0.key != key }) }
            return rule
        }
    }

    /// - Parameter change: gets what is there.
    func changeEndpoint(
        _ key: EndpointKey, _ change: @Sendable (StoredEndpoint?) throws(EventBusError) -> StoredEndpoint
    ) async throws -> StoredEndpoint {
        try await exclusively {
            let known = table.endpoints
            let endpoint = try change(known[key])
            let others = known.keys.filter { $0.kind == key.kind && $0.account == key.account && $0.region == key.region }.count
            if known[key] == nil, others >= Self.maximumEndpoints {
                throw EventBusError(.limitExceeded, "There are \(others) of kind \(key.kind.rawValue) already, which is the limit of an account and region.")
            }
            try await store.save(endpoint)
            snapshot.withLock { $0.endpoints[key] = endpoint }
            return endpoint
        }
    }

    /// - Returns: what was there.
    func deleteEndpoint(_ key: EndpointKey) async throws -> StoredEndpoint? {
        try await exclusively {
            guard let endpoint = table.endpoints[key] else { return nil }
            try await store.delete(key)
            snapshot.withLock { $0.endpoints[key] = nil }
            return endpoint
        }
    }

    /// While one change waits for the store the next must not begin with what was before it.
    private func exclusively<Value>(_ body: () async throws -> Value) async throws -> Value {
        guard waiting.count < Self.maximumWaiting else {
            throw EventBusError(.concurrentModification, "\(waiting.count) changes of rules wait already: send it again.")
        }
        if isChanging {
            await withCheckedContinuation { waiting.append($0) }
        } else {
            isChanging = true
        }
        defer { if waiting.isEmpty { isChanging = false } else { waiting.removeFirst().resume() } }
        return try await body()
    }
}
