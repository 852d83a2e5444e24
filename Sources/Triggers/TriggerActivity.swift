/// What has come through one event source since the server started: how much, how fast, and what last went wrong. Pure;
/// times are milliseconds since 1970.
public struct TriggerActivity: Hashable, Sendable {
    /// Whole minutes that a rate looks back at.
    public static let minutes = 5

    public struct Fault: Hashable, Sendable {
        /// Characters kept of a reason.
        public static let maximumReason = 300

        public let time: Int64
        public let reason: String

        public init(time: Int64, reason: String) {
            self.time = time
            self.reason = String(reason.unicodeScalars.prefix(Self.maximumReason))
        }
    }

    public private(set) var events = 0
    public private(set) var faults = 0
    public private(set) var lastEvent: Int64?
    public private(set) var lastFault: Fault?
    /// Events of the minutes up to `minute`, which is the last of them.
    private var recent = [Int](repeating: 0, count: minutes + 1)
    private var minute: Int64 = 0

    public init() {}

    /// Events that were taken.
    public mutating func took(_ count: Int = 1, at time: Int64) {
        events += count
        lastEvent = max(lastEvent ?? time, time)
        move(to: time / 60_000)
        recent[Self.minutes] += count
    }

    /// Something that was not taken, or not done.
    public mutating func failed(_ reason: String, count: Int = 1, at time: Int64) {
        faults += count
        lastFault = Fault(time: time, reason: reason)
    }

    /// Events per minute over the last five whole minutes and the one that has begun.
    public func perMinute(now: Int64) -> Double {
        var past = self
        past.move(to: now / 60_000)
        return Double(past.recent.reduce(0, +)) / (Double(Self.minutes) + Double(now % 60_000) / 60_000)
    }

    /// A clock that went back adds to the newest minute there is.
    private mutating func move(to new: Int64) {
        let steps = Int(clamping: new - minute)
        guard steps > 0 else { return }
        recent = Array(recent.dropFirst(min(steps, recent.count))) + [Int](repeating: 0, count: min(steps, recent.count))
        minute = new
    }
}
