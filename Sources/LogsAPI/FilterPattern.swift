import JSONValues

/// A filter pattern: terms that a line has, or a condition on the members of a line that is a JSON object.
///
/// Source: CloudWatch Logs User Guide, "Filter pattern syntax". Not offered: regular expressions (`%…%`) and patterns for
/// space-delimited lines (`[…]`).
public struct FilterPattern: Sendable {
    private enum Form: Sendable {
        case everything
        /// All of `required` and none of `excluded`; `optional` counts only where nothing is required or excluded.
        case terms(required: [String], excluded: [String], optional: [String])
        case condition(JSONCondition)
    }

    private static let maximumJSONDepth = 64
    private let form: Form

    /// - Throws: `LogsError` of the kind `invalidParameter`, which says what cannot be read.
    public init(_ text: String) throws(LogsError) {
        let trimmed = text.drop { $0.isWhitespace }
        switch trimmed.first {
        case nil: form = .everything
        case "{": form = .condition(try JSONConditionParser.parse(text))
        case "[": throw .invalid("Invalid filter pattern: patterns for space-delimited lines, '[…]', are not supported by Martlet.")
        default: form = try Self.terms(text)
        }
    }

    public func matches(_ message: String) -> Bool {
        switch form {
        case .everything: return true
        case .terms(let required, let excluded, let optional):
            if required.isEmpty, excluded.isEmpty { return optional.contains { message.contains($0) } }
            return required.allSatisfy { message.contains($0) } && !excluded.contains { message.contains($0) }
        case .condition(let condition):
            guard message.utf8.first(where: { $0 > 0x20 }) == UInt8(ascii: "{"),
                let json = try? JSON(parsing: message.utf8, maximumDepth: Self.maximumJSONDepth)
            else { return false }
            return condition.holds(json)
        }
    }

    private static func terms(_ text: String) throws(LogsError) -> Form {
        var required: [String] = [], excluded: [String] = [], optional: [String] = []
        var rest = text[...].drop { $0.isWhitespace }
        while let first = rest.first {
            let mark = first == "?" || first == "-" ? first : nil
            if mark != nil { rest.removeFirst() }
            let term = try Self.term(&rest)
            guard !term.isEmpty else { throw .invalid("Invalid filter pattern: a term is missing behind '\(mark.map(String.init) ?? "\"")'.") }
            switch mark {
            case "?": optional.append(term)
            case "-": excluded.append(term)
            default: required.append(term)
            }
            rest = rest.drop { $0.isWhitespace }
        }
        return .terms(required: required, excluded: excluded, optional: optional)
    }

    private static func term(_ rest: inout Substring) throws(LogsError) -> String {
        guard rest.first == "\"" else {
            let word = rest.prefix { !$0.isWhitespace }
            if word.first == "%" { throw .invalid("Invalid filter pattern: regular expressions, '%…%', are not supported by Martlet.") }
            rest = rest[word.endIndex...]
            return String(word)
        }
        return try quoted(&rest)
    }

    /// The text between two quotes, of which a backslash takes the meaning.
    static func quoted(_ rest: inout Substring) throws(LogsError) -> String {
        rest.removeFirst()
        var text = ""
        while let character = rest.popFirst() {
            switch character {
            case "\"": return text
            case "\\": text.append(rest.popFirst() ?? "\\")
            default: text.append(character)
            }
        }
        throw .invalid("Invalid filter pattern: a quote is not closed.")
    }
}
