import Glibc

/// Whole database files, for backups.
public enum DatabaseCopy {
    /// Writes what is committed now into a new file, while others go on reading and writing.
    ///
    /// - Parameters:
    ///   - path: a database that is there.
    ///   - target: must not exist.
    /// - Throws: `SQLiteStoreError`.
    public static func make(of path: String, at target: String) throws(SQLiteStoreError) {
        guard access(path, F_OK) == 0 else {
            throw SQLiteStoreError(step: "copy database \(path)", code: 0, reason: String(cString: strerror(errno)))
        }
        try Connection(path: path).copy(to: target)
    }

    /// Reads all of a file.
    ///
    /// - Throws: `SQLiteStoreError` with the first thing that is wrong in it.
    public static func check(_ path: String) throws(SQLiteStoreError) {
        let found = try Connection(path: path).pragma("integrity_check(1)")
        guard found == "ok" else { throw SQLiteStoreError(step: "check database \(path)", code: 0, reason: found) }
    }
}
