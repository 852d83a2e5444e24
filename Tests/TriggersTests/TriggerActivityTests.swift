import Testing
import Triggers

@Suite struct TriggerActivityTests {
    private func minute(_ number: Int64) -> Int64 { number * 60_000 }

    @Test func rateIsThatOfTheLastFiveMinutesAndTheOneThatHasBegun() {
        var activity = TriggerActivity()
        for number in 100..<110 as Range<Int64> { activity.took(11, at: minute(number) + 5_000) }
        #expect(activity.perMinute(now: minute(109) + 30_000) == 12)
        #expect(activity.perMinute(now: minute(112)) == 6.6)
        #expect(activity.perMinute(now: minute(120)) == 0)
        #expect(activity.events == 110 && activity.lastEvent == minute(109) + 5_000)
    }

    @Test func clockThatGoesBackLosesNothing() {
        var activity = TriggerActivity()
        activity.took(3, at: minute(50))
        activity.took(4, at: minute(10))
        #expect(activity.events == 7 && activity.lastEvent == minute(50))
        #expect(activity.perMinute(now: minute(51)) == 7.0 / 5)
    }

    @Test func longStandstillCostsNothing() {
        var activity = TriggerActivity()
        activity.took(at: 0)
        activity.took(at: .max)
        #expect(activity.events == 2)
    }

    @Test func lastFaultIsKeptAndCut() {
        var activity = TriggerActivity()
        activity.failed("first", at: 1)
        activity.failed(String(repeating: "é", count: 1_000), count: 2, at: 2)
        #expect(activity.faults == 3 && activity.lastFault?.time == 2)
        #expect(activity.lastFault?.reason.count == TriggerActivity.Fault.maximumReason)
    }

    @Test func namesBeyondTheBoundAreNotCounted() {
        let activities = TriggerActivities(limit: 1)
        for name in ["a", "b", "a"] { activities.note(name) { $0.took(at: 0) } }
        #expect(activities.activity("a").events == 2 && activities.activity("b").events == 0)
        activities.remove("a")
        activities.note("b") { $0.took(at: 0) }
        #expect(activities.activity("b").events == 1)
    }
}
