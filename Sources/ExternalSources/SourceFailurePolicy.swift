/// What becomes of records whose function fails.
///
/// Source: Lambda's event source mappings of streams.
public struct SourceFailurePolicy: Codable, Hashable, Sendable {
    /// Attempts after the first; nil: without end. 0–10,000.
    public var maximumRetryAttempts: Int?
    /// Seconds since the broker got a record, or since it was received where the broker does not say; nil: without end.
    public var maximumRecordAge: Int?
    /// A batch that failed is tried again in two halves. That alone does not count as an attempt.
    public var bisectsBatch: Bool
    /// ARN of the queue or function that gets to know what was given up.
    public var onFailure: String?

    public init(maximumRetryAttempts: Int? = nil, maximumRecordAge: Int? = nil, bisectsBatch: Bool = false, onFailure: String? = nil) {
        self.maximumRetryAttempts = maximumRetryAttempts
        self.maximumRecordAge = maximumRecordAge
        self.bisectsBatch = bisectsBatch
        self.onFailure = onFailure
    }

    /// Milliseconds before attempt `attempt` + 1: one second, doubling to one minute.
    static func pause(after attempt: Int) -> Int64 { min(60_000, 1_000 << Int64(min(max(attempt, 1) - 1, 6))) }
}
