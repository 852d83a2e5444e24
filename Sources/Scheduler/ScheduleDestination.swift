public import DurableQueue

/// Where a target's runs are put.
public struct ScheduleDestination: Sendable {
    public let queue: QueueKey
    /// What the consumer of that queue wants beside the body; nil for a queue that only carries messages.
    public let attributes: (@Sendable (ScheduleTerms) -> [UInt8])?

    public init(queue: QueueKey, attributes: (@Sendable (ScheduleTerms) -> [UInt8])? = nil) {
        self.queue = queue
        self.attributes = attributes
    }
}

/// What a schedule's target says of how its runs are attempted, for the consumer that attempts them.
public struct ScheduleTerms: Hashable, Sendable {
    /// Stands in an input where each attempt's number is to be.
    public static let attemptPlaceholder = "<aws.scheduler.attempt-number>"

    /// `RetryPolicy.MaximumRetryAttempts`, 0…185; nil where the schedule leaves it to the consumer.
    public let maximumRetries: Int?
    /// `RetryPolicy.MaximumEventAgeInSeconds`, 60…86,400; nil likewise.
    public let maximumAge: Int?
    /// ARN of the queue that gets what was given up.
    public let deadLetters: String?
    /// Attributes of a dead letter, beside why it is one.
    public let letter: [String: String]
    /// Whether the body has `attemptPlaceholder` in it.
    public let numbersAttempts: Bool
}

extension ScheduleTerms {
    /// Source: Scheduler user guide, "Configuring a dead-letter queue": the attributes of a dead letter.
    init(_ target: ScheduleTarget, _ name: ScheduleName, due: String, execution: String) {
        maximumRetries = target.maximumRetries
        maximumAge = target.maximumAge
        deadLetters = target.deadLetters
        letter = [
            "SCHEDULE_ARN": name.arn, "TARGET_ARN": target.arn, "SCHEDULED_TIME": due, "EXECUTION_ID": execution, "IS_PAYLOAD_TRUNCATED": "false",
        ]
        numbersAttempts = target.input?.contains(Self.attemptPlaceholder) ?? false
    }
}
