/// What the sender of an event says of its attempts: a schedule's or a rule's target has retries, an age and a dead-letter
/// queue of its own, which go before those of the function.
public struct DeliveryTerms: Codable, Hashable, Sendable {
    /// Further attempts after a function error; nil: as the function has it.
    public var maximumRetries: Int?
    /// Seconds from acceptance; nil likewise.
    public var maximumAge: Int?
    /// ARN of the queue that gets the event when it is given up, beside what the function's own configuration says.
    public var deadLetters: String?
    /// Attributes of a dead letter by name, beside why it is one.
    public var letter: [String: String]?
    /// A text in the payload in whose place each attempt finds its number.
    public var attemptPlaceholder: String?

    public init(
        maximumRetries: Int? = nil, maximumAge: Int? = nil, deadLetters: String? = nil, letter: [String: String]? = nil,
        attemptPlaceholder: String? = nil
    ) {
        self.maximumRetries = maximumRetries
        self.maximumAge = maximumAge
        self.deadLetters = deadLetters
        self.letter = letter
        self.attemptPlaceholder = attemptPlaceholder
    }

    /// The payload as the attempt of this number sees it.
    func payload(_ body: [UInt8], attempt: Int) -> [UInt8] {
        guard let attemptPlaceholder, let text = String(validating: body, as: UTF8.self) else { return body }
        return Array(text.replacing(attemptPlaceholder, with: String(attempt)).utf8)
    }
}
