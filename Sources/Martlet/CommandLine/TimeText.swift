internal import FoundationEssentials

/// Moments as people write and read them; inside they are milliseconds since 1970.
enum TimeText {
    /// `90s`, `10m`, `24h`, `7d`, `2w` before `now`, or a date: `2026-11-21`, `2026-11-21T10:00`, `2026-11-21T10:00:00Z`,
    /// `…+02:00`. Without a zone a date is in UTC.
    ///
    /// - Throws: `CommandFailure` (usage).
    static func moment(_ text: String, now: Int64) throws -> Int64 {
        if let length = duration(text) { return now - length }
        if let date = date(text) { return date }
        throw CommandFailure.usage(
            "\(text) is no time: write a length such as 10m, 24h or 7d, or a date such as 2026-11-21 or 2026-11-21T10:00:00Z")
    }

    /// Milliseconds; nil for anything but a whole number and a unit. At most 100 years.
    static func duration(_ text: String) -> Int64? {
        guard let unit = text.last, let count = Int64(text.dropLast()), count >= 0, text.utf8.first != UInt8(ascii: "+") else { return nil }
        let seconds: Int64
        switch unit {
        case "s": seconds = 1
        case "m": seconds = 60
        case "h": seconds = 3_600
        case "d": seconds = 86_400
        case "w": seconds = 604_800
        default: return nil
        }
        guard count <= 3_155_760_000 / seconds else { return nil }
        return count * seconds * 1_000
    }

    private static func date(_ text: String) -> Int64? {
        var full = text
        if full.utf8.count == 10 { full += "T00:00:00" }
        if full.utf8.count == 16 { full += ":00" }
        let hasZone = full.hasSuffix("Z") || full.dropFirst(11).contains { $0 == "+" || $0 == "-" }
        if !hasZone { full += "Z" }
        let style = Date.ISO8601FormatStyle()
        let parsed = (try? Date(full, strategy: style)) ?? (try? Date(full, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        return parsed.map { Int64(($0.timeIntervalSince1970 * 1_000).rounded()) }
    }

    /// `2026-11-21T10:00:00.123Z`
    static func iso(_ milliseconds: Int64) -> String {
        // The fraction is written apart: a Double of seconds would cut 123 to 122.
        let rest = (milliseconds % 1_000 + 1_000) % 1_000
        let whole = Date(timeIntervalSince1970: Double((milliseconds - rest) / 1_000)).formatted(Date.ISO8601FormatStyle())
        return "\(whole.dropLast()).\(String(rest + 1_000).dropFirst())Z"
    }

    /// `980 µs`, `3.2 ms`, `1.25 s`
    static func length(microseconds: Int) -> String {
        switch microseconds {
        case ..<1_000: "\(microseconds) µs"
        case ..<10_000: "\(decimal(microseconds, unit: 1_000, digits: 2)) ms"
        case ..<1_000_000: "\(decimal(microseconds, unit: 1_000, digits: 1)) ms"
        default: "\(decimal(microseconds, unit: 1_000_000, digits: 2)) s"
        }
    }

    /// `value / unit` with a fixed number of decimals, cut off.
    private static func decimal(_ value: Int, unit: Int, digits: Int) -> String {
        let fraction = String(value % unit + unit).dropFirst().prefix(digits)
        return "\(value / unit).\(fraction)"
    }
}
