import BlockingThread
import DurableQueue
import FunctionModel
import Synchronization

/// One operation that waits for the writer.
struct QueueOperation: Sendable {
    /// For the error: what was attempted.
    let what: String
    /// Nobody waits for it: it may share its commit with what comes in the next milliseconds.
    var mayWait = false
    /// Does its work in the open transaction; what it returns is called once that is on the disk.
    let perform: @Sendable (QueueTransaction) throws -> @Sendable () -> Void
    let fail: @Sendable (any Error) -> Void
}

/// The one thread that writes: takes all operations that wait into one transaction, commits, and answers them.
///
/// While a commit waits for the disk the next operations gather, so that many commits cost one: at low load each has the
/// disk's latency, at high load the disk's throughput is shared. Operations that may wait begin no commit of their own until
/// they have waited for some milliseconds, or are many.
actor QueueWriter {
    /// Bounds the time that an operation waits for others of its own transaction.
    static let batchSize = 512

    /// How long an operation that may wait does so, if nothing else has to be written.
    private static let patience = Duration.milliseconds(4)
    /// So many are worth a commit.
    private static let crowd = 64

    private struct Waiting {
        enum Next { case nothing, soon, now }

        var operations: [QueueOperation] = []
        var next = Next.nothing

        var mayWait: Bool { operations.count < crowd && operations.allSatisfy(\.mayWait) }
    }

    private let connection: Connection
    private var checkpointer: QueueCheckpointer?
    private let executor: ThreadExecutor
    private let limits: QueueLimits
    private let randomness: @Sendable () -> UInt64
    private let observers: Mutex<[@Sendable (QueueActivity) -> Void]>
    private nonisolated let waiting = Mutex(Waiting())

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    static func open(path: String, limits: QueueLimits, randomness: @escaping @Sendable () -> UInt64) async throws -> QueueWriter {
        let executor = try ThreadExecutor(name: "queue")
        // The writer makes the file and its schema.
        let writer = try await QueueOpener(executor: executor).open(path, limits, randomness)
        await writer.checkpoint(with: try await QueueCheckpointer.open(path: path))
        return writer
    }

    fileprivate init(path: String, executor: ThreadExecutor, limits: QueueLimits, randomness: @escaping @Sendable () -> UInt64) throws {
        connection = try Connection(path: path)
        try Schema.migrate(connection, migrations: QueueSchema.migrations)
        self.executor = executor
        self.limits = limits
        self.randomness = randomness
        observers = Mutex([])
    }

    fileprivate func checkpoint(with checkpointer: QueueCheckpointer) {
        self.checkpointer = checkpointer
        connection.countLogPages()
    }

    nonisolated func observe(_ observer: @escaping @Sendable (QueueActivity) -> Void) {
        observers.withLock { $0.append(observer) }
    }

    nonisolated func submit(_ operation: QueueOperation) {
        let scheduled: Waiting.Next? = waiting.withLock { waiting in
            guard waiting.operations.count < limits.waitingOperations else { return nil }
            waiting.operations.append(operation)
            let wanted: Waiting.Next = operation.mayWait && waiting.operations.count < Self.crowd ? .soon : .now
            guard waiting.next == .nothing || (waiting.next == .soon && wanted == .now) else { return .nothing }
            waiting.next = wanted
            return wanted
        }
        guard let scheduled else {
            return operation.fail(
                ServiceError(
                    .unavailable, "failed to \(operation.what): \(limits.waitingOperations) operations wait for the disk already; send it again",
                    retryAfter: 1))
        }
        switch scheduled {
        case .nothing: break
        case .now: Task { await self.drain() }
        case .soon: drainSoon()
        }
    }

    private nonisolated func drainSoon() {
        Task {
            try? await Task.sleep(for: Self.patience)
            await self.drain()
        }
    }

    private func drain() {
        var isFirst = true
        while true {
            let (batch, next) = waiting.withLock { waiting in
                if waiting.operations.isEmpty {
                    waiting.next = .nothing
                } else if !isFirst, waiting.mayWait {
                    waiting.next = .soon
                } else {
                    waiting.next = .now
                    let batch = Array(waiting.operations.prefix(Self.batchSize))
                    waiting.operations.removeFirst(batch.count)
                    return (batch, waiting.next)
                }
                return ([], waiting.next)
            }
            guard !batch.isEmpty else {
                if next == .soon { drainSoon() }
                return
            }
            isFirst = false
            commit(batch)
        }
    }

    private func commit(_ batch: [QueueOperation]) {
        do {
            let transaction = QueueTransaction(connection, limits: limits, randomness: randomness)
            var answers: [@Sendable () -> Void] = []
            answers.reserveCapacity(batch.count)
            try connection.transaction { () throws(SQLiteStoreError) in
                for operation in batch { answers.append(try Self.perform(operation, in: transaction)) }
                try transaction.flush()
            }
            for answer in answers { answer() }
            if let checkpointer, checkpointer.committed(pages: connection.pagesInLog) { try? connection.checkpoint() }
            let activity = transaction.activity
            if !activity.ready.isEmpty || activity.nextDue != nil || !activity.deadLetters.isEmpty {
                for observer in observers.withLock({ $0 }) { observer(activity) }
            }
        } catch {
            // One operation may be at fault, or the disk: each by itself, unless that would only fail in the same way.
            if batch.count > 1 && !error.isTransient {
                for operation in batch { commit([operation]) }
            } else {
                for operation in batch { operation.fail(Self.serviceError(error, operation)) }
            }
        }
    }

    /// A refusal has changed nothing and is an answer like any other; a fault of the store undoes the transaction.
    private static func perform(_ operation: QueueOperation, in transaction: QueueTransaction) throws(SQLiteStoreError) -> @Sendable () -> Void {
        do {
            return try operation.perform(transaction)
        } catch let error as SQLiteStoreError {
            throw error
        } catch {
            return { operation.fail(error) }
        }
    }

    private static func serviceError(_ error: SQLiteStoreError, _ operation: QueueOperation) -> ServiceError {
        ServiceError(
            error.isTransient ? .unavailable : .internalFailure, "failed to \(operation.what): \(error.reason)", underlying: error)
    }
}

/// Opens the file on the thread that will use it.
private actor QueueOpener {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(executor: ThreadExecutor) {
        self.executor = executor
    }

    func open(_ path: String, _ limits: QueueLimits, _ randomness: @escaping @Sendable () -> UInt64) throws -> QueueWriter {
        try QueueWriter(path: path, executor: executor, limits: limits, randomness: randomness)
    }
}
