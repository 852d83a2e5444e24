extension JSON {
    /// Nesting that is followed when nothing else is said; each level takes a stack frame.
    public static let usualDepth = 200

    /// Reads one value and nothing else (RFC 8259). A lone surrogate, which has no UTF-8 form, becomes U+FFFD.
    public init(parsing bytes: some Sequence<UInt8>, maximumDepth: Int = usualDepth) throws(JSONFault) {
        var found: Result<JSON, JSONFault>?
        let isContiguous: Void? = bytes.withContiguousStorageIfAvailable {
            found = Self.read(UnsafeRawBufferPointer($0), maximumDepth: maximumDepth)
        }
        if isContiguous == nil { Array(bytes).withUnsafeBytes { found = Self.read($0, maximumDepth: maximumDepth) } }
        guard let found else { throw JSONFault(reason: .unexpectedEnd, offset: 0) }
        self = try found.get()
    }

    public init(parsing text: String, maximumDepth: Int = usualDepth) throws(JSONFault) {
        try self.init(parsing: text.utf8, maximumDepth: maximumDepth)
    }

    private static func read(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int) -> Result<JSON, JSONFault> {
        var scanner = JSONScanner(bytes, maximumDepth: maximumDepth)
        do throws(JSONFault) {
            let value = try scanner.takeValue(depth: 0)
            scanner.skipSpace()
            if !scanner.isAtEnd { throw scanner.fault(.trailing) }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }
}

extension JSONScanner {
    fileprivate mutating func takeValue(depth: Int) throws(JSONFault) -> JSON {
        guard let byte = peek() else { throw fault(.unexpectedEnd) }
        switch byte {
        case UInt8(ascii: "{"): return .object(try takeMembers(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try takeElements(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try takeText())
        case UInt8(ascii: "t"):
            try takeLiteral("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try takeLiteral("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try takeLiteral("null")
            return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            let start = position
            try takeNumber()
            return .number(String(decoding: bytes[start..<position], as: UTF8.self))
        default: throw fault(.unexpectedCharacter)
        }
    }

    private mutating func takeElements(depth: Int) throws(JSONFault) -> [JSON] {
        guard depth <= maximumDepth else { throw fault(.tooDeep) }
        try take(UInt8(ascii: "["))
        var values: [JSON] = []
        if takeIf(UInt8(ascii: "]")) { return values }
        repeat { values.append(try takeValue(depth: depth)) } while takeIf(UInt8(ascii: ","))
        try take(UInt8(ascii: "]"))
        return values
    }

    private mutating func takeMembers(depth: Int) throws(JSONFault) -> [JSON.Member] {
        guard depth <= maximumDepth else { throw fault(.tooDeep) }
        try take(UInt8(ascii: "{"))
        var members: [JSON.Member] = []
        if takeIf(UInt8(ascii: "}")) { return members }
        repeat {
            let name = try takeText()
            try take(UInt8(ascii: ":"))
            members.append(JSON.Member(name, try takeValue(depth: depth)))
        } while takeIf(UInt8(ascii: ","))
        try take(UInt8(ascii: "}"))
        return members
    }

    /// A string without its quotes and escapes.
    private mutating func takeText() throws(JSONFault) -> String {
        let (range, isEscaped) = try takeString()
        guard isEscaped else { return String(decoding: bytes[range], as: UTF8.self) }
        return String(decoding: Self.unescaped(bytes[range]), as: UTF8.self)
    }

    /// - Parameter text: a string's content whose escapes have been checked.
    private static func unescaped(_ text: Slice<UnsafeRawBufferPointer>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index] == UInt8(ascii: "\\") else {
                result.append(text[index])
                index += 1
                continue
            }
            let kind = text[index + 1]
            index += 2
            switch kind {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                var code = codeUnit(text, index)
                index += 4
                if (0xD800..<0xDC00).contains(code), index + 6 <= text.endIndex, text[index] == UInt8(ascii: "\\"),
                    text[index + 1] == UInt8(ascii: "u"), (0xDC00..<0xE000).contains(codeUnit(text, index + 2))
                {
                    code = 0x10000 + (code - 0xD800) << 10 + (codeUnit(text, index + 2) - 0xDC00)
                    index += 6
                }
                result.append(contentsOf: String(Unicode.Scalar(code) ?? "\u{FFFD}").utf8)
            default: result.append(kind)
            }
        }
        return result
    }

    private static func codeUnit(_ text: Slice<UnsafeRawBufferPointer>, _ index: Int) -> UInt32 {
        text[index..<(index + 4)].reduce(0) { $0 << 4 | UInt32(hexadecimal($1) ?? 0) }
    }
}
