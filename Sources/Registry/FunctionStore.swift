public import FunctionModel

/// Where function records live between starts. One record is read and written as a whole.
///
/// Any task may call; writes are durable (synced) when the call returns.
public protocol FunctionStore: Sendable {
    /// Every record of every account, in no particular order. Called once at start.
    func loadFunctions() async throws -> [FunctionRecord]
    /// Inserts or replaces the record and all its version rows in one transaction.
    func save(_ record: FunctionRecord) async throws
    /// Removes the record and its versions; nothing happens if there is none.
    func delete(_ key: FunctionKey) async throws
    /// The highest revision ever handed out, kept although the function that had it is gone.
    func reserveRevision() async throws -> UInt64
}
