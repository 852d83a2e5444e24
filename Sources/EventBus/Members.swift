import JSONValues

/// The members of a request, read by name and checked against the model's lengths and kinds.
struct Members {
    let json: JSON

    init(_ json: JSON) { self.json = json }

    private func value(_ name: String) -> JSON? {
        guard let value = json[name], value != .null else { return nil }
        return value
    }

    func has(_ name: String) -> Bool { value(name) != nil }

    func text(_ name: String, maximum: Int = 1 << 20) throws(EventBusError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw EventBusError(.serialization, "\(name) must be a string") }
        guard text.utf8.count <= maximum else {
            throw Self.fault(name, text, "Member must have length less than or equal to \(maximum)")
        }
        return text
    }

    func required(_ name: String, maximum: Int = 1 << 20) throws(EventBusError) -> String {
        guard let text = try text(name, maximum: maximum), !text.isEmpty else {
            throw Self.fault(name, has(name) ? "" : "null", "Member must not be \(has(name) ? "empty" : "null")")
        }
        return text
    }

    /// A name of `[A-Za-z0-9._-]`.
    func name(_ name: String, maximum: Int) throws(EventBusError) -> String {
        let text = try required(name)
        guard EventBusKey.isName(text, maximum: maximum) else {
            throw Self.fault(name, text, "Member must have 1 to \(maximum) letters, digits, '.', '-' and '_'")
        }
        return text
    }

    func choice(_ name: String, _ values: [String]) throws(EventBusError) -> String? {
        guard let text = try text(name) else { return nil }
        guard values.contains(text) else { throw Self.fault(name, text, "Member must satisfy enum value set: [\(values.joined(separator: ", "))]") }
        return text
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(EventBusError) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.integer else { throw EventBusError(.serialization, "\(name) must be a whole number") }
        guard range.contains(number) else {
            throw Self.fault(name, String(number), "Member must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func flag(_ name: String) throws(EventBusError) -> Bool {
        guard let value = value(name) else { return false }
        guard let flag = value.bool else { throw EventBusError(.serialization, "\(name) must be true or false") }
        return flag
    }

    func object(_ name: String) throws(EventBusError) -> JSON? {
        guard let value = value(name) else { return nil }
        guard case .object = value else { throw EventBusError(.serialization, "\(name) must be an object") }
        return value
    }

    func list(_ name: String, _ range: ClosedRange<Int>) throws(EventBusError) -> [JSON]? {
        guard let value = value(name) else { return nil }
        guard case .array(let values) = value else { throw EventBusError(.serialization, "\(name) must be a list") }
        guard range.contains(values.count) else {
            throw Self.fault(name, "\(values.count) members", "Member must have length from \(range.lowerBound) to \(range.upperBound)")
        }
        return values
    }

    func texts(_ name: String, _ range: ClosedRange<Int>) throws(EventBusError) -> [String] {
        guard let values = try list(name, range) else { throw Self.fault(name, "null", "Member must not be null") }
        var texts: [String] = []
        for value in values {
            guard let text = value.string else { throw EventBusError(.serialization, "\(name) must be a list of strings") }
            texts.append(text)
        }
        return texts
    }

    /// As the services of AWS word it.
    static func fault(_ name: String, _ value: String, _ constraint: String) -> EventBusError {
        let member = name.prefix(1).lowercased() + name.dropFirst()
        return .invalid("1 validation error detected: Value '\(value.prefix(200))' at '\(member)' failed to satisfy constraint: \(constraint)")
    }
}
