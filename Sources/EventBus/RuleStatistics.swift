import Synchronization
public import Triggers

/// What has come of a rule since the server started.
public struct RuleCounts: Hashable, Sendable {
    /// Its events are those that matched, its faults what was given up: sent to the dead letters, or dropped where there are none.
    public var activity = TriggerActivity()
    /// Taken by their target, each target by itself.
    public var delivered = 0
    /// Kept for another attempt.
    public var retried = 0
    /// The target whose delivery failed last and that has had none since.
    var failingTarget: String?

    public init() {}
}

/// Counters of the rules there are.
final class RuleStatistics: Sendable {
    private let counts = Mutex<[RuleKey: RuleCounts]>([:])

    subscript(_ rule: RuleKey) -> RuleCounts { counts.withLock { $0[rule] ?? RuleCounts() } }

    /// A rule that is gone, but of which a delivery is still on its way, is not counted.
    func count(_ rule: RuleKey, _ change: (inout RuleCounts) -> Void) {
        counts.withLock { counts in
            guard var found = counts[rule] else { return }
            change(&found)
            counts[rule] = found
        }
    }

    func begin(_ rule: RuleKey) { counts.withLock { if $0[rule] == nil { $0[rule] = RuleCounts() } } }

    func forget(_ rule: RuleKey) { counts.withLock { _ = $0.removeValue(forKey: rule) } }
}
