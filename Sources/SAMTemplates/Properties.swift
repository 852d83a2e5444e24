import JSONValues

/// Faults and notes that come up while a template is read.
final class Findings {
    private(set) var faults: [TemplateFault] = []
    private(set) var notes: [String] = []

    func fault(_ place: String, _ reason: String) { faults.append(TemplateFault(place, reason)) }

    func note(_ text: String) { if !notes.contains(text) { notes.append(text) } }
}

/// The members of an object whose values are resolved, read by name; each that nobody has asked for is a fault in the end.
struct Properties {
    let place: String
    private let members: [String: JSON]
    private let findings: Findings
    private var asked: Set<String> = []

    init(_ json: JSON?, at place: String, _ findings: Findings) {
        self.place = place
        self.findings = findings
        var members: [String: JSON] = [:]
        switch json {
        case nil, .null?: break
        case .object(let list)?: for member in list where member.value != .null { members[member.name] = member.value }
        default: findings.fault(place, "must be a mapping")
        }
        self.members = members
    }

    var isEmpty: Bool { members.isEmpty }
    func has(_ name: String) -> Bool { members[name] != nil }

    func fault(_ name: String, _ reason: String) { findings.fault("\(place).\(name)", reason) }

    mutating func any(_ name: String) -> JSON? {
        asked.insert(name)
        return members[name]
    }

    /// Numbers and booleans count as their text, as CloudFormation has it.
    mutating func text(_ name: String) -> String? {
        switch any(name) {
        case nil: return nil
        case .string(let text)?, .number(let text)?: return text
        case .bool(let value)?: return value ? "true" : "false"
        default:
            fault(name, "must be a text")
            return nil
        }
    }

    mutating func required(_ name: String) -> String {
        if let text = text(name) { return text }
        if !has(name) { fault(name, "is missing") }
        return ""
    }

    mutating func choice(_ name: String, _ values: [String]) -> String? {
        guard let text = text(name) else { return nil }
        if !values.contains(text) { fault(name, "must be one of \(values.joined(separator: ", ")), not '\(text)'") }
        return text
    }

    mutating func integer(_ name: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = any(name) else { return nil }
        guard let number = value.numberText.flatMap({ Int($0) }), range.contains(number) else {
            fault(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    mutating func bool(_ name: String) -> Bool? {
        switch any(name) {
        case nil: return nil
        case .bool(let value)?: return value
        case .string(let text)? where text == "true" || text == "false": return text == "true"
        default:
            fault(name, "must be true or false")
            return nil
        }
    }

    mutating func texts(_ name: String) -> [String]? {
        guard let value = any(name) else { return nil }
        guard let list = value.array else {
            fault(name, "must be a list")
            return nil
        }
        let texts = list.filter { $0 != .null }.compactMap { $0.string ?? $0.numberText }
        if texts.count != list.filter({ $0 != .null }).count { fault(name, "must be a list of texts") }
        return texts
    }

    /// A mapping of texts.
    mutating func map(_ name: String) -> [String: String]? {
        guard let value = any(name) else { return nil }
        guard case .object(let list) = value else {
            fault(name, "must be a mapping")
            return nil
        }
        var result: [String: String] = [:]
        for member in list where member.value != .null {
            switch member.value {
            case .string(let text), .number(let text): result[member.name] = text
            case .bool(let value): result[member.name] = value ? "true" : "false"
            default: fault("\(name).\(member.name)", "must be a text")
            }
        }
        return result
    }

    mutating func object(_ name: String) -> Properties? {
        any(name).map { Properties($0, at: "\(place).\(name)", findings) }
    }

    /// What is taken without doing anything here; the plan says so.
    mutating func withoutEffect(_ names: String...) {
        for name in names where any(name) != nil { findings.note("\(place).\(name) has no effect here") }
    }

    /// Taken silently: it says nothing about how the function runs here.
    mutating func allow(_ names: String...) { for name in names { _ = any(name) } }

    /// - Parameter type: of what has these properties, for people.
    func finish(_ type: String) {
        for name in members.keys.sorted() where !asked.contains(name) { fault(name, "is not supported here for \(type)") }
    }
}
