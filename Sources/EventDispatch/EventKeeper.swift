import DurableQueue
import FunctionModel

/// Takes one event into its function's queue, off the loop.
struct EventKeeper: Sendable {
    let store: any QueueStore
    let key: QueueKey
    /// Milliseconds since 1970.
    let time: Int64

    /// - Parameter isKnown: whether the queue is there, as far as anybody knows.
    /// - Returns: why the event is refused; nil when it is on the disk.
    func keep(_ message: NewMessage, isKnown: Bool) async -> ServiceError? {
        do {
            if isKnown, let result = try await enqueueIfThere(message) { return refusal(result) }
            _ = try await store.create(QueueRecord(key: key, kind: .internal, created: time, modified: time))
            return refusal(try await store.enqueue([message], to: key, now: time))
        } catch {
            return error as? ServiceError ?? ServiceError(.internalFailure, "failed to keep the event", underlying: error)
        }
    }

    /// - Returns: nil where the queue is gone: the function was deleted and made again.
    private func enqueueIfThere(_ message: NewMessage) async throws -> [Result<Accepted, ServiceError>]? {
        do {
            return try await store.enqueue([message], to: key, now: time)
        } catch let error as ServiceError where error.code == .resourceNotFound {
            return nil
        }
    }

    private func refusal(_ results: [Result<Accepted, ServiceError>]) -> ServiceError? {
        if case .failure(let error)? = results.first { return error }
        return nil
    }
}
