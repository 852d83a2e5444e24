/// How many requests one sender may make: `perSecond` in the long run, `burst` at once.
public struct RateLimit: Hashable, Sendable {
    public let perSecond: Int
    public let burst: Int

    /// - Parameters:
    ///   - perSecond: 1…1,000,000.
    ///   - burst: at least 1.
    public init(perSecond: Int, burst: Int) {
        self.perSecond = min(max(1, perSecond), 1_000_000)
        self.burst = max(1, burst)
    }
}

/// Says which request of a sender comes too early. Pure; times are nanoseconds of a clock that does not go back.
///
/// The generic cell rate algorithm: of each sender only the moment is kept at which its allowance is whole again. Once that
/// moment is over the sender need not be known, so that what is kept is bounded by those who were here lately. Where even
/// these are too many, newcomers share one allowance.
public struct RateLimiter: Sendable {
    /// Senders that are known at once.
    public static let maximumSenders = 65_536
    /// A full table is looked through once in this time.
    private static let cleaning: Int64 = 1_000_000_000

    private let interval: Int64
    private let allowance: Int64
    private let capacity: Int
    private var wholeAgain: [String: Int64] = [:]
    private var newcomers: Int64 = .min
    private var cleaned: Int64 = .min

    public init(_ limit: RateLimit, capacity: Int = maximumSenders) {
        interval = 1_000_000_000 / Int64(limit.perSecond)
        allowance = interval.multipliedReportingOverflow(by: Int64(limit.burst)).partialValue
        self.capacity = capacity
    }

    /// Senders whose allowance is not known to be whole.
    public var count: Int { wholeAgain.count }

    /// Counts a request.
    /// - Returns: nil where it may pass; else nanoseconds until one may, and it is not counted.
    public mutating func delay(_ sender: String, now: Int64) -> Int64? {
        if let known = wholeAgain[sender] {
            let (next, wait) = step(known, now)
            if wait == nil { wholeAgain[sender] = next }
            return wait
        }
        if wholeAgain.count >= capacity, now >= cleaned.addingReportingOverflow(Self.cleaning).partialValue {
            cleaned = now
            wholeAgain = wholeAgain.filter { $0.value > now }
        }
        guard wholeAgain.count < capacity else {
            let (next, wait) = step(newcomers, now)
            newcomers = next
            return wait
        }
        let (next, wait) = step(.min, now)
        wholeAgain[sender] = next
        return wait
    }

    private func step(_ wholeAgain: Int64, _ now: Int64) -> (next: Int64, wait: Int64?) {
        let next = max(wholeAgain, now) + interval
        let early = next - now - allowance
        return early > 0 ? (wholeAgain, early) : (next, nil)
    }
}
