/// A JSON value that keeps what a report needs and decoders throw away: the order of members and the digits of numbers
/// (prices have more of them than a `Double`).
public indirect enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// As it was written.
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    public struct Member: Hashable, Sendable {
        public let name: String
        public let value: JSON
        public init(_ name: String, _ value: JSON) { (self.name, self.value) = (name, value) }
    }

    public static func integer(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    public static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

    public subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    public var members: [Member] { if case .object(let members) = self { members } else { [] } }
    public var array: [JSON]? { if case .array(let values) = self { values } else { nil } }
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var integer: Int? {
        switch self {
        case .number(let text): Int(text) ?? Double(text).flatMap { Int(exactly: $0.rounded()) }
        default: nil
        }
    }
    /// Numbers and texts that are numbers, as they were written.
    public var numberText: String? {
        switch self {
        case .number(let text): text
        case .string(let text) where Double(text) != nil: text
        default: nil
        }
    }
    /// The value as a person reads it; nested values stay JSON.
    public var plain: String {
        switch self {
        case .null: ""
        case .bool(let value): value ? "yes" : "no"
        case .number(let text), .string(let text): text
        case .array(let values) where values.allSatisfy { $0.string != nil || $0.numberText != nil }:
            values.map(\.plain).joined(separator: ", ")
        default: text()
        }
    }
}

// MARK: - Writing

extension JSON {
    /// - Parameter indented: two spaces per level; otherwise one line.
    public func text(indented: Bool = false) -> String {
        var output = ""
        write(to: &output, indented ? "\n" : nil)
        return output
    }

    private func write(to output: inout String, _ lineBreak: String?) {
        switch self {
        case .null: output += "null"
        case .bool(let value): output += value ? "true" : "false"
        case .number(let text): output += text
        case .string(let text): Self.write(text, to: &output)
        case .array(let values):
            Self.write(values, "[", "]", to: &output, lineBreak) { value, output, lineBreak in value.write(to: &output, lineBreak) }
        case .object(let members):
            Self.write(members, "{", "}", to: &output, lineBreak) { member, output, lineBreak in
                Self.write(member.name, to: &output)
                output += lineBreak == nil ? ":" : ": "
                member.value.write(to: &output, lineBreak)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], _ opening: String, _ closing: String, to output: inout String, _ lineBreak: String?,
        _ body: (Element, inout String, String?) -> Void
    ) {
        output += opening
        let inner = lineBreak.map { $0 + "  " }
        for (index, element) in elements.enumerated() {
            if index > 0 { output += "," }
            if let inner { output += inner }
            body(element, &output, inner)
        }
        if let lineBreak, !elements.isEmpty { output += lineBreak }
        output += closing
    }

    private static func write(_ text: String, to output: inout String) {
        output += "\""
        defer { output += "\"" }
        // Archives in base64 are megabytes without anything to escape.
        guard text.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) else {
            output += text
            return
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: output.unicodeScalars.append(scalar)
            }
        }
    }
}
