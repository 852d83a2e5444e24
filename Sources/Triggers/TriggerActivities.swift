import Synchronization

/// Activities by name, for owners that keep nothing else of their sources in memory. Any thread may call.
public final class TriggerActivities: Sendable {
    private let limit: Int
    private let all = Mutex<[String: TriggerActivity]>([:])

    /// - Parameter limit: names beyond it are not counted.
    public init(limit: Int = 10_000) { self.limit = limit }

    public func note(_ name: String, _ change: (inout TriggerActivity) -> Void) {
        all.withLock { all in
            guard all[name] != nil || all.count < limit else { return }
            change(&all[name, default: TriggerActivity()])
        }
    }

    public func activity(_ name: String) -> TriggerActivity { all.withLock { $0[name] ?? TriggerActivity() } }
    public func remove(_ name: String) { all.withLock { $0[name] = nil } }
}
