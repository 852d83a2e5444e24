/// Where and why bytes are not JSON.
public struct JSONFault: Error, Equatable, CustomStringConvertible {
    public enum Reason: String, Sendable {
        case unexpectedEnd = "it ends too early"
        case unexpectedCharacter = "unexpected character"
        case tooDeep = "it is nested too deeply"
        case badString = "a string has an unescaped control character or a bad escape"
        case badUTF8 = "a string is not valid UTF-8"
        case trailing = "there is more after its end"
    }

    public let reason: Reason
    /// From 0.
    public let offset: Int

    public init(reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    public var description: String { "\(reason.rawValue) at byte \(offset)" }
}

/// Walks over JSON text (RFC 8259) in place: no allocation, no recursion, depth bounded.
public struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    let maximumDepth: Int
    public private(set) var position = 0

    public init(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    /// Checks that the bytes are one JSON value and nothing else.
    public static func validate(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int) throws(JSONFault) {
        var scanner = JSONScanner(bytes, maximumDepth: maximumDepth)
        try scanner.skipValue()
        scanner.skipSpace()
        if scanner.position < bytes.count { throw scanner.fault(.trailing) }
    }

    public var isAtEnd: Bool { position >= bytes.count }

    public mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not space, without taking it.
    public mutating func peek() -> UInt8? {
        skipSpace()
        return position < bytes.count ? bytes[position] : nil
    }

    public mutating func take(_ byte: UInt8) throws(JSONFault) {
        guard let next = peek() else { throw fault(.unexpectedEnd) }
        guard next == byte else { throw fault(.unexpectedCharacter) }
        position += 1
    }

    public mutating func takeIf(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    /// Passes over one value of any kind.
    public mutating func skipValue() throws(JSONFault) {
        let start = peek()
        guard start == UInt8(ascii: "{") || start == UInt8(ascii: "[") else {
            try skipScalar()
            return
        }
        // One bit per level: set for an object. 512 levels are 8 words on the stack.
        var levels: InlineLevels = InlineLevels()
        var depth = 0
        var wantsValue = true
        while true {
            if wantsValue {
                guard let byte = peek() else { throw fault(.unexpectedEnd) }
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                    guard depth < min(maximumDepth, InlineLevels.capacity) else { throw fault(.tooDeep) }
                    let isObject = byte == UInt8(ascii: "{")
                    levels.set(depth, isObject)
                    depth += 1
                    position += 1
                    if takeIf(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                        depth -= 1
                        wantsValue = false
                    } else if isObject {
                        try takeKey()
                    }
                } else {
                    try skipScalar()
                    wantsValue = false
                }
                continue
            }
            if depth == 0 { return }
            guard let byte = peek() else { throw fault(.unexpectedEnd) }
            let isObject = levels.get(depth - 1)
            if byte == UInt8(ascii: ",") {
                position += 1
                if isObject { try takeKey() }
                wantsValue = true
            } else if byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                position += 1
                depth -= 1
            } else {
                throw fault(.unexpectedCharacter)
            }
        }
    }

    private mutating func takeKey() throws(JSONFault) {
        guard let byte = peek() else { throw fault(.unexpectedEnd) }
        guard byte == UInt8(ascii: "\"") else { throw fault(.unexpectedCharacter) }
        _ = try takeString()
        try take(UInt8(ascii: ":"))
    }

    private mutating func skipScalar() throws(JSONFault) {
        guard let byte = peek() else { throw fault(.unexpectedEnd) }
        switch byte {
        case UInt8(ascii: "\""): _ = try takeString()
        case UInt8(ascii: "t"): try takeLiteral("true")
        case UInt8(ascii: "f"): try takeLiteral("false")
        case UInt8(ascii: "n"): try takeLiteral("null")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try takeNumber()
        default: throw fault(.unexpectedCharacter)
        }
    }

    /// Passes over a string and gives the range between its quotes, and whether it has escapes.
    public mutating func takeString() throws(JSONFault) -> (range: Range<Int>, isEscaped: Bool) {
        try take(UInt8(ascii: "\""))
        let start = position
        var isEscaped = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return (start..<(position - 1), isEscaped)
            }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                try takeEscape()
            } else if byte < 0x20 {
                throw fault(.badString)
            } else if byte < 0x80 {
                position += 1
            } else {
                try takeMultibyte(byte)
            }
        }
        throw fault(.unexpectedEnd)
    }

    private mutating func takeEscape() throws(JSONFault) {
        guard position + 1 < bytes.count else { throw fault(.unexpectedEnd) }
        switch bytes[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            guard position + 6 <= bytes.count else { throw fault(.unexpectedEnd) }
            for index in (position + 2)..<(position + 6) where Self.hexadecimal(bytes[index]) == nil { throw fault(.badString) }
            position += 6
        default: throw fault(.badString)
        }
    }

    /// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
    private mutating func takeMultibyte(_ first: UInt8) throws(JSONFault) {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: throw fault(.badUTF8)
        }
        guard position + length <= bytes.count, second.contains(bytes[position + 1]) else { throw fault(.badUTF8) }
        for index in (position + 2)..<max(position + 2, position + length) where bytes[index] & 0xC0 != 0x80 { throw fault(.badUTF8) }
        position += length
    }

    mutating func takeLiteral(_ text: StaticString) throws(JSONFault) {
        guard position + text.utf8CodeUnitCount <= bytes.count else { throw fault(.unexpectedEnd) }
        for index in 0..<text.utf8CodeUnitCount where bytes[position + index] != text.utf8Start[index] {
            throw fault(.unexpectedCharacter)
        }
        position += text.utf8CodeUnitCount
    }

    mutating func takeNumber() throws(JSONFault) {
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        if bytes[position] == UInt8(ascii: "0") { position += 1 } else { try takeDigits() }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            try takeDigits()
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") { position += 1 }
            try takeDigits()
        }
    }

    private mutating func takeDigits() throws(JSONFault) {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) { position += 1 }
        if position == start { throw fault(position < bytes.count ? .unexpectedCharacter : .unexpectedEnd) }
    }

    func fault(_ reason: JSONFault.Reason) -> JSONFault { JSONFault(reason: reason, offset: position) }

    public static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// A fixed stack of bits.
private struct InlineLevels {
    static let capacity = 512
    private var words: SIMD8<UInt64> = .zero

    func get(_ index: Int) -> Bool { words[index >> 6] >> UInt64(index & 63) & 1 == 1 }

    mutating func set(_ index: Int, _ value: Bool) {
        let bit: UInt64 = 1 << UInt64(index & 63)
        if value { words[index >> 6] |= bit } else { words[index >> 6] &= ~bit }
    }
}
