public import FunctionModel

/// A message on its way into a queue.
public struct NewMessage: Sendable {
    /// A message keeps its ID through every attempt and move. For an asynchronous invocation it is the request ID.
    public var id: RequestID
    public var body: [UInt8]
    /// Not read by the store. In a queue that clients made: SQS's `MessageAttributes` as JSON
    /// (`{"NAME":{"DataType":"String","StringValue":"…"}}`), or nothing.
    public var attributes: [UInt8]
    /// FIFO: messages of one group keep their order. Otherwise: claims are fair between groups.
    public var group: String?
    /// Within five minutes a second message with this key is accepted and dropped.
    public var deduplicationKey: String?
    /// Milliseconds before it can be claimed.
    public var delay: Int64
    /// Milliseconds since 1970 at which it is dropped unclaimed, before its queue's retention; nil: by retention alone.
    public var expires: Int64?
    /// The `X-Amzn-Trace-Id` it came with.
    public var trace: String?
    /// What put it here: `invoke`, `sqs`, `schedule`, `bus`, `destination`.
    public var origin: String

    public init(
        id: RequestID = .random(), body: [UInt8], attributes: [UInt8] = [], group: String? = nil, deduplicationKey: String? = nil,
        delay: Int64 = 0, expires: Int64? = nil, trace: String? = nil, origin: String
    ) {
        self.id = id
        self.body = body
        self.attributes = attributes
        self.group = group
        self.deduplicationKey = deduplicationKey
        self.delay = delay
        self.expires = expires
        self.trace = trace
        self.origin = origin
    }

    /// What counts against limits.
    public var size: Int { body.count + attributes.count }
}

public struct Accepted: Hashable, Sendable {
    /// Of the first message, where this one was its duplicate.
    public let id: RequestID
    /// Rises with every message of a store.
    public let sequence: Int64
    public let isDuplicate: Bool

    public init(id: RequestID, sequence: Int64, isDuplicate: Bool) {
        self.id = id
        self.sequence = sequence
        self.isDuplicate = isDuplicate
    }
}

/// The right to settle a message that was claimed. Worth nothing once the message was claimed again.
public struct Receipt: Hashable, Sendable, CustomStringConvertible {
    public let sequence: Int64
    /// Random, so that nobody can settle what was not handed out to him.
    public let lease: Int64

    public init(sequence: Int64, lease: Int64) {
        self.sequence = sequence
        self.lease = lease
    }

    /// 32 hexadecimal digits.
    public var description: String { Self.hex(sequence) + Self.hex(lease) }

    /// Reads the form of `description`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16) else { return nil }
        self.init(sequence: Int64(bitPattern: high), lease: Int64(bitPattern: low))
    }

    private static func hex(_ value: Int64) -> String {
        let text = String(UInt64(bitPattern: value), radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}

public struct ClaimedMessage: Sendable {
    public let receipt: Receipt
    public let message: StoredMessage

    public init(receipt: Receipt, message: StoredMessage) {
        self.receipt = receipt
        self.message = message
    }
}

/// A message as it lies in its queue.
public struct StoredMessage: Sendable {
    public enum State: UInt8, Sendable {
        /// Can be claimed.
        case ready = 0
        /// Cannot be claimed before its time: sent or released with a delay.
        case delayed = 1
        /// Claimed under a lease.
        case inFlight = 2
        /// Behind another message of its FIFO group.
        case waiting = 3
    }

    public var id: RequestID
    public var sequence: Int64
    public var state: State
    public var body: [UInt8]
    public var attributes: [UInt8]
    public var group: String?
    public var deduplicationKey: String?
    public var trace: String?
    public var origin: String
    /// Milliseconds since 1970, as all times here.
    public var sent: Int64
    public var firstReceived: Int64?
    /// When it becomes visible (again); nil where it is.
    public var due: Int64?
    /// Claims so far, this one included.
    public var receives: Int
    /// Failures that were counted when it was released.
    public var errors: Int
    /// The last failures, oldest first.
    public var failures: [DeliveryFailure]
    /// The queue it was moved from.
    public var source: QueueKey?

    public init(
        id: RequestID, sequence: Int64, state: State, body: [UInt8], attributes: [UInt8], group: String?, deduplicationKey: String?,
        trace: String?, origin: String, sent: Int64, firstReceived: Int64?, due: Int64?, receives: Int, errors: Int,
        failures: [DeliveryFailure] = [], source: QueueKey?
    ) {
        self.id = id
        self.sequence = sequence
        self.state = state
        self.body = body
        self.attributes = attributes
        self.group = group
        self.deduplicationKey = deduplicationKey
        self.trace = trace
        self.origin = origin
        self.sent = sent
        self.firstReceived = firstReceived
        self.due = due
        self.receives = receives
        self.errors = errors
        self.failures = failures
        self.source = source
    }
}

/// Why a message was released or moved.
public struct DeliveryFailure: Hashable, Sendable {
    /// Failures kept of one message; the oldest go first.
    public static let kept = 20
    /// Bytes kept of a reason.
    public static let maximumReason = 2_048

    /// Which claim it was, from 1.
    public let attempt: Int
    /// Milliseconds since 1970.
    public let time: Int64
    /// Short and the same for the same cause: an error type.
    public let kind: String
    public let reason: String
    /// Whether it is one of `StoredMessage.errors`.
    public let isCounted: Bool

    public init(attempt: Int, time: Int64, kind: String, reason: String, isCounted: Bool) {
        self.attempt = attempt
        self.time = time
        self.kind = kind
        self.reason = reason
        self.isCounted = isCounted
    }
}
