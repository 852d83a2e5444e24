/// How often something may be done: some times at once, then one more for each interval that has passed. Pure; the caller
/// brings the time, in milliseconds of a clock that never goes back.
public struct Allowance: Sendable {
    public let burst: UInt64
    /// Milliseconds.
    public let interval: UInt64
    /// Until then all that was taken is paid for.
    private var paid: UInt64 = 0

    public init(burst: UInt64, interval: UInt64) {
        self.burst = burst
        self.interval = interval
    }

    /// Milliseconds until `take` succeeds.
    public func wait(at now: UInt64) -> UInt64 {
        let earliest = max(paid, now) + interval
        return earliest > now + burst * interval ? earliest - now - burst * interval : 0
    }

    /// - Returns: whether it may be done now, and then it counts.
    public mutating func take(at now: UInt64) -> Bool {
        guard wait(at: now) == 0 else { return false }
        paid = max(paid, now) + interval
        return true
    }
}
