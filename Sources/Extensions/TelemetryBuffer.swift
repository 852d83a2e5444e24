/// What one subscriber has not been sent yet. Pure: times are the owner's, milliseconds on one clock that never goes back.
///
/// At most twice the subscription's `maximumBytes` are held, what is on its way included; records beyond that are dropped and
/// counted.
public struct TelemetryBuffer: Sendable {
    public struct Dropped: Hashable, Sendable {
        public var records = 0
        public var bytes = 0
    }

    public let subscription: TelemetrySubscription
    private var pending: [UInt8] = []
    private var items = 0
    /// When the oldest came.
    private var since: Int64 = 0
    private var isFlushing = false
    /// Taken and not settled.
    private var batch: [UInt8]?
    public private(set) var dropped = Dropped()

    public init(_ subscription: TelemetrySubscription) { self.subscription = subscription }

    /// Bytes that it holds.
    public var held: Int { pending.count + (batch?.count ?? 0) }

    private var isArray: Bool {
        if case .http = subscription.destination { true } else { false }
    }

    /// - Parameter record: JSON on one line.
    /// - Returns: false when it was dropped.
    @discardableResult
    public mutating func append(_ record: some Collection<UInt8>, now: Int64) -> Bool {
        guard held + record.count + 2 <= 2 * subscription.maximumBytes, items < 2 * subscription.maximumItems else {
            drop(record.count)
            return false
        }
        if items == 0 { since = now }
        if isArray { pending.append(items == 0 ? UInt8(ascii: "[") : UInt8(ascii: ",")) }
        pending.append(contentsOf: record)
        if !isArray { pending.append(UInt8(ascii: "\n")) }
        items += 1
        return true
    }

    /// It was refused elsewhere.
    public mutating func drop(_ bytes: Int) {
        dropped.records += 1
        dropped.bytes += bytes
    }

    /// What was dropped has been told.
    public mutating func takeDropped() -> Dropped? {
        guard dropped.records > 0 else { return nil }
        defer { dropped = Dropped() }
        return dropped
    }

    /// What is there is due at once.
    public mutating func flush() { isFlushing = items > 0 }

    /// When the next batch is due; nil while nothing is there or another is on its way.
    public var dueAt: Int64? {
        guard items > 0, batch == nil else { return nil }
        let isFull = isFlushing || items >= subscription.maximumItems || pending.count >= subscription.maximumBytes
        return isFull ? since : since + Int64(subscription.timeoutMilliseconds)
    }

    /// The body of the next batch if it is due; `unsettled` has it until `delivered` follows.
    public mutating func take(now: Int64) -> [UInt8]? {
        guard let dueAt, dueAt <= now else { return nil }
        if isArray { pending.append(UInt8(ascii: "]")) }
        let body = pending
        pending = []
        items = 0
        isFlushing = false
        batch = body
        return body
    }

    /// The batch that is on its way; for another attempt.
    public var unsettled: [UInt8]? { batch }

    public mutating func delivered() { batch = nil }

    /// Nothing waits and nothing is on its way.
    public var isEmpty: Bool { items == 0 && batch == nil }
}
