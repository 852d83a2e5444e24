/// Dates and times of logs, in UTC.
package enum LogTime {
    /// The Gregorian date of a day since 1970, counted in eras of 400 years that begin in March.
    static func date(_ day: Int) -> (year: Int, month: Int, date: Int) {
        let shifted = day + 719_468
        let era = shifted / 146_097, dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    static func digits(_ number: Int, _ count: Int = 2) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }

    /// `2026-11-21T22:50:00.123Z`
    /// - Parameter milliseconds: since 1970, not negative.
    package static func text(_ milliseconds: Int64) -> String {
        let time = Int(milliseconds % 86_400_000)
        let (year, month, date) = date(Int(milliseconds / 86_400_000))
        let clock = "\(digits(time / 3_600_000)):\(digits(time / 60_000 % 60)):\(digits(time / 1_000 % 60)).\(digits(time % 1_000, 3))"
        return "\(year)-\(digits(month))-\(digits(date))T\(clock)Z"
    }
}
