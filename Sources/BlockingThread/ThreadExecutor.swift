import Glibc

/// A serial executor with a thread of its own, for actors whose work blocks (files, SQLite).
///
/// The cooperative pool has one thread per core; a blocking call there stalls unrelated tasks. The thread sleeps while
/// nothing is queued and ends, after what is queued, when the last reference goes.
public final class ThreadExecutor: SerialExecutor {
    private let jobs: JobQueue

    /// - Parameter name: shown by `ps -T` and debuggers; cut to 15 bytes.
    /// - Throws: `ThreadStartError` if the system has no thread left.
    public init(name: String) throws(ThreadStartError) {
        jobs = JobQueue()
        try jobs.start(name: name)
    }

    deinit {
        jobs.stop()
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        jobs.append(UnownedJob(job), for: self)
    }

    /// Blocks the calling thread, which must be this executor's own: for work at short, regular intervals.
    public func rest(milliseconds: Int) {
        var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        var rest = time
        while clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &rest) == EINTR { time = rest }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }
}

public struct ThreadStartError: Error, CustomStringConvertible {
    public let name: String
    public let code: Int32
    public var description: String { "failed to start thread \(name): \(String(cString: strerror(code))): raise the limit on threads" }
}

/// Kept apart from the executor so that the thread does not keep the executor alive.
///
/// SAFETY: every access to `pending`, `isStopped` and `name` happens with `mutex` held, `name` being set before the
/// thread starts.
private final class JobQueue: @unchecked Sendable {
    /// The executor is held until its job has run: the job may release the last other reference.
    private struct Entry {
        let job: UnownedJob
        let executor: ThreadExecutor
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var pending: [Entry] = []
    private var isStopped = false
    private var name = ""

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(filled, nil)
    }

    deinit {
        pthread_cond_destroy(filled)
        pthread_mutex_destroy(mutex)
        filled.deallocate()
        mutex.deallocate()
    }

    func start(name: String) throws(ThreadStartError) {
        self.name = name
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, runJobs, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw ThreadStartError(name: name, code: code)
        }
        pthread_detach(thread)
    }

    func stop() {
        pthread_mutex_lock(mutex)
        isStopped = true
        pthread_cond_signal(filled)
        pthread_mutex_unlock(mutex)
    }

    func append(_ job: UnownedJob, for executor: ThreadExecutor) {
        pthread_mutex_lock(mutex)
        pending.append(Entry(job: job, executor: executor))
        pthread_cond_signal(filled)
        pthread_mutex_unlock(mutex)
    }

    func run() {
        showName()
        while let batch = next() {
            for entry in batch { entry.job.runSynchronously(on: entry.executor.asUnownedSerialExecutor()) }
        }
    }

    /// Without effect where /proc is not mounted.
    private func showName() {
        let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = Array(name.utf8.prefix(15)).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
    }

    private func next() -> [Entry]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while pending.isEmpty {
            if isStopped { return nil }
            pthread_cond_wait(filled, mutex)
        }
        let batch = pending
        pending = []
        return batch
    }
}

private func runJobs(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let context { Unmanaged<JobQueue>.fromOpaque(context).takeRetainedValue().run() }
    return nil
}
