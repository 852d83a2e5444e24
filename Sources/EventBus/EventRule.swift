import EventPatterns
public import JSONValues

/// A bus as it is stored. The default one is stored only where it has a description or tags.
public struct StoredEventBus: Hashable, Sendable {
    public let key: EventBusKey
    public var description: String?
    public var tags: [String: String]
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(key: EventBusKey, description: String? = nil, tags: [String: String] = [:], created: Int64, modified: Int64) {
        self.key = key
        self.description = description
        self.tags = tags
        self.created = created
        self.modified = modified
    }
}

/// A rule as it is stored: texts as the client gave them.
public struct StoredRule: Hashable, Sendable {
    public let key: RuleKey
    public var pattern: String?
    public var schedule: String?
    public var isEnabled: Bool
    public var description: String?
    public var role: String?
    /// JSON of each target, in the order of their first coming.
    public var targets: [JSON]
    public var tags: [String: String]
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(
        key: RuleKey, pattern: String? = nil, schedule: String? = nil, isEnabled: Bool = true, description: String? = nil, role: String? = nil,
        targets: [JSON] = [], tags: [String: String] = [:], created: Int64, modified: Int64
    ) {
        self.key = key
        self.pattern = pattern
        self.schedule = schedule
        self.isEnabled = isEnabled
        self.description = description
        self.role = role
        self.targets = targets
        self.tags = tags
        self.created = created
        self.modified = modified
    }
}

/// A rule ready to match: nothing of it is read again for an event, nor copied.
public final class EventRule: Sendable {
    /// EventBridge's usual quota.
    public static let maximumTargets = 5

    public let stored: StoredRule
    public let targets: [RuleTarget]
    let pattern: EventPattern?

    public var key: RuleKey { stored.key }

    public init(_ stored: StoredRule) throws(EventBusError) {
        self.stored = stored
        do throws(EventPatternError) {
            pattern = try stored.pattern.map { text throws(EventPatternError) in try EventPattern(parsing: text) }
        } catch {
            throw EventBusError(.invalidEventPattern, error.description)
        }
        var targets: [RuleTarget] = []
        for target in stored.targets { targets.append(try RuleTarget(target, bus: stored.key.bus)) }
        self.targets = targets
    }

    func matches(_ event: BusEvent) -> Bool { stored.isEnabled && pattern?.matches(event.json) == true }
}

/// Where buses and rules live between starts. Any task may call; what returned is on the disk.
public protocol EventBusStore: Sendable {
    /// Every bus that is stored, of every account, in no particular order. Called once at start.
    func loadEventBuses() async throws -> [StoredEventBus]
    func loadEventRules() async throws -> [StoredRule]
    /// Inserts or replaces by key.
    func save(_ bus: StoredEventBus) async throws
    func save(_ rule: StoredRule) async throws
    func loadEndpoints() async throws -> [StoredEndpoint]
    func save(_ endpoint: StoredEndpoint) async throws
    func delete(_ endpoint: EndpointKey) async throws
    /// Nothing happens if there is none.
    func delete(_ bus: EventBusKey) async throws
    func delete(_ rule: RuleKey) async throws
}
