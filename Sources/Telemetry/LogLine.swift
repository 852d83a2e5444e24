import Glibc

/// Text of one log line, without I/O.
enum LogLine {
    /// Linux promises that a pipe which polls as writable takes this many bytes at once (PIPE_BUF): such a line is never
    /// torn apart and never blocks.
    static let maxBytes = 4_096
    private static let maxValueBytes = 1_024

    static func render(
        _ level: Log.Level, _ message: String, _ metadata: Log.Metadata, suppressed: UInt64, now: UInt64, format: Log.Format
    ) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        switch format {
        case .json:
            append("{\"time\":\"", &line)
            append(timestamp(now), &line)
            append("\",\"level\":\"\(level.name)\",\"message\":", &line)
            appendQuoted(message, &line)
            for (key, value) in metadata {
                let before = line.count
                append(",", &line)
                appendQuoted(key, &line)
                append(":", &line)
                switch value {
                case .string(let text): appendQuoted(text, &line)
                case .integer(let number): append(String(number), &line)
                case .bool(let flag): append(flag ? "true" : "false", &line)
                }
                if line.count > maxBytes - 64 {
                    line.removeSubrange(before...)
                    append(",\"truncated\":true", &line)
                    break
                }
            }
            if suppressed > 0 { append(",\"suppressed\":\(suppressed)", &line) }
            append("}\n", &line)
        case .text:
            append(timestamp(now), &line)
            append(" \(level.name) ", &line)
            appendPlain(message, &line)
            for (key, value) in metadata {
                let before = line.count
                append(" ", &line)
                appendPlain(key, &line)
                append("=", &line)
                switch value {
                case .string(let text):
                    if needsQuotes(text) { appendQuoted(text, &line) } else { append(text, &line) }
                case .integer(let number): append(String(number), &line)
                case .bool(let flag): append(flag ? "true" : "false", &line)
                }
                if line.count > maxBytes - 64 {
                    line.removeSubrange(before...)
                    append(" …", &line)
                    break
                }
            }
            if suppressed > 0 { append(" suppressed=\(suppressed)", &line) }
            append("\n", &line)
        }
        return line
    }

    /// `2026-11-21T08:43:47.123Z`
    static func timestamp(_ micros: UInt64) -> String {
        let seconds = micros / 1_000_000
        // Days to a civil date, counted from 1 March 0000 in eras of 400 years; exact for every UInt64 of microseconds.
        // Source: Howard Hinnant, chrono-compatible low-level date algorithms.
        let days = seconds / 86_400 + 719_468
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let time = seconds % 86_400
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))T\(pad(time / 3_600, 2)):\(pad(time / 60 % 60, 2)):\(pad(time % 60, 2))"
            + ".\(pad(micros / 1_000 % 1_000, 3))Z"
    }

    private static func pad(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    private static func append(_ text: String, _ line: inout [UInt8]) { line.append(contentsOf: text.utf8) }

    private static func needsQuotes(_ text: String) -> Bool {
        text.isEmpty || text.utf8.count > maxValueBytes
            || text.utf8.contains { $0 <= 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "\\") }
    }

    private static func appendPlain(_ text: String, _ line: inout [UInt8]) {
        for byte in text.utf8 { line.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: " ") : byte) }
    }

    /// A JSON string. Control characters are escaped, so that a value can neither begin a new line nor steer a terminal.
    private static func appendQuoted(_ text: String, _ line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        var room = maxValueBytes
        for scalar in text.unicodeScalars {
            let width = UTF8.width(scalar)
            guard room >= width else {
                append("…", &line)
                break
            }
            room -= width
            switch scalar {
            case "\"": append("\\\"", &line)
            case "\\": append("\\\\", &line)
            case "\n": append("\\n", &line)
            case "\r": append("\\r", &line)
            case "\t": append("\\t", &line)
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}":
                let hex = String(scalar.value, radix: 16)
                append("\\u" + String(repeating: "0", count: 4 - hex.utf8.count) + hex, &line)
            default: line.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        line.append(UInt8(ascii: "\""))
    }
}

/// One write(2) per line. A reader that has stalled costs lines, not the event loop's time.
func writeLine(_ line: [UInt8], to descriptor: Int32 = 2) {
    var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while true {
        let ready = poll(&state, 1, 0)
        if ready < 0, errno == EINTR { continue }
        guard ready == 1, state.revents & Int16(POLLOUT) != 0 else { return }
        break
    }
    let count = min(line.count, LogLine.maxBytes)
    while write(descriptor, line, count) < 0, errno == EINTR {}
}
