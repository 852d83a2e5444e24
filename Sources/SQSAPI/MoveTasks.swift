import DurableQueue
import FunctionModel
import Synchronization

/// Tasks that move messages out of dead-letter queues. They end with the server; what was not moved then stays where it is.
final class MoveTasks: Sendable {
    enum Status: String, Sendable {
        case running = "RUNNING"
        case completed = "COMPLETED"
        case cancelling = "CANCELLING"
        case cancelled = "CANCELLED"
        case failed = "FAILED"
    }

    struct Entry: Sendable {
        let id: RequestID
        let source: QueueKey
        /// Nil for where each message came from.
        let target: QueueKey?
        let perSecond: Int?
        /// Messages in the queue at the start.
        let toMove: Int
        /// Milliseconds since 1970.
        let started: Int64
        var moved = 0
        var status = Status.running
        var failure: String?
    }

    private struct State {
        /// The newest first.
        var entries: [QueueKey: [Entry]] = [:]
        var tasks: [RequestID: Task<Void, Never>] = [:]
    }

    /// Kept of one queue.
    private static let kept = 10
    /// Of one account.
    private static let maximumRunning = 100
    /// Moved in one transaction of the store.
    private static let slice = 200

    private let store: any QueueStore
    private let now: @Sendable () -> Int64
    private let state = Mutex(State())

    init(store: any QueueStore, now: @escaping @Sendable () -> Int64) {
        self.store = store
        self.now = now
    }

    func entries(of key: QueueKey) -> [Entry] { state.withLock { $0.entries[key] ?? [] } }

    func start(_ entry: Entry) throws(SQSError) {
        let refusal: SQSError? = state.withLock { state in
            let running = state.entries.filter { $0.key.account == entry.source.account }.values.joined().filter { $0.status == .running }
            if running.contains(where: { $0.source == entry.source }) {
                return SQSError(.unsupportedOperation, "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
            }
            if running.count >= Self.maximumRunning { return SQSError(.overLimit, "\(running.count) tasks move messages, which is the limit.") }
            state.entries[entry.source] = Array(([entry] + (state.entries[entry.source] ?? [])).prefix(Self.kept))
            // Under the lock, so that its end cannot come before its entry.
            state.tasks[entry.id] = Task { await self.run(entry) }
            return nil
        }
        if let refusal { throw refusal }
    }

    /// - Returns: the task if it is running; it ends after the transaction that it is in.
    func cancel(_ id: RequestID, of source: QueueKey) -> Entry? {
        state.withLock { state in
            guard let index = state.entries[source]?.firstIndex(where: { $0.id == id && $0.status == .running }) else { return nil }
            state.entries[source]?[index].status = .cancelling
            state.tasks[id]?.cancel()
            return state.entries[source]?[index]
        }
    }

    /// The queue goes, and its tasks with it.
    func cancel(of source: QueueKey) {
        state.withLock { state in
            for entry in state.entries.removeValue(forKey: source) ?? [] { state.tasks.removeValue(forKey: entry.id)?.cancel() }
        }
    }

    func stop() {
        state.withLock { state in
            for task in state.tasks.values { task.cancel() }
        }
    }

    private func run(_ entry: Entry) async {
        var moved = 0
        do {
            while !Task.isCancelled {
                let left = entry.toMove - moved
                // What is put there meanwhile is none of this task's.
                guard left > 0 else { break }
                let limit = min(left, entry.perSecond ?? Self.slice, Self.slice)
                let count = try await store.redrive(entry.source, to: entry.target, id: nil, limit: limit, now: now())
                moved += count
                change(entry) { $0.moved = moved }
                if count < limit { break }
                if let rate = entry.perSecond { try await Task.sleep(for: .milliseconds(limit * 1000 / rate)) }
            }
            finish(entry, Task.isCancelled ? .cancelled : .completed, nil)
        } catch is CancellationError {
            finish(entry, .cancelled, nil)
        } catch {
            finish(entry, .failed, (error as? ServiceError)?.message ?? "the store failed")
        }
    }

    private func change(_ entry: Entry, _ body: (inout Entry) -> Void) {
        state.withLock { state in
            guard let index = state.entries[entry.source]?.firstIndex(where: { $0.id == entry.id }) else { return }
            if state.entries[entry.source] != nil { body(&state.entries[entry.source]![index]) }
        }
    }

    private func finish(_ entry: Entry, _ status: Status, _ failure: String?) {
        change(entry) {
            $0.status = status
            $0.failure = failure
        }
        state.withLock { _ = $0.tasks.removeValue(forKey: entry.id) }
    }
}
