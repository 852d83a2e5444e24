/// When an asynchronous invocation is tried again, and when it is given up: Lambda's rules.
public struct RetryPolicy: Hashable, Sendable {
    public enum Failure: Sendable {
        /// The function's own: error, time limit, crash.
        case function
        /// Throttled, no room, or the platform's fault: nothing was run.
        case service
        /// The function's reserved concurrency is 0.
        case stopped
    }

    public enum GivingUp: String, Sendable {
        case retriesExhausted = "RetriesExhausted"
        case eventAgeExceeded = "EventAgeExceeded"
        case zeroReservedConcurrency = "ZeroReservedConcurrency"
        /// Martlet's own word: Lambda's could not be confirmed.
        case recursiveInvocation = "RecursiveInvocation"
    }

    public enum Decision: Hashable, Sendable {
        /// Milliseconds until the next attempt.
        case retry(after: Int64)
        case giveUp(GivingUp)
    }

    /// Further attempts after a function error, 0…2.
    public var maximumRetries: Int
    /// Milliseconds from acceptance.
    public var maximumAge: Int64
    /// Milliseconds before the first, second, … further attempt after a function error; the last one repeats.
    public var delays: [Int64]
    /// Of a service failure's back-off, which doubles, milliseconds.
    public var firstBackoff: Int64
    public var longestBackoff: Int64

    public init(
        maximumRetries: Int = 2, maximumAge: Int64 = 21_600_000, delays: [Int64] = [60_000, 120_000], firstBackoff: Int64 = 1_000,
        longestBackoff: Int64 = 300_000
    ) {
        self.maximumRetries = maximumRetries
        self.maximumAge = maximumAge
        self.delays = delays
        self.firstBackoff = firstBackoff
        self.longestBackoff = longestBackoff
    }

    /// - Parameters:
    ///   - errors: function errors so far, the one that is decided on included.
    ///   - services: service failures in a row, likewise.
    ///   - accepted: when the event was.
    ///   - random: spreads those that failed together: delays are cut by up to a tenth, back-offs by up to a half.
    public func decide(_ failure: Failure, errors: Int, services: Int, accepted: Int64, now: Int64, random: UInt64) -> Decision {
        let left = accepted + maximumAge - now
        guard left > 0 else { return .giveUp(.eventAgeExceeded) }
        switch failure {
        case .stopped: return .giveUp(.zeroReservedConcurrency)
        case .function:
            guard errors <= maximumRetries else { return .giveUp(.retriesExhausted) }
            let delay = delays.isEmpty ? 0 : delays[min(max(errors, 1), delays.count) - 1]
            // An event that would be too old by then is looked at when it becomes so.
            return .retry(after: min(Self.cut(delay, by: 10, random), left))
        case .service:
            let doublings = min(max(services, 1) - 1, 30)
            let delay = firstBackoff > longestBackoff >> Int64(doublings) ? longestBackoff : firstBackoff << Int64(doublings)
            return .retry(after: min(Self.cut(delay, by: 2, random), left))
        }
    }

    /// Whether an event is too old to be tried at all.
    public func isTooOld(accepted: Int64, now: Int64) -> Bool { now - accepted >= maximumAge }

    private static func cut(_ delay: Int64, by part: Int64, _ random: UInt64) -> Int64 {
        let span = delay / part
        return span > 0 ? delay - Int64(random % UInt64(span + 1)) : delay
    }
}
