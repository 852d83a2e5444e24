import Synchronization

/// Keeps time for a store: makes messages visible when they are due, to the millisecond, and sleeps between.
public final class QueueKeeper: Sendable {
    /// Retention and what another store over the same file did is looked after at least so often.
    static let longestSleep: Int64 = 60_000
    private static let retryDelay = Duration.seconds(1)

    private let store: any QueueStore
    private let now: @Sendable () -> Int64
    private let onError: @Sendable (any Error) -> Void
    private let sleepsUntil = Mutex<Int64>(0)
    private let pokes: AsyncStream<Void>
    private let poke: AsyncStream<Void>.Continuation

    /// - Parameter now: milliseconds since 1970; must not run backwards.
    public init(store: any QueueStore, now: @escaping @Sendable () -> Int64, onError: @escaping @Sendable (any Error) -> Void) {
        self.store = store
        self.now = now
        self.onError = onError
        (pokes, poke) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        store.observe { [weak self] activity in
            guard let self, let due = activity.nextDue, due < sleepsUntil.withLock({ $0 }) else { return }
            poke.yield()
        }
    }

    /// Until the task is cancelled. To be run by one task.
    public func run() async {
        var iterator = pokes.makeAsyncIterator()
        while !Task.isCancelled {
            // Whatever is set from here on is either seen by `advance` or pokes.
            sleepsUntil.withLock { $0 = .max }
            do {
                let now = self.now()
                let next = try await store.advance(now: now)
                let until = min(next ?? .max, now + Self.longestSleep)
                sleepsUntil.withLock { $0 = until }
                let pause = until - self.now()
                if pause <= 0 {
                    await Task.yield()
                    continue
                }
                let timer = Task { [poke] in
                    // A timer that is taken back must not wake: the next sleep would end at once, and so on for ever.
                    do { try await Task.sleep(for: .milliseconds(pause)) } catch { return }
                    poke.yield()
                }
                _ = await iterator.next()
                timer.cancel()
            } catch {
                onError(error)
                try? await Task.sleep(for: Self.retryDelay)
            }
        }
    }
}
