import JSONValues

/// Values that say themselves where they end: quoted scalars and flow collections, over as many lines as they need.
struct YAMLFlow {
    let lines: [[UInt8]]
    private(set) var row: Int
    private(set) var column: Int

    init(lines: [[UInt8]], row: Int, column: Int) {
        self.lines = lines
        self.row = row
        self.column = column
    }

    mutating func value(depth: Int) throws(YAMLFault) -> JSON {
        guard depth <= YAMLReader.maximumDepth else { throw fault("this is nested more than \(YAMLReader.maximumDepth) levels deep") }
        switch try next() {
        case UInt8(ascii: "{"): return try mapping(depth)
        case UInt8(ascii: "["): return try sequence(depth)
        case UInt8(ascii: "\""): return .string(try doubleQuoted())
        case UInt8(ascii: "'"): return .string(try singleQuoted())
        case UInt8(ascii: "!"):
            var name: [UInt8] = []
            column += 1
            while let byte = current, !" \t\n,[]{}".utf8.contains(byte) {
                name.append(byte)
                column += 1
            }
            let tag = try YAMLTag(String(decoding: name, as: UTF8.self), at: row + 1)
            _ = try next()
            return try tag.applied(to: try value(depth: depth + 1), at: row + 1)
        case UInt8(ascii: "&"), UInt8(ascii: "*"): throw fault("anchors and aliases are not read here: write the value out, or quote it")
        default: return YAMLScalar.value(try plain())
        }
    }

    private mutating func mapping(_ depth: Int) throws(YAMLFault) -> JSON {
        column += 1
        var members: [JSON.Member] = []
        var names: Set<String> = []
        while try next() != UInt8(ascii: "}") {
            let isQuoted = current == UInt8(ascii: "\"") || current == UInt8(ascii: "'")
            let name = isQuoted ? try value(depth: depth + 1).string ?? "" : try plain()
            guard names.insert(name).inserted else { throw fault("the key '\(name)' is there twice") }
            guard try next() == UInt8(ascii: ":") else { throw fault("':' is missing behind the key '\(name)'") }
            column += 1
            let first = try next()
            let isEmpty = first == UInt8(ascii: ",") || first == UInt8(ascii: "}")
            members.append(JSON.Member(name, isEmpty ? .null : try value(depth: depth + 1)))
            try separator(UInt8(ascii: "}"))
        }
        column += 1
        return .object(members)
    }

    private mutating func sequence(_ depth: Int) throws(YAMLFault) -> JSON {
        column += 1
        var values: [JSON] = []
        while try next() != UInt8(ascii: "]") {
            values.append(try value(depth: depth + 1))
            try separator(UInt8(ascii: "]"))
        }
        column += 1
        return .array(values)
    }

    private mutating func separator(_ end: UInt8) throws(YAMLFault) {
        switch try next() {
        case UInt8(ascii: ","): column += 1
        case end: break
        default: throw fault("',' or '\(Character(Unicode.Scalar(end)))' is missing")
        }
    }

    // MARK: Scalars

    private mutating func plain() throws(YAMLFault) -> String {
        var bytes: [UInt8] = []
        while let byte = current, byte != 0x0A, !",[]{}".utf8.contains(byte) {
            if byte == UInt8(ascii: ":"), ahead(1).map({ " \t\n,[]{}".utf8.contains($0) }) ?? true { break }
            if byte == UInt8(ascii: "#"), bytes.last == 0x20 { break }
            bytes.append(byte)
            column += 1
        }
        while bytes.last == 0x20 || bytes.last == 0x09 { bytes.removeLast() }
        guard !bytes.isEmpty else { throw fault("a value is missing") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func singleQuoted() throws(YAMLFault) -> String {
        column += 1
        var bytes: [UInt8] = []
        while true {
            switch current {
            case nil: throw fault("a quoted text does not end")
            case 0x0A?: fold(&bytes)
            case UInt8(ascii: "'")?:
                column += 1
                guard current == UInt8(ascii: "'") else { return String(decoding: bytes, as: UTF8.self) }
                bytes.append(UInt8(ascii: "'"))
                column += 1
            case let byte?:
                bytes.append(byte)
                column += 1
            }
        }
    }

    private mutating func doubleQuoted() throws(YAMLFault) -> String {
        column += 1
        var bytes: [UInt8] = []
        // What came of an escape is no space that folding takes away.
        var kept = 0
        while true {
            switch current {
            case nil: throw fault("a quoted text does not end")
            case 0x0A?: fold(&bytes, keeping: kept)
            case UInt8(ascii: "\"")?:
                column += 1
                return String(decoding: bytes, as: UTF8.self)
            case UInt8(ascii: "\\")?:
                column += 1
                try escape(into: &bytes)
                kept = bytes.count
            case let byte?:
                bytes.append(byte)
                column += 1
            }
        }
    }

    private static let escapes: [UInt8: String] = [
        UInt8(ascii: "0"): "\0", UInt8(ascii: "a"): "\u{7}", UInt8(ascii: "b"): "\u{8}", UInt8(ascii: "t"): "\t", UInt8(ascii: "n"): "\n",
        UInt8(ascii: "v"): "\u{B}", UInt8(ascii: "f"): "\u{C}", UInt8(ascii: "r"): "\r", UInt8(ascii: "e"): "\u{1B}", UInt8(ascii: " "): " ",
        UInt8(ascii: "\""): "\"", UInt8(ascii: "/"): "/", UInt8(ascii: "\\"): "\\", UInt8(ascii: "N"): "\u{85}", UInt8(ascii: "_"): "\u{A0}",
        UInt8(ascii: "L"): "\u{2028}", UInt8(ascii: "P"): "\u{2029}", 0x09: "\t",
    ]

    private mutating func escape(into bytes: inout [UInt8]) throws(YAMLFault) {
        guard let kind = current else { throw fault("a quoted text does not end") }
        if kind == 0x0A {
            row += 1
            column = row < lines.count ? YAMLReader.skipSpace(lines[row], 0) : 0
            return
        }
        column += 1
        if let text = Self.escapes[kind] {
            bytes += Array(text.utf8)
            return
        }
        let counts: [UInt8: Int] = [UInt8(ascii: "x"): 2, UInt8(ascii: "u"): 4, UInt8(ascii: "U"): 8]
        guard let count = counts[kind] else { throw fault("\\\(Character(Unicode.Scalar(kind))) is no escape") }
        var code = try digits(count)
        // JSON's pairs of surrogates.
        if (0xD800..<0xDC00).contains(code), current == UInt8(ascii: "\\"), ahead(1) == UInt8(ascii: "u") {
            column += 2
            let low = try digits(4)
            if (0xDC00..<0xE000).contains(low) { code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00) }
        }
        guard let scalar = Unicode.Scalar(code) else { throw fault("an escape names no character") }
        bytes += Array(String(Character(scalar)).utf8)
    }

    private mutating func digits(_ count: Int) throws(YAMLFault) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let byte = current, let digit = UInt32(String(Character(Unicode.Scalar(byte))), radix: 16) else {
                throw fault("an escape has too few hexadecimal digits")
            }
            value = value << 4 | digit
            column += 1
        }
        return value
    }

    /// A line's end within quotes: a space, or as many line breaks as there are empty lines.
    private mutating func fold(_ bytes: inout [UInt8], keeping kept: Int = 0) {
        while bytes.count > kept, bytes.last == 0x20 || bytes.last == 0x09 { bytes.removeLast() }
        var empty = -1
        repeat {
            row += 1
            column = row < lines.count ? YAMLReader.skipSpace(lines[row], 0) : 0
            empty += 1
        } while row < lines.count && column == lines[row].count
        bytes += empty == 0 ? [0x20] : [UInt8](repeating: 0x0A, count: empty)
    }

    // MARK: Characters

    /// A line's end is a line break; nil behind the last line.
    private var current: UInt8? { ahead(0) }

    private func ahead(_ count: Int) -> UInt8? {
        guard row < lines.count else { return nil }
        let index = column + count
        return index < lines[row].count ? lines[row][index] : 0x0A
    }

    /// Skips space, line ends and comments.
    private mutating func next() throws(YAMLFault) -> UInt8 {
        while let byte = current {
            switch byte {
            case 0x20, 0x09: column += 1
            case 0x0A:
                row += 1
                column = 0
            case UInt8(ascii: "#") where column == 0 || lines[row][column - 1] == 0x20 || lines[row][column - 1] == 0x09: column = lines[row].count
            default: return byte
            }
        }
        throw fault("a value in brackets does not end")
    }

    private func fault(_ reason: String) -> YAMLFault { YAMLFault(line: min(row, lines.count - 1) + 1, reason: reason) }
}
