import AccessControl
import Testing

@Suite struct RateLimiterTests {
    private let second: Int64 = 1_000_000_000

    @Test func aBurstPassesAndThenTheRate() {
        var limiter = RateLimiter(RateLimit(perSecond: 10, burst: 5))
        for _ in 0..<5 { #expect(limiter.delay("a", now: 0) == nil) }
        #expect(limiter.delay("a", now: 0) == second / 10)
        #expect(limiter.delay("b", now: 0) == nil, "another's allowance is its own")
        #expect(limiter.delay("a", now: second / 10) == nil)
        #expect(limiter.delay("a", now: second / 10) == second / 10)
        #expect(limiter.delay("a", now: 10 * second) == nil)
    }

    @Test func inTheLongRunNeverMoreThanTheRatePasses() {
        var limiter = RateLimiter(RateLimit(perSecond: 100, burst: 20))
        var passed = 0
        var now: Int64 = 0
        while now < 10 * second {
            if limiter.delay("a", now: now) == nil { passed += 1 }
            now += Int64.random(in: 0...4_000_000)
        }
        #expect((980...1_020).contains(passed))
    }

    @Test func whatIsRefusedDoesNotCount() {
        var limiter = RateLimiter(RateLimit(perSecond: 1, burst: 1))
        #expect(limiter.delay("a", now: 0) == nil)
        for step in 1..<1_000 { #expect(limiter.delay("a", now: Int64(step)) != nil) }
        #expect(limiter.delay("a", now: second) == nil)
    }

    @Test func sendersAreForgottenAndBounded() {
        var limiter = RateLimiter(RateLimit(perSecond: 1, burst: 2), capacity: 100)
        for number in 0..<100 { #expect(limiter.delay("\(number)", now: 0) == nil) }
        #expect(limiter.delay("x", now: 1) == nil)
        #expect(limiter.delay("y", now: 1) == nil)
        #expect(limiter.delay("z", now: 1) != nil, "those beyond the bound share one allowance")
        #expect(limiter.delay("0", now: 1) == nil, "those within it keep theirs")
        #expect(limiter.count == 100)
        #expect(limiter.delay("z", now: 5 * second) == nil)
        #expect(limiter.count == 1)
    }
}
