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

/// The store's answers on their way to the loop. One commit answers many at once, and waking the loop for each would cost more
/// than the rest of it. Bounded by what the store lets wait.
final class AcceptanceAnswers: Sendable {
    typealias Answer = (number: UInt64, result: Result<Accepted, any Error>)
    private let waiting = Mutex<[Answer]>([])

    /// - Returns: whether the loop has to be woken.
    func add(_ number: UInt64, _ result: Result<Accepted, any Error>) -> Bool {
        waiting.withLock { waiting in
            waiting.append((number, result))
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
