/// A regular expression of the service model, matched in time proportional to the text: the text comes from a stranger, and
/// some of the model's expressions take a backtracking matcher exponential time.
///
/// Understands what the model uses of Java's syntax: sets, groups, alternatives, `* + ? {n} {n,m}`, `^ $`, look-ahead, look-behind
/// at one character. Like there, the whole text must match.
struct TextPattern: Sendable {
    /// Scalars; beyond this a text counts as matching, for its length is refused anyway.
    static let maximumLength = 20_480

    let source: String
    private let program: Program

    /// nil for syntax that is not understood.
    init?(_ source: String) {
        var parser = Parser(scalars: Array(source.unicodeScalars))
        guard let node = parser.alternatives(), parser.position == parser.scalars.count else { return nil }
        self.source = source
        program = Program(node)
    }

    func matches(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars.prefix(Self.maximumLength + 1))
        return scalars.count > Self.maximumLength || program.run(scalars, from: 0, whole: true)
    }
}

/// One set of scalars: `[a-z_]`, `\d`, `.`.
private struct ScalarSet: Sendable {
    enum Part: Sendable {
        case range(UInt32, UInt32)
        /// Letters, separators, numbers: `\p{L}`, `\p{Z}`, `\p{N}`.
        case category(Character)
        indirect case not(ScalarSet)
    }

    var parts: [Part] = []
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        parts.contains { part in
            switch part {
            case .range(let first, let last): (first...last).contains(scalar.value)
            case .category(let initial): Self.initial(of: scalar) == initial
            case .not(let set): !set.contains(scalar)
            }
        } != isNegated
    }

    private static func initial(of scalar: Unicode.Scalar) -> Character? {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: "L"
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: "Z"
        case .decimalNumber, .letterNumber, .otherNumber: "N"
        default: nil
        }
    }

    static let digits = ScalarSet(parts: [.range(0x30, 0x39)])
    static let spaces = ScalarSet(parts: [.range(0x09, 0x0D), .range(0x20, 0x20)])
    static let words = ScalarSet(parts: [.range(0x30, 0x39), .range(0x41, 0x5A), .range(0x5F, 0x5F), .range(0x61, 0x7A)])
    /// All but line ends.
    static let any = ScalarSet(parts: [.range(0x0A, 0x0A), .range(0x0D, 0x0D), .range(0x85, 0x85), .range(0x2028, 0x2029)], isNegated: true)
}

private indirect enum Node {
    case set(ScalarSet)
    case sequence([Node])
    case alternatives([Node])
    case repeated(Node, Int, Int?)
    case start, end
    case lookAhead(Node, isNegated: Bool)
    case lookBehind(ScalarSet, isNegated: Bool)
}

private struct Parser {
    let scalars: [Unicode.Scalar]
    var position = 0

    var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    mutating func takeIf(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard position + wanted.count <= scalars.count, scalars[position..<position + wanted.count].elementsEqual(wanted) else { return false }
        position += wanted.count
        return true
    }

    mutating func alternatives() -> Node? {
        var found: [Node] = []
        repeat {
            guard let node = sequence() else { return nil }
            found.append(node)
        } while takeIf("|")
        return found.count == 1 ? found[0] : .alternatives(found)
    }

    private mutating func sequence() -> Node? {
        var found: [Node] = []
        while let next, next != "|", next != ")" {
            guard let atom = atom(), let node = quantified(atom) else { return nil }
            found.append(node)
        }
        return .sequence(found)
    }

    private mutating func quantified(_ atom: Node) -> Node? {
        if takeIf("*") { return .repeated(atom, 0, nil) }
        if takeIf("+") { return .repeated(atom, 1, nil) }
        if takeIf("?") { return .repeated(atom, 0, 1) }
        guard takeIf("{") else { return atom }
        guard let least = number() else { return nil }
        if takeIf("}") { return .repeated(atom, least, least) }
        guard takeIf(","), let most = number(), takeIf("}") else { return nil }
        return .repeated(atom, least, most)
    }

    private mutating func number() -> Int? {
        let start = position
        while let next, ScalarSet.digits.contains(next) { position += 1 }
        return Int(String(String.UnicodeScalarView(scalars[start..<position])))
    }

    private mutating func atom() -> Node? {
        if takeIf("^") { return .start }
        if takeIf("$") { return .end }
        if takeIf(".") { return .set(.any) }
        if takeIf("(?!") { return closed { .lookAhead($0, isNegated: true) } }
        if takeIf("(?=") { return closed { .lookAhead($0, isNegated: false) } }
        if takeIf("(?<!") {
            guard case .set(let set)? = atom(), takeIf(")") else { return nil }
            return .lookBehind(set, isNegated: true)
        }
        if takeIf("(?:") || takeIf("(") { return closed { $0 } }
        if takeIf("[") { return set().map { .set($0) } }
        if takeIf("\\") { return escape().map { .set($0) } }
        guard let next, !"*+?{".unicodeScalars.contains(next) else { return nil }
        position += 1
        return .set(ScalarSet(parts: [.range(next.value, next.value)]))
    }

    private mutating func closed(_ wrap: (Node) -> Node) -> Node? {
        guard let inner = alternatives(), takeIf(")") else { return nil }
        return wrap(inner)
    }

    /// After the backslash.
    private mutating func escape() -> ScalarSet? {
        guard let next else { return nil }
        position += 1
        switch next {
        case "d": return .digits
        case "s": return .spaces
        case "w": return .words
        case "D": return ScalarSet(parts: [.not(.digits)])
        case "S": return ScalarSet(parts: [.not(.spaces)])
        case "x":
            guard position + 2 <= scalars.count, let code = UInt32(String(String.UnicodeScalarView(scalars[position..<position + 2])), radix: 16) else { return nil }
            position += 2
            return ScalarSet(parts: [.range(code, code)])
        case "p":
            guard takeIf("{"), let category = self.next, "LZN".unicodeScalars.contains(category) else { return nil }
            position += 1
            return takeIf("}") ? ScalarSet(parts: [.category(Character(category))]) : nil
        default: return next.properties.isAlphabetic ? nil : ScalarSet(parts: [.range(next.value, next.value)])
        }
    }

    /// After the opening bracket. A hyphen that begins, ends or follows a range stands for itself.
    private mutating func set() -> ScalarSet? {
        var result = ScalarSet(isNegated: takeIf("^"))
        while let next {
            position += 1
            if next == "]" { return result }
            var first = next.value
            if next == "\\" {
                guard let escaped = escape() else { return nil }
                guard escaped.parts.count == 1, case .range(let only, let last) = escaped.parts[0], only == last else {
                    result.parts += escaped.parts
                    continue
                }
                first = only
            }
            var last = first
            if self.next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                position += 1
                last = scalars[position].value
                position += 1
                if last == 0x5C {
                    guard let escaped = escape(), case .range(let only, _)? = escaped.parts.first else { return nil }
                    last = only
                }
                guard first <= last else { return nil }
            }
            result.parts.append(.range(first, last))
        }
        return nil
    }
}

/// States of a non-deterministic automaton; all that are possible are followed at once.
private struct Program: Sendable {
    enum Step: Sendable {
        case take(ScalarSet)
        case split(Int, Int)
        case jump(Int)
        case start, end
        indirect case lookAhead(Program, isNegated: Bool)
        case lookBehind(ScalarSet, isNegated: Bool)
        case done
    }

    private var steps: [Step] = []

    init(_ node: Node) {
        emit(node)
        steps.append(.done)
    }

    private mutating func emit(_ node: Node) {
        switch node {
        case .set(let set): steps.append(.take(set))
        case .sequence(let nodes): for node in nodes { emit(node) }
        case .alternatives(let nodes):
            var exits: [Int] = []
            for node in nodes.dropLast() {
                let split = steps.count
                steps.append(.jump(0))
                emit(node)
                exits.append(steps.count)
                steps.append(.jump(0))
                steps[split] = .split(split + 1, steps.count)
            }
            if let last = nodes.last { emit(last) }
            for exit in exits { steps[exit] = .jump(steps.count) }
        case .repeated(let node, let least, let most): emit(node, least, most)
        case .start: steps.append(.start)
        case .end: steps.append(.end)
        case .lookAhead(let node, let isNegated): steps.append(.lookAhead(Program(node), isNegated: isNegated))
        case .lookBehind(let set, let isNegated): steps.append(.lookBehind(set, isNegated: isNegated))
        }
    }

    private mutating func emit(_ node: Node, _ least: Int, _ most: Int?) {
        for _ in 0..<least { emit(node) }
        guard let most else {
            let split = steps.count
            steps.append(.jump(0))
            emit(node)
            steps.append(.jump(split))
            steps[split] = .split(split + 1, steps.count)
            return
        }
        var splits: [Int] = []
        for _ in least..<max(least, most) {
            splits.append(steps.count)
            steps.append(.jump(0))
            emit(node)
        }
        for split in splits { steps[split] = .split(split + 1, steps.count) }
    }

    /// - Parameter whole: the text must end with the match.
    func run(_ text: [Unicode.Scalar], from start: Int, whole: Bool) -> Bool {
        var current = States(count: steps.count)
        var following = States(count: steps.count)
        follow(0, text, start, &current)
        for position in start..<text.count {
            if !whole, current.hasDone { return true }
            if current.taking.isEmpty { return false }
            following.clear()
            for index in current.taking {
                if case .take(let set) = steps[index], set.contains(text[position]) { follow(index + 1, text, position + 1, &following) }
            }
            swap(&current, &following)
        }
        return current.hasDone
    }

    /// Adds a state and all that can be reached from it without taking a scalar.
    private func follow(_ first: Int, _ text: [Unicode.Scalar], _ position: Int, _ states: inout States) {
        var pending = [first]
        while let index = pending.popLast() {
            guard !states.seen[index] else { continue }
            states.seen[index] = true
            switch steps[index] {
            case .take: states.taking.append(index)
            case .split(let one, let other): pending += [other, one]
            case .jump(let target): pending.append(target)
            case .start: if position == 0 { pending.append(index + 1) }
            case .end: if position == text.count { pending.append(index + 1) }
            case .lookAhead(let program, let isNegated):
                if program.run(text, from: position, whole: false) != isNegated { pending.append(index + 1) }
            case .lookBehind(let set, let isNegated):
                if (position > 0 && set.contains(text[position - 1])) != isNegated { pending.append(index + 1) }
            case .done: states.hasDone = true
            }
        }
    }

    private struct States {
        var taking: [Int] = []
        var seen: [Bool]
        var hasDone = false

        init(count: Int) { seen = [Bool](repeating: false, count: count) }

        mutating func clear() {
            taking.removeAll(keepingCapacity: true)
            for index in seen.indices { seen[index] = false }
            hasDone = false
        }
    }
}
