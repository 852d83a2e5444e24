import BlockingThread
import CSQLite
import Synchronization

/// Moves what is committed from the write-ahead log into the database, on a thread and a connection of its own.
///
/// A checkpoint syncs the database, which takes as long as many commits; done by the writer, as SQLite does by itself, it
/// would hold up every acceptance that comes meanwhile. Here it runs beside them. Only the log's new beginning needs the
/// writer: it takes in the little that came since, and the next commit starts the log over.
actor QueueCheckpointer {
    /// Pages in the log from which on it is worth the work.
    static let begin: Int32 = 1_000
    /// Pages from which on the log should start over: 32 MB.
    static let restart: Int32 = 8_192
    /// Pages from which on the writer does it all itself: the disk does not keep up.
    static let limit: Int32 = 65_536

    private let connection: Connection
    private let executor: ThreadExecutor
    private nonisolated let isBusy = Atomic<Bool>(false)
    /// Whether a checkpoint has ended since the writer last asked.
    private nonisolated let hasFinished = Atomic<Bool>(false)

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    static func open(path: String) async throws -> QueueCheckpointer {
        let executor = try ThreadExecutor(name: "queue-wal")
        return try await CheckpointOpener(executor: executor).open(path)
    }

    fileprivate init(path: String, executor: ThreadExecutor) throws {
        connection = try Connection(path: path)
        try connection.configure()
        self.executor = executor
    }

    /// To be called by the writer after a commit.
    /// - Parameter pages: what the log holds.
    /// - Returns: whether the writer should take in the rest, so that the log starts over.
    nonisolated func committed(pages: Int32) -> Bool {
        if pages >= Self.limit { return true }
        if pages >= Self.restart, hasFinished.exchange(false, ordering: .acquiringAndReleasing) { return true }
        guard pages >= Self.begin, !isBusy.exchange(true, ordering: .acquiringAndReleasing) else { return false }
        Task { await self.run() }
        return false
    }

    private func run() {
        // What fails here, on a full disk for example, stays in the log, which is as durable; the next one tries again.
        try? connection.checkpoint()
        hasFinished.store(true, ordering: .releasing)
        isBusy.store(false, ordering: .releasing)
    }
}

/// Opens the file on the thread that will use it.
private actor CheckpointOpener {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(executor: ThreadExecutor) {
        self.executor = executor
    }

    func open(_ path: String) throws -> QueueCheckpointer {
        try QueueCheckpointer(path: path, executor: executor)
    }
}
