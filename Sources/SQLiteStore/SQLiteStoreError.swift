import CSQLite

/// What SQLite answered to a step.
public struct SQLiteStoreError: Error, Sendable, CustomStringConvertible {
    /// What was attempted and on what.
    public let step: String
    /// SQLite's extended result code; 0 if SQLite was not the cause.
    public let code: Int32
    /// SQLite's words, or ours.
    public let reason: String

    public var description: String { "failed to \(step): \(reason)" }
}

extension SQLiteStoreError {
    /// Busy, full or out of memory: the same call may succeed later.
    var isTransient: Bool { [SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL, SQLITE_NOMEM].contains(code & 0xFF) }
}
