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

/// Access keys, looked up when a signature is verified.
public struct AccessKey: Hashable, Sendable, Codable {
    /// `AKIA…`, 20 characters.
    public let id: String
    public let secret: String
    /// The tenant's 12-digit account.
    public let account: String

    public init(id: String, secret: String, account: String) {
        self.id = id
        self.secret = secret
        self.account = account
    }
}
