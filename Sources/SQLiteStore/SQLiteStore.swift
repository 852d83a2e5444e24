import BlockingThread
import FunctionModel
import Metering

/// State and usage in one SQLite file, on a connection and a thread of its own.
///
/// Several stores, also in several processes, may share a file. Every method is durable when it returns.
public actor SQLiteStore {
    /// Milliseconds of a roll-up's period.
    static let hour = UsageTime.millisecondsPerHour

    let connection: Connection
    private let executor: ThreadExecutor
    /// Row IDs of `usage_versions` that are committed.
    var versionIDs: [VersionKey: Int64] = [:]

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Opens or makes the file and brings its schema up to date. Blocks its thread for the disk.
    /// - Parameter path: used as given, also when it is relative and the folders above are closed to this user.
    /// - Throws: `SQLiteStoreError`, among others for a file from a newer program.
    public static func open(path: String) async throws -> SQLiteStore {
        let executor = try ThreadExecutor(name: "sqlite")
        return try await Opener(executor: executor).open(path)
    }

    fileprivate init(path: String, executor: ThreadExecutor) throws {
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

    func open(_ path: String) throws -> SQLiteStore {
        try SQLiteStore(path: path, executor: executor)
    }
}
