import DurableQueue
import FunctionModel
import Synchronization

/// An event that is not on the disk yet, and who waits for that.
struct Acceptance {
    let function: FunctionKey
    let queue: QueueKey
    let message: NewMessage
    var hasMadeQueue = false
    let completion: (Result<RequestID, ServiceError>) -> Void
}

/// An attempt that is over, when the disk has answered.
struct Settled: Sendable {
    let settlement: Settlement
    let queue: QueueKey
    let wait: Int64?
    let throttled: Bool
    let result: Result<Settlement.Result, any Error>
}

/// The store's answers on their way to the loop. One commit answers many at once, and waking the loop for each would cost more
/// than the rest of it. Bounded by what the store lets wait.
final class StoreAnswers<Answer: Sendable>: Sendable {
    private let waiting = Mutex<[Answer]>([])

    /// - Returns: whether the loop has to be woken.
    func add(_ answer: Answer) -> Bool {
        waiting.withLock { waiting in
            waiting.append(answer)
            return waiting.count == 1
        }
    }

    func takeAll() -> [Answer] {
        waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }
}
