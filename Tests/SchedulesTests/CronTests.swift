import Foundation
import Testing

@testable import Schedules

@Suite struct CronTests {
    private func due(_ expression: String, after: String, _ count: Int = 3, zone: String = "UTC") throws -> [String] {
        let schedule = try Schedule(ScheduleExpression(expression), zone: database.rules(named: zone), created: utc(after))
        return schedule.upcoming(count, after: utc(after) - 1).map(text)
    }

    @Test(arguments: [
        ("cron(0 10 * * ? *)", ["2026-11-22T10:00", "2026-11-23T10:00", "2026-11-24T10:00"]),
        ("cron(15 12 * * ? *)", ["2026-11-22T12:15", "2026-11-23T12:15", "2026-11-24T12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-11-23T18:00", "2026-11-24T18:00", "2026-11-25T18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01T08:00", "2027-01-01T08:00", "2027-02-01T08:00"]),
        ("cron(0/15 * * * ? *)", ["2026-11-21T15:00", "2026-11-21T15:15", "2026-11-21T15:30"]),
        ("cron(*/20 23 * * ? *)", ["2026-11-21T23:00", "2026-11-21T23:20", "2026-11-21T23:40"]),
        ("cron(0 0 L * ? *)", ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-31T00:00"]),
        ("cron(0 0 L FEB ? *)", ["2027-02-28T00:00", "2028-02-29T00:00", "2029-02-28T00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        // 6 December 2026 is a Sunday, 6 February 2027 a Saturday.
        ("cron(0 0 6W 12,2 ? *)", ["2026-12-07T00:00", "2027-02-05T00:00", "2027-12-06T00:00"]),
        // 1 May 2027 is a Saturday: never into April. 31 October 2027 is a Sunday: never into November.
        ("cron(0 0 1W MAY ? 2027)", ["2027-05-03T00:00"]), ("cron(0 0 31W OCT ? 2027)", ["2027-10-29T00:00"]),
        ("cron(0 0 LW 1 ? *)", ["2027-01-29T00:00", "2028-01-31T00:00", "2029-01-31T00:00"]),
        ("cron(15 10 ? * 6L 2026-2027)", ["2026-11-27T10:15", "2026-12-25T10:15", "2027-01-29T10:15"]),
        ("cron(0 0 ? * FRIL *)", ["2026-11-27T00:00", "2026-12-25T00:00", "2027-01-29T00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["2026-12-08T00:00", "2027-01-12T00:00", "2027-02-09T00:00"]),
        ("cron(0 0 ? * TUE#5 *)", ["2026-12-29T00:00", "2027-03-30T00:00", "2027-06-29T00:00"]),
        ("cron(0 0 ? * L *)", ["2026-11-28T00:00", "2026-12-05T00:00", "2026-12-12T00:00"]),
        ("cron(0 0 ? * sat-mon *)", ["2026-11-22T00:00", "2026-11-23T00:00", "2026-11-28T00:00"]),
        ("cron(0 23-1 * * ? *)", ["2026-11-21T23:00", "2026-11-22T00:00", "2026-11-22T01:00"]),
        ("cron(5,10-12 3 1/10 1-3,DEC ? *)", ["2026-12-01T03:05", "2026-12-01T03:10", "2026-12-01T03:11"]),
        ("cron(30 6 15 6 ? 2030/5)", ["2030-06-15T06:30", "2035-06-15T06:30", "2040-06-15T06:30"]),
        ("cron(59 23 31 12 ? 2199)", ["2199-12-31T23:59"]),
    ])
    func dueTimesAreFound(_ expression: String, _ expected: [String]) throws {
        #expect(try due(expression, after: "2026-11-21T15:00") == expected)
    }

    @Test(arguments: [
        ("cron(0 10 * * ? )", "six fields"), ("cron(0 10 * * * *)", "must be '?'"), ("cron(0 10 ? * ? *)", "must be '?'"),
        ("cron(60 * * * ? *)", "cron field minutes: '60' is not a number from 0 to 59"), ("cron(-1 * * * ? *)", "field minutes"),
        ("cron(+1 * * * ? *)", "field minutes"), ("cron(0 24 * * ? *)", "field hours"), ("cron(0 0 0 * ? *)", "field day-of-month"),
        ("cron(0 0 32 * ? *)", "field day-of-month"), ("cron(0 0 1 13 ? *)", "name from JAN to DEC"), ("cron(0 0 ? * 8 *)", "name from SUN to SAT"),
        ("cron(0 0 ? * MOON *)", "field day-of-week"), ("cron(0 0 ? * 3#6 *)", "1 to 5"), ("cron(0 0 ? * 3#1,5#2 *)", "stands alone"),
        ("cron(0 0 1 1 ? 1969)", "field year"), ("cron(0 0 1 1 ? 2200)", "field year"), ("cron(0 0 1 1 ? 2030-2027)", "ends before"),
        ("cron(*/0 * * * ? *)", "a step is"), ("cron(*/60 * * * ? *)", "a step is"), ("cron(1,,2 * * * ? *)", "field minutes"),
        ("cron(1- * * * ? *)", "field minutes"), ("cron(0 0 32W * ? *)", "field day-of-month"), ("cron(0 0 W * ? *)", "field day-of-month"),
        ("cron(L * * * ? *)", "field minutes"), ("cron(٣ * * * ? *)", "field minutes"),
        ("rate(0 minutes)", "not a rate"), ("rate(5 seconds)", "not a rate"), ("rate(5)", "not a rate"), ("rate(1.5 hours)", "not a rate"),
        ("at(2026-02-29T00:00:00)", "not a time"), ("at(2026-11-21 00:00:00)", "not a time"), ("at(2026-11-21T24:00:00)", "not a time"),
        ("at(2026-11-21T00:00)", "not a time"), ("", "not a schedule expression"), ("daily(1)", "not a kind"), ("cron(* * * * ? *", "not a schedule expression"),
    ])
    func faultIsExplained(_ expression: String, _ part: String) {
        #expect { try ScheduleExpression(expression) } throws: { "\($0)".contains(part) }
    }

    @Test(arguments: [
        "cron(0 0 30 2 ? *)", "cron(0 0 31 4,6,9,11 ? *)", "cron(0 0 1 1 ? 2020)", "cron(0 0 29 2 ? 2027)", "at(2026-11-21T14:59:59)",
        "cron(0 0 30W FEB ? *)",
    ])
    func neverDueIsRefused(_ expression: String) throws {
        let expression = try ScheduleExpression(expression)
        #expect { try Schedule(expression, created: utc("2026-11-21T15:00")) } throws: { "\($0)".contains("never due") }
    }

    @Test func timesInASpringGapAreRefusedWhenThereIsNoOther() throws {
        let berlin = try database.rules(named: "Europe/Berlin")
        let expression = try ScheduleExpression("at(2027-03-28T02:30:00)")
        #expect(throws: ScheduleError.self) { try Schedule(expression, zone: berlin, created: utc("2026-11-21")) }
        #expect(throws: ScheduleError.self) {
            try Schedule(ScheduleExpression("rate(1 hour)"), created: utc("2026-11-21"), start: utc("2026-12-01"), end: utc("2026-12-01"))
        }
        #expect(throws: ScheduleError.self) {
            try Schedule(ScheduleExpression("cron(0 12 * * ? *)"), created: utc("2026-11-21"), start: utc("2026-12-01T13:00"), end: utc("2026-12-02T11:00"))
        }
    }

    @Test func springGapIsLeftOutAndAutumnHourRunsOnce() throws {
        #expect(
            try due("cron(30 2 * * ? *)", after: "2026-03-27T12:00", zone: "Europe/Berlin")
                == ["2026-03-28T01:30", "2026-03-30T00:30", "2026-03-31T00:30"])
        #expect(
            try due("cron(30 2 * * ? *)", after: "2026-10-24T12:00", zone: "Europe/Berlin")
                == ["2026-10-25T00:30", "2026-10-26T01:30", "2026-10-27T01:30"])
        #expect(
            try due("cron(0/30 * * * ? *)", after: "2026-10-25T00:00", 4, zone: "Europe/Berlin")
                == ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T02:00", "2026-10-25T02:30"])
        // Half an hour, on Lord Howe Island.
        #expect(
            try due("cron(15 2 * * ? *)", after: "2026-10-02T12:00", zone: "Australia/Lord_Howe")
                == ["2026-10-02T15:45", "2026-10-04T15:15", "2026-10-05T15:15"])
    }

    @Test func ratesCountElapsedTimeFromTheirStart() throws {
        let expression = try ScheduleExpression("rate(90 minutes)")
        let free = try Schedule(expression, created: utc("2026-11-21T15:07"))
        #expect(free.upcoming(3, after: utc("2026-11-21T15:06")).map(text) == ["2026-11-21T15:07", "2026-11-21T16:37", "2026-11-21T18:07"])
        let bounded = try Schedule(expression, created: utc("2026-11-21T15:07"), start: utc("2026-11-22"), end: utc("2026-11-22T03:00"))
        #expect(bounded.upcoming(9, after: 0).map(text) == ["2026-11-22T00:00", "2026-11-22T01:30", "2026-11-22T03:00"])
        #expect(try Schedule(ScheduleExpression("rate(1 hours)"), created: 0).next(after: 0) == 3600)
    }

    @Test func oneTimeIsDueOnce() throws {
        let schedule = try Schedule(
            ScheduleExpression("at(2027-07-01T09:00:30)"), zone: database.rules(named: "America/New_York"), created: utc("2026-11-21"))
        #expect(schedule.upcoming(5, after: 0) == [utc("2027-07-01T13:00:30")])
        #expect(schedule.expression.isOneTime)
    }

    /// Random expressions over years, against a walk through every minute by Foundation's calendar.
    @Test(arguments: ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"])
    func dueTimesAgreeWithAWalkThroughEveryMinute(_ name: String) throws {
        let zone = try database.rules(named: name)
        let reference = calendar(name)
        var random = SplitMix(state: UInt64(name.utf8.count))
        // Around a change of the clocks, and around a turn of the year.
        let spans = [("2026-03-07T20:00", 2), ("2026-03-28T20:00", 2), ("2026-10-03T10:00", 2), ("2026-10-24T20:00", 2), ("2026-10-31T20:00", 2), ("2027-12-30T12:00", 4), ("2018-11-03T12:00", 2)]
        for (begin, days) in spans {
            let first = utc(begin)
            let last = first + Int64(days) * 86_400
            var walked: [(time: Int64, parts: DateComponents, isRepeated: Bool)] = []
            var seen: Set<[Int]> = []
            // From two hours before, to know which local times have been shown already.
            for time in stride(from: first - 7200, to: last, by: 60) {
                let parts = reference.dateComponents([.year, .month, .day, .hour, .minute, .weekday], from: Date(timeIntervalSince1970: Double(time)))
                let key = [parts.month ?? 0, parts.day ?? 0, parts.hour ?? 0, parts.minute ?? 0]
                let isNew = seen.insert(key).inserted
                if time >= first { walked.append((time, parts, !isNew)) }
            }
            for _ in 0..<12 {
                let minutes = random.below(2) == 0 ? Set([random.below(60), random.below(60)]) : Set(0..<60)
                let hours = random.below(2) == 0 ? Set([random.below(24), random.below(4)]) : Set(0..<24)
                let weekdays = random.below(2) == 0 ? Set([1 + random.below(7), 1 + random.below(7), 1]) : Set(1...7)
                func field(_ set: Set<Int>, _ all: Int) -> String { set.count == all ? "*" : set.sorted().map(String.init).joined(separator: ",") }
                let expression = "cron(\(field(minutes, 60)) \(field(hours, 24)) ? * \(field(weekdays, 7)) *)"
                let expected = walked.filter {
                    !$0.isRepeated && minutes.contains($0.parts.minute ?? -1) && hours.contains($0.parts.hour ?? -1)
                        && weekdays.contains($0.parts.weekday ?? -1)
                }.map(\.time)
                let schedule = try Schedule(ScheduleExpression(expression), zone: zone, created: first)
                let found = schedule.upcoming(expected.count + 1, after: first - 1).filter { $0 < last }
                if found != expected {
                    let difference = Set(found).symmetricDifference(expected).sorted().prefix(3).map(text)
                    Issue.record("\(expression) in \(name) from \(begin): differs at \(difference)")
                    return
                }
            }
        }
    }

    /// Day rules over 40 years, by Foundation's calendar.
    @Test func daysAgreeWithTheCalendar() throws {
        let reference = calendar("UTC")
        var random = SplitMix(state: 7)
        for _ in 0..<40 {
            let day = 1 + random.below(31)
            let weekday = 1 + random.below(7)
            let number = 1 + random.below(5)
            let forms: [(String, (DateComponents, Int) -> Bool)] = [
                ("\(day) * ?", { parts, _ in parts.day == day }), ("L * ?", { parts, length in parts.day == length }),
                ("? * \(weekday)#\(number)", { parts, _ in parts.weekday == weekday && ((parts.day ?? 0) + 6) / 7 == number }),
                ("? * \(weekday)L", { parts, length in parts.weekday == weekday && (parts.day ?? 0) > length - 7 }),
                ("? * \(weekday)", { parts, _ in parts.weekday == weekday }),
            ]
            let (fields, holds) = forms[random.below(forms.count)]
            let first = utc("2000-01-01")
            let expected = (0..<14_600).map { first + Int64($0) * 86_400 }.filter { time in
                let date = Date(timeIntervalSince1970: Double(time))
                return holds(reference.dateComponents([.day, .weekday], from: date), reference.range(of: .day, in: .month, for: date)?.count ?? 0)
            }
            let schedule = try Schedule(ScheduleExpression("cron(0 0 \(fields) *)"), created: first)
            #expect(schedule.upcoming(expected.count, after: first - 1) == expected, "\(fields)")
        }
    }
}
