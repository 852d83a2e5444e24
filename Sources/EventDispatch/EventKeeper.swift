import DurableQueue
import FunctionModel

/// Takes one event into its function's queue, off the loop.
struct EventKeeper: Sendable {
    let store: any QueueStore
    let key: QueueKey
    /// Milliseconds since 1970.
    let time: Int64

    /// - Parameter isKnown: whether the queue is there, as far as anybody knows.
    /// - Returns: what was accepted, on the disk by now; or why the event is refused.
    func keep(_ message: NewMessage, isKnown: Bool) async -> Result<Accepted, ServiceError> {
        do {
            if isKnown, let results = try await enqueueIfThere(message) { return only(results) }
            _ = try await store.create(QueueRecord(key: key, kind: .internal, created: time, modified: time))
            return only(try await store.enqueue([message], to: key, now: time))
        } catch {
            return .failure(error as? ServiceError ?? ServiceError(.internalFailure, "failed to keep the event", underlying: error))
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

    private func only(_ results: [Result<Accepted, ServiceError>]) -> Result<Accepted, ServiceError> {
        results.first ?? .failure(ServiceError(.internalFailure, "failed to keep the event"))
    }
}
