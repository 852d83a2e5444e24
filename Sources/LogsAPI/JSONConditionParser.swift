import JSONValues

/// Reads `{ $.level = "ERROR" && ($.size > 10 || $.user NOT EXISTS) }`.
struct JSONConditionParser {
    private static let maximumDepth = 32
    private var rest: Substring
    private var depth = 0

    static func parse(_ text: String) throws(LogsError) -> JSONCondition {
        var parser = JSONConditionParser(rest: text[...])
        parser.skipSpace()
        _ = parser.take("{")
        let condition = try parser.alternatives()
        guard parser.take("}"), parser.isAtEnd else { throw parser.fault("'}' is expected") }
        return condition
    }

    private init(rest: Substring) { self.rest = rest }

    private var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return rest.isEmpty
        }
    }

    private mutating func skipSpace() { rest = rest.drop { $0.isWhitespace } }

    private mutating func take(_ token: String) -> Bool {
        skipSpace()
        guard rest.hasPrefix(token) else { return false }
        rest = rest.dropFirst(token.count)
        return true
    }

    /// A word, whatever its case, that ends where it ends.
    private mutating func takeWord(_ word: String) -> Bool {
        skipSpace()
        let found = rest.prefix { $0.isLetter }
        guard found.uppercased() == word else { return false }
        rest = rest[found.endIndex...]
        return true
    }

    private func fault(_ reason: String) -> LogsError {
        .invalid("Invalid filter pattern: \(reason)\(rest.isEmpty ? " at its end" : " before '\(rest.prefix(32))'").")
    }

    private mutating func alternatives() throws(LogsError) -> JSONCondition {
        var found = [try conjunction()]
        while take("||") { found.append(try conjunction()) }
        return found.count == 1 ? found[0] : .anyOf(found)
    }

    private mutating func conjunction() throws(LogsError) -> JSONCondition {
        var found = [try term()]
        while take("&&") { found.append(try term()) }
        return found.count == 1 ? found[0] : .allOf(found)
    }

    private mutating func term() throws(LogsError) -> JSONCondition {
        guard take("(") else { return try comparison() }
        depth += 1
        guard depth <= Self.maximumDepth else { throw fault("more than \(Self.maximumDepth) parentheses are open") }
        let condition = try alternatives()
        guard take(")") else { throw fault("')' is expected") }
        depth -= 1
        return condition
    }

    private mutating func comparison() throws(LogsError) -> JSONCondition {
        let path = try selector()
        if takeWord("IS") { return try literal(path) }
        if takeWord("NOT") {
            guard takeWord("EXISTS") else { throw fault("EXISTS is expected") }
            return .absent(path)
        }
        if takeWord("EXISTS") { return .present(path) }
        for text in ["!=", "<=", ">=", "=", "<", ">"] where take(text) {
            return try value(path, JSONCondition.Comparison(rawValue: text) ?? .equal)
        }
        throw fault("an operator (=, !=, <, <=, >, >=, IS, NOT EXISTS) is expected")
    }

    private mutating func literal(_ path: [JSONCondition.Step]) throws(LogsError) -> JSONCondition {
        if takeWord("TRUE") { return .literal(path, .bool(true)) }
        if takeWord("FALSE") { return .literal(path, .bool(false)) }
        if takeWord("NULL") { return .literal(path, .null) }
        throw fault("TRUE, FALSE or NULL is expected")
    }

    private mutating func value(_ path: [JSONCondition.Step], _ comparison: JSONCondition.Comparison) throws(LogsError) -> JSONCondition {
        skipSpace()
        let isQuoted = rest.first == "\""
        let text: String
        if isQuoted {
            text = try FilterPattern.quoted(&rest)
        } else {
            let word = rest.prefix { !$0.isWhitespace && !"(){}&|".contains($0) }
            guard !word.isEmpty else { throw fault("a value is expected") }
            if word.first == "%" { throw fault("regular expressions are not supported by Martlet") }
            rest = rest[word.endIndex...]
            text = String(word)
        }
        if !isQuoted, let number = Double(text) { return .number(path, comparison, number) }
        switch comparison {
        case .equal, .notEqual:
            let pieces = text.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
            return .text(path, isEqual: comparison == .equal, pieces)
        case .less, .lessOrEqual, .greater, .greaterOrEqual: throw fault("'\(comparison.rawValue)' takes a number, not '\(text.prefix(32))'")
        }
    }

    /// `$.a.b[0]`, `$.list[*]`, `$['a b']`.
    private mutating func selector() throws(LogsError) -> [JSONCondition.Step] {
        guard take("$") else { throw fault("a selector, '$.member', is expected") }
        var path: [JSONCondition.Step] = []
        while let next = rest.first {
            if next == "." {
                rest.removeFirst()
                let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || $0 == "@" || $0 == "/" || $0 == "#" }
                guard !name.isEmpty else { throw fault("a member's name is expected") }
                rest = rest[name.endIndex...]
                path.append(.member(String(name)))
            } else if next == "[" {
                rest.removeFirst()
                path.append(try element())
            } else {
                break
            }
        }
        guard !path.isEmpty else { throw fault("a member, '$.member', is expected") }
        return path
    }

    private mutating func element() throws(LogsError) -> JSONCondition.Step {
        let content = rest.prefix { $0 != "]" }
        guard content.endIndex < rest.endIndex else { throw fault("']' is expected") }
        let step: JSONCondition.Step
        if content == "*" {
            step = .anyElement
        } else if let index = Int(content), index >= 0 {
            step = .element(index)
        } else if let quote = content.first, quote == "'" || quote == "\"", content.count > 2, content.last == quote {
            step = .member(String(content.dropFirst().dropLast()))
        } else {
            throw fault("an index, '*' or a quoted name is expected in brackets")
        }
        rest = rest[rest.index(after: content.endIndex)...]
        return step
    }
}
