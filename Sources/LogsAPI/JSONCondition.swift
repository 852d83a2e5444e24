import JSONValues

/// What a pattern in braces asks of a line's members.
indirect enum JSONCondition: Sendable {
    enum Step: Sendable, Hashable {
        case member(String)
        case element(Int)
        case anyElement
    }

    enum Comparison: String, Sendable {
        case equal = "="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
    }

    case allOf([JSONCondition])
    case anyOf([JSONCondition])
    case number([Step], Comparison, Double)
    /// Pieces of text between stars.
    case text([Step], isEqual: Bool, [String])
    case literal([Step], JSON)
    case absent([Step])
    case present([Step])

    func holds(_ json: JSON) -> Bool {
        switch self {
        case .allOf(let conditions): conditions.allSatisfy { $0.holds(json) }
        case .anyOf(let conditions): conditions.contains { $0.holds(json) }
        case .number(let path, let comparison, let number):
            Self.values(json, path[...]).contains { value in
                guard case .number(let text) = value, let found = Double(text) else { return false }
                return Self.compare(found, comparison, number)
            }
        case .text(let path, let isEqual, let pieces):
            Self.values(json, path[...]).contains { value in
                guard let text = Self.string(of: value) else { return false }
                return Self.matches(text, pieces) == isEqual
            }
        case .literal(let path, let literal): Self.values(json, path[...]).contains(literal)
        case .absent(let path): Self.values(json, path[...]).isEmpty
        case .present(let path): !Self.values(json, path[...]).isEmpty
        }
    }

    private static func values(_ json: JSON, _ path: ArraySlice<Step>) -> [JSON] {
        guard let step = path.first else { return [json] }
        let rest = path.dropFirst()
        switch step {
        case .member(let name): return json[name].map { values($0, rest) } ?? []
        case .element(let index):
            guard let elements = json.array, elements.indices.contains(index) else { return [] }
            return values(elements[index], rest)
        case .anyElement: return (json.array ?? []).flatMap { values($0, rest) }
        }
    }

    private static func string(of value: JSON) -> String? {
        switch value {
        case .string(let text), .number(let text): text
        case .bool(let flag): flag ? "true" : "false"
        case .null, .array, .object: nil
        }
    }

    private static func compare(_ value: Double, _ comparison: Comparison, _ other: Double) -> Bool {
        switch comparison {
        case .equal: value == other
        case .notEqual: value != other
        case .less: value < other
        case .lessOrEqual: value <= other
        case .greater: value > other
        case .greaterOrEqual: value >= other
        }
    }

    /// Each piece is found from where the one before it ended, the first at the beginning and the last at the end: linear in
    /// text and pieces, however many stars there are.
    static func matches(_ text: String, _ pieces: [String]) -> Bool {
        guard let first = pieces.first, let last = pieces.last else { return text.isEmpty }
        if pieces.count == 1 { return text == first }
        guard text.hasPrefix(first) else { return false }
        var rest = text.dropFirst(first.count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let range = rest.firstRange(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return rest.hasSuffix(last)
    }
}
