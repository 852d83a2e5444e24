public import JSONValues

/// Lambda's `FilterCriteria` of a queue or stream: a record passes when one of the patterns matches it.
///
/// A pattern's `body` decides how the record's body is read: an object speaks of the JSON in it, a list of values of its
/// text. A body of the other kind does not pass; a pattern without `body` looks at the rest of the record alone.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
public struct RecordFilter: Sendable {
    /// Patterns of one mapping.
    public static let maximumPatterns = 10

    private enum Body: Sendable {
        case unread
        case json
        case text
        /// Named inside `$or`: whichever it is.
        case either
    }

    private struct Entry: Sendable {
        let pattern: EventPattern
        let body: Body
    }

    private let entries: [Entry]
    private let member: String

    /// - Parameters:
    ///   - patterns: at least one; without a filter everything passes, and none is needed.
    ///   - member: the record's member that is text or JSON; of a queue's message its `body`.
    public init(patterns: [String], member: String = "body") throws(EventPatternError) {
        self.member = member
        guard !patterns.isEmpty, patterns.count <= Self.maximumPatterns else {
            throw EventPatternError(reason: "a filter has 1 to \(Self.maximumPatterns) patterns, not \(patterns.count)", place: "")
        }
        var entries: [Entry] = []
        for text in patterns {
            let pattern = try EventPattern(parsing: text)
            // Compiled, so it is JSON.
            entries.append(Entry(pattern: pattern, body: Self.body((try? JSON(parsing: text)) ?? .null, member)))
        }
        self.entries = entries
    }

    private static func body(_ pattern: JSON, _ member: String) -> Body {
        switch pattern[member] {
        case .object: .json
        case .array: .text
        default: (pattern["$or"]?.array ?? []).contains { body($0, member) != .unread } ? .either : .unread
        }
    }

    /// - Parameters:
    ///   - body: of the message.
    ///   - record: the other members of the record as the function would see it.
    public func passes(body: String, record: [JSON.Member]) -> Bool {
        var json: JSON?
        if let first = body.utf8.first(where: { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }),
            first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
        {
            json = try? JSON(parsing: body)
        }
        return entries.contains { entry in
            switch (entry.body, json) {
            case (.json, let json?), (.either, let json?): entry.pattern.matches(.object(record + [.init(member, json)]))
            case (.text, nil), (.either, nil): entry.pattern.matches(.object(record + [.init(member, .string(body))]))
            case (.json, nil), (.text, _?): false
            case (.unread, _): entry.pattern.matches(.object(record))
            }
        }
    }

    /// - Parameters:
    ///   - value: of the member, where it is an object rather than text.
    ///   - record: the other members.
    public func passes(value: JSON, record: [JSON.Member]) -> Bool {
        entries.contains { $0.body == .text ? false : $0.pattern.matches(.object(record + [.init(member, value)])) }
    }
}
