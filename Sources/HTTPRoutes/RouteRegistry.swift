public import FunctionModel

/// All domains at one moment, immutable; the data plane reads it without asking anyone.
public struct RouteSnapshot: Sendable {
    public struct Entry: Sendable {
        public let domain: RouteDomain
        public let table: RouteTable
    }

    /// Rises with every change.
    public let generation: UInt64
    /// By name.
    public let domains: [String: Entry]

    public init(generation: UInt64 = 0, domains: [RouteDomain] = []) {
        self.generation = generation
        self.domains = Dictionary(uniqueKeysWithValues: domains.map { ($0.name, Self.entry($0)) })
    }

    private init(generation: UInt64, entries: [String: Entry]) {
        self.generation = generation
        domains = entries
    }

    private static func entry(_ domain: RouteDomain) -> Entry {
        Entry(domain: domain, table: RouteTable(domain.definition.routes, kind: domain.definition.kind))
    }

    func replacing(_ name: String, by domain: RouteDomain?) -> RouteSnapshot {
        var entries = domains
        entries[name] = domain.map(Self.entry)
        return RouteSnapshot(generation: generation + 1, entries: entries)
    }

    public var isEmpty: Bool { domains.isEmpty }

    /// What a request's `Host` means, without its port.
    public func entry(host: Substring) -> Entry? { domains[host.lowercased()] }
}

/// The domains of all tenants. Changes are made one at a time: durable first, then published; a change's call returns when
/// the data plane has it.
public actor RouteRegistry {
    public typealias Subscriber = @Sendable (RouteSnapshot) async -> Void
    public typealias Change = @Sendable (RouteDomain.Definition?) async throws -> RouteDomain.Definition

    /// Who asks.
    public struct Caller: Sendable {
        public let account: String
        public let region: String
        public let isOperator: Bool

        public init(account: String, region: String, isOperator: Bool) {
            self.account = account
            self.region = region
            self.isOperator = isOperator
        }
    }

    /// Of one account and region; one more is refused.
    public static let maximumPerRegion = 120

    public private(set) var snapshot: RouteSnapshot
    private let store: any RouteStore
    private let rules: DomainRules
    private let now: @Sendable () -> Int64
    private var subscribers: [Subscriber] = []
    private let turn = SerialTurn()

    /// - Parameter now: milliseconds since 1970.
    public init(store: any RouteStore, rules: DomainRules, now: @escaping @Sendable () -> Int64) async throws {
        self.store = store
        self.rules = rules
        self.now = now
        snapshot = RouteSnapshot(generation: 1, domains: try await store.loadDomains())
    }

    /// Called with every later snapshot, one at a time and in order; take `snapshot` first for the state at start.
    public func subscribe(_ subscriber: @escaping Subscriber) { subscribers.append(subscriber) }

    /// In the order of their names.
    public func list(account: String, region: String) -> [RouteDomain] {
        snapshot.domains.values.map(\.domain).filter { $0.account == account && $0.region == region }.sorted { $0.name < $1.name }
    }

    /// - Throws: `.resourceNotFound`, also for another tenant's.
    public func domain(_ name: String, account: String, region: String) throws(ServiceError) -> RouteDomain {
        guard let found = snapshot.domains[name.lowercased()]?.domain, found.account == account, found.region == region else {
            throw ServiceError(.resourceNotFound, "there is no domain '\(name.prefix(100))' in \(region); `martlet route list` shows those there are")
        }
        return found
    }

    /// Makes a domain or changes one.
    /// - Parameter change: gets what there is, nil for a new domain.
    /// - Throws: `.resourceConflict` for another tenant's domain, `.accessDenied`, `.invalidParameterValue`, `.tooManyRequests` beyond the bound.
    @discardableResult
    public func put(_ name: String, by caller: Caller, _ change: Change) async throws -> RouteDomain {
        let name = try rules.checked(name)
        await turn.wait()
        defer { turn.pass() }
        let known = snapshot.domains[name]?.domain
        if let known {
            guard known.account == caller.account, known.region == caller.region else {
                throw ServiceError(.resourceConflict, "the domain '\(name)' is taken: choose another name")
            }
        } else {
            try rules.mayCreate(name, account: caller.account, region: caller.region, isOperator: caller.isOperator)
            let count = list(account: caller.account, region: caller.region).count
            guard count < Self.maximumPerRegion else {
                throw ServiceError(.tooManyRequests, "there are \(count) domains already, which is the limit of an account and region: delete some")
            }
        }
        let definition = try await change(known?.definition)
        try definition.validate()
        let time = now()
        let domain = RouteDomain(
            name: name, id: known?.id ?? Self.newID(), account: caller.account, region: caller.region, definition: definition,
            created: known?.created ?? time, modified: time)
        try await store.save(domain)
        await publish(name, domain)
        return domain
    }

    /// - Throws: `.resourceNotFound`.
    public func delete(_ name: String, account: String, region: String) async throws {
        await turn.wait()
        defer { turn.pass() }
        let domain = try domain(name, account: account, region: region)
        try await store.deleteDomain(domain.name)
        await publish(domain.name, nil)
    }

    private func publish(_ name: String, _ domain: RouteDomain?) async {
        let next = snapshot.replacing(name, by: domain)
        snapshot = next
        for subscriber in subscribers { await subscriber(next) }
    }

    private static func newID() -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
        return String(decoding: (0..<10).map { _ in letters[Int.random(in: 0..<letters.count)] }, as: UTF8.self)
    }
}
