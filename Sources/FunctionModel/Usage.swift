/// What an invocation came to.
public enum Outcome: UInt8, Sendable, Codable, CaseIterable {
    case success = 0
    /// The handler raised or reported an error.
    case functionError = 1
    /// Init failed: import error, bad handler name, init time limit.
    case initError = 2
    case timeout = 3
    case outOfMemory = 4
    /// The runtime process ended without an answer: exit, crash, signal.
    case crash = 5
    /// The answer was too large or no JSON.
    case invalidResponse = 6
    /// The platform stopped it: drain limit, `kill -9`, lost sandbox.
    case interrupted = 7
    /// The client went away before the answer.
    case cancelled = 8
}

/// Which state of its function version an invocation met.
public enum StartKind: UInt8, Sendable, Codable, CaseIterable {
    /// Nothing was in memory: the invocation waited for init.
    case cold = 0
    /// The template was there, a copy had to be made.
    case template = 1
    /// A ready worker was waiting (mode `environment`: an idle environment).
    case ready = 2
}

public enum Trigger: UInt8, Sendable, Codable, CaseIterable {
    case invoke = 0
    case functionURL = 1
    /// Not an invocation: the init of a template or environment, billed as its own record.
    case initialization = 2
    /// An attempt of an event that was accepted before (`InvocationType` `Event`, a destination).
    case async = 3
    /// The same for an event that a signed webhook, a schedule, an event source mapping or the event bus brought.
    case webhook = 4
    case schedule = 5
    case queue = 6
    case bus = 7
    /// A request that a route of a domain took.
    case route = 8
    /// Of a change of an object or of a file in a watched folder.
    case objects = 10
    /// Records of a broker outside.
    case kafka = 16
    case rabbitmq = 17
    case redis = 18
    case nats = 19
    case mqtt = 20
    /// Not an invocation: what extensions, or the runtime itself, took after an answer or for their end, billed as its own record.
    case extensions = 21

    /// Whether it is an invocation, which is charged as a request.
    public var isInvocation: Bool { self != .initialization && self != .extensions }

    /// Whether it is an attempt of an event that was accepted before: there may be several, and each has an age.
    public var isEvent: Bool {
        switch self {
        case .invoke, .functionURL, .initialization, .extensions, .route: false
        case .async, .webhook, .schedule, .queue, .bus, .objects, .kafka, .rabbitmq, .redis, .nats, .mqtt: true
        }
    }

    /// What `UsageRecord` and messages call it.
    public var name: String {
        switch self {
        case .invoke: "invoke"
        case .functionURL: "functionURL"
        case .initialization: "initialization"
        case .async: "async"
        case .webhook: "webhook"
        case .schedule: "schedule"
        case .queue: "queue"
        case .bus: "bus"
        case .route: "route"
        case .objects: "objects"
        case .kafka: "kafka"
        case .rabbitmq: "rabbitmq"
        case .redis: "redis"
        case .nats: "nats"
        case .mqtt: "mqtt"
        case .extensions: "extensions"
        }
    }

    /// Of a message that waits for its function: what brought it.
    public init(origin: String) { self = Self.allCases.first { $0.isEvent && $0.name == origin } ?? .async }
}

/// The bill of one attempt of one invocation. Integers only; prices are applied to sums of these.
public struct UsageRecord: Hashable, Sendable, Codable {
    public var requestID: RequestID
    /// From 1.
    public var attempt: UInt32
    public var key: FunctionKey
    public var version: String
    public var revision: UInt64
    public var trigger: Trigger
    public var startKind: StartKind
    public var outcome: Outcome
    /// Arrival, milliseconds since 1970.
    public var startMilliseconds: Int64
    /// Waiting for a permit and a worker, without the time that sandbox and init took.
    public var queueMicroseconds: UInt32
    /// Making the sandbox or the copy, as far as the invocation waited for it.
    public var sandboxMicroseconds: UInt32
    /// Runtime start and import, as far as the invocation waited for it.
    public var initMicroseconds: UInt32
    /// From the event's dispatch to the worker until its final frame.
    public var handlerMicroseconds: UInt32
    /// From arrival to the moment the record is written.
    public var totalMicroseconds: UInt32
    /// `handlerMicroseconds` rounded up to whole milliseconds, at least 1; for a record of an
    /// initialization or of extensions what it adds to the bill.
    public var billedMilliseconds: UInt32
    /// MB, as configured.
    public var memorySize: UInt32
    /// Highest memory of the slot, KiB; 0 where the host cannot tell.
    public var peakMemoryKiB: UInt32
    public var cpuMicroseconds: UInt64
    public var bytesIn: UInt32
    public var bytesOut: UInt32
    /// From an event's acceptance to this attempt's arrival; 0 for what was not queued.
    public var ageMilliseconds: UInt32

    public init(
        requestID: RequestID, attempt: UInt32 = 1, key: FunctionKey, version: String, revision: UInt64, trigger: Trigger,
        startKind: StartKind, outcome: Outcome, startMilliseconds: Int64, queueMicroseconds: UInt32 = 0,
        sandboxMicroseconds: UInt32 = 0, initMicroseconds: UInt32 = 0, handlerMicroseconds: UInt32 = 0,
        totalMicroseconds: UInt32 = 0, billedMilliseconds: UInt32 = 0, memorySize: UInt32, peakMemoryKiB: UInt32 = 0,
        cpuMicroseconds: UInt64 = 0, bytesIn: UInt32 = 0, bytesOut: UInt32 = 0, ageMilliseconds: UInt32 = 0
    ) {
        self.requestID = requestID
        self.attempt = attempt
        self.key = key
        self.version = version
        self.revision = revision
        self.trigger = trigger
        self.startKind = startKind
        self.outcome = outcome
        self.startMilliseconds = startMilliseconds
        self.queueMicroseconds = queueMicroseconds
        self.sandboxMicroseconds = sandboxMicroseconds
        self.initMicroseconds = initMicroseconds
        self.handlerMicroseconds = handlerMicroseconds
        self.totalMicroseconds = totalMicroseconds
        self.billedMilliseconds = billedMilliseconds
        self.memorySize = memorySize
        self.peakMemoryKiB = peakMemoryKiB
        self.cpuMicroseconds = cpuMicroseconds
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
        self.ageMilliseconds = ageMilliseconds
    }
}

extension RequestID: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = RequestID(text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not a request ID: \(text)"))
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
