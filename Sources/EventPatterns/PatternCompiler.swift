import JSONValues

/// Checks a pattern and makes of it what matching needs. Keeps the way to where it is, for messages.
struct PatternCompiler {
    private static let or = "$or"
    private static let operators: Set<String> = [
        "anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard",
    ]

    let limits: EventPattern.Limits
    private var way: [String] = []
    private var wildcards = 0

    init(limits: EventPattern.Limits) { self.limits = limits }

    mutating func root(_ json: JSON) throws(EventPatternError) -> ObjectPattern {
        guard case .object(let members) = json else { throw fault("a pattern must be an object") }
        return try object(members, isAlternative: false)
    }

    // MARK: Fields

    private mutating func object(_ members: [JSON.Member], isAlternative: Bool) throws(EventPatternError) -> ObjectPattern {
        guard !members.isEmpty else { throw fault("empty objects are not allowed") }
        guard way.count < limits.depth else { throw fault("it is nested more than \(limits.depth) deep") }
        var pattern = ObjectPattern()
        for member in members {
            way.append(member.name)
            defer { way.removeLast() }
            if member.name == Self.or {
                pattern.add(alternatives: try alternatives(member.value))
                continue
            }
            // Else `{"$or": [{"prefix": "a"}, …]}` would silently be about a field called prefix.
            if isAlternative, Self.operators.contains(member.name) {
                throw fault("'\(member.name)' cannot be a field's name inside $or")
            }
            let field: ObjectPattern.Field
            switch member.value {
            case .object(let inner): field = .object(try object(inner, isAlternative: isAlternative))
            case .array(let values): field = .leaf(try leaf(values))
            default: throw fault("'\(member.name.prefix(100))' must be an object or an array")
            }
            guard pattern.add(member.name, field) else { throw fault("'\(member.name.prefix(100))' is there twice") }
        }
        return pattern
    }

    private mutating func alternatives(_ json: JSON) throws(EventPatternError) -> [ObjectPattern] {
        guard case .array(let values) = json else { throw fault("$or must be an array of objects") }
        guard values.count >= 2 else { throw fault("$or must have at least 2 objects") }
        var result: [ObjectPattern] = []
        for (index, value) in values.enumerated() {
            way.append("[\(index)]")
            defer { way.removeLast() }
            guard case .object(let members) = value else { throw fault("only objects are allowed in $or") }
            result.append(try object(members, isAlternative: true))
        }
        return result
    }

    // MARK: Values

    private mutating func leaf(_ values: [JSON]) throws(EventPatternError) -> LeafPattern {
        guard !values.isEmpty else { throw fault("empty arrays are not allowed") }
        var leaf = LeafPattern()
        for (index, value) in values.enumerated() {
            way.append("[\(index)]")
            defer { way.removeLast() }
            switch value {
            case .null: leaf.add(.null)
            case .bool(let bool): leaf.add(.bool(bool))
            case .string(let text): leaf.add(.string(Array(text.utf8)))
            case .number(let text): leaf.add(LeafPattern.literal(number: text))
            case .object(let members): try match(members, into: &leaf)
            case .array: throw fault("a value must be a string, a number, true, false, null or one match expression")
            }
        }
        return leaf
    }

    private mutating func match(_ members: [JSON.Member], into leaf: inout LeafPattern) throws(EventPatternError) {
        guard members.count == 1, let member = members.first else { throw fault("a match expression must have exactly one key") }
        way.append(member.name)
        defer { way.removeLast() }
        switch member.name {
        case "exists":
            guard case .bool(let wanted) = member.value else { throw fault("exists must be true or false") }
            if wanted { leaf.acceptsAny = true } else { leaf.acceptsAbsence = true }
        case "numeric": leaf.add(.numeric(try range(member.value)))
        case "cidr":
            guard let text = member.value.string else { throw fault("cidr must be a string") }
            guard let block = AddressBlock(text) else { throw fault("'\(text.prefix(64))' is no CIDR block such as 10.0.0.0/24 or 2001:db8::/32") }
            leaf.add(.address(block))
        case "anything-but": leaf.add(.anythingBut(try excluded(member.value)))
        case "prefix", "suffix", "equals-ignore-case", "wildcard": leaf.add(try textTest(member.name, member.value, folding: true))
        default: throw fault("unknown match type '\(member.name.prefix(100))'")
        }
    }

    /// - Parameter folding: whether `{"equals-ignore-case": "text"}` may stand for the text.
    private mutating func textTest(_ name: String, _ value: JSON, folding: Bool) throws(EventPatternError) -> LeafPattern.Test {
        if folding, name == "prefix" || name == "suffix", case .object(let members) = value {
            guard members.count == 1, members[0].name == "equals-ignore-case", let text = members[0].value.string else {
                throw fault("\(name) must be a string or {\"equals-ignore-case\": string}")
            }
            return name == "prefix" ? .prefixIgnoringCase(LeafPattern.folded(text)) : .suffixIgnoringCase(LeafPattern.folded(text))
        }
        guard let text = value.string else { throw fault("\(name) must be a string") }
        switch name {
        case "prefix": return .prefix(Array(text.utf8))
        case "suffix": return .suffix(Array(text.utf8))
        case "equals-ignore-case": return .equalsIgnoringCase(LeafPattern.folded(text))
        default: return .wildcard(try wildcard(text))
        }
    }

    private mutating func wildcard(_ text: String) throws(EventPatternError) -> WildcardText {
        wildcards += 1
        guard wildcards <= limits.wildcards else { throw fault("the pattern has more than \(limits.wildcards) wildcard texts") }
        do throws(WildcardText.Fault) {
            return try WildcardText(text)
        } catch {
            switch error {
            case .consecutiveStars: throw fault("a wildcard text cannot have two stars in a row")
            case .badEscape: throw fault("in a wildcard text a backslash stands before * or \\ only")
            }
        }
    }

    private mutating func excluded(_ value: JSON) throws(EventPatternError) -> LeafPattern {
        var leaf = LeafPattern()
        switch value {
        case .string(let text): leaf.add(.string(Array(text.utf8)))
        case .number(let text): leaf.add(LeafPattern.literal(number: text))
        case .array(let values):
            let strings = values.compactMap(\.string)
            let numbers = values.compactMap { if case .number(let text) = $0 { text } else { nil } }
            guard !values.isEmpty, strings.count == values.count || numbers.count == values.count else {
                throw fault("anything-but takes a list of strings or a list of numbers")
            }
            for text in strings { leaf.add(.string(Array(text.utf8))) }
            for text in numbers { leaf.add(LeafPattern.literal(number: text)) }
        case .object(let members):
            guard members.count == 1, let member = members.first,
                ["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(member.name)
            else { throw fault("anything-but takes one of prefix, suffix, equals-ignore-case and wildcard") }
            way.append(member.name)
            defer { way.removeLast() }
            let values = member.value.array ?? [member.value]
            guard !values.isEmpty else { throw fault("empty arrays are not allowed") }
            for value in values {
                guard value.string != "" else { throw fault("an empty \(member.name) would exclude everything or nothing") }
                leaf.add(try textTest(member.name, value, folding: false))
            }
        default: throw fault("anything-but takes a string, a number, a list of either, or one match expression")
        }
        return leaf
    }

    private func range(_ value: JSON) throws(EventPatternError) -> NumericRange {
        guard let terms = value.array, terms.count == 2 || terms.count == 4 else {
            throw fault("numeric must be an array of one or two operators, each followed by its number")
        }
        var range = NumericRange()
        for index in stride(from: 0, to: terms.count, by: 2) {
            guard let name = terms[index].string else { throw fault("numeric has no operator at position \(index)") }
            guard case .number(let text) = terms[index + 1] else { throw fault("the value of \(name.prefix(10)) must be a number") }
            guard case .number(let number) = LeafPattern.literal(number: text) else {
                throw fault("\(text.prefix(64)) is outside -5.0e9 to 5.0e9, the numbers that can be compared")
            }
            switch (name, index) {
            case ("=", 0) where terms.count == 2: (range.bottom, range.top) = (number, number)
            case (">", 0): (range.bottom, range.includesBottom) = (number, false)
            case (">=", 0): (range.bottom, range.includesBottom) = (number, true)
            case ("<", _) where index == 2 || terms.count == 2: (range.top, range.includesTop) = (number, false)
            case ("<=", _) where index == 2 || terms.count == 2: (range.top, range.includesTop) = (number, true)
            case ("=", _), (">", _), (">=", _), ("<", _), ("<=", _):
                throw fault("two numeric operators must be > or >= and then < or <=")
            default: throw fault("unknown numeric operator '\(name.prefix(10))': =, <, <=, > and >= are known")
            }
        }
        guard range.bottom < range.top || (range.bottom == range.top && range.includesBottom && range.includesTop) else {
            throw fault("the bottom of the range must be less than its top")
        }
        return range
    }

    // MARK: Faults

    private func fault(_ reason: String) -> EventPatternError {
        var place = ""
        for step in way {
            if !place.isEmpty, !step.hasPrefix("[") { place += "." }
            place += step.prefix(100)
        }
        return EventPatternError(reason: reason, place: place)
    }
}
