public import ExternalSources
public import FunctionModel
public import Triggers

/// A source whose messages or records a function gets, in batches.
///
/// Source: Lambda's CreateEventSourceMapping, for an SQS queue, self-managed Kafka and RabbitMQ; other brokers after the same pattern.
public struct EventSourceMapping: Hashable, Sendable {
    /// A UUID in text form.
    public let id: String
    public var function: FunctionKey
    /// nil for `$LATEST`.
    public var qualifier: String?
    public var source: EventSource
    /// Messages or records of one invocation at most; 1–10,000, of a FIFO queue at most 10.
    public var batchSize: Int
    /// Seconds that a batch may wait to become full; 0–300.
    public var batchingWindow: Int
    /// Patterns of which one must match a message; empty: all pass. What does not pass counts as done.
    public var filters: [String]
    /// The function says which messages of a batch it could not process.
    public var reportsBatchItemFailures: Bool
    /// Batches on their way at once; 2–1,000, nil: as the function's concurrency allows.
    public var maximumConcurrency: Int?
    /// Of external sources; a queue has its own redrive policy.
    public var failurePolicy: SourceFailurePolicy
    public var isEnabled: Bool
    public var tags: [String: String]
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(
        id: String, function: FunctionKey, qualifier: String?, source: EventSource, batchSize: Int, batchingWindow: Int, filters: [String],
        reportsBatchItemFailures: Bool, maximumConcurrency: Int?, failurePolicy: SourceFailurePolicy = SourceFailurePolicy(), isEnabled: Bool, tags: [String: String] = [:],
        created: Int64, modified: Int64
    ) {
        self.id = id
        self.function = function
        self.qualifier = qualifier
        self.source = source
        self.batchSize = batchSize
        self.batchingWindow = batchingWindow
        self.filters = filters
        self.reportsBatchItemFailures = reportsBatchItemFailures
        self.maximumConcurrency = maximumConcurrency
        self.failurePolicy = failurePolicy
        self.isEnabled = isEnabled
        self.tags = tags
        self.created = created
        self.modified = modified
    }

    /// Two mappings that differ only in a consumer group that nobody chose would run everything twice.
    var sourceWithoutDefaults: EventSource {
        guard case .external(var source) = source, source.consumerGroup == id else { return source }
        source.consumerGroup = ""
        return .external(source)
    }

    public var arn: String { "arn:aws:lambda:\(function.region):\(function.account):event-source-mapping:\(id)" }
    public var functionARN: String { qualifier.map { "\(function.arn):\($0)" } ?? function.arn }
}

/// Where mappings live between starts. Any task may call; what returned is on the disk.
public protocol EventSourceMappingStore: Sendable {
    /// Every mapping of every account, in no particular order. Called once at start.
    func loadEventSourceMappings() async throws -> [EventSourceMapping]
    /// Inserts or replaces by ID.
    func save(_ mapping: EventSourceMapping) async throws
    /// Nothing happens if there is none.
    func deleteEventSourceMapping(id: String) async throws
}

/// What a mapping has done since the server started.
public struct EventSourceStatus: Hashable, Sendable {
    /// `No records processed`, `OK`, or `PROBLEM: …`.
    public var lastResult = "No records processed"
    /// Milliseconds since 1970; 0 before the first.
    public var lastTime: Int64 = 0
    public var batches = 0
    public var messages = 0
    public var failures = 0
    public var filtered = 0
    /// Kept by the registry from what is noted.
    public internal(set) var activity = TriggerActivity()

    public init() {}
}
