import JSONValues

/// The parameters of a request, read by name. Numbers and booleans may also come as text: the query protocol has nothing else.
struct Members {
    let json: JSON

    init(_ json: JSON) { self.json = json }

    private func value(_ name: String) -> JSON? {
        guard let value = json[name], value != .null else { return nil }
        return value
    }

    func text(_ name: String) throws(SQSError) -> String? {
        switch value(name) {
        case nil: nil
        case .string(let text)?: text
        case .number(let text)?: text
        case .bool(let value)?: value ? "true" : "false"
        default: throw SQSError(.malformedInput, "\(name) must be a string")
        }
    }

    func required(_ name: String) throws(SQSError) -> String {
        guard let text = try text(name) else { throw Self.missing(name) }
        return text
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(SQSError) -> Int? {
        guard let text = try text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .value(text, of: name, "Must be between \(range.lowerBound) and \(range.upperBound), if provided.")
        }
        return number
    }

    func list(_ name: String) throws(SQSError) -> [JSON]? {
        guard let value = value(name) else { return nil }
        guard case .array(let values) = value else { throw SQSError(.malformedInput, "\(name) must be a list") }
        return values
    }

    func texts(_ name: String) throws(SQSError) -> [String] {
        var result: [String] = []
        for value in try list(name) ?? [] {
            guard let text = value.string else { throw SQSError(.malformedInput, "\(name) must be a list of strings") }
            result.append(text)
        }
        return result
    }

    func map(_ name: String) throws(SQSError) -> [JSON.Member]? {
        guard let value = value(name) else { return nil }
        guard case .object(let members) = value else { throw SQSError(.malformedInput, "\(name) must be a map") }
        return members
    }

    func textMap(_ name: String) throws(SQSError) -> [String: String]? {
        guard let members = try map(name) else { return nil }
        var result: [String: String] = [:]
        for member in members { result[member.name] = try Members(.object([member])).required(member.name) }
        return result
    }

    static func missing(_ name: String) -> SQSError {
        SQSError(.missingParameter, "The request must contain the parameter \(name).")
    }
}
