/// What happens to due times that passed while nobody could run them.
public enum CatchUp: String, Sendable, Codable, CaseIterable {
    /// They are left out.
    case skip
    /// The newest of them runs, unless the next one is due by now anyway.
    case last
    /// Each runs, in order.
    case all
}

/// Which due times of one schedule are done with. Pure: time comes in, what to run goes out; the owner stores the state in
/// the same transaction as the runs it was told of, so each due time is run exactly once whatever ends when.
///
/// The clock may jump. Forward, due times in between are treated as after a standstill. Back, those between the new time and
/// the old that have run do not run again, and those that were left out do when their time comes once more.
public struct ScheduleState: Hashable, Sendable, Codable {
    /// Seconds after a due time's window before it counts as missed.
    public static let grace: Int64 = 60

    /// Due times from `first` to `last`, all of which ran.
    private struct Run: Hashable, Sendable, Codable {
        let first: Int64
        var last: Int64
    }

    /// Unbroken runs that are remembered. What is older stays decided wherever the clock goes.
    private static let maximumRuns = 8

    /// Every due time up to here is decided for good.
    private var settled: Int64
    /// Every due time up to here is decided, unless the clock goes back.
    private var decided: Int64
    /// In rising order.
    private var runs: [Run] = []

    /// - Parameter created: seconds since 1970.
    public init(created: Int64) {
        settled = created - 1
        decided = created - 1
    }

    public struct Step: Hashable, Sendable {
        /// Due times to run now, in order.
        public var due: [Int64] = []
        /// Whether due times were left out; see the catch-up policy.
        public var isMissed = false
        /// Milliseconds since 1970 at which there is more to do; nil when the schedule has ended.
        public var wake: Int64?

        public init(due: [Int64] = [], isMissed: Bool = false, wake: Int64? = nil) {
            self.due = due
            self.isMissed = isMissed
            self.wake = wake
        }
    }

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - limit: due times given at once; with more, `wake` is now.
    public mutating func advance(_ schedule: Schedule, catchUp: CatchUp, now: Int64, limit: Int = 100) -> Step {
        var step = Step()
        let second = now.flooredQuotient(1000)
        // Nothing is decided before its time, so the clock has gone back.
        if second < decided { decided = max(settled, second - schedule.window - 1) }
        let missed = second - schedule.window - Self.grace
        while let due = next(schedule) {
            let moment = schedule.moment(of: due)
            guard moment <= now, step.due.count < limit else {
                step.wake = max(moment, now)
                break
            }
            guard due <= missed, catchUp != .all else {
                run(due, schedule, &step)
                continue
            }
            let newest = schedule.latest(through: missed, after: due) ?? due
            if catchUp == .last, !hasRun(newest), schedule.next(after: newest).map({ schedule.moment(of: $0) > now }) ?? true {
                if newest > due { step.isMissed = true }
                run(newest, schedule, &step)
            } else {
                step.isMissed = true
                decided = newest
            }
        }
        return step
    }

    private mutating func run(_ due: Int64, _ schedule: Schedule, _ step: inout Step) {
        step.due.append(due)
        decided = due
        guard let index = runs.lastIndex(where: { $0.last < due }) else {
            insert(due, at: 0)
            return
        }
        if schedule.next(after: runs[index].last) == due {
            runs[index].last = due
        } else {
            insert(due, at: index + 1)
        }
    }

    private mutating func insert(_ due: Int64, at index: Int) {
        runs.insert(Run(first: due, last: due), at: index)
        if runs.count > Self.maximumRuns { settled = runs.removeFirst().last }
    }

    private func hasRun(_ due: Int64) -> Bool { runs.contains { $0.first <= due && due <= $0.last } }

    /// The next due time that is neither decided nor has run before the clock went back.
    private func next(_ schedule: Schedule) -> Int64? {
        var due = schedule.next(after: decided)
        while let candidate = due, let run = runs.first(where: { $0.first <= candidate && candidate <= $0.last }) {
            due = schedule.next(after: run.last)
        }
        return due
    }
}
