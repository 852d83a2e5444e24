/// How many workers should be ready ahead: as many as were wanted at one time lately.
///
/// A worker that was taken is wanted until another is ready in its place. The most that were wanted at one time is what
/// would have served every request at once, so it is what the next burst of that size needs; of steady arrivals it says how
/// far their number in the time of one preparation scatters. An average says neither: requests come in heaps, with pauses
/// between them in which every average forgets the heap.
struct DemandEstimate {
    /// Requests for which no worker has become ready since.
    private var wanted = 0
    /// The most in the period that began last, and in the one before it.
    private var peak = 0
    private var earlierPeak = 0
    private var periodEnd: UInt64 = 0

    /// A peak is remembered for at least this time and for less than twice of it.
    private static var periodMicros: UInt64 { 600_000_000 }

    /// - Parameters:
    ///   - outstanding: workers that are being made and requests that wait; who took a worker that nobody replaced wants
    ///     none.
    ///   - bound: how many are kept ready at most; more are not worth knowing.
    mutating func arrived(at now: UInt64, outstanding: Int, bound: Int) {
        wanted = min(wanted, outstanding, bound - 1) + 1
        if now >= periodEnd {
            earlierPeak = now - periodEnd < Self.periodMicros ? peak : 0
            peak = 0
            periodEnd = now + Self.periodMicros
        }
        peak = max(peak, wanted)
    }

    mutating func workerBecameReady() { wanted = max(0, wanted - 1) }

    /// At least 1.
    func readyTarget(at now: UInt64, bound: Int) -> Int {
        let most = now < periodEnd ? max(peak, earlierPeak) : now - periodEnd < Self.periodMicros ? peak : 0
        return max(1, min(bound, most))
    }
}
