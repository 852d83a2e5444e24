/// `cron(…)`, `rate(…)` or `at(…)`.
///
/// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
public struct ScheduleExpression: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case cron(CronExpression)
        /// Seconds.
        case rate(Int64)
        /// Seconds since 1970 by the local clock.
        case at(Int64)
    }

    public let text: String
    let kind: Kind

    public init(_ text: String) throws(ScheduleError) {
        guard text.utf8.count <= 256 else { throw ScheduleError("a schedule expression has at most 256 bytes") }
        guard let opening = text.firstIndex(of: "("), text.hasSuffix(")") else {
            throw ScheduleError("'\(text.prefix(64))' is not a schedule expression: cron(…), rate(…) or at(…)")
        }
        let content = text[text.index(after: opening)..<text.index(before: text.endIndex)]
        switch text[..<opening] {
        case "cron": kind = .cron(try CronExpression(content))
        case "rate": kind = .rate(try Self.rate(content))
        case "at": kind = .at(try Self.moment(content))
        default: throw ScheduleError("'\(text[..<opening].prefix(32))' is not a kind of schedule: cron, rate and at are")
        }
        self.text = text
    }

    public var isOneTime: Bool { if case .at = kind { true } else { false } }

    private static func rate(_ text: Substring) throws(ScheduleError) -> Int64 {
        let parts = text.split(separator: " ")
        let units: [Substring: Int64] = ["minute": 60, "minutes": 60, "hour": 3600, "hours": 3600, "day": 86_400, "days": 86_400]
        guard parts.count == 2, let value = CronField.number(parts[0]), value > 0, let unit = units[parts[1]] else {
            throw ScheduleError("'\(text.prefix(64))' is not a rate: a number from 1 on, and minutes, hours or days, as in rate(5 minutes)")
        }
        return Int64(value) * unit
    }

    /// `2026-11-21T15:00:00`
    private static func moment(_ text: Substring) throws(ScheduleError) -> Int64 {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int? {
            CronField.number(Substring(String(decoding: bytes[range], as: UTF8.self)))
        }
        guard bytes.count == 19, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T"),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), let year = number(0..<4), let month = number(5..<7),
            let day = number(8..<10), let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            (1970...2199).contains(year), (1...12).contains(month), (1...CivilDate.daysInMonth(month, of: year)).contains(day), hour < 24,
            minute < 60, second < 60
        else { throw ScheduleError("'\(text.prefix(64))' is not a time: at(yyyy-mm-ddThh:mm:ss) from 1970 to 2199") }
        let days = CivilDate(year: year, month: month, day: day).daysSince1970
        return days * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    }
}
