import JSONValues

/// The members of a request, read by name and checked against the model's kinds and lengths.
struct Members {
    let json: JSON

    init(_ json: JSON) { self.json = json }

    private func value(_ name: String) -> JSON? {
        guard let value = json[name], value != .null else { return nil }
        return value
    }

    func text(_ name: String, _ length: ClosedRange<Int> = 1...2048, allowed: ((UInt8) -> Bool)? = nil) throws(LogsError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw LogsError(.serialization, "\(name) must be a string") }
        try Self.check(text, name, length, allowed)
        return text
    }

    private static func check(_ text: String, _ name: String, _ length: ClosedRange<Int>, _ allowed: ((UInt8) -> Bool)?) throws(LogsError) {
        guard text.utf8.count >= length.lowerBound else {
            throw fault(name, text, "Member must have length greater than or equal to \(length.lowerBound)")
        }
        guard text.utf8.count <= length.upperBound else {
            throw fault(name, text, "Member must have length less than or equal to \(length.upperBound)")
        }
        if let allowed, !text.utf8.allSatisfy(allowed) { throw fault(name, text, "Member must satisfy the name's regular expression pattern") }
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(LogsError) -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.integer else { throw LogsError(.serialization, "\(name) must be a whole number") }
        guard number >= range.lowerBound else {
            throw Self.fault(name, String(number), "Member must have value greater than or equal to \(range.lowerBound)")
        }
        guard number <= range.upperBound else {
            throw Self.fault(name, String(number), "Member must have value less than or equal to \(range.upperBound)")
        }
        return number
    }

    /// Milliseconds since 1970.
    func time(_ name: String) throws(LogsError) -> Int64? { try integer(name, in: 0...Int.max).map(Int64.init) }

    func flag(_ name: String) throws(LogsError) -> Bool {
        guard let value = value(name) else { return false }
        guard let flag = value.bool else { throw LogsError(.serialization, "\(name) must be true or false") }
        return flag
    }

    func choice(_ name: String, _ values: [String]) throws(LogsError) -> String? {
        guard let text = try text(name) else { return nil }
        guard values.contains(text) else { throw Self.fault(name, text, "Member must satisfy enum value set: [\(values.joined(separator: ", "))]") }
        return text
    }

    func texts(_ name: String, count: ClosedRange<Int>, _ length: ClosedRange<Int>) throws(LogsError) -> [String]? {
        guard let value = value(name) else { return nil }
        guard case .array(let values) = value else { throw LogsError(.serialization, "\(name) must be a list") }
        guard count.contains(values.count) else {
            throw Self.fault(name, "[\(values.count) members]", "Member must have length from \(count.lowerBound) to \(count.upperBound)")
        }
        var texts: [String] = []
        for value in values {
            guard case .string(let text) = value else { throw LogsError(.serialization, "\(name) must be a list of strings") }
            try Self.check(text, name, length, nil)
            texts.append(text)
        }
        return texts
    }

    static func fault(_ name: String, _ value: String, _ constraint: String) -> LogsError {
        .invalid("1 validation error detected: Value '\(value.prefix(200))' at '\(name)' failed to satisfy constraint: \(constraint)")
    }
}
