public import JSONValues

/// Why a text is no template, with the line that says so.
public struct YAMLFault: Error, Hashable, CustomStringConvertible {
    /// From 1.
    public let line: Int
    public let reason: String

    public var description: String { "line \(line): \(reason)" }
}

/// Reads the YAML that templates are written in: mappings, sequences, scalars of all five styles, flow collections (JSON among
/// them) and CloudFormation's short tags, which become their long forms (`!Ref A` is `{"Ref": "A"}`).
///
/// Plain scalars mean what YAML 1.1 says, except that dates and numbers with leading zeros stay text. Refused, because no
/// template needs them or because they are likely mistakes: anchors and aliases, keys that are no scalars, keys that come
/// twice, tabs as indentation, several documents, and other tags.
public struct YAMLReader {
    /// Bytes; CloudFormation's own limit of a template.
    public static let maximumBytes = 1_048_576
    static let maximumDepth = 64

    var lines: [[UInt8]]
    /// The next line to look at.
    var row = 0

    public static func read(_ bytes: [UInt8]) throws(YAMLFault) -> JSON {
        guard bytes.count <= maximumBytes else { throw YAMLFault(line: 1, reason: "the template has more than \(maximumBytes) bytes") }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw YAMLFault(line: 1, reason: "the template is not UTF-8 text") }
        var reader = YAMLReader(bytes)
        return try reader.document()
    }

    private init(_ bytes: [UInt8]) {
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
        lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).map { $0.last == 0x0D ? Array($0.dropLast()) : Array($0) }
    }

    // MARK: Blocks

    private mutating func document() throws(YAMLFault) -> JSON {
        try skipBlank()
        if row < lines.count, lines[row].starts(with: "%".utf8) { throw fault("directives are not read here") }
        if row < lines.count, Self.isMarker(lines[row], "---") { lines[row].replaceSubrange(0..<3, with: "   ".utf8) }
        let value = try block(above: -1, depth: 0)
        try skipBlank()
        if row < lines.count, Self.isMarker(lines[row], "...") {
            row += 1
            try skipBlank()
        }
        guard row >= lines.count else {
            throw fault(Self.isMarker(lines[row], "---") ? "a template is one document" : "this is indented less than what it follows, or continues nothing")
        }
        return value
    }

    private static func isMarker(_ line: [UInt8], _ text: String) -> Bool {
        line.starts(with: text.utf8) && (line.count == 3 || line[3] == 0x20)
    }

    /// What stands in the lines that are indented more than `above`; null where there are none.
    mutating func block(above: Int, depth: Int) throws(YAMLFault) -> JSON {
        guard depth <= Self.maximumDepth else { throw fault("this is nested more than \(Self.maximumDepth) levels deep") }
        try skipBlank()
        guard row < lines.count, !Self.isMarker(lines[row], "..."), !Self.isMarker(lines[row], "---") else { return .null }
        let indent = Self.indent(lines[row])
        guard indent > above else { return .null }
        if isEntry(indent) { return try sequence(indent, depth) }
        if try keyEnd(row, indent) != nil { return try mapping(indent, depth) }
        return try value(from: indent, parent: above, depth: depth)
    }

    private mutating func sequence(_ indent: Int, _ depth: Int) throws(YAMLFault) -> JSON {
        var values: [JSON] = []
        while row < lines.count, Self.indent(lines[row]) == indent, isEntry(indent) {
            // What follows the dash is a block that begins on its line.
            lines[row][indent] = 0x20
            if Self.isBlank(lines[row], from: indent) {
                row += 1
                values.append(try block(above: indent, depth: depth + 1))
            } else {
                let inner = Self.indent(lines[row])
                if isEntry(inner) {
                    values.append(try sequence(inner, depth + 1))
                } else if try keyEnd(row, inner) != nil {
                    values.append(try mapping(inner, depth + 1))
                } else {
                    values.append(try value(from: inner, parent: indent, depth: depth + 1))
                }
            }
            try skipBlank()
        }
        try checkIndent(indent)
        return .array(values)
    }

    private mutating func mapping(_ indent: Int, _ depth: Int) throws(YAMLFault) -> JSON {
        guard depth <= Self.maximumDepth else { throw fault("this is nested more than \(Self.maximumDepth) levels deep") }
        var members: [JSON.Member] = []
        var names: Set<String> = []
        while row < lines.count, Self.indent(lines[row]) == indent, !isEntry(indent), !Self.isMarker(lines[row], "..."), !Self.isMarker(lines[row], "---") {
            guard let end = try keyEnd(row, indent) else { throw fault("a key and ':' are missing") }
            let name = try key(from: indent, to: end)
            guard names.insert(name).inserted else { throw fault("the key '\(name)' is there twice") }
            let start = end + 1
            let line = row
            if Self.isBlank(lines[row], from: start) {
                row += 1
                members.append(JSON.Member(name, try child(of: indent, depth)))
            } else {
                members.append(JSON.Member(name, try value(from: Self.skipSpace(lines[row], start), parent: indent, depth: depth + 1)))
            }
            guard row > line else { throw fault("this cannot be read") }
            try skipBlank()
        }
        try checkIndent(indent)
        return .object(members)
    }

    /// A sequence may stand under its key without being indented.
    private mutating func child(of indent: Int, _ depth: Int) throws(YAMLFault) -> JSON {
        try skipBlank()
        if row < lines.count, Self.indent(lines[row]) == indent, isEntry(indent) { return try sequence(indent, depth + 1) }
        return try block(above: indent, depth: depth + 1)
    }

    /// A tag, a scalar or a flow collection that begins in the current line; ends with the cursor at a line's start.
    private mutating func value(from start: Int, parent: Int, depth: Int) throws(YAMLFault) -> JSON {
        switch lines[row][start] {
        case UInt8(ascii: "!"):
            let (mark, next) = try tag(from: start)
            if Self.isBlank(lines[row], from: next) {
                row += 1
                return try mark.applied(to: try child(of: parent, depth), at: row)
            }
            let line = row + 1
            return try mark.applied(to: try value(from: Self.skipSpace(lines[row], next), parent: parent, depth: depth + 1), at: line)
        case UInt8(ascii: "|"), UInt8(ascii: ">"): return .string(try blockScalar(from: start, parent: parent))
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""), UInt8(ascii: "'"):
            var flow = YAMLFlow(lines: lines, row: row, column: start)
            let value = try flow.value(depth: depth)
            guard Self.isBlank(lines[flow.row], from: flow.column) else {
                throw YAMLFault(line: flow.row + 1, reason: "there is something behind the end of a value")
            }
            row = flow.row + 1
            return value
        case UInt8(ascii: "&"), UInt8(ascii: "*"): throw fault("anchors and aliases are not read here: write the value out, or quote it")
        case UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"): throw fault("a text that begins so must be quoted")
        case UInt8(ascii: "?") where lines[row].count == start + 1 || lines[row][start + 1] == 0x20: throw fault("keys that are no scalars are not read here")
        default: return try plain(from: start, parent: parent)
        }
    }

    // MARK: Scalars

    /// Goes on in lines that are indented more than its parent.
    private mutating func plain(from start: Int, parent: Int) throws(YAMLFault) -> JSON {
        var text = Self.plainText(lines[row], from: start)
        if Self.hasKey(Array(text.utf8)) { throw fault("a value cannot be a key itself: quote it, or put it into a line of its own") }
        var isOne = true
        var breaks = 0
        row += 1
        while row < lines.count {
            if Self.isBlank(lines[row], from: 0) {
                // A comment ends a plain scalar.
                if lines[row].contains(UInt8(ascii: "#")) { break }
                breaks += 1
                row += 1
                continue
            }
            let indent = Self.indent(lines[row])
            guard indent > parent, !Self.isMarker(lines[row], "---"), !Self.isMarker(lines[row], "...") else { break }
            let more = Self.plainText(lines[row], from: indent)
            if Self.hasKey(Array(more.utf8)) { throw fault("this is indented as if it belonged to the value above, but has a key") }
            text += (breaks == 0 ? " " : String(repeating: "\n", count: breaks)) + more
            breaks = 0
            isOne = false
            row += 1
        }
        return isOne ? YAMLScalar.value(text) : .string(text)
    }

    /// Without comment and the space at its end.
    private static func plainText(_ line: [UInt8], from start: Int) -> String {
        var end = start
        while end < line.count, !(line[end] == UInt8(ascii: "#") && end > start && (line[end - 1] == 0x20 || line[end - 1] == 0x09)) { end += 1 }
        while end > start, line[end - 1] == 0x20 || line[end - 1] == 0x09 { end -= 1 }
        return String(decoding: line[start..<end], as: UTF8.self)
    }

    private static func hasKey(_ text: [UInt8]) -> Bool {
        text.indices.contains { text[$0] == UInt8(ascii: ":") && ($0 == text.count - 1 || text[$0 + 1] == 0x20) }
    }

    private mutating func blockScalar(from start: Int, parent: Int) throws(YAMLFault) -> String {
        let isFolded = lines[row][start] == UInt8(ascii: ">")
        var chomping: UInt8?
        var indent: Int?
        for byte in Self.plainText(lines[row], from: start).utf8.dropFirst() {
            switch byte {
            case UInt8(ascii: "-"), UInt8(ascii: "+"): chomping = byte
            case UInt8(ascii: "1")...UInt8(ascii: "9"): indent = max(parent, 0) + Int(byte - 0x30)
            default: throw fault("behind | and > only -, + and an indentation may stand")
            }
        }
        row += 1
        var content: [[UInt8]] = []
        while row < lines.count {
            let line = lines[row]
            let own = Self.indent(line)
            if own == line.count {
                content.append(indent.map { own > $0 ? Array(line[$0...]) : [] } ?? [])
            } else {
                guard own > parent, indent.map({ own >= $0 }) ?? true else { break }
                let base = indent ?? own
                indent = base
                if line[base...].first == 0x09 { throw fault("tabs are no indentation") }
                content.append(Array(line[base...]))
            }
            row += 1
        }
        var trailing = 0
        while content.last?.isEmpty == true {
            content.removeLast()
            trailing += 1
        }
        let text = isFolded ? Self.folded(content) : content.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
        if content.isEmpty { return chomping == UInt8(ascii: "+") ? String(repeating: "\n", count: trailing) : "" }
        switch chomping {
        case UInt8(ascii: "-"): return text
        case UInt8(ascii: "+"): return text + String(repeating: "\n", count: trailing + 1)
        default: return text + "\n"
        }
    }

    /// Lines become one, but for those that are indented more and those about them.
    private static func folded(_ content: [[UInt8]]) -> String {
        var text = ""
        var breaks = 0
        var wasIndented = false
        for (index, line) in content.enumerated() {
            if line.isEmpty {
                breaks += 1
                continue
            }
            let isIndented = line[0] == 0x20 || line[0] == 0x09
            if index > breaks || !text.isEmpty {
                let keeps = wasIndented || isIndented
                text += breaks == 0 ? (keeps ? "\n" : " ") : String(repeating: "\n", count: breaks + (keeps ? 1 : 0))
            } else {
                text += String(repeating: "\n", count: breaks)
            }
            text += String(decoding: line, as: UTF8.self)
            breaks = 0
            wasIndented = isIndented
        }
        return text
    }

    // MARK: Keys and tags

    /// Where the `:` of a line's key is; nil if the line begins with no key.
    private func keyEnd(_ row: Int, _ start: Int) throws(YAMLFault) -> Int? {
        let line = lines[row]
        guard start < line.count else { return nil }
        var end = start
        switch line[start] {
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            var flow = YAMLFlow(lines: [line], row: 0, column: start)
            // One that goes on in the next line is a value.
            guard (try? flow.value(depth: 0)) != nil else { return nil }
            end = Self.skipSpace(line, flow.column)
            return end < line.count && line[end] == UInt8(ascii: ":") && (end + 1 == line.count || line[end + 1] == 0x20) ? end : nil
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "|"), UInt8(ascii: ">"), UInt8(ascii: "#"), UInt8(ascii: "!"), UInt8(ascii: "&"),
            UInt8(ascii: "*"), UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"):
            return nil
        default:
            while end < line.count {
                if line[end] == UInt8(ascii: ":"), end + 1 == line.count || line[end + 1] == 0x20 || line[end + 1] == 0x09 { return end }
                if line[end] == UInt8(ascii: "#"), end > start, line[end - 1] == 0x20 { return nil }
                end += 1
            }
            return nil
        }
    }

    private func key(from start: Int, to end: Int) throws(YAMLFault) -> String {
        guard lines[row][start] == UInt8(ascii: "\"") || lines[row][start] == UInt8(ascii: "'") else {
            let text = Self.plainText(Array(lines[row][..<end]), from: start)
            if text == "<<" { throw fault("merge keys are not read here: write the members out") }
            return text
        }
        var flow = YAMLFlow(lines: [lines[row]], row: 0, column: start)
        return try flow.value(depth: 0).string ?? ""
    }

    private func tag(from start: Int) throws(YAMLFault) -> (YAMLTag, next: Int) {
        var end = start + 1
        while end < lines[row].count, lines[row][end] != 0x20, lines[row][end] != 0x09 { end += 1 }
        return (try YAMLTag(String(decoding: lines[row][start + 1..<end], as: UTF8.self), at: row + 1), end)
    }

    // MARK: Lines

    private func isEntry(_ indent: Int) -> Bool {
        let line = lines[row]
        return indent < line.count && line[indent] == UInt8(ascii: "-") && (indent + 1 == line.count || line[indent + 1] == 0x20)
    }

    private mutating func skipBlank() throws(YAMLFault) {
        while row < lines.count, Self.isBlank(lines[row], from: 0) { row += 1 }
        if row < lines.count, lines[row][Self.indent(lines[row])] == 0x09 { throw fault("tabs are no indentation") }
    }

    private func checkIndent(_ indent: Int) throws(YAMLFault) {
        guard row < lines.count, Self.indent(lines[row]) > indent else { return }
        throw fault("this is indented more than what it follows")
    }

    static func indent(_ line: [UInt8]) -> Int { line.firstIndex { $0 != 0x20 } ?? line.count }

    static func skipSpace(_ line: [UInt8], _ start: Int) -> Int {
        var index = start
        while index < line.count, line[index] == 0x20 || line[index] == 0x09 { index += 1 }
        return index
    }

    /// Nothing but space and a comment.
    static func isBlank(_ line: [UInt8], from start: Int) -> Bool {
        let first = skipSpace(line, start)
        return first >= line.count || line[first] == UInt8(ascii: "#") && (first == 0 || line[first - 1] == 0x20 || line[first - 1] == 0x09)
    }

    private func fault(_ reason: String) -> YAMLFault { YAMLFault(line: min(row, lines.count - 1) + 1, reason: reason) }
}
