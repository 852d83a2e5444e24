/// `cron(minutes hours day-of-month month day-of-week year)` of EventBridge Scheduler.
///
/// Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
struct CronExpression: Hashable, Sendable {
    private let minutes: CronValues
    private let hours: CronValues
    private let days: CronDays
    private let months: CronValues
    private let years: CronValues

    /// - Parameter text: what stands between the parentheses.
    init(_ text: Substring) throws(ScheduleError) {
        let fields = text.split(separator: " ")
        guard fields.count == 6 else {
            throw ScheduleError(
                "a cron expression has six fields, minutes hours day-of-month month day-of-week year, but this one has \(fields.count)")
        }
        minutes = try CronField.minutes.values(fields[0])
        hours = try CronField.hours.values(fields[1])
        days = try CronDays(dayOfMonth: fields[2], dayOfWeek: fields[4])
        months = try CronField.month.values(fields[3])
        years = try CronField.year.values(fields[5])
    }

    /// The first minute after that one, both counted from 1970 by the local clock; nil when there is none until 2199.
    func next(afterLocalMinute minute: Int64) -> Int64? {
        var day = (minute + 1).flooredQuotient(1440)
        var minuteOfDay = Int(minute + 1 - day * 1440)
        while true {
            let date = CivilDate(daysSince1970: day)
            guard let year = years.next(from: date.year) else { return nil }
            if year > date.year {
                (day, minuteOfDay) = (CivilDate(year: year, month: 1, day: 1).daysSince1970, 0)
            } else if !months.contains(date.month) {
                let month = months.next(from: date.month)
                (day, minuteOfDay) = (CivilDate(year: month == nil ? year + 1 : year, month: month ?? 1, day: 1).daysSince1970, 0)
            } else if days.contains(date, daysSince1970: day), let found = minuteInDay(from: minuteOfDay) {
                return day * 1440 + Int64(found)
            } else {
                (day, minuteOfDay) = (day + 1, 0)
            }
        }
    }

    private func minuteInDay(from start: Int) -> Int? {
        guard let hour = hours.next(from: start / 60) else { return nil }
        if hour == start / 60, let minute = minutes.next(from: start % 60) { return hour * 60 + minute }
        guard let later = hour == start / 60 ? hours.next(from: hour + 1) : hour, let minute = minutes.next(from: 0) else { return nil }
        return later * 60 + minute
    }
}
