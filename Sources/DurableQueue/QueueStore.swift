public import FunctionModel

/// Durable queues: standard and FIFO queues, asynchronous invocations, deliveries of schedules and of the event bus.
///
/// What returned is on the disk. Delivery is at least once: a claim is a lease, and what is not settled in time can be
/// claimed again. Any task may call; several stores, also in several processes, may share a file. Times are milliseconds
/// since 1970 and always parameters. No operation looks at more messages than it gives back, whatever a queue holds.
///
/// All throw `ServiceError`: `.resourceNotFound` for a queue that does not exist, `.tooManyRequests` where a limit of
/// `QueueLimits` is reached, `.requestTooLarge` for a message over its limit, `.unavailable` for a full disk.
public protocol QueueStore: Sendable {
    // MARK: Queues

    /// Makes the queue, or returns the one that has the name, unchanged.
    func create(_ queue: QueueRecord) async throws -> QueueRecord
    func queue(_ key: QueueKey) async throws -> QueueRecord
    /// Replaces settings, attributes, tags and `modified`.
    func update(_ queue: QueueRecord) async throws
    /// The queue is gone when this returns, its messages are deleted piece by piece.
    func delete(_ key: QueueKey) async throws
    /// In the order of their names.
    /// - Parameter after: the last name of the page before.
    func queues(account: String, region: String, prefix: String, after: String?, limit: Int) async throws -> [QueueRecord]
    /// Every queue of a kind in every account, for metrics and the dispatcher's start.
    func queues(_ kind: QueueKind) async throws -> [(key: QueueKey, counts: QueueCounts)]
    /// Queues whose dead letters go to `key`.
    func sources(of key: QueueKey) async throws -> [QueueKey]

    // MARK: Messages

    /// Each message is accepted or refused by itself; throws only where none can be accepted.
    func enqueue(_ messages: [NewMessage], to key: QueueKey, now: Int64) async throws -> [Result<Accepted, ServiceError>]
    /// One message, without a task for it.
    /// - Parameter completion: is called once, by a thread of the store, and must be quick.
    func enqueue(_ message: NewMessage, to key: QueueKey, now: Int64, completion: @escaping @Sendable (Result<Accepted, any Error>) -> Void)
    /// Up to `limit` visible messages, each under a lease of `lease` milliseconds.
    func claim(from key: QueueKey, limit: Int, lease: Int64, now: Int64) async throws -> [ClaimedMessage]
    /// The same for one who has other work to do: it may take some milliseconds longer, and costs less.
    func claimSoon(from key: QueueKey, limit: Int, lease: Int64, now: Int64) async throws -> [ClaimedMessage]
    /// One result for each, in order. All of a settlement is done or nothing of it.
    func settle(_ settlements: [Settlement], of key: QueueKey, now: Int64) async throws -> [Settlement.Result]
    /// The same where nobody waits for it: it may take some milliseconds longer, and costs less.
    func settleSoon(_ settlements: [Settlement], of key: QueueKey, now: Int64) async throws -> [Settlement.Result]
    /// One settlement, without a task for it.
    /// - Parameter completion: is called once, by a thread of the store, and must be quick.
    func settleSoon(_ settlement: Settlement, of key: QueueKey, now: Int64, completion: @escaping @Sendable (Result<Settlement.Result, any Error>) -> Void)

    /// One result for each, in order, all in one transaction. All of a posting is done or nothing of it.
    func post(_ postings: [Posting], now: Int64) async throws -> [Posting.Result]

    /// Ends every lease in a queue, for its only consumer when it starts again: what the one before held is lost with it.
    /// - Returns: how many.
    @discardableResult
    func reclaim(_ key: QueueKey, now: Int64) async throws -> Int

    // MARK: Several queues at once

    /// The first message of each queue that has one, in one transaction, with its queue; queues that are gone are left out.
    func claimFirst(of keys: [QueueKey], lease: Int64, now: Int64) async throws -> [(queue: QueueRecord, claimed: ClaimedMessage)]
    /// As `settle`, in several queues and one transaction; what is of a queue that is gone is stale.
    func settle(_ settlements: [(key: QueueKey, settlement: Settlement)], now: Int64) async throws -> [Settlement.Result]

    // MARK: Looking and tidying

    func counts(of key: QueueKey, now: Int64) async throws -> QueueCounts
    /// Messages as they lie, in the order of their acceptance, without claiming them.
    /// - Parameter after: the last message of the page before.
    func peek(_ key: QueueKey, after: StoredMessage?, limit: Int, now: Int64) async throws -> [StoredMessage]
    /// The message of this ID, in whatever state.
    func find(_ id: RequestID, in key: QueueKey, now: Int64) async throws -> StoredMessage?
    /// Deletes the message unless it is in flight.
    /// - Returns: whether there was one.
    func discard(_ id: RequestID, from key: QueueKey, now: Int64) async throws -> Bool
    /// Deletes everything that is there now, also what is in flight.
    /// - Returns: how many.
    @discardableResult
    func purge(_ key: QueueKey, now: Int64) async throws -> Int
    /// Moves up to `limit` visible messages, or the one of this ID, as new ones: to `target`, or each to where it came from.
    /// - Returns: how many; fewer than `limit` means that no more are there.
    func redrive(_ key: QueueKey, to target: QueueKey?, id: RequestID?, limit: Int, now: Int64) async throws -> Int

    // MARK: Time

    /// Makes visible what is due and drops what is expired, a bounded number at a time.
    /// - Returns: when there is more to do: the next message's time, `now` if it is at once, nil if nothing waits.
    func advance(now: Int64) async throws -> Int64?
    /// Calls after each commit of this store that made messages visible or set an earlier time than any other, on the
    /// store's thread; must be quick. For wake-ups only: what another store over the same file did is not told.
    func observe(_ observer: @escaping @Sendable (QueueActivity) -> Void)
}

public struct QueueActivity: Sendable {
    /// Queues in which messages became claimable.
    public var ready: Set<QueueKey> = []
    /// The earliest time that was set in this commit.
    public var nextDue: Int64?
    /// Messages that were received too often and went to the dead letters, by the queue they left.
    public var deadLetters: [QueueKey: Int] = [:]

    public init() {}
}
