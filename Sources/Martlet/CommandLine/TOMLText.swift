/// The part of TOML 1.0 that a function's settings need: tables one level deep; in them texts of one line, whole numbers,
/// booleans, and arrays of texts.
///
/// Source: https://toml.io/en/v1.0.0
enum TOMLText {
    enum Value: Hashable, Sendable {
        case text(String)
        case integer(Int)
        case boolean(Bool)
        case texts([String])
    }

    struct Entry: Hashable, Sendable {
        /// Empty above the first table.
        let table: String
        let key: String
        let value: Value
        let line: Int
    }

    /// One line, or several where a value goes over them.
    enum Expression: Hashable, Sendable {
        /// A table's header; the table may be empty.
        case table(String, line: Int)
        case entry(Entry)
    }

    /// What was read, and how far the reading got.
    struct Fault: Error, Hashable, CustomStringConvertible {
        let line: Int
        let reason: String
        var description: String { "line \(line): \(reason)" }
    }

    /// In the order of the file.
    static func expressions(_ bytes: [UInt8]) throws(Fault) -> [Expression] {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Fault(line: 1, reason: "the file is not UTF-8") }
        var reader = TOMLReader(text.unicodeScalars)
        var found: [Expression] = []
        var table = ""
        var tables: Set<String> = []
        var keys: Set<String> = []
        while reader.skipToContent() {
            let line = reader.line
            if reader.take("[") {
                guard !reader.take("[") else { throw reader.fault("arrays of tables are not taken here") }
                table = try reader.key()
                try reader.expect("]")
                guard tables.insert(table).inserted else { throw reader.fault("the table [\(table)] is there already") }
                keys = []
                found.append(.table(table, line: line))
            } else {
                let key = try reader.key()
                try reader.expect("=")
                guard keys.insert(key).inserted else { throw reader.fault("\(key) is there already") }
                found.append(.entry(Entry(table: table, key: key, value: try reader.value(), line: line)))
            }
            try reader.endLine()
        }
        return found
    }
}

/// Goes through a text scalar by scalar: as characters, CR and LF would be one.
private struct TOMLReader {
    private var rest: Substring.UnicodeScalarView
    private(set) var line = 1

    init(_ text: String.UnicodeScalarView) { rest = Substring(String(text)).unicodeScalars }

    func fault(_ reason: String) -> TOMLText.Fault { TOMLText.Fault(line: line, reason: reason) }

    private var shown: String { String(rest.prefix { $0 != "\n" && $0 != "\r" }.prefix(20)) }

    // MARK: Space

    private mutating func skipSpace() { rest = rest.drop { $0 == " " || $0 == "\t" } }

    private mutating func skipComment() {
        if rest.first == "#" { rest = rest.drop { $0 != "\n" } }
    }

    private mutating func takeLineEnd() -> Bool {
        if rest.first == "\r", rest.dropFirst().first == "\n" { rest.removeFirst() }
        guard rest.first == "\n" else { return false }
        rest.removeFirst()
        line += 1
        return true
    }

    /// Past empty lines and comments.
    /// - Returns: whether there is more.
    mutating func skipToContent() -> Bool {
        repeat {
            skipSpace()
            skipComment()
        } while takeLineEnd()
        return !rest.isEmpty
    }

    mutating func endLine() throws(TOMLText.Fault) {
        skipSpace()
        skipComment()
        guard rest.isEmpty || takeLineEnd() else { throw fault("'\(shown)' is more than was expected") }
    }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        skipSpace()
        guard rest.first == scalar else { return false }
        rest.removeFirst()
        return true
    }

    mutating func expect(_ scalar: Unicode.Scalar) throws(TOMLText.Fault) {
        guard take(scalar) else { throw fault("'\(scalar)' is expected\(shown.isEmpty ? " at the end of the line" : " before '\(shown)'")") }
    }

    // MARK: Names and values

    mutating func key() throws(TOMLText.Fault) -> String {
        skipSpace()
        var name = ""
        if rest.first == "\"" || rest.first == "'" {
            name = try quoted()
        } else {
            let bare = rest.prefix { $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil) || $0 == "_" || $0 == "-" }
            guard !bare.isEmpty else { throw fault("a name is expected") }
            rest = rest.dropFirst(bare.count)
            name = String(bare)
        }
        skipSpace()
        guard rest.first != "." else { throw fault("names with dots are not taken here: write [\(name)] on a line of its own, and what is in it below") }
        return name
    }

    mutating func value() throws(TOMLText.Fault) -> TOMLText.Value {
        skipSpace()
        switch rest.first {
        case "\"", "'": return .text(try quoted())
        case "[": return .texts(try texts())
        case "{": throw fault("tables in one line are not taken here: write [name] on a line of its own, and what is in it below")
        default: return try plain()
        }
    }

    private mutating func plain() throws(TOMLText.Fault) -> TOMLText.Value {
        let word = rest.prefix { !" \t#,]\r\n".unicodeScalars.contains($0) }
        rest = rest.dropFirst(word.count)
        switch String(word) {
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        default:
            guard let number = Self.integer(String(word)) else {
                throw fault(word.isEmpty ? "a value is expected" : "'\(String(word.prefix(20)))' is no text in quotes, whole number, true or false")
            }
            return .integer(number)
        }
    }

    /// Decimal; underscores stand between digits, and nothing begins with a needless 0.
    private static func integer(_ word: String) -> Int? {
        let digits = word.drop { $0 == "+" || $0 == "-" }
        guard word.count - digits.count <= 1, digits == "0" || digits.first != "0", digits.first != "_", digits.last != "_",
            !digits.contains("__"), digits.allSatisfy({ $0.isASCII && $0.isNumber || $0 == "_" })
        else { return nil }
        return Int(word.filter { $0 != "_" })
    }

    /// May go over several lines, with comments and a comma behind the last.
    private mutating func texts() throws(TOMLText.Fault) -> [String] {
        rest.removeFirst()
        var found: [String] = []
        while true {
            guard skipToContent() else { throw fault("the array has no closing ]") }
            if take("]") { return found }
            guard rest.first == "\"" || rest.first == "'" else { throw fault("an array has texts in quotes, not '\(shown)'") }
            found.append(try quoted())
            guard skipToContent() else { throw fault("the array has no closing ]") }
            if take(",") { continue }
            try expect("]")
            return found
        }
    }

    private mutating func quoted() throws(TOMLText.Fault) -> String {
        let quote = rest.removeFirst()
        if rest.starts(with: [quote, quote]) { throw fault("texts of several lines are not taken here: write \\n for a new line") }
        var text = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            if scalar == quote { return String(text) }
            guard scalar.value >= 0x20 && scalar.value != 0x7F || scalar == "\t" else { break }
            text.append(scalar == "\\" && quote == "\"" ? try escaped() : scalar)
        }
        throw fault("the text has no closing \(quote) on its line")
    }

    private mutating func escaped() throws(TOMLText.Fault) -> Unicode.Scalar {
        switch rest.popFirst() {
        case "\"": return "\""
        case "\\": return "\\"
        case "n": return "\n"
        case "t": return "\t"
        case "r": return "\r"
        case "b": return "\u{8}"
        case "f": return "\u{c}"
        case "u": return try scalar(4)
        case "U": return try scalar(8)
        default: throw fault("the text has an escape that TOML does not have: write \\\\ for a backslash, or the text in '…'")
        }
    }

    private mutating func scalar(_ count: Int) throws(TOMLText.Fault) -> Unicode.Scalar {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy({ $0.properties.isASCIIHexDigit }), let value = UInt32(String(digits), radix: 16),
            let scalar = Unicode.Scalar(value)
        else { throw fault("the text has an escape that is no character") }
        rest = rest.dropFirst(count)
        return scalar
    }
}
