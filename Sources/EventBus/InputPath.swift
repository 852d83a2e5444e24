import JSONValues

/// Why a target's input cannot be made.
struct InputFault: Error, Hashable {
    let reason: String
}

/// The part of JSONPath that EventBridge knows: `$.detail.items[0].name`, `$['detail']`, `$.resources[*]`.
///
/// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
struct InputPath: Hashable, Sendable {
    private enum Step: Hashable, Sendable {
        case member(String)
        case element(Int)
        case all
    }

    static let maximumBytes = 256
    private let steps: [Step]

    init(_ text: String) throws(InputFault) {
        guard text.utf8.count <= Self.maximumBytes else { throw InputFault(reason: "a path has at most \(Self.maximumBytes) bytes") }
        guard text.hasPrefix("$") else { throw InputFault(reason: "the path '\(text.prefix(64))' must begin with '$'") }
        var steps: [Step] = []
        var rest = text.dropFirst()
        while let first = rest.first {
            rest = rest.dropFirst()
            switch first {
            case ".":
                let name = rest.prefix { $0 != "." && $0 != "[" }
                guard !name.isEmpty else { throw InputFault(reason: "the path '\(text.prefix(64))' has an empty name") }
                steps.append(name == "*" ? .all : .member(String(name)))
                rest = rest.dropFirst(name.count)
            case "[":
                guard let end = rest.firstIndex(of: "]") else { throw InputFault(reason: "the path '\(text.prefix(64))' has a '[' without ']'") }
                steps.append(try Self.bracket(rest[..<end], text))
                rest = rest[rest.index(after: end)...]
            default: throw InputFault(reason: "the path '\(text.prefix(64))' must go on with '.' or '[' after each part")
            }
        }
        self.steps = steps
    }

    private static func bracket(_ content: Substring, _ text: String) throws(InputFault) -> Step {
        if content == "*" { return .all }
        if let number = Int(content), number >= 0 { return .element(number) }
        if content.count > 2, let quote = content.first, quote == "'" || quote == "\"", content.last == quote {
            return .member(String(content.dropFirst().dropLast()))
        }
        throw InputFault(reason: "'[\(content.prefix(32))]' in the path '\(text.prefix(64))' is no index, '*' or quoted name")
    }

    /// Nil where the document has nothing there. After a wildcard: the list of what was found.
    func value(in json: JSON) -> JSON? {
        var found = [json]
        var isList = false
        for step in steps {
            switch step {
            case .member(let name): found = found.compactMap { $0[name] }
            case .element(let index): found = found.compactMap { $0.array.flatMap { $0.indices.contains(index) ? $0[index] : nil } }
            case .all:
                isList = true
                found = found.flatMap { $0.array ?? $0.members.map(\.value) }
            }
        }
        return isList ? .array(found) : found.first
    }
}
