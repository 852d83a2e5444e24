import DurableQueue
import FunctionModel
import Synchronization
import Testing

/// Knows only time; every other call is a fault of the test.
private final class TimeOnlyStore: QueueStore {
    struct State {
        var advances: [Int64] = []
        var due: Int64?
        var observer: (@Sendable (QueueActivity) -> Void)?
    }

    private struct Unexpected: Error {}
    let state = Mutex(State())

    func set(due: Int64) {
        let observer = state.withLock { state in
            state.due = due
            return state.observer
        }
        var activity = QueueActivity()
        activity.nextDue = due
        observer?(activity)
    }

    func advance(now: Int64) async throws -> Int64? {
        state.withLock { state in
            state.advances.append(now)
            if let due = state.due, due <= now { state.due = nil }
            return state.due
        }
    }

    func observe(_ observer: @escaping @Sendable (QueueActivity) -> Void) { state.withLock { $0.observer = observer } }

    func create(_ queue: QueueRecord) async throws -> QueueRecord { throw Unexpected() }
    func queue(_ key: QueueKey) async throws -> QueueRecord { throw Unexpected() }
    func update(_ queue: QueueRecord) async throws { throw Unexpected() }
    func delete(_ key: QueueKey) async throws { throw Unexpected() }
    func queues(account: String, region: String, prefix: String, after: String?, limit: Int) async throws -> [QueueRecord] { throw Unexpected() }
    func queues(_ kind: QueueKind) async throws -> [(key: QueueKey, counts: QueueCounts)] { throw Unexpected() }
    func sources(of key: QueueKey) async throws -> [QueueKey] { throw Unexpected() }
    func enqueue(_ messages: [NewMessage], to key: QueueKey, now: Int64) async throws -> [Result<Accepted, ServiceError>] { throw Unexpected() }
    func enqueue(_ message: NewMessage, to key: QueueKey, now: Int64, completion: @escaping @Sendable (Result<Accepted, any Error>) -> Void) {
        completion(.failure(Unexpected()))
    }
    func claim(from key: QueueKey, limit: Int, lease: Int64, now: Int64) async throws -> [ClaimedMessage] { throw Unexpected() }
    func claimSoon(from key: QueueKey, limit: Int, lease: Int64, now: Int64) async throws -> [ClaimedMessage] { throw Unexpected() }
    func settle(_ settlements: [Settlement], of key: QueueKey, now: Int64) async throws -> [Settlement.Result] { throw Unexpected() }
    func settleSoon(_ settlements: [Settlement], of key: QueueKey, now: Int64) async throws -> [Settlement.Result] { throw Unexpected() }
    func settleSoon(_ settlement: Settlement, of key: QueueKey, now: Int64, completion: @escaping @Sendable (Result<Settlement.Result, any Error>) -> Void) {
        completion(.failure(Unexpected()))
    }
    func claimFirst(of keys: [QueueKey], lease: Int64, now: Int64) async throws -> [(queue: QueueRecord, claimed: ClaimedMessage)] { throw Unexpected() }
    func settle(_ settlements: [(key: QueueKey, settlement: Settlement)], now: Int64) async throws -> [Settlement.Result] { throw Unexpected() }
    func post(_ postings: [Posting], now: Int64) async throws -> [Posting.Result] { throw Unexpected() }
    func reclaim(_ key: QueueKey, now: Int64) async throws -> Int { throw Unexpected() }
    func counts(of key: QueueKey, now: Int64) async throws -> QueueCounts { throw Unexpected() }
    func peek(_ key: QueueKey, after: StoredMessage?, limit: Int, now: Int64) async throws -> [StoredMessage] { throw Unexpected() }
    func find(_ id: RequestID, in key: QueueKey, now: Int64) async throws -> StoredMessage? { throw Unexpected() }
    func discard(_ id: RequestID, from key: QueueKey, now: Int64) async throws -> Bool { throw Unexpected() }
    func purge(_ key: QueueKey, now: Int64) async throws -> Int { throw Unexpected() }
    func redrive(_ key: QueueKey, to target: QueueKey?, id: RequestID?, limit: Int, now: Int64) async throws -> Int { throw Unexpected() }
}

@Suite struct QueueKeeperTests {
    private func milliseconds() -> Int64 {
        let time = ContinuousClock.now.duration(to: Self.start)
        return -(time.components.seconds * 1_000 + time.components.attoseconds / 1_000_000_000_000_000)
    }

    private static let start = ContinuousClock.now

    /// The keeper looks when something is due and rests otherwise, however often it was woken before.
    @Test(.timeLimit(.minutes(1))) func eachDueTimeIsLookedAtOnceAndTheRestIsSleep() async throws {
        let store = TimeOnlyStore()
        let keeper = QueueKeeper(store: store, now: { milliseconds() }, onError: { _ in })
        let running = Task { await keeper.run() }
        defer { running.cancel() }
        for _ in 0..<5 {
            let due = milliseconds() + 20
            store.set(due: due)
            while store.state.withLock({ $0.due }) != nil { try await Task.sleep(for: .milliseconds(1)) }
            #expect(milliseconds() >= due)
        }
        let before = store.state.withLock { $0.advances.count }
        // Each time: once when it is told, once when it is due; and one at the start.
        #expect(before <= 16)
        store.set(due: milliseconds() + 200)
        while store.state.withLock({ $0.due }) != nil { try await Task.sleep(for: .milliseconds(1)) }
        #expect(store.state.withLock { $0.advances.count } <= before + 3)
    }
}
