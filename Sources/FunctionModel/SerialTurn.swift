internal import Synchronization

/// Who may change something now, one at a time and in the order of asking: an actor's methods suspend while they write, so
/// without a turn a second one could read what is about to be replaced, or be published before the first.
///
/// Those that wait are bounded by the edge's limit on management requests.
public final class SerialTurn: Sendable {
    private struct State {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    public init() {}

    /// Returns when it is the caller's turn, who then has to `pass` it on.
    public func wait() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.isTaken else {
                    state.isTaken = true
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    public func pass() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
