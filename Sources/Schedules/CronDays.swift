/// Which days a cron expression means: by day of the month or by day of the week, never by both.
enum CronDays: Hashable, Sendable {
    /// - last: `L`. nearest: `15W`, the weekday nearest to the 15th within its month. lastWeekday: `LW`.
    case ofMonth(CronValues, last: Bool, nearest: [Int], lastWeekday: Bool)
    /// - last: `6L`, the last Friday. nth: `3#2`, the second Tuesday.
    case ofWeek(CronValues, last: CronValues, nth: NthWeekday?)

    struct NthWeekday: Hashable, Sendable {
        let weekday: Int
        /// 1…5
        let number: Int
    }

    init(dayOfMonth: Substring, dayOfWeek: Substring) throws(ScheduleError) {
        switch (dayOfMonth == "?", dayOfWeek == "?") {
        case (false, true): self = try Self.month(dayOfMonth)
        case (true, false): self = try Self.week(dayOfWeek)
        default: throw ScheduleError("exactly one of the cron fields day-of-month and day-of-week must be '?'")
        }
    }

    private static func month(_ text: Substring) throws(ScheduleError) -> CronDays {
        let field = CronField.dayOfMonth
        var values = CronValues(range: field.range)
        var last = false
        var lastWeekday = false
        var nearest: [Int] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            switch item.uppercased() {
            case "L": last = true
            case "LW": lastWeekday = true
            case let upper where upper.hasSuffix("W"): nearest.append(try field.value(Substring(upper.dropLast())))
            default: try field.add(item, to: &values)
            }
        }
        return .ofMonth(values, last: last, nearest: nearest, lastWeekday: lastWeekday)
    }

    private static func week(_ text: Substring) throws(ScheduleError) -> CronDays {
        let field = CronField.dayOfWeek
        var values = CronValues(range: field.range)
        var last = CronValues(range: field.range)
        if text.contains("#") {
            let parts = text.split(separator: "#", omittingEmptySubsequences: false)
            guard parts.count == 2, let number = CronField.number(parts[1]), (1...5).contains(number) else {
                throw field.fault("'\(text.prefix(32))': # stands alone, as in 3#2, the second Tuesday; the number after it is 1 to 5")
            }
            return .ofWeek(values, last: last, nth: NthWeekday(weekday: try field.value(parts[0]), number: number))
        }
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let upper = item.uppercased()
            if upper == "L" {
                values.insert(7)
            } else if upper.hasSuffix("L") {
                last.insert(try field.value(Substring(upper.dropLast())))
            } else {
                try field.add(item, to: &values)
            }
        }
        return .ofWeek(values, last: last, nth: nil)
    }

    func contains(_ date: CivilDate, daysSince1970 days: Int64) -> Bool {
        let length = CivilDate.daysInMonth(date.month, of: date.year)
        switch self {
        case .ofMonth(let values, let last, let nearest, let lastWeekday):
            if values.contains(date.day) || (last && date.day == length) { return true }
            if lastWeekday, date.day == Self.weekdayNearest(length, to: date, days, length) { return true }
            return nearest.contains { $0 <= length && date.day == Self.weekdayNearest($0, to: date, days, length) }
        case .ofWeek(let values, let last, let nth):
            let weekday = CivilDate.weekday(daysSince1970: days)
            if values.contains(weekday) || (last.contains(weekday) && date.day + 7 > length) { return true }
            return nth.map { $0.weekday == weekday && (date.day - 1) / 7 + 1 == $0.number } ?? false
        }
    }

    /// The day of the month from Monday to Friday that is nearest to `day`, without leaving the month.
    private static func weekdayNearest(_ day: Int, to date: CivilDate, _ days: Int64, _ length: Int) -> Int {
        switch CivilDate.weekday(daysSince1970: days + Int64(day - date.day)) {
        case 7: day > 1 ? day - 1 : day + 2
        case 1: day < length ? day + 1 : day - 2
        default: day
        }
    }
}
