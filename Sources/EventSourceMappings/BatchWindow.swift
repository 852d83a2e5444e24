/// How many batches of one mapping may be on their way at once. Pure; times are milliseconds.
///
/// Begins small, grows while batches find a worker at once, and shrinks when they have to wait or are refused, so that a
/// queue never crowds out callers that wait.
public struct BatchWindow: Hashable, Sendable {
    static let first = 5.0
    static let longWait: Int64 = 100
    /// After a refusal; doubles with each that follows, up to the longest.
    static let firstPause: Int64 = 1_000
    static let longestPause: Int64 = 30_000

    private var size = first
    private var pause = firstPause
    public private(set) var pausedUntil: Int64 = 0

    public init() {}

    /// - Parameter limit: what the mapping or its function allows at most.
    public func room(inFlight: Int, limit: Int, now: Int64) -> Int {
        pausedUntil > now ? 0 : max(0, min(Int(size), limit) - inFlight)
    }

    /// - Parameter wait: milliseconds that the batch waited for a worker.
    public mutating func ran(wait: Int64, limit: Int) {
        pause = Self.firstPause
        size = wait > Self.longWait ? max(1, size * 0.8) : min(Double(max(limit, 1)), size + 1)
    }

    public mutating func refused(now: Int64) {
        // The first of those that were refused together has said it.
        guard pausedUntil <= now else { return }
        size = max(1, size / 2)
        pausedUntil = now + pause
        pause = min(pause * 2, Self.longestPause)
    }
}
