import DurableQueue
import FunctionModel
import Glibc
import Metering
import Testing

@testable import SQLiteStore

@Suite struct DatabaseFileTests {
    private let temporary: TemporaryFolder

    init() throws {
        temporary = try TemporaryFolder()
    }

    @Test func connectionIsDurableAndEnforcesReferences() throws {
        let connection = try Connection(path: temporary.database)
        try Schema.migrate(connection)
        #expect(try connection.pragma("journal_mode") == "wal")
        #expect(try connection.pragma("synchronous") == "2")
        #expect(try connection.pragma("foreign_keys") == "1")
        #expect(try connection.pragma("busy_timeout") == "5000")
        #expect(try connection.pragma("integrity_check") == "ok")
    }

    @Test func onlyTheOwnerMayReadTheFile() throws {
        let connection = try Connection(path: temporary.database)
        try Schema.migrate(connection)
        for name in ["", "-wal", "-shm"] {
            var status = stat()
            #expect(stat(temporary.database + name, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func migratingAgainChangesNothing() throws {
        for _ in 0..<3 {
            let connection = try Connection(path: temporary.database)
            try Schema.migrate(connection)
            #expect(try Schema.version(connection) == Schema.migrations.count)
        }
    }

    @Test func laterMigrationsRunOnceInOrderAndKeepTheData() async throws {
        let store = try await SQLiteStore.open(path: temporary.database)
        let revision = try await store.reserveRevision()
        let later = Schema.migrations + ["CREATE TABLE extra (value INTEGER)", "INSERT INTO extra VALUES (1)"]
        for _ in 0..<2 {
            let connection = try Connection(path: temporary.database)
            try Schema.migrate(connection, migrations: later)
            let rows = try connection.prepare("SELECT count(*), (SELECT last FROM revisions) FROM extra")
            #expect(try rows.step())
            #expect(rows.integer(0) == 1)
            #expect(rows.integer(1) == Int64(revision))
        }
    }

    @Test func failedMigrationLeavesTheOldSchema() throws {
        let connection = try Connection(path: temporary.database)
        try Schema.migrate(connection)
        #expect(throws: SQLiteStoreError.self) {
            try Schema.migrate(connection, migrations: Schema.migrations + ["CREATE TABLE extra (value INTEGER); CREATE NONSENSE"])
        }
        #expect(try Schema.version(connection) == Schema.migrations.count)
        #expect(throws: SQLiteStoreError.self) { try connection.prepare("SELECT * FROM extra") }
    }

    @Test func newerDatabaseIsRefusedWithBothVersions() async throws {
        do {
            let connection = try Connection(path: temporary.database)
            try Schema.migrate(connection, migrations: Schema.migrations + ["CREATE TABLE extra (value INTEGER)"])
        }
        let newer = Schema.migrations.count + 1
        let path = temporary.database
        let error = await #expect(throws: SQLiteStoreError.self) { try await SQLiteStore.open(path: path) }
        #expect(
            error?.description
                == "failed to open database \(path): its schema has version \(newer), this program knows up to version \(newer - 1): start the newer Martlet again, or use another data directory"
        )
    }

    @Test func fileThatIsNoDatabaseIsRefusedAndKept() async throws {
        let text = "these are somebody's notes, " + String(repeating: "and more of them, ", count: 200)
        let descriptor = open(temporary.database, O_WRONLY | O_CREAT, 0o600)
        _ = Array(text.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        let path = temporary.database
        let error = await #expect(throws: SQLiteStoreError.self) { try await SQLiteStore.open(path: path) }
        #expect(error?.description.contains(path) == true)
        #expect(error?.description.contains("not a database") == true)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(Int(status.st_size) == text.utf8.count)
    }

    @Test func missingFolderIsNamed() async throws {
        let error = await #expect(throws: SQLiteStoreError.self) { try await SQLiteStore.open(path: "/nonexistent/martlet.db") }
        #expect(error?.description == "failed to open database /nonexistent/martlet.db: unable to open database file: No such file or directory")
    }

    @Test func lookUpsAndPagesUseAnIndex() throws {
        let connection = try Connection(path: temporary.database)
        try Schema.migrate(connection)
        func plan(_ sql: String) throws -> String {
            let statement = try connection.prepare("EXPLAIN QUERY PLAN \(sql)")
            defer { statement.reset() }
            var lines: [String] = []
            while try statement.step() { lines.append(statement.text(3)) }
            return lines.joined(separator: "; ")
        }
        #expect(try plan(SQLiteStore.recordByRequest).contains("(request_id=?)"))
        for page in [SQLiteStore.firstPage, SQLiteStore.nextPage] {
            let plan = try plan(page)
            #expect(plan.contains("usage_ledger_by_start"))
            #expect(!plan.contains("TEMP B-TREE"))
        }
        #expect(try plan(SQLiteStore.nextPage).contains("(start_ms,request_id,attempt)>"), "a page begins at its place, not at the first record")
    }

    @Test func noQueryOfAQueueScansItsMessages() throws {
        let connection = try Connection(path: temporary.database)
        try Schema.migrate(connection, migrations: QueueSchema.migrations)
        func plan(_ sql: String) throws -> String {
            let statement = try connection.prepare("EXPLAIN QUERY PLAN \(sql)")
            defer { statement.reset() }
            var lines: [String] = []
            while try statement.step() { lines.append(statement.text(3)) }
            return lines.joined(separator: "; ")
        }
        let index = [
            QueueTransaction.readyInTurn: "messages_ready (queue=?)", QueueTransaction.dueMessages: "messages_due (due<?)",
            QueueTransaction.page: "messages_sent (queue=?", QueueTransaction.oldest: "messages_sent (queue=?)",
            QueueTransaction.nextTimes: "messages_due", QueueTransaction.followers: "messages_grouped (grp=?)",
            QueueTransaction.leased: "messages_leased (queue=?)",
        ]
        for (sql, index) in index {
            let plan = try plan(sql)
            #expect(plan.contains(index), "\(plan)")
            #expect(!plan.contains("TEMP B-TREE"), "\(plan)")
            #expect(!plan.contains("SCAN messages") || plan.contains("COVERING INDEX") || plan.contains("USING INDEX"), "\(plan)")
        }
    }
}

/// A data directory whose parent is closed to the server's user, with the data directory as working directory.
@Suite(.enabled(if: geteuid() == 0, "needs root to act as another user"))
struct UntraversableParentTests {
    private typealias SetUser = @convention(c) (UInt32) -> Int32
    private typealias Unshare = @convention(c) (Int32) -> Int32
    private static let cloneFilesystem: Int32 = 0x200

    /// What a thread of its own found out: its working directory and its user for files are not those of the process.
    private final class Outcome {
        let folder: String
        let setUser: SetUser
        let unshare: Unshare
        var defaultNaming: Result<Void, any Error> = .success(())
        var asGiven: Result<Int64, any Error> = .success(0)

        init(folder: String, setUser: SetUser, unshare: Unshare) {
            self.folder = folder
            self.setUser = setUser
            self.unshare = unshare
        }

        func find() {
            guard unshare(UntraversableParentTests.cloneFilesystem) == 0, chdir(folder) == 0 else {
                asGiven = .failure(SetUpFailure())
                return
            }
            // Capabilities over files go with this call; they stay with the rest of the process.
            _ = setUser(65_534)
            defaultNaming = Result { try Schema.migrate(Connection(path: "martlet.db", vfs: nil)) }
            asGiven = Result {
                do {
                    let connection = try Connection(path: "martlet.db")
                    try Schema.migrate(connection)
                    try connection.transaction { () throws(SQLiteStoreError) in try connection.execute("UPDATE revisions SET last = 41") }
                }
                let again = try Connection(path: "martlet.db")
                try Schema.migrate(again)
                let rows = try again.prepare("UPDATE revisions SET last = last + 1 RETURNING last")
                _ = try rows.step()
                defer { rows.reset() }
                return rows.integer(0)
            }
        }
    }

    private func symbol<Function>(_ name: String, _ type: Function.Type) throws -> Function {
        unsafeBitCast(try #require(dlsym(nil, name)), to: type)
    }

    @Test func relativePathWorksBelowAFolderThatOnlyRootMayEnter() throws {
        let temporary = try TemporaryFolder()
        let data = "\(temporary.path)/data"
        try #require(mkdir(data, 0o700) == 0 && chown(data, 65_534, 65_534) == 0 && chmod(temporary.path, 0o700) == 0)
        let outcome = Outcome(
            folder: data, setUser: try symbol("setfsuid", SetUser.self), unshare: try symbol("unshare", Unshare.self))
        var thread = pthread_t()
        let context = Unmanaged.passRetained(outcome)
        try #require(pthread_create(&thread, nil, findOutcome, context.toOpaque()) == 0)
        pthread_join(thread, nil)
        #expect(throws: SQLiteStoreError.self, "SQLite's own naming fails there, or this test shows nothing") { try outcome.defaultNaming.get() }
        #expect(try outcome.asGiven.get() == 42)
    }

    private let findOutcome: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { context in
        if let context { Unmanaged<Outcome>.fromOpaque(context).takeRetainedValue().find() }
        return nil
    }
}

/// On a small file system of its own, which only root may mount.
@Suite(.enabled(if: geteuid() == 0, "needs root to mount a small tmpfs"))
struct FullDiskTests {
    private typealias Mount =
        @convention(c) (UnsafePointer<CChar>?, UnsafePointer<CChar>, UnsafePointer<CChar>?, UInt, UnsafePointer<CChar>?) -> Int32
    private typealias Unmount = @convention(c) (UnsafePointer<CChar>, Int32) -> Int32

    @Test func fullDiskRefusesAWholeTransactionAndKeepsTheEarlierOnes() async throws {
        let temporary = try TemporaryFolder()
        let mount = unsafeBitCast(try #require(dlsym(nil, "mount")), to: Mount.self)
        let unmount = unsafeBitCast(try #require(dlsym(nil, "umount2")), to: Unmount.self)
        try #require(mount("tmpfs", temporary.path, "tmpfs", 0, "size=1m") == 0)
        defer { _ = unmount(temporary.path, 2) }

        let store = try await SQLiteStore.open(path: temporary.database)
        var generator = SeededGenerator(seed: 9)
        var kept: UInt64 = 0
        var refusal: ServiceError?
        while refusal == nil {
            let batch = (0..<200).map { _ in
                UsageRecord(
                    requestID: .random(using: &generator, at: 1_795_249_257_123), key: FunctionKey(account: "1", region: "r", name: "f"), version: "1",
                    revision: 1, trigger: .invoke, startKind: .ready, outcome: .success, startMilliseconds: 0, memorySize: 128)
            }
            do {
                kept += UInt64(try await store.fold(batch))
            } catch {
                refusal = error as? ServiceError
                try #require(refusal != nil, "\(error)")
            }
        }
        #expect(refusal?.code == .unavailable)
        #expect(refusal.map { "\($0)" }?.contains("free space on the data directory's file system") == true)
        #expect(try await store.report(UsageQuery()).first?.invocations == kept)
    }

    @Test func fullDiskAcceptsNoHalfMessageAndGivesOutWhatItHas() async throws {
        let temporary = try TemporaryFolder()
        let mount = unsafeBitCast(try #require(dlsym(nil, "mount")), to: Mount.self)
        let unmount = unsafeBitCast(try #require(dlsym(nil, "umount2")), to: Unmount.self)
        try #require(mount("tmpfs", temporary.path, "tmpfs", 0, "size=2m") == 0)
        defer { _ = unmount(temporary.path, 2) }

        let store = try await SQLiteQueueStore.open(path: temporary.database)
        let key = QueueKey(account: "1", region: "r", name: "q")
        _ = try await store.create(QueueRecord(key: key, kind: .standard, created: 0, modified: 0))
        var kept = 0
        var refusal: ServiceError?
        while refusal == nil {
            let batch = (0..<20).map { _ in NewMessage(body: [UInt8](repeating: 65, count: 1_000), origin: "test") }
            do {
                kept += try await store.enqueue(batch, to: key, now: 0).count
            } catch {
                refusal = error as? ServiceError
                try #require(refusal != nil, "\(error)")
            }
        }
        #expect(refusal?.code == .unavailable)
        #expect(refusal?.message.contains("free space on the data directory's file system") == true)
        #expect(try await store.counts(of: key, now: 0).total == kept)
        #expect(kept > 100)
    }
}
