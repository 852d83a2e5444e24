import CSQLite
import CSQLiteShim
import Glibc

/// One SQLite connection, used from one thread at a time.
///
/// WAL, synchronous FULL (a commit is on the disk when it returns), foreign keys enforced, five seconds of waiting for
/// another connection's lock.
final class Connection {
    static let busyMilliseconds: Int32 = 5_000

    let path: String
    private let handle: OpaquePointer
    private var statements: [String: Statement] = [:]
    private var logPages: UnsafeMutablePointer<Int32>?

    /// Makes the file (0600) if it is missing.
    /// - Parameter vfs: nil for SQLite's default.
    init(path: String, vfs: String? = MARTLET_RELATIVE_VFS) throws(SQLiteStoreError) {
        self.path = path
        let registered = martlet_sqlite_register_relative_vfs()
        guard registered == SQLITE_OK else {
            throw SQLiteStoreError(step: "prepare SQLite for \(path)", code: registered, reason: String(cString: sqlite3_errstr(registered)))
        }
        // Only a file that is new may be opened and closed beside SQLite: closing drops every lock of this process on it.
        let made = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if made >= 0 { Glibc.close(made) }
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, vfs)
        guard code == SQLITE_OK, let opened else {
            let cause = opened.map { sqlite3_system_errno($0) } ?? 0
            let reason = String(cString: sqlite3_errstr(code)) + (cause == 0 ? "" : ": " + String(cString: strerror(cause)))
            sqlite3_close_v2(opened)
            throw SQLiteStoreError(step: "open database \(path)", code: code, reason: reason)
        }
        handle = opened
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, Self.busyMilliseconds)
    }

    deinit {
        for statement in statements.values { statement.finalize() }
        sqlite3_close_v2(handle)
        logPages?.deallocate()
    }

    /// From now on the log is not checkpointed by commits, but counted.
    func countLogPages() {
        let pages = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        pages.initialize(to: 0)
        logPages = pages
        sqlite3_wal_hook(
            handle,
            { context, _, _, count in
                context?.assumingMemoryBound(to: Int32.self).pointee = count
                return SQLITE_OK
            }, pages)
    }

    /// Pages in the write-ahead log after the last commit of this connection; 0 without `countLogPages`.
    var pagesInLog: Int32 { logPages?.pointee ?? 0 }

    /// Takes what the log holds into the database, as far as that needs to wait for nobody.
    func checkpoint() throws(SQLiteStoreError) { try execute("PRAGMA wal_checkpoint(PASSIVE)") }

    /// To be called after the schema's version is known to be ours, since it changes the file.
    func configure() throws(SQLiteStoreError) {
        try setting("journal_mode", to: "wal")
        try setting("synchronous", to: "FULL", reads: "2")
        try setting("foreign_keys", to: "ON", reads: "1")
        // Sorting must not depend on a temporary folder that this process may not have.
        try setting("temp_store", to: "MEMORY", reads: "2")
        // Deduplication keys, and the messages of many queues, come in no order: with SQLite's 2 MB the pages of their indexes spill in
        // the middle of a transaction.
        try setting("cache_size", to: "-8192")
        try execute("PRAGMA journal_size_limit = 67108864")
    }

    private func setting(_ name: String, to value: String, reads expected: String? = nil) throws(SQLiteStoreError) {
        try execute("PRAGMA \(name) = \(value)")
        let actual = try pragma(name)
        guard actual == expected ?? value else {
            throw SQLiteStoreError(
                step: "set \(name) of \(path)", code: 0,
                reason: "it is \(actual), not \(value): the data directory needs a local file system")
        }
    }

    func pragma(_ name: String) throws(SQLiteStoreError) -> String {
        let statement = try prepare("PRAGMA \(name)")
        defer { statement.reset() }
        return try statement.step() ? statement.text(0) : ""
    }

    /// Writes all that is committed into a new file.
    func copy(to target: String) throws(SQLiteStoreError) {
        let statement = try prepare("VACUUM INTO ?")
        defer { statement.reset() }
        statement.bind(1, target)
        try statement.run()
    }

    /// Runs statements that give no rows.
    func execute(_ sql: String) throws(SQLiteStoreError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error("run \"\(sql.prefix(80))\" on", code) }
    }

    /// The statement for `sql`, compiled once per connection. `sql` must be one of a fixed set of texts.
    func prepare(_ sql: String) throws(SQLiteStoreError) -> Statement {
        if let statement = statements[sql] { return statement }
        var compiled: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &compiled, nil)
        guard code == SQLITE_OK, let compiled else { throw error("compile \"\(sql.prefix(80))\" for", code) }
        let statement = Statement(compiled, connection: self)
        statements[sql] = statement
        return statement
    }

    /// All of `body` or nothing of it, and durable when it returns.
    func transaction<Result>(_ body: () throws(SQLiteStoreError) -> Result) throws(SQLiteStoreError) -> Result {
        try execute("BEGIN IMMEDIATE")
        let result: Result
        do {
            result = try body()
            try execute("COMMIT")
        } catch {
            // Some faults, a full disk among them, have rolled back already.
            if sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK") }
            throw error
        }
        return result
    }

    /// Rows that the last statement inserted, changed or deleted.
    var changes: Int { Int(sqlite3_changes(handle)) }

    func error(_ step: String, _ code: Int32) -> SQLiteStoreError {
        SQLiteStoreError(step: "\(step) \(path)", code: sqlite3_extended_errcode(handle), reason: reason(code))
    }

    private func reason(_ code: Int32) -> String {
        let text = String(cString: sqlite3_errmsg(handle))
        switch code & 0xFF {
        case SQLITE_FULL: return "\(text): free space on the data directory's file system"
        case SQLITE_NOTADB, SQLITE_CORRUPT: return "\(text): restore the file from a backup, or move it away to begin anew"
        case SQLITE_BUSY: return "\(text): another process has held it for \(Self.busyMilliseconds / 1_000) s"
        default: return text
        }
    }
}

/// A compiled statement; parameters are bound by position from 1, columns read from 0.
final class Statement {
    private let handle: OpaquePointer
    private unowned let connection: Connection
    private var bindFailure: Int32 = SQLITE_OK

    init(_ handle: OpaquePointer, connection: Connection) {
        self.handle = handle
        self.connection = connection
    }

    func finalize() {
        sqlite3_finalize(handle)
    }

    func bind(_ index: Int32, _ value: Int64) {
        note(sqlite3_bind_int64(handle, index, value))
    }

    func bind(_ index: Int32, _ value: Int64?) {
        note(value.map { sqlite3_bind_int64(handle, index, $0) } ?? sqlite3_bind_null(handle, index))
    }

    func bind(_ index: Int32, _ value: String) {
        var value = value
        note(
            value.withUTF8 { bytes in
                // An empty buffer may have no address, and SQLite takes that for NULL.
                guard let base = bytes.baseAddress else { return martlet_sqlite_bind_text(handle, index, "", 0) }
                return base.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                    martlet_sqlite_bind_text(handle, index, $0, Int32(bytes.count))
                }
            })
    }

    func bind(_ index: Int32, _ value: String?) {
        if let value { bind(index, value) } else { note(sqlite3_bind_null(handle, index)) }
    }

    func bind(_ index: Int32, blob: UnsafeRawBufferPointer) {
        note(martlet_sqlite_bind_blob(handle, index, blob.baseAddress, Int32(blob.count)))
    }

    /// Also for no bytes at all, which `blob:` without an address would make NULL.
    func bind(_ index: Int32, bytes: UnsafeRawBufferPointer) {
        guard bytes.baseAddress == nil else { return bind(index, blob: bytes) }
        withUnsafeBytes(of: 0) { bind(index, blob: UnsafeRawBufferPointer(rebasing: $0[..<0])) }
    }

    /// - Returns: whether there is a row.
    func step() throws(SQLiteStoreError) -> Bool {
        let code = bindFailure == SQLITE_OK ? sqlite3_step(handle) : bindFailure
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let error = connection.error("query", code)
            reset()
            throw error
        }
    }

    /// Steps to the end and makes the statement ready for the next use.
    func run() throws(SQLiteStoreError) {
        while try step() {}
        reset()
    }

    /// Ends the use; a statement left in the middle keeps a lock.
    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
        bindFailure = SQLITE_OK
    }

    func integer(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    func optionalInteger(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : integer(column)
    }

    func text(_ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(handle, column) else { return "" }
        return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))), as: UTF8.self)
    }

    func optionalText(_ column: Int32) -> String? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : text(column)
    }

    func blob(_ column: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: sqlite3_column_blob(handle, column), count: Int(sqlite3_column_bytes(handle, column)))
    }

    private func note(_ code: Int32) {
        if code != SQLITE_OK { bindFailure = code }
    }
}
