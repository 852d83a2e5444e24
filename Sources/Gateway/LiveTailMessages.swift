import EventStream
import JSONValues
import LogsAPI
import NIOCore

/// A Live Tail session as the messages of an event stream: its start at once, then an update each second.
actor LiveTailMessages {
    private enum State {
        case new
        case updating(next: ContinuousClock.Instant)
        case ended
    }

    private let session: LiveTailSession
    private let report: @Sendable (any Error) -> Void
    private let end = ContinuousClock.now + LiveTailSession.timeLimit
    private var state = State.new

    /// - Parameter report: told of what no caller could mend.
    init(_ session: LiveTailSession, report: @escaping @Sendable (any Error) -> Void) {
        self.session = session
        self.report = report
    }

    /// - Returns: nil when the session is over, and to one who is cancelled.
    func next() async -> ByteBuffer? {
        switch state {
        case .ended: return nil
        case .new:
            state = .updating(next: .now + LiveTailSession.interval)
            // Clients of the JSON protocol wait for the answer's own members before the first event; it has none.
            let start = EventStreamMessage.event("initial-response", payload: "{}".utf8) + EventStreamMessage.event("sessionStart", payload: session.start.text().utf8)
            return ByteBuffer(bytes: start)
        case .updating(let time):
            do { try await Task.sleep(until: time, clock: .continuous) } catch { return nil }
            let now = ContinuousClock.now
            // A client that was slow gets no row of updates at once.
            state = .updating(next: max(time, now - LiveTailSession.interval) + LiveTailSession.interval)
            guard now < end else { return exception("SessionTimeoutException", "The Live Tail session has reached its limit of three hours.") }
            do {
                return ByteBuffer(bytes: EventStreamMessage.event("sessionUpdate", payload: try await session.update().text().utf8))
            } catch is CancellationError {
                return nil
            } catch {
                report(error)
                return exception("SessionStreamingException", "The logs could not be read: start the session again.")
            }
        }
    }

    private func exception(_ name: String, _ message: String) -> ByteBuffer {
        state = .ended
        return ByteBuffer(bytes: EventStreamMessage.exception(name, payload: JSON.object([.init("message", .string(message))]).text().utf8))
    }
}
