/// What failed starts mean for the next ones: tolerate, or back off.
///
/// Starts that were under way together fail together; they count once. For that every start remembers the `epoch` it
/// began in, and only the first failure of an epoch counts.
struct StartFailures {
    enum Verdict {
        /// Part of a failure that was counted already.
        case counted
        /// Try again; nobody is told.
        case retry
        /// The function was fine before: only the request that this start was for gets the error.
        case failOne
        case backOff
    }

    private static let longestSandboxPause: UInt64 = 2_000_000

    private(set) var epoch: UInt32 = 0
    private(set) var reason = PoolRefusal.initFailed
    /// 0 while not backing off.
    private(set) var until: UInt64 = 0
    private var initStreak = 0
    private var sandboxStreak = 0
    /// Init came to a good end at least once.
    private var isProven = false

    /// No start has failed since the last good one. Only then is anything started that no request waits for.
    var isClean: Bool { initStreak == 0 && sandboxStreak == 0 }

    func isBackingOff(at now: UInt64) -> Bool { now < until }

    mutating func initSucceeded() {
        initStreak = 0
        isProven = true
        if sandboxStreak == 0 { until = 0 }
    }

    mutating func workerBecameReady() {
        initStreak = 0
        sandboxStreak = 0
        isProven = true
        until = 0
    }

    mutating func record(_ failure: StartFailure, epoch started: UInt32, now: UInt64, limits: PoolLimits) -> Verdict {
        guard failure != .noRoom else { return .retry }
        guard started == epoch else { return .counted }
        epoch &+= 1
        let tolerated: Int
        let streak: Int
        if failure == .initError {
            initStreak += 1
            (streak, tolerated) = (initStreak, isProven ? 1 : 0)
        } else {
            sandboxStreak += 1
            (streak, tolerated) = (sandboxStreak, 2)
        }
        guard streak > tolerated else { return failure == .initError ? .failOne : .retry }
        reason = failure == .initError ? .initFailed : .unavailable
        let pause = wait(afterFailures: streak - tolerated, limits: limits)
        // What the platform could not do it can do in a moment; only the function's own faults stay for longer.
        until = now &+ (failure == .initError ? pause : min(pause, Self.longestSandboxPause))
        return .backOff
    }

    private func wait(afterFailures count: Int, limits: PoolLimits) -> UInt64 {
        var micros = limits.initBackoffFirstMicros
        for _ in 1..<max(count, 1) where micros < limits.initBackoffMaxMicros { micros = micros &* 2 }
        return min(micros, limits.initBackoffMaxMicros)
    }
}
