import EventPatterns
import JSONValues
import Testing

/// What the documentation says, said again without compiling, hashing or bounding anything.
private enum Reference {
    static func object(_ pattern: [JSON.Member], _ event: JSON?) -> Bool {
        switch event {
        case .object(let members)?:
            return pattern.allSatisfy { field in
                if field.name == "$or" { return (field.value.array ?? []).contains { object($0.members, event) } }
                let value = members.last { Array($0.name.utf8) == Array(field.name.utf8) }?.value
                if case .array(let alternatives) = field.value { return leaf(alternatives, value) }
                return object(field.value.members, value)
            }
        case .array(let elements)? where elements.contains(where: isComposite):
            return elements.contains { isComposite($0) && object(pattern, $0) }
        default: return object(pattern, .object([]))
        }
    }

    private static func isComposite(_ json: JSON) -> Bool {
        switch json {
        case .array, .object: true
        default: false
        }
    }

    private static func scalars(_ json: JSON) -> [JSON] {
        switch json {
        case .array(let elements): elements.flatMap(scalars)
        case .object: []
        default: [json]
        }
    }

    private static func leaf(_ alternatives: [JSON], _ value: JSON?) -> Bool {
        let scalars = value.map(scalars) ?? []
        return alternatives.contains { alternative in
            if alternative["exists"]?.bool == false { return scalars.isEmpty }
            return scalars.contains { holds(alternative, $0) }
        }
    }

    private static func holds(_ test: JSON, _ value: JSON) -> Bool {
        guard let member = test.members.first else { return equal(test, value) }
        let text = value.string.map { Array($0.utf8) }
        func anyText(_ body: ([UInt8], [UInt8]) -> Bool) -> Bool {
            guard let text else { return false }
            if let inner = member.value["equals-ignore-case"]?.string {
                return body(Array((value.string ?? "").lowercased().utf8), Array(inner.lowercased().utf8))
            }
            return body(text, Array((member.value.string ?? "").utf8))
        }
        switch member.name {
        case "exists": return true
        case "prefix": return anyText { $0.starts(with: $1) }
        case "suffix": return anyText { $0.reversed().starts(with: $1.reversed()) }
        case "equals-ignore-case": return value.string.map { $0.lowercased() == member.value.string?.lowercased() } ?? false
        case "wildcard": return anyText { glob($1[...], $0[...]) }
        case "numeric":
            guard case .number(let digits) = value, let number = Double(digits) else { return false }
            let terms = member.value.array ?? []
            return stride(from: 0, to: terms.count, by: 2).allSatisfy { index in
                let other = Double(terms[index + 1].numberText ?? "") ?? .nan
                switch terms[index].string {
                case "=": return number == other
                case "<": return number < other
                case "<=": return number <= other
                case ">": return number > other
                default: return number >= other
                }
            }
        case "anything-but":
            if let inner = member.value.members.first {
                return !(inner.value.array ?? [inner.value]).contains { holds(.object([.init(inner.name, $0)]), value) }
            }
            return !(member.value.array ?? [member.value]).contains { equal($0, value) }
        default: return false
        }
    }

    private static func equal(_ left: JSON, _ right: JSON) -> Bool {
        if case .number(let a) = left, case .number(let b) = right { return Double(a) == Double(b) }
        return left == right
    }

    private static func glob(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == UInt8(ascii: "*") { return (0...text.count).contains { glob(pattern.dropFirst(), text.dropFirst($0)) } }
        return text.first == first && glob(pattern.dropFirst(), text.dropFirst())
    }
}

/// Few letters and names, so that much of it meets.
private struct Generator {
    var random: SplitMix

    mutating func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    mutating func text() -> String { String((0..<below(5)).map { _ in ["a", "b", "A"][below(3)] }) }
    mutating func number() -> String { ["0", "1", "1.0", "1e0", "-2", "2.5", "10"][below(7)] }
    mutating func name() -> String { ["x", "y", "z"][below(3)] }

    mutating func scalar() -> JSON {
        switch below(6) {
        case 0: .null
        case 1: .bool(below(2) == 0)
        case 2: .number(number())
        default: .string(text())
        }
    }

    mutating func event(_ depth: Int) -> JSON {
        switch depth == 0 ? 9 : below(6) {
        case 0, 1, 2: .object((0..<below(4)).map { _ in JSON.Member(name(), event(depth - 1)) })
        case 3: .array((0..<below(4)).map { _ in event(depth - 1) })
        default: scalar()
        }
    }

    mutating func wildcard() -> String {
        let text = (0..<below(6)).map { _ in ["a", "b", "*"][below(3)] }.joined()
        return text.contains("**") ? "a*" : text
    }

    mutating func test() -> JSON {
        func match(_ name: String, _ value: JSON) -> JSON { .object([.init(name, value)]) }
        switch below(14) {
        case 0: return match("prefix", .string(text()))
        case 1: return match("suffix", .string(text()))
        case 2: return match("prefix", match("equals-ignore-case", .string(text())))
        case 3: return match("suffix", match("equals-ignore-case", .string(text())))
        case 4: return match("equals-ignore-case", .string(text()))
        case 5: return match("wildcard", .string(wildcard()))
        case 6: return match("exists", .bool(below(2) == 0))
        case 7: return match("numeric", .array([.string(["=", "<", "<=", ">", ">="][below(5)]), .number(number())]))
        case 8: return match("numeric", .array([.string([">", ">="][below(2)]), .number("-2"), .string(["<", "<="][below(2)]), .number("2.5")]))
        case 9: return match("anything-but", below(2) == 0 ? .string(text()) : .array([.string(text()), .string(text())]))
        case 10: return match("anything-but", below(2) == 0 ? .number(number()) : .array([.number(number()), .number(number())]))
        case 11:
            let name = ["prefix", "suffix", "equals-ignore-case", "wildcard"][below(4)]
            let values = (0...below(2)).map { _ in JSON.string(name == "wildcard" ? "a" + wildcard() : "a" + text()) }
            return match("anything-but", match(name, values.count == 1 ? values[0] : .array(values)))
        default: return scalar()
        }
    }

    mutating func pattern(_ depth: Int) -> JSON {
        var members: [JSON.Member] = []
        for name in ["x", "y", "z"].prefix(1 + below(3)) where members.isEmpty || below(2) == 0 {
            let isLeaf = depth == 0 || below(2) == 0
            members.append(.init(name, isLeaf ? .array((0...below(3)).map { _ in test() }) : pattern(depth - 1)))
        }
        if depth > 0, below(4) == 0 { members.append(.init("$or", .array((0...(1 + below(2))).map { _ in pattern(depth - 1) }))) }
        return .object(members)
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct RandomPatternTests {
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func compiledPatternAgreesWithTheReference(_ seed: UInt64) throws {
        var generator = Generator(random: SplitMix(state: seed))
        var matched = 0
        for round in 0..<10_000 {
            let pattern = generator.pattern(2)
            let compiled = try EventPattern(pattern)
            for _ in 0..<3 {
                let event = generator.event(4)
                let expected = Reference.object(pattern.members, event)
                if expected { matched += 1 }
                if compiled.matches(event) != expected {
                    Issue.record("seed \(seed), round \(round): \(pattern.text()) on \(event.text()) should be \(expected)")
                    return
                }
            }
        }
        #expect(matched > 800, "the test has become blind: \(matched) matches")
    }
}
