import BlockingThread
public import FunctionModel
import Metering

/// State and usage in one SQLite file, on a connection and a thread of its own.
///
/// Several stores, also in several processes, may share a file. Every method is durable when it returns.
public actor SQLiteStore {
    /// Milliseconds of a roll-up's period.
    static let hour = UsageTime.millisecondsPerHour

    let connection: Connection
    /// For environment variables; nil keeps them as they are.
    let sealer: (any TextSealer)?
    private let executor: ThreadExecutor
    /// Row IDs of `usage_versions` that are committed.
    var versionIDs: [VersionKey: Int64] = [:]

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens or makes the file and brings its schema up to date. Blocks its thread for the disk.
    /// - Parameters:
    ///   - path: used as given, also when it is relative and the folders above are closed to this user.
    ///   - sealer: seals functions' environment variables; nil leaves them readable.
    /// - Throws: `SQLiteStoreError`, among others for a file from a newer program.
    public static func open(path: String, sealer: (any TextSealer)? = nil) async throws -> SQLiteStore {
        let executor = try ThreadExecutor(name: "sqlite")
        return try await Opener(executor: executor).open(path, sealer)
    }

    fileprivate init(path: String, executor: ThreadExecutor, sealer: (any TextSealer)?) throws {
        self.sealer = sealer
        connection = try Connection(path: path)
        try Schema.migrate(connection)
        self.executor = executor
    }

    /// For what crosses a port: the store's own fault becomes a service error that says what was attempted.
    func attempt<Result>(_ what: @autoclosure () -> String, _ body: () throws(SQLiteStoreError) -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw ServiceError(error.isTransient ? .unavailable : .internalFailure, "failed to \(what())", underlying: error)
        }
    }
}

/// Opens the file on the thread that will use it.
private actor Opener {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(executor: ThreadExecutor) {
        self.executor = executor
    }

    func open(_ path: String, _ sealer: (any TextSealer)?) throws -> SQLiteStore {
        try SQLiteStore(path: path, executor: executor, sealer: sealer)
    }
}
