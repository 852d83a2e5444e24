/// A JSON value that keeps what a report needs and decoders throw away: the order of members and the digits of numbers
/// (prices have more of them than a `Double`).
indirect enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// As it was written.
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    struct Member: Hashable, Sendable {
        let name: String
        let value: JSON
        init(_ name: String, _ value: JSON) { (self.name, self.value) = (name, value) }
    }

    static func integer(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

    subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    var members: [Member] { if case .object(let members) = self { members } else { [] } }
    var array: [JSON]? { if case .array(let values) = self { values } else { nil } }
    var string: String? { if case .string(let text) = self { text } else { nil } }
    var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    var integer: Int? {
        switch self {
        case .number(let text): Int(text) ?? Double(text).flatMap { Int(exactly: $0.rounded()) }
        default: nil
        }
    }
    /// Numbers and texts that are numbers, as they were written.
    var numberText: String? {
        switch self {
        case .number(let text): text
        case .string(let text) where Double(text) != nil: text
        default: nil
        }
    }
    /// The value as a person reads it; nested values stay JSON.
    var plain: String {
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
    func text(indented: Bool = false) -> String {
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

// MARK: - Reading

struct JSONFault: Error, CustomStringConvertible {
    let offset: Int
    let reason: String
    var description: String { "no JSON at byte \(offset): \(reason)" }
}

extension JSON {
    /// - Throws: `JSONFault`. Nesting is limited to 200 levels.
    init(parsing bytes: [UInt8]) throws {
        var parser = Parser(bytes: bytes)
        self = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else { throw parser.fault("more text follows the value") }
    }

    init(parsing text: String) throws { try self.init(parsing: Array(text.utf8)) }

    private struct Parser {
        let bytes: [UInt8]
        var position = 0

        var next: UInt8? { position < bytes.count ? bytes[position] : nil }

        func fault(_ reason: String) -> JSONFault { JSONFault(offset: position, reason: reason) }

        mutating func skipSpace() {
            while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
        }

        mutating func take(_ byte: Character) -> Bool {
            guard next == byte.asciiValue else { return false }
            position += 1
            return true
        }

        mutating func value(depth: Int) throws -> JSON {
            guard depth < 200 else { throw fault("nested too deeply") }
            skipSpace()
            switch next {
            case UInt8(ascii: "{"): return try object(depth: depth)
            case UInt8(ascii: "["): return try array(depth: depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): return try word("true", .bool(true))
            case UInt8(ascii: "f"): return try word("false", .bool(false))
            case UInt8(ascii: "n"): return try word("null", .null)
            default: return try number()
            }
        }

        mutating func word(_ text: String, _ value: JSON) throws -> JSON {
            guard bytes[position...].starts(with: text.utf8) else { throw fault("a value was expected") }
            position += text.utf8.count
            return value
        }

        mutating func number() throws -> JSON {
            let start = position
            while let byte = next, (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte) { position += 1 }
            let text = String(decoding: bytes[start..<position], as: UTF8.self)
            guard !text.isEmpty, Double(text) != nil else { throw fault("a value was expected") }
            return .number(text)
        }

        mutating func array(depth: Int) throws -> JSON {
            position += 1
            var values: [JSON] = []
            skipSpace()
            if take("]") { return .array(values) }
            while true {
                values.append(try value(depth: depth + 1))
                skipSpace()
                if take("]") { return .array(values) }
                guard take(",") else { throw fault("\",\" or \"]\" was expected") }
            }
        }

        mutating func object(depth: Int) throws -> JSON {
            position += 1
            var members: [Member] = []
            skipSpace()
            if take("}") { return .object(members) }
            while true {
                skipSpace()
                guard next == UInt8(ascii: "\"") else { throw fault("a member's name was expected") }
                let name = try string()
                skipSpace()
                guard take(":") else { throw fault("\":\" was expected") }
                members.append(Member(name, try value(depth: depth + 1)))
                skipSpace()
                if take("}") { return .object(members) }
                guard take(",") else { throw fault("\",\" or \"}\" was expected") }
            }
        }

        mutating func string() throws -> String {
            position += 1
            var text: [UInt8] = []
            while let byte = next {
                position += 1
                switch byte {
                case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
                case UInt8(ascii: "\\"): try escape(&text)
                case 0..<0x20: throw fault("a control character in a text")
                default: text.append(byte)
                }
            }
            throw fault("a text does not end")
        }

        mutating func escape(_ text: inout [UInt8]) throws {
            guard let byte = next else { throw fault("a text does not end") }
            position += 1
            switch byte {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
            case UInt8(ascii: "u"):
                var code = try unit()
                if (0xD800..<0xDC00).contains(code), bytes[position...].starts(with: "\\u".utf8) {
                    position += 2
                    let low = try unit()
                    code = (0xDC00..<0xE000).contains(low) ? 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00) : 0xFFFD
                }
                text.append(contentsOf: String(Unicode.Scalar(code) ?? "\u{FFFD}").utf8)
            default: throw fault("an unknown escape in a text")
            }
        }

        mutating func unit() throws -> UInt32 {
            guard bytes.count - position >= 4,
                let value = UInt32(String(decoding: bytes[position..<(position + 4)], as: UTF8.self), radix: 16)
            else { throw fault("\\u needs four hexadecimal digits") }
            position += 4
            return value
        }
    }
}
