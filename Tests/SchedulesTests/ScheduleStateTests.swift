import Testing

@testable import Schedules

@Suite struct ScheduleStateTests {
    private let created = utc("2026-11-21T15:00")
    private func hourly(window: Int = 0, end: Int64? = nil) throws -> Schedule {
        try Schedule(ScheduleExpression("cron(0 * * * ? *)"), created: created, end: end, windowMinutes: window, salt: 42)
    }
    private func hour(_ number: Int64) -> Int64 { created + number * 3600 }

    @Test func dueTimeRunsOnceAndAtItsTime() throws {
        let schedule = try hourly()
        var state = ScheduleState(created: created)
        #expect(state.advance(schedule, catchUp: .skip, now: created * 1000).due == [created])
        #expect(state.advance(schedule, catchUp: .skip, now: hour(1) * 1000 - 1) == .init(due: [], wake: hour(1) * 1000))
        #expect(state.advance(schedule, catchUp: .skip, now: hour(1) * 1000) == .init(due: [hour(1)], wake: hour(2) * 1000))
        #expect(state.advance(schedule, catchUp: .skip, now: hour(1) * 1000).due == [])
    }

    @Test func policySaysWhatHappensAfterAStandstill() throws {
        let schedule = try hourly()
        let now = hour(5) * 1000 + 1_800_000
        func step(_ policy: CatchUp) -> ScheduleState.Step {
            var state = ScheduleState(created: created)
            return state.advance(schedule, catchUp: policy, now: now)
        }
        #expect(step(.skip) == .init(due: [], isMissed: true, wake: hour(6) * 1000))
        #expect(step(.last) == .init(due: [hour(5)], isMissed: true, wake: hour(6) * 1000))
        #expect(step(.all) == .init(due: (0...5).map(hour), wake: hour(6) * 1000))
    }

    @Test func lateWithinTheGraceIsNotMissed() throws {
        let schedule = try hourly()
        for policy in CatchUp.allCases {
            var state = ScheduleState(created: created + 1)
            #expect(state.advance(schedule, catchUp: policy, now: hour(1) * 1000 + 59_999) == .init(due: [hour(1)], wake: hour(2) * 1000))
        }
        // With one due right now, the last of the missed ones is not run as well.
        var state = ScheduleState(created: created)
        #expect(state.advance(schedule, catchUp: .last, now: hour(5) * 1000) == .init(due: [hour(5)], isMissed: true, wake: hour(6) * 1000))
    }

    @Test func allComesInBoundedPortions() throws {
        let schedule = try hourly()
        var state = ScheduleState(created: created)
        var ran: [Int64] = []
        while true {
            let step = state.advance(schedule, catchUp: .all, now: hour(1000) * 1000, limit: 7)
            #expect(step.due.count <= 7)
            ran += step.due
            if step.wake != hour(1000) * 1000 { break }
        }
        #expect(ran == (0...1000).map(hour))
    }

    @Test func yearsOfMissedMinutesCostLittle() throws {
        let schedule = try Schedule(ScheduleExpression("cron(* * * * ? *)"), created: 0)
        let now = utc("2026-11-21T15:00:30")
        for policy in [CatchUp.skip, .last] {
            // The quickest of some: a machine that is busy with something else adds to the others.
            let times = (0..<5).map { _ in
                var state = ScheduleState(created: 0)
                return ContinuousClock().measure {
                    #expect(state.advance(schedule, catchUp: policy, now: now * 1000).due.last == now - 30)
                }
            }
            #expect(times.min()! < .seconds(1))
        }
    }

    @Test func endIsFinal() throws {
        let schedule = try hourly(end: hour(2))
        var state = ScheduleState(created: created)
        #expect(state.advance(schedule, catchUp: .all, now: hour(9) * 1000) == .init(due: (0...2).map(hour), wake: nil))
        #expect(state.advance(schedule, catchUp: .all, now: hour(10) * 1000) == .init())
    }

    @Test func placeInTheWindowIsFixedAndInsideIt() throws {
        let schedule = try hourly(window: 15)
        let moments = (0..<200).map { schedule.moment(of: hour($0)) - hour($0) * 1000 }
        #expect(moments == (0..<200).map { schedule.moment(of: hour($0)) - hour($0) * 1000 })
        #expect(moments.allSatisfy { (0..<900_000).contains($0) })
        // Spread over it.
        #expect(Set(moments.map { $0 / 90_000 }).count == 10)
        var state = ScheduleState(created: created)
        let moment = schedule.moment(of: created)
        #expect(state.advance(schedule, catchUp: .skip, now: moment - 1) == .init(due: [], wake: moment))
        #expect(state.advance(schedule, catchUp: .skip, now: moment).due == [created])
    }

    @Test func clockThatGoesBackRunsNothingAgain() throws {
        let schedule = try hourly()
        var state = ScheduleState(created: created)
        for number in 0...5 { #expect(state.advance(schedule, catchUp: .skip, now: hour(Int64(number)) * 1000).due == [hour(Int64(number))]) }
        for now in [hour(2), hour(3), hour(5)] {
            #expect(state.advance(schedule, catchUp: .skip, now: now * 1000) == .init(due: [], wake: hour(6) * 1000))
        }
        #expect(state.advance(schedule, catchUp: .skip, now: hour(6) * 1000).due == [hour(6)])
    }

    /// A clock that was set to next year by mistake must not silence the schedule until then.
    @Test func dueTimesLeftOutByAJumpAreDueAgain() throws {
        let schedule = try hourly()
        var state = ScheduleState(created: created)
        _ = state.advance(schedule, catchUp: .skip, now: created * 1000)
        #expect(state.advance(schedule, catchUp: .skip, now: hour(8760) * 1000) == .init(due: [hour(8760)], isMissed: true, wake: hour(8761) * 1000))
        #expect(state.advance(schedule, catchUp: .skip, now: hour(1) * 1000).due == [hour(1)])
        #expect(state.advance(schedule, catchUp: .skip, now: hour(2) * 1000).due == [hour(2)])
        // And what ran during the mistake is not repeated.
        #expect(state.advance(schedule, catchUp: .skip, now: hour(8760) * 1000) == .init(due: [], isMissed: true, wake: hour(8761) * 1000))
    }

    /// Any walk of the clock, with the state written and read again at each step: no due time runs twice, none before its
    /// time, and with `all` and a clock that never goes back none is left out.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func randomClocks(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let policy = CatchUp.allCases[random.below(3)]
        let expression = ["cron(0/10 * * * ? *)", "rate(7 minutes)", "cron(0 3 ? * MON *)", "cron(30 2 * * ? *)"][random.below(4)]
        let schedule = try Schedule(
            ScheduleExpression(expression), zone: database.rules(named: "Europe/Berlin"), created: created, windowMinutes: [0, 5, 30][random.below(3)],
            salt: seed)
        let goesBack = random.below(2) == 0
        var state = ScheduleState(created: created)
        var now = created * 1000
        var ran: [Int64] = []
        for _ in 0..<2_000 {
            let scale = [1_000, 60_000, 3_600_000, 86_400_000][random.below(4)]
            now += Int64(random.below(scale)) * (goesBack && random.below(5) == 0 ? -1 : 1)
            let step = state.advance(schedule, catchUp: policy, now: now, limit: 1_000)
            #expect(step.due.allSatisfy { schedule.moment(of: $0) <= now }, "seed \(seed)")
            #expect(step.wake.map { $0 >= now } ?? true, "seed \(seed)")
            ran += step.due
        }
        #expect(Set(ran).count == ran.count, "seed \(seed): ran twice")
        if !goesBack, policy == .all {
            let step = state.advance(schedule, catchUp: policy, now: now, limit: 1_000_000)
            ran += step.due
            #expect(ran == schedule.upcoming(ran.count, after: created - 1), "seed \(seed): left out")
        }
    }
}
