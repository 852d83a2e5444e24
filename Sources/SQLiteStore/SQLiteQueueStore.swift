public import DurableQueue
public import FunctionModel

/// Queues in one SQLite file of their own, written by one thread with group commit.
///
/// A file of its own, so that the bulk of events waits for no usage report and a full queue is not a full registry.
public final class SQLiteQueueStore: QueueStore {
    private let writer: QueueWriter

    /// Opens or makes the file and brings its schema up to date.
    /// - Parameters:
    ///   - path: used as given.
    ///   - randomness: for leases.
    /// - Throws: `SQLiteStoreError`, among others for a file from a newer program.
    public static func open(
        path: String, limits: QueueLimits = QueueLimits(),
        randomness: @escaping @Sendable () -> UInt64 = { UInt64.random(in: 0...UInt64.max) }
    ) async throws -> SQLiteQueueStore {
        SQLiteQueueStore(try await QueueWriter.open(path: path, limits: limits, randomness: randomness))
    }

    private init(_ writer: QueueWriter) {
        self.writer = writer
    }

    /// - Parameter body: either throws a `ServiceError` before it has changed anything, or does all of its work.
    private func run<Value: Sendable>(
        _ what: String, mayWait: Bool = false, _ body: @escaping @Sendable (QueueTransaction) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in submit(what, mayWait: mayWait, body) { continuation.resume(with: $0) } }
    }

    private func submit<Value: Sendable>(
        _ what: String, mayWait: Bool = false, _ body: @escaping @Sendable (QueueTransaction) throws -> Value, completion: @escaping @Sendable (Result<Value, any Error>) -> Void
    ) {
        writer.submit(
            QueueOperation(
                what: what, mayWait: mayWait,
                perform: { transaction in
                    let value = try body(transaction)
                    return { completion(.success(value)) }
                },
                fail: { completion(.failure($0)) }))
    }

    // MARK: Queues

    public func create(_ queue: QueueRecord) async throws -> QueueRecord {
        try await run("make the queue \(queue.key.name)") { transaction in
            if let row = try transaction.find(queue.key) { return row.record }
            try transaction.insert(queue)
            return queue
        }
    }

    public func queue(_ key: QueueKey) async throws -> QueueRecord {
        try await run("read the queue \(key.name)") { try $0.row(key).record }
    }

    public func update(_ queue: QueueRecord) async throws {
        try await run("change the queue \(queue.key.name)") { try $0.update(queue) }
    }

    public func delete(_ key: QueueKey) async throws {
        try await run("delete the queue \(key.name)") { try $0.markDeleted(key) }
    }

    public func queues(account: String, region: String, prefix: String, after: String?, limit: Int) async throws -> [QueueRecord] {
        try await run("list queues") { try $0.queues(account: account, region: region, prefix: prefix, after: after, limit: limit) }
    }

    public func queues(_ kind: QueueKind) async throws -> [(key: QueueKey, counts: QueueCounts)] {
        try await run("list queues") { transaction in
            try transaction.queues(kind).map { (key: $0.key, counts: try transaction.counts($0)) }
        }
    }

    public func sources(of key: QueueKey) async throws -> [QueueKey] {
        try await run("list the sources of \(key.name)") { try $0.sources(of: key) }
    }

    // MARK: Messages

    public func enqueue(_ messages: [NewMessage], to key: QueueKey, now: Int64) async throws -> [Result<Accepted, ServiceError>] {
        try await run("accept a message for \(key.name)") { try $0.enqueue(messages, to: key, now: now) }
    }

    public func enqueue(_ message: NewMessage, to key: QueueKey, now: Int64, completion: @escaping @Sendable (Result<Accepted, any Error>) -> Void) {
        submit("accept a message for \(key.name)", { try $0.enqueue(message, to: key, now: now).get() }, completion: completion)
    }

    public func claim(from key: QueueKey, limit: Int, lease: Int64, now: Int64) async throws -> [ClaimedMessage] {
        try await claim(from: key, limit: limit, lease: lease, now: now, mayWait: false)
    }

    public func claimSoon(from key: QueueKey, limit: Int, lease: Int64, now: Int64) async throws -> [ClaimedMessage] {
        try await claim(from: key, limit: limit, lease: lease, now: now, mayWait: true)
    }

    private func claim(from key: QueueKey, limit: Int, lease: Int64, now: Int64, mayWait: Bool) async throws -> [ClaimedMessage] {
        try await run("claim messages of \(key.name)", mayWait: mayWait) { try $0.claim(from: key, limit: limit, lease: lease, now: now) }
    }

    public func settle(_ settlements: [Settlement], of key: QueueKey, now: Int64) async throws -> [Settlement.Result] {
        try await settle(settlements, of: key, now: now, mayWait: false)
    }

    public func settleSoon(_ settlements: [Settlement], of key: QueueKey, now: Int64) async throws -> [Settlement.Result] {
        try await settle(settlements, of: key, now: now, mayWait: true)
    }

    public func settleSoon(
        _ settlement: Settlement, of key: QueueKey, now: Int64, completion: @escaping @Sendable (Result<Settlement.Result, any Error>) -> Void
    ) {
        submit(
            "settle a message of \(key.name)", mayWait: true, { try $0.settle(settlement, of: try $0.row(key), now: now) }, completion: completion)
    }

    private func settle(_ settlements: [Settlement], of key: QueueKey, now: Int64, mayWait: Bool) async throws -> [Settlement.Result] {
        try await run("settle messages of \(key.name)", mayWait: mayWait) { transaction in
            let row = try transaction.row(key)
            return try settlements.map { try transaction.settle($0, of: row, now: now) }
        }
    }

    public func claimFirst(of keys: [QueueKey], lease: Int64, now: Int64) async throws -> [(queue: QueueRecord, claimed: ClaimedMessage)] {
        try await run("claim messages of \(keys.count) queues") { transaction in
            try keys.compactMap { key in
                guard let row = try transaction.find(key) else { return nil }
                return try transaction.claim(from: key, limit: 1, lease: lease, now: now).first.map { (queue: row.record, claimed: $0) }
            }
        }
    }

    public func settle(_ settlements: [(key: QueueKey, settlement: Settlement)], now: Int64) async throws -> [Settlement.Result] {
        try await run("settle messages of \(settlements.count) queues") { transaction in
            try settlements.map { key, settlement in
                guard let row = try transaction.find(key) else { return .stale }
                return try transaction.settle(settlement, of: row, now: now)
            }
        }
    }

    public func post(_ postings: [Posting], now: Int64) async throws -> [Posting.Result] {
        try await run("accept messages for several queues") { transaction in try postings.map { try transaction.post($0, now: now) } }
    }

    @discardableResult
    public func reclaim(_ key: QueueKey, now: Int64) async throws -> Int {
        var count = 0
        while true {
            let shown = try await run("reclaim messages of \(key.name)") { try $0.reclaim(try $0.row(key), now: now) }
            count += shown
            if shown < QueueTransaction.slice { return count }
        }
    }

    // MARK: Looking and tidying

    public func counts(of key: QueueKey, now: Int64) async throws -> QueueCounts {
        try await run("count the messages of \(key.name)") { transaction in
            try transaction.showDue(now: now)
            return try transaction.counts(try transaction.row(key))
        }
    }

    public func peek(_ key: QueueKey, after: StoredMessage?, limit: Int, now: Int64) async throws -> [StoredMessage] {
        let place = after.map { (sent: $0.sent, sequence: $0.sequence) }
        return try await run("read messages of \(key.name)") { transaction in
            try transaction.showDue(now: now)
            return try transaction.peek(try transaction.row(key), after: place, limit: limit)
        }
    }

    public func find(_ id: RequestID, in key: QueueKey, now: Int64) async throws -> StoredMessage? {
        try await run("look up \(id) in \(key.name)") { try $0.find(id, in: try $0.row(key)) }
    }

    public func discard(_ id: RequestID, from key: QueueKey, now: Int64) async throws -> Bool {
        try await run("discard \(id) from \(key.name)") { try $0.discard(id, from: try $0.row(key), now: now) }
    }

    @discardableResult
    public func purge(_ key: QueueKey, now: Int64) async throws -> Int {
        let last = try await run("purge the queue \(key.name)") { try $0.loadTotals().sequence }
        var count = 0
        while true {
            // Piece by piece, so that others have their turn between.
            let deleted = try await run("purge the queue \(key.name)") { try $0.purge(try $0.row(key), upTo: last, now: now) }
            count += deleted
            if deleted < QueueTransaction.slice { return count }
        }
    }

    public func redrive(_ key: QueueKey, to target: QueueKey?, id: RequestID?, limit: Int, now: Int64) async throws -> Int {
        let limit = min(limit, QueueTransaction.slice)
        return try await run("move messages of \(key.name)") { transaction in
            try transaction.showDue(now: now)
            return try transaction.redrive(try transaction.row(key), to: target, id: id, limit: limit, now: now)
        }
    }

    // MARK: Time

    public func advance(now: Int64) async throws -> Int64? {
        try await run("look for messages that are due") { try $0.advance(now: now) }
    }

    public func observe(_ observer: @escaping @Sendable (QueueActivity) -> Void) {
        writer.observe(observer)
    }
}
