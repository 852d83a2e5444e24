internal import FunctionModel
internal import Glibc
internal import Synchronization

/// Threads for work that blocks on a disk, kept away from the cooperative pool. Work waits in a bounded line.
final class BlockingQueue: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var isClosed = false
    }

    /// Shared with the threads, so that the queue itself can go while they finish.
    private final class Core: Sendable {
        let state = Mutex(State())
        // SAFETY: a POSIX semaphore is made to be used from several threads; it lives as long as this object, which
        // every thread that waits on it retains.
        nonisolated(unsafe) let ready = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

        init() { sem_init(ready, 0, 0) }
        deinit {
            sem_destroy(ready)
            ready.deallocate()
        }

        func work() {
            while true {
                while sem_wait(ready) != 0 {}
                let (next, isClosed) = state.withLock { ($0.waiting.isEmpty ? nil : $0.waiting.removeFirst(), $0.isClosed) }
                if let next { next() } else if isClosed { return }
            }
        }
    }

    private let core = Core()
    private let depth: Int
    private let threads: Int

    init(threads: Int, depth: Int) {
        self.depth = depth
        self.threads = threads
        for _ in 0..<threads { startThread(core) }
    }

    deinit {
        core.state.withLock { $0.isClosed = true }
        for _ in 0..<threads { sem_post(core.ready) }
    }

    /// - Throws: `ServiceError` `.unavailable` when the line is full; else what `body` throws.
    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let accepted = core.state.withLock { state in
                guard state.waiting.count < depth else { return false }
                state.waiting.append { continuation.resume(with: Result { try body() }) }
                return true
            }
            if accepted {
                sem_post(core.ready)
            } else {
                continuation.resume(
                    throwing: ServiceError(
                        .unavailable, "too many deployment packages are being stored at once (\(depth) wait); try again",
                        retryAfter: 1))
            }
        }
    }

    private func startThread(_ core: Core) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(core)
        let status = pthread_create(&thread, &attributes, runQueueThread, argument.toOpaque())
        precondition(status == 0, "no thread could be started for the package store")
    }

    fileprivate static func enter(_ argument: UnsafeMutableRawPointer) {
        Unmanaged<Core>.fromOpaque(argument).takeRetainedValue().work()
    }
}

/// A function, not a closure: C calls it on its own thread, where an inherited actor isolation would trap.
private func runQueueThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument { BlockingQueue.enter(argument) }
    return nil
}
