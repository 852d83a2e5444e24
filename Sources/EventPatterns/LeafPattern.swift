import JSONValues

/// The alternatives of one field. Literals are found by hash, so that a long list costs no more than a short one.
struct LeafPattern: Sendable {
    enum Literal: Hashable, Sendable {
        case null
        case bool(Bool)
        case string([UInt8])
        case number(Double)
        /// Outside the range in which numbers are compared as such.
        case numberText(String)
    }

    /// What is said of one scalar beyond being equal to it.
    enum Test: Sendable {
        case prefix([UInt8])
        case suffix([UInt8])
        case equalsIgnoringCase([UInt8])
        case prefixIgnoringCase([UInt8])
        case suffixIgnoringCase([UInt8])
        case wildcard(WildcardText)
        case numeric(NumericRange)
        case address(AddressBlock)
        indirect case anythingBut(LeafPattern)
    }

    private(set) var literals: Set<Literal> = []
    private(set) var tests: [Test] = []
    /// `{"exists": true}` and `{"exists": false}`.
    var acceptsAny = false
    var acceptsAbsence = false
    private var longestLiteral = 0
    private var folds = false

    mutating func add(_ literal: Literal) {
        literals.insert(literal)
        if case .string(let bytes) = literal { longestLiteral = max(longestLiteral, bytes.count) }
    }

    mutating func add(_ test: Test) {
        tests.append(test)
        switch test {
        case .equalsIgnoringCase, .prefixIgnoringCase, .suffixIgnoringCase: folds = true
        default: break
        }
    }

    /// - Parameter node: nil where the event has nothing.
    func matches(_ node: JSON?) -> Bool {
        guard let node else { return acceptsAbsence }
        var sawScalar = false
        return matches(node, &sawScalar) || (acceptsAbsence && !sawScalar)
    }

    private func matches(_ node: JSON, _ sawScalar: inout Bool) -> Bool {
        switch node {
        case .object: return false
        case .array(let elements):
            for element in elements where matches(element, &sawScalar) { return true }
            return false
        default:
            sawScalar = true
            return acceptsAny || matches(scalar: node)
        }
    }

    private func matches(scalar: JSON) -> Bool {
        switch scalar {
        case .string(let text):
            var text = text
            return text.withUTF8 { bytes in
                if bytes.count <= longestLiteral, !literals.isEmpty, literals.contains(.string(Array(bytes))) { return true }
                if tests.isEmpty { return false }
                guard folds else { return tests.contains { $0.matches(bytes, folded: bytes) } }
                return Array(Self.folded(String(decoding: bytes, as: UTF8.self))).withUnsafeBufferPointer { folded in
                    tests.contains { $0.matches(bytes, folded: folded) }
                }
            }
        case .number(let text):
            let literal = Self.literal(number: text)
            if literals.contains(literal) { return true }
            let value: Double? = if case .number(let value) = literal { value } else { nil }
            return tests.contains { test in
                switch test {
                case .numeric(let range): value.map(range.contains) ?? false
                case .anythingBut(let excluded): !excluded.matches(scalar: scalar)
                default: false
                }
            }
        case .bool(let value): return matches(other: .bool(value), scalar)
        default: return matches(other: .null, scalar)
        }
    }

    private func matches(other literal: Literal, _ scalar: JSON) -> Bool {
        literals.contains(literal)
            || tests.contains { test in
                if case .anythingBut(let excluded) = test { !excluded.matches(scalar: scalar) } else { false }
            }
    }

    /// The range of EventBridge's numeric comparison; a text too long for its digits is not worth reading.
    static func literal(number text: String) -> Literal {
        guard text.utf8.count <= 64, let value = Double(text), abs(value) <= NumericRange.limit else { return .numberText(text) }
        return .number(value)
    }

    static func folded(_ text: String) -> [UInt8] { Array(text.lowercased().utf8) }
}

extension LeafPattern.Test {
    /// - Parameter folded: the same string in lower case, where the pattern needs it.
    fileprivate func matches(_ text: UnsafeBufferPointer<UInt8>, folded: UnsafeBufferPointer<UInt8>) -> Bool {
        switch self {
        case .prefix(let bytes): text.starts(with: bytes)
        case .suffix(let bytes): Self.ends(text, with: bytes)
        case .equalsIgnoringCase(let bytes): folded.count == bytes.count && folded.starts(with: bytes)
        case .prefixIgnoringCase(let bytes): folded.starts(with: bytes)
        case .suffixIgnoringCase(let bytes): Self.ends(folded, with: bytes)
        case .wildcard(let wildcard): wildcard.matches(text)
        case .numeric: false
        case .address(let block): block.contains(text)
        case .anythingBut(let excluded): !excluded.matches(scalar: .string(String(decoding: text, as: UTF8.self)))
        }
    }

    private static func ends(_ text: UnsafeBufferPointer<UInt8>, with bytes: [UInt8]) -> Bool {
        text.count >= bytes.count && text.suffix(bytes.count).elementsEqual(bytes)
    }
}

/// An interval of numbers, either end of which may be left out.
struct NumericRange: Hashable, Sendable {
    /// Source: event patterns, numeric matching: values from -5.0e9 to 5.0e9.
    static let limit = 5.0e9

    var bottom = -Double.infinity
    var includesBottom = true
    var top = Double.infinity
    var includesTop = true

    func contains(_ value: Double) -> Bool {
        (includesBottom ? value >= bottom : value > bottom) && (includesTop ? value <= top : value < top)
    }
}
