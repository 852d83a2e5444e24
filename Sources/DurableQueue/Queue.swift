/// A queue's full name within one server.
///
/// Queues that clients make have 1–80 characters of `[A-Za-z0-9-_]` (and `.fifo` at the end of a FIFO queue); names of the
/// platform's own have a colon (`async:hello`), so neither can be taken for the other.
public struct QueueKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let account: String
    public let region: String
    public let name: String

    public init(account: String, region: String, name: String) {
        self.account = account
        self.region = region
        self.name = name
    }

    /// `arn:aws:sqs:REGION:ACCOUNT:NAME`
    public var arn: String { "arn:aws:sqs:\(region):\(account):\(name)" }

    /// Reads the form of `arn`; nil for anything else.
    public init?(arn: String) {
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[1].hasPrefix("aws"), parts[2] == "sqs", parts[3...].allSatisfy({ !$0.isEmpty })
        else { return nil }
        self.init(account: String(parts[4]), region: String(parts[3]), name: String(parts[5]))
    }

    public var description: String { "\(account)/\(region)/\(name)" }

    public static func < (left: QueueKey, right: QueueKey) -> Bool {
        (left.account, left.region, left.name) < (right.account, right.region, right.name)
    }
}

public enum QueueKind: UInt8, Sendable, CaseIterable {
    /// In no strict order, at least once, fair between groups.
    case standard = 0
    /// In order within a group, one consumer per group at a time, deduplicated for five minutes.
    case fifo = 1
    /// The platform's own: asynchronous invocations and what failed of them. Otherwise as `standard`.
    case `internal` = 2
}

/// What the store itself does with a queue's messages, beside its clients' wishes of the moment.
public struct QueueSettings: Hashable, Sendable {
    /// Milliseconds after which a message is dropped, counted from its acceptance; nil: never.
    public var retention: Int64?
    /// A message that was claimed so often is not handed out again, but moved to `deadLetters`. Only with `deadLetters`.
    public var maximumReceives: Int?
    public var deadLetters: QueueKey?

    public init(retention: Int64? = nil, maximumReceives: Int? = nil, deadLetters: QueueKey? = nil) {
        self.retention = retention
        self.maximumReceives = maximumReceives
        self.deadLetters = deadLetters
    }
}

public struct QueueRecord: Hashable, Sendable {
    public let key: QueueKey
    public let kind: QueueKind
    public var settings: QueueSettings
    /// The API's own names and values, kept and returned as they are.
    public var attributes: [String: String]
    public var tags: [String: String]
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(
        key: QueueKey, kind: QueueKind, settings: QueueSettings = QueueSettings(), attributes: [String: String] = [:],
        tags: [String: String] = [:], created: Int64, modified: Int64
    ) {
        self.key = key
        self.kind = kind
        self.settings = settings
        self.attributes = attributes
        self.tags = tags
        self.created = created
        self.modified = modified
    }
}

public struct QueueCounts: Hashable, Sendable {
    /// Could be claimed now, or wait behind another message of their FIFO group.
    public var visible: Int
    /// Claimed and neither acknowledged nor released.
    public var inFlight: Int
    /// Sent or released with a delay that is not over.
    public var delayed: Int
    /// Of bodies and attributes.
    public var bytes: Int
    /// When the oldest message was accepted, milliseconds since 1970; nil in an empty queue.
    public var oldest: Int64?

    public init(visible: Int = 0, inFlight: Int = 0, delayed: Int = 0, bytes: Int = 0, oldest: Int64? = nil) {
        self.visible = visible
        self.inFlight = inFlight
        self.delayed = delayed
        self.bytes = bytes
        self.oldest = oldest
    }

    public var total: Int { visible + inFlight + delayed }
}

/// Bounds of a store; what would pass one is refused with an error that names it.
public struct QueueLimits: Sendable {
    public var messagesPerQueue = 10_000_000
    public var bytesPerQueue = 16 << 30
    public var messages = 20_000_000
    public var bytes = 32 << 30
    /// Of one message: body and attributes together.
    public var messageBytes = 1 << 20
    /// Operations that may wait for the disk at the same time.
    public var waitingOperations = 20_000

    public init() {}
}
