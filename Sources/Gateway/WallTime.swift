/// Text forms of a moment, without Foundation; each is made at most once a second per server.
enum WallTime {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    /// `Sat, 21 Nov 2026 08:20:57 GMT`, for the `Date` header.
    static func headerText(_ seconds: Int64) -> String {
        let (year, month, day, clock) = parts(seconds)
        return "\(weekdays[Int(seconds / 86_400 % 7)]), \(two(day)) \(months[month - 1]) \(year) \(clock) GMT"
    }

    /// `21/Nov/2026:08:20:57 +0000`, for `requestContext.time`.
    static func logText(_ seconds: Int64) -> String {
        let (year, month, day, clock) = parts(seconds)
        return "\(two(day))/\(months[month - 1])/\(year):\(clock) +0000"
    }

    // The calendar is counted in eras of 400 years that begin on 1 March, so that the leap day comes last.
    private static func parts(_ seconds: Int64) -> (year: Int, month: Int, day: Int, clock: String) {
        let seconds = max(0, seconds)
        let shifted = Int(seconds / 86_400) + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        let rest = Int(seconds % 86_400)
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1,
            "\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))"
        )
    }

    private static func two(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }
}
