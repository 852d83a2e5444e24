import DurableQueue
import Testing

@Suite struct RetryPolicyTests {
    private let policy = RetryPolicy()

    @Test func functionErrorsAreTriedAgainAfterOneAndTwoMinutes() {
        #expect(policy.decide(.function, errors: 1, services: 0, accepted: 0, now: 100, random: 0) == .retry(after: 60_000))
        #expect(policy.decide(.function, errors: 2, services: 0, accepted: 0, now: 100, random: 0) == .retry(after: 120_000))
        #expect(policy.decide(.function, errors: 3, services: 0, accepted: 0, now: 100, random: 0) == .giveUp(.retriesExhausted))
    }

    @Test(arguments: 0...2) func retriesAreAsManyAsConfigured(retries: Int) {
        let policy = RetryPolicy(maximumRetries: retries)
        for errors in 1...4 {
            let decision = policy.decide(.function, errors: errors, services: 0, accepted: 0, now: 0, random: 0)
            #expect((decision == .giveUp(.retriesExhausted)) == (errors > retries))
        }
    }

    @Test func serviceFailuresBackOffFromOneSecondToFiveMinutesWithoutEnd() {
        let delays = (1...12).map { count -> Int64 in
            guard case .retry(let delay) = policy.decide(.service, errors: 2, services: count, accepted: 0, now: 0, random: 0) else { return -1 }
            return delay
        }
        #expect(delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].map { $0 * 1_000 })
        #expect(policy.decide(.service, errors: 0, services: .max, accepted: 0, now: 0, random: 0) == .retry(after: 300_000))
    }

    @Test func noAttemptBeginsAfterTheMaximumAge() {
        #expect(policy.decide(.service, errors: 0, services: 9, accepted: 0, now: 21_599_000, random: 0) == .retry(after: 1_000))
        for failure in [RetryPolicy.Failure.service, .function] {
            #expect(policy.decide(failure, errors: 1, services: 1, accepted: 0, now: 21_600_000, random: 0) == .giveUp(.eventAgeExceeded))
        }
        #expect(!policy.isTooOld(accepted: 5, now: 21_600_004))
        #expect(policy.isTooOld(accepted: 5, now: 21_600_005))
    }

    @Test func stoppedFunctionIsGivenUpAtOnce() {
        #expect(policy.decide(.stopped, errors: 0, services: 0, accepted: 0, now: 0, random: 0) == .giveUp(.zeroReservedConcurrency))
    }

    @Test func randomnessSpreadsWithinItsBounds() {
        var generator = SystemRandomNumberGenerator()
        var seen: Set<Int64> = []
        for _ in 0..<1_000 {
            guard case .retry(let delay) = policy.decide(.service, errors: 0, services: 4, accepted: 0, now: 0, random: generator.next()),
                case .retry(let fixed) = policy.decide(.function, errors: 1, services: 0, accepted: 0, now: 0, random: generator.next())
            else {
                Issue.record("no retry")
                return
            }
            #expect((4_000...8_000).contains(delay))
            #expect((54_000...60_000).contains(fixed))
            seen.insert(delay)
        }
        #expect(seen.count > 500)
    }
}
