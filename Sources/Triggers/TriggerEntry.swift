public import FunctionModel

/// One event source, as it is shown to people and programs.
public struct TriggerEntry: Sendable {
    public enum State: String, Sendable, CaseIterable {
        case enabled, disabled
        /// Its last event, or its last try to get one, ended in a fault.
        case failing
        /// It will bring nothing any more.
        case finished
    }

    /// `webhook`, `schedule`, `queue`, `rule`, `folder`, `objects`, `url`, `route`, or the kind of an outside source.
    public var kind: String
    /// Unique within its kind.
    public var name: String
    /// Where its events come from: an ARN, an address, a path, an expression.
    public var source: String
    /// The ARN of what gets them.
    public var target: String
    public var state: State
    public var lastFault: TriggerActivity.Fault?
    /// Since the server started, or as far as its history goes back.
    public var events: Int
    public var faults: Int
    public var lastEvent: Int64?
    public var perMinute: Double
    /// Messages that wait in it; nil for a source that holds none.
    public var depth: Int?
    /// Milliseconds since 1970 at which the oldest of them was accepted.
    public var oldest: Int64?

    public init(
        kind: String, name: String, source: String, target: String, state: State, activity: TriggerActivity, now: Int64, depth: Int? = nil,
        oldest: Int64? = nil
    ) {
        self.kind = kind
        self.name = name
        self.source = source
        self.target = target
        self.state = state
        self.depth = depth
        self.oldest = oldest
        lastFault = activity.lastFault
        events = activity.events
        faults = activity.faults
        lastEvent = activity.lastEvent
        perMinute = activity.perMinute(now: now)
    }

    /// The function that gets the events; nil where the target is something else.
    public var function: FunctionKey? {
        if case .function(let key, _)? = EventDestination(arn: target) { return key }
        return nil
    }
}

/// What each kind of event source implements to be seen: in `martlet triggers`, and in the metrics.
public protocol TriggerCatalog: Sendable {
    /// Every source of its kind in an account and region, in a stable order.
    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry]
}
