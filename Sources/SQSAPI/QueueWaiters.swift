import DurableQueue
import Synchronization

/// Those who wait for messages, by queue. Woken one at a time, in the order of their coming: who finds something wakes the
/// next, so a message makes one look into the store and not as many as there are waiters.
final class QueueWaiters: Sendable {
    private struct State {
        var tickets: [QueueKey: [WaitTicket]] = [:]
        var count = 0
        var isClosed = false
    }

    private let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    var count: Int { state.withLock { $0.count } }

    /// - Returns: nil where no more may wait.
    func join(_ key: QueueKey) -> WaitTicket? {
        state.withLock { state in
            guard !state.isClosed, state.count < limit else { return nil }
            let ticket = WaitTicket(key: key)
            state.tickets[key, default: []].append(ticket)
            state.count += 1
            return ticket
        }
    }

    /// A call that was for this one goes to the next.
    func leave(_ ticket: WaitTicket) {
        state.withLock { state in
            guard var tickets = state.tickets[ticket.key], let index = tickets.firstIndex(where: { $0 === ticket }) else { return }
            tickets.remove(at: index)
            state.tickets[ticket.key] = tickets.isEmpty ? nil : tickets
            state.count -= 1
        }
        if ticket.isCalled { wake([ticket.key]) }
    }

    /// Quick, and may be called from the store's thread.
    func wake(_ keys: Set<QueueKey>) {
        let called = state.withLock { state in keys.compactMap { key in state.tickets[key]?.first { !$0.isCalled } } }
        for ticket in called { ticket.call() }
    }

    func close() {
        let all = state.withLock { state in
            state.isClosed = true
            return state.tickets.values.flatMap { $0 }
        }
        for ticket in all { ticket.cancel() }
    }
}

/// One who waits.
final class WaitTicket: Sendable {
    private struct State {
        var isCalled = false
        var isCancelled = false
        var continuation: CheckedContinuation<Void, Never>?
    }

    let key: QueueKey
    private let state = Mutex(State())

    init(key: QueueKey) { self.key = key }

    /// Called, and has not looked since.
    var isCalled: Bool { state.withLock { $0.isCalled } }

    func call() { resume { $0.isCalled = true } }
    func cancel() { resume { $0.isCancelled = true } }

    private func resume(_ change: (inout State) -> Void) {
        let continuation = state.withLock { state in
            change(&state)
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume()
    }

    /// - Returns: whether there may be something now; false when the time is over or the wait was given up.
    func wait(until deadline: ContinuousClock.Instant) async -> Bool {
        let timer = Task {
            // Ended early, it was not needed: the next wait of this ticket has its own.
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
            cancel()
        }
        defer { timer.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isCalled || state.isCancelled { return true }
                    state.continuation = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
        return state.withLock { state in
            defer { state.isCalled = false }
            return state.isCalled
        }
    }
}
