public import FunctionModel

/// The ledger and its roll-ups. Folding the same records twice changes nothing: the key is (request ID, attempt).
public protocol UsageStore: Sendable {
    /// Adds records and updates the hourly roll-ups in one durable transaction; duplicates are left out of both.
    /// - Returns: how many were new.
    @discardableResult
    func fold(_ records: [UsageRecord]) async throws -> Int
    func record(requestID: RequestID) async throws -> [UsageRecord]
    /// Rows from the roll-ups (or, for `.invocation`, from the ledger), in a stable order.
    func report(_ query: UsageQuery) async throws -> [UsageRow]
    /// Streams ledger rows in (start, request ID, attempt) order in pages, for `--by invocation`.
    func records(_ query: UsageQuery, after: UsageCursor?, limit: Int) async throws -> (rows: [UsageRecord], next: UsageCursor?)
}

public struct UsageCursor: Hashable, Sendable {
    public let startMilliseconds: Int64
    public let rowID: Int64
    public init(startMilliseconds: Int64, rowID: Int64) {
        self.startMilliseconds = startMilliseconds
        self.rowID = rowID
    }
}

public struct UsageQuery: Hashable, Sendable {
    public enum Grouping: String, Sendable, CaseIterable, Codable {
        case function, version, tenant, hour, day
    }
    public var grouping: Grouping
    /// Milliseconds since 1970, inclusive; roll-ups are per hour, so bounds are widened to whole hours.
    public var since: Int64?
    /// Exclusive.
    public var until: Int64?
    public var account: String?
    public var function: String?

    public init(grouping: Grouping = .function, since: Int64? = nil, until: Int64? = nil, account: String? = nil, function: String? = nil) {
        self.grouping = grouping
        self.since = since
        self.until = until
        self.account = account
        self.function = function
    }
}

/// Sums over one group. Prices are applied to these, never to single records and then added.
public struct UsageRow: Hashable, Sendable, Codable {
    /// What the group is: function name, `name:version`, account, or the hour/day as `2026-11-21T10` / `2026-11-21`.
    public var group: String
    public var account: String
    public var function: String
    public var version: String
    /// Number of invocation records (initialization records are counted in `initializations`).
    public var invocations: UInt64
    public var initializations: UInt64
    public var errors: UInt64
    public var billedMilliseconds: UInt64
    /// Memory size × billed time over invocations, initializations and what extensions did after answers.
    public var megabyteMilliseconds: UInt64
    public var cpuMicroseconds: UInt64
    public var bytesIn: UInt64
    public var bytesOut: UInt64

    public init(
        group: String, account: String, function: String, version: String, invocations: UInt64 = 0, initializations: UInt64 = 0,
        errors: UInt64 = 0, billedMilliseconds: UInt64 = 0, megabyteMilliseconds: UInt64 = 0, cpuMicroseconds: UInt64 = 0,
        bytesIn: UInt64 = 0, bytesOut: UInt64 = 0
    ) {
        self.group = group
        self.account = account
        self.function = function
        self.version = version
        self.invocations = invocations
        self.initializations = initializations
        self.errors = errors
        self.billedMilliseconds = billedMilliseconds
        self.megabyteMilliseconds = megabyteMilliseconds
        self.cpuMicroseconds = cpuMicroseconds
        self.bytesIn = bytesIn
        self.bytesOut = bytesOut
    }
}
