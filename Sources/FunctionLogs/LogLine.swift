public import FunctionModel

/// One line that a function or the platform wrote.
public struct LogLine: Hashable, Sendable {
    /// When the server received it, milliseconds since 1970.
    public var timeMilliseconds: Int64
    /// nil for what was written outside an invocation: the version's init log.
    public var requestID: RequestID?
    /// nil where it was not noted.
    public var stream: LogStreamID?
    /// Without the line's end. Bytes that were no UTF-8 are U+FFFD.
    public var text: String

    public init(timeMilliseconds: Int64, requestID: RequestID?, stream: LogStreamID? = nil, text: String) {
        self.timeMilliseconds = timeMilliseconds
        self.requestID = requestID
        self.stream = stream
        self.text = text
    }
}

/// A place in one function's log, right after a line. Files keep their number, so it stays valid when others come and go.
public struct LogCursor: Hashable, Sendable, CustomStringConvertible {
    /// The file's number; 0 before the first file.
    public let file: UInt64
    /// Bytes from the file's beginning.
    public let offset: UInt64

    public init(file: UInt64, offset: UInt64) {
        self.file = file
        self.offset = offset
    }

    /// The form of the `after` parameter.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let file = UInt64(parts[0]), let offset = UInt64(parts[1]) else { return nil }
        self.init(file: file, offset: offset)
    }

    public var description: String { "\(file)-\(offset)" }
}

/// The form of a line on disk: `time TAB request-ID-or-dash [BLANK stream] TAB text LF`, text escaped so that it holds none of
/// the separators.
enum LogLineFormat {
    static func append(_ text: UnsafeRawBufferPointer, prefix: [UInt8], to output: inout [UInt8]) {
        output.append(contentsOf: prefix)
        var position = 0
        while position < text.count {
            let plain = plainPrefix(text, from: position)
            if plain > position {
                output.append(contentsOf: text[position..<plain])
                position = plain
                continue
            }
            let byte = text[position]
            switch byte {
            case UInt8(ascii: "\\"): output.append(contentsOf: "\\\\".utf8)
            case UInt8(ascii: "\t"): output.append(contentsOf: "\\t".utf8)
            case UInt8(ascii: "\n"): output.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): output.append(contentsOf: "\\r".utf8)
            case 0..<0x20, 0x7F:
                output.append(contentsOf: "\\x".utf8)
                output.append(hexadecimal[Int(byte >> 4)])
                output.append(hexadecimal[Int(byte & 0xF)])
            default:
                let length = sequenceLength(text, at: position)
                if length == 0 {
                    output.append(contentsOf: "\u{FFFD}".utf8)
                } else {
                    output.append(contentsOf: text[position..<position + length])
                    position += length - 1
                }
            }
            position += 1
        }
        output.append(UInt8(ascii: "\n"))
    }

    /// The end of what from `position` on is copied as it is: printable ASCII but for the backslash.
    private static func plainPrefix(_ text: UnsafeRawBufferPointer, from position: Int) -> Int {
        var end = position
        while end < text.count, text[end] >= 0x20, text[end] < 0x7F, text[end] != UInt8(ascii: "\\") { end += 1 }
        return end
    }

    static func prefix(timeMilliseconds: Int64, requestID: RequestID?, stream: LogStreamID? = nil) -> [UInt8] {
        var prefix: [UInt8] = []
        prefix.reserveCapacity(96)
        prefix.append(contentsOf: String(timeMilliseconds).utf8)
        prefix.append(UInt8(ascii: "\t"))
        prefix.append(contentsOf: (requestID?.description ?? "-").utf8)
        if let stream {
            prefix.append(UInt8(ascii: " "))
            prefix.append(contentsOf: stream.text.utf8)
        }
        prefix.append(UInt8(ascii: "\t"))
        return prefix
    }

    /// - Parameter line: without its line feed.
    /// - Returns: nil for what this module did not write, such as the torn end of a write.
    static func parse(_ line: UnsafeRawBufferPointer) -> LogLine? {
        guard let first = line.firstIndex(of: UInt8(ascii: "\t")),
            let second = line[(first + 1)...].firstIndex(of: UInt8(ascii: "\t")),
            let time = Int64(String(decoding: line[..<first], as: UTF8.self))
        else { return nil }
        let origin = String(decoding: line[(first + 1)..<second], as: UTF8.self).split(separator: " ", maxSplits: 1)
        let name = origin.first.map(String.init) ?? ""
        let requestID = RequestID(name)
        guard requestID != nil || name == "-" else { return nil }
        let stream = origin.count == 2 ? LogStreamID(text: origin[1]) : nil
        return LogLine(timeMilliseconds: time, requestID: requestID, stream: stream, text: unescape(line[(second + 1)...]))
    }

    private static let hexadecimal = Array("0123456789abcdef".utf8)

    private static func unescape(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        guard bytes.contains(UInt8(ascii: "\\")) else { return String(decoding: bytes, as: UTF8.self) }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst() else {
                output.append(byte)
                continue
            }
            switch kind {
            case UInt8(ascii: "t"): output.append(UInt8(ascii: "\t"))
            case UInt8(ascii: "n"): output.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "r"): output.append(UInt8(ascii: "\r"))
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                rest = rest.dropFirst(2)
                output.append(UInt8(digits, radix: 16) ?? UInt8(ascii: "?"))
            default: output.append(kind)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Bytes of the well-formed UTF-8 sequence that begins at `position`; 0 if none does. Source: Unicode, table 3-7.
    private static func sequenceLength(_ text: UnsafeRawBufferPointer, at position: Int) -> Int {
        let lead = text[position]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: return 0
        }
        guard position + length <= text.count, second.contains(text[position + 1]) else { return 0 }
        for index in position + 2..<max(position + length, position + 2) where !(0x80...0xBF).contains(text[index]) { return 0 }
        return length
    }
}
