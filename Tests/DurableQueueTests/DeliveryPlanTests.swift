import DurableQueue
import Testing

@Suite struct DeliveryPlanTests {
    private func key(_ name: String, _ account: String = "1") -> QueueKey { QueueKey(account: account, region: "r", name: name) }

    private func take(_ plan: inout DeliveryPlan, now: Int64 = 0) throws -> DeliveryPlan.Claim {
        let claim = plan.next(now: now)
        return try #require(claim)
    }

    @Test func firstClaimIsSmallAndNothingIsClaimedTwiceAtOnce() {
        var plan = DeliveryPlan(maximumInFlight: 100)
        var nothing = false
        var claim = plan.next(now: 0)
        #expect(claim == nil)
        plan.messagesReady(key("a"), limit: 50)
        claim = plan.next(now: 0)
        #expect(claim == DeliveryPlan.Claim(key: key("a"), count: 4))
        plan.messagesReady(key("a"), limit: 50)
        nothing = plan.next(now: 0) == nil
        #expect(nothing, "its claim is under way")
    }

    @Test func newsDuringAClaimIsNotLost() throws {
        var nothing = false
        var plan = DeliveryPlan(maximumInFlight: 100)
        plan.messagesReady(key("a"), limit: 50)
        var claim = try take(&plan)
        plan.messagesReady(key("a"), limit: 50)
        plan.claimed(claim, got: 0)
        claim = try take(&plan)
        plan.claimed(claim, got: 0)
        nothing = plan.next(now: 0) == nil
        #expect(nothing)
        #expect(plan.inFlight == 0)
    }

    @Test func windowGrowsWhileWorkersAreThereAndShrinksWhenTheyAreNot() throws {
        var plan = DeliveryPlan(maximumInFlight: 1_000)
        plan.messagesReady(key("a"), limit: 20)
        func claimAll(_ plan: inout DeliveryPlan, now: Int64) {
            while let claim = plan.next(now: now) { plan.claimed(claim, got: claim.count) }
        }
        for _ in 0..<100 {
            claimAll(&plan, now: 0)
            plan.finished(key("a"), wait: 1, throttled: false, now: 0)
        }
        claimAll(&plan, now: 0)
        #expect((16...20).contains(plan.inFlight(key("a"))), "as many as the function may, but a few are not worth a claim")
        for _ in 0..<100 {
            plan.finished(key("a"), wait: 1, throttled: false, now: 0)
            claimAll(&plan, now: 0)
        }
        #expect(plan.inFlight(key("a")) <= 20)
        for step in 1...60 {
            plan.finished(key("a"), wait: 500, throttled: false, now: Int64(step) * 500)
            claimAll(&plan, now: Int64(step) * 500)
        }
        #expect(plan.inFlight(key("a")) == 1)
    }

    @Test func manyThatWaitedTogetherShrinkTheWindowOnce() throws {
        var plan = DeliveryPlan(maximumInFlight: 1_000)
        plan.messagesReady(key("a"), limit: 40)
        for _ in 0..<100 {
            while let claim = plan.next(now: 0) { plan.claimed(claim, got: claim.count) }
            plan.finished(key("a"), wait: 1, throttled: false, now: 0)
        }
        while plan.inFlight > 0 { plan.finished(key("a"), wait: 300, throttled: false, now: 1_000 + Int64(plan.inFlight)) }
        let claim = try take(&plan, now: 1_100)
        #expect(claim.count == 32)
    }

    @Test func throttledLanePausesAndGoesOn() throws {
        var nothing = false
        var resumption: Int64?
        var plan = DeliveryPlan(maximumInFlight: 100)
        plan.messagesReady(key("a"), limit: 50)
        let claim = try take(&plan)
        plan.claimed(claim, got: 4)
        for _ in 0..<4 { plan.finished(key("a"), wait: nil, throttled: true, now: 10) }
        nothing = plan.next(now: 11) == nil
        #expect(nothing)
        resumption = plan.nextResumption(now: 11)
        #expect(resumption == 1_010)
        resumption = plan.nextResumption(now: 1_010)
        #expect(resumption == nil)
        let claimAgain = try take(&plan, now: 1_010)
        #expect(claimAgain.count == 1)
    }

    @Test func nodeIsSharedBetweenTenantsFirst() throws {
        var plan = DeliveryPlan(maximumInFlight: 16)
        for index in 0..<10 { plan.messagesReady(key("f\(index)", "loud"), limit: 50) }
        plan.messagesReady(key("f", "quiet"), limit: 50)
        var perTenant: [String: Int] = [:]
        while let claim = plan.next(now: 0) {
            plan.claimed(claim, got: claim.count)
            perTenant[claim.key.account, default: 0] += claim.count
        }
        #expect(perTenant == ["loud": 12, "quiet": 4])
        #expect(plan.inFlight == 16)
    }

    @Test func everythingIsForgottenWhenNothingIsLeft() throws {
        var plan = DeliveryPlan(maximumInFlight: 16)
        var generator = SystemRandomNumberGenerator()
        var running: [QueueKey] = []
        for step in 0..<20_000 {
            let now = Int64(step)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: plan.messagesReady(key("f\(Int.random(in: 0..<5, using: &generator))", "\(Int.random(in: 0..<3, using: &generator))"), limit: 9)
            case 1:
                if let claim = plan.next(now: now) {
                    let got = Int.random(in: 0...claim.count, using: &generator)
                    plan.claimed(claim, got: got)
                    running += Array(repeating: claim.key, count: got)
                }
            default:
                if let index = running.indices.randomElement(using: &generator) {
                    plan.finished(running.remove(at: index), wait: [nil, 1, 200].randomElement(using: &generator)!, throttled: Int.random(in: 0..<20, using: &generator) == 0, now: now)
                }
                _ = plan.nextResumption(now: now)
            }
            #expect(plan.inFlight == running.count)
            #expect(plan.inFlight <= 16)
        }
        for key in running { plan.finished(key, wait: 1, throttled: false, now: 99_999_999) }
        _ = plan.nextResumption(now: 99_999_999)
        while let claim = plan.next(now: 99_999_999) { plan.claimed(claim, got: 0) }
        #expect(plan.inFlight == 0)
        #expect(plan.isEmpty)
    }
}
