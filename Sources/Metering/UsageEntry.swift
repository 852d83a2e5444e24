public import FunctionModel

/// Written at dispatch by attempts that outlive their request (streams, asynchronous calls), so that recovery can close
/// them as `interrupted`.
public struct UsageStart: Hashable, Sendable {
    public var requestID: RequestID
    /// From 1.
    public var attempt: UInt32
    public var key: FunctionKey
    public var version: String
    public var revision: UInt64
    public var trigger: Trigger
    /// Arrival, milliseconds since 1970.
    public var startMilliseconds: Int64
    /// MB, as configured.
    public var memorySize: UInt32

    public init(
        requestID: RequestID, attempt: UInt32 = 1, key: FunctionKey, version: String, revision: UInt64, trigger: Trigger,
        startMilliseconds: Int64, memorySize: UInt32
    ) {
        self.requestID = requestID
        self.attempt = attempt
        self.key = key
        self.version = version
        self.revision = revision
        self.trigger = trigger
        self.startMilliseconds = startMilliseconds
        self.memorySize = memorySize
    }

    /// The record of an attempt whose end nobody saw: all durations are 0, so nothing is billed but the request.
    public var interrupted: UsageRecord {
        UsageRecord(
            requestID: requestID, attempt: attempt, key: key, version: version, revision: revision, trigger: trigger,
            startKind: .cold, outcome: .interrupted, startMilliseconds: startMilliseconds, memorySize: memorySize)
    }
}

/// What a segment file holds.
public enum UsageEntry: Hashable, Sendable {
    case record(UsageRecord)
    case start(UsageStart)
}

/// The ledger's key.
struct AttemptID: Hashable, Sendable {
    let requestID: RequestID
    let attempt: UInt32

    init(_ record: UsageRecord) {
        requestID = record.requestID
        attempt = record.attempt
    }

    init(_ start: UsageStart) {
        requestID = start.requestID
        attempt = start.attempt
    }
}
