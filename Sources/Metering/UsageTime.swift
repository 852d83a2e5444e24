/// UTC text forms of milliseconds since 1970, in the proleptic Gregorian calendar.
public enum UsageTime {
    public static let millisecondsPerHour: Int64 = 3_600_000
    public static let millisecondsPerDay: Int64 = 86_400_000

    /// `2026-11-21T10:04:05.678Z`
    public static func iso8601(_ milliseconds: Int64) -> String {
        let rest = milliseconds - floorDivide(milliseconds, millisecondsPerDay) * millisecondsPerDay
        let time = [padded(rest / 3_600_000, 2), padded(rest / 60_000 % 60, 2), padded(rest / 1_000 % 60, 2)].joined(separator: ":")
        return "\(day(milliseconds))T\(time).\(padded(rest % 1_000, 3))Z"
    }

    /// `2026-11-21T10`
    public static func hour(_ milliseconds: Int64) -> String {
        let hours = floorDivide(milliseconds, millisecondsPerHour)
        return "\(day(milliseconds))T\(padded(hours - floorDivide(hours, 24) * 24, 2))"
    }

    /// `2026-11-21`
    public static func day(_ milliseconds: Int64) -> String {
        // Days since 0000-03-01 in eras of 400 years: the leap day is then the last of its year.
        let days = floorDivide(milliseconds, millisecondsPerDay) + 719_468
        let era = floorDivide(days, 146_097)
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))"
    }

    /// Rounds toward minus infinity; `divisor` is positive.
    public static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : (value + 1) / divisor - 1
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
