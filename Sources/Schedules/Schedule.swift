/// When something is due: an expression in a time zone, between a start and an end. Times are whole seconds since 1970.
///
/// Daylight saving, as EventBridge Scheduler has it: a local time that clocks leap over in spring is left out; one that they
/// show twice in autumn is due once, the first time. A rate counts elapsed time and knows no clocks.
public struct Schedule: Hashable, Sendable {
    public let expression: ScheduleExpression
    public let zone: TimeZoneRules
    /// The first moment of a rate without a start.
    public let created: Int64
    /// Nothing is due before it, or after `end`.
    public let start: Int64?
    public let end: Int64?
    /// Seconds after a due time within which its run may begin; 0 for at once.
    public let window: Int64
    /// Of all schedules with the same times, each has its own places in their windows.
    public let salt: UInt64

    /// - Parameter window: minutes, 0…1440.
    /// - Throws: also for a schedule that can never be due from `created` on.
    public init(
        _ expression: ScheduleExpression, zone: TimeZoneRules = .utc, created: Int64, start: Int64? = nil, end: Int64? = nil,
        windowMinutes window: Int = 0, salt: UInt64 = 0
    ) throws(ScheduleError) {
        guard (0...1440).contains(window) else { throw ScheduleError("a flexible time window has 1 to 1440 minutes, not \(window)") }
        if let start, let end, start >= end { throw ScheduleError("the schedule's end must be after its start") }
        self.expression = expression
        self.zone = zone
        self.created = created
        self.start = start
        self.end = end
        self.window = Int64(window) * 60
        self.salt = salt
        if next(after: created - 1) == nil {
            throw ScheduleError(
                "\(expression.text) in \(zone.name) is never due from now on"
                    + (start == nil && end == nil ? "" : " between the schedule's start and end"))
        }
    }

    /// The first due time after that moment.
    public func next(after time: Int64) -> Int64? {
        let time = max(time, (start ?? .min + 1) - 1)
        guard let due = expressionNext(after: time), due <= end ?? .max else { return nil }
        return due
    }

    /// At most `count` due times after that moment.
    public func upcoming(_ count: Int, after time: Int64) -> [Int64] {
        Array(sequence(first: time) { next(after: $0) }.dropFirst().prefix(count))
    }

    /// The last due time in `(after, through]`, found without walking over all of them.
    func latest(through last: Int64, after first: Int64) -> Int64? {
        var width: Int64 = 60
        while true {
            let from = max(first, last - width)
            if var found = next(after: from), found <= last {
                // Nothing is due in (high, last].
                var high = last
                while found < high {
                    let middle = found + (high - found) / 2
                    if let due = next(after: middle), due <= last { found = due } else { high = middle }
                }
                return found
            }
            if from <= first { return nil }
            width *= 2
        }
    }

    /// Milliseconds after 1970 at which the run of a due time begins: the same place in the window whenever it is asked for.
    public func moment(of due: Int64) -> Int64 {
        guard window > 0 else { return due * 1000 }
        // SplitMix64's finaliser: neighbouring due times get places that have nothing to do with each other.
        var mixed = salt ^ UInt64(bitPattern: due) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return due * 1000 + Int64(mixed % UInt64(window * 1000))
    }

    private func expressionNext(after time: Int64) -> Int64? {
        switch expression.kind {
        case .at(let local): return zone.firstMoment(ofLocal: local).flatMap { $0 > time ? $0 : nil }
        case .rate(let interval):
            let first = start ?? created
            if time < first { return first }
            let (due, overflow) = first.addingReportingOverflow(((time - first) / interval + 1) * interval)
            return overflow ? nil : due
        case .cron(let cron):
            var minute = (time + zone.offset(at: time)).flooredQuotient(60)
            while let next = cron.next(afterLocalMinute: minute) {
                // Earlier than `time` in the hour that clocks show a second time.
                if let due = zone.firstMoment(ofLocal: next * 60), due > time { return due }
                minute = next
            }
            return nil
        }
    }
}
