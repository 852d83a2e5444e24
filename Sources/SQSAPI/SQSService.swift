public import DurableQueue
import FunctionModel
import JSONValues
import Synchronization

/// The operations of SQS over a durable store: parameters in, results out, without a protocol around them.
///
/// Any task may call. A queue belongs to one account and region; nobody sees another's.
public final class SQSService: Sendable {
    public struct Configuration: Sendable {
        /// What queue URLs begin with, without a closing slash.
        public var baseURL: String
        /// `ReceiveMessage` calls that may wait at the same time; further ones answer at once.
        public var maximumWaiters = 2_000

        public init(baseURL: String) { self.baseURL = baseURL }
    }

    /// Who asks, as the signature says.
    struct Caller: Sendable {
        let account: String
        let region: String
        /// The request's `X-Amzn-Trace-Id`; a message that names another has that.
        var trace: String?
    }

    static let batchEntries = 10

    let store: any QueueStore
    let configuration: Configuration
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    let waiters: QueueWaiters
    let moves: MoveTasks
    private let cache = Mutex<[QueueKey: (record: QueueRecord, until: Int64)]>([:])
    /// Milliseconds that a queue's attributes may be old after another has changed them; SQS states 60 s.
    private static let cacheTime: Int64 = 1_000
    private static let cachedQueues = 10_000

    /// - Parameter store: takes messages of 1 MiB and the JSON of ten attributes around them.
    public init(store: any QueueStore, configuration: Configuration, now: @escaping @Sendable () -> Int64) {
        self.store = store
        self.configuration = configuration
        self.now = now
        let waiters = QueueWaiters(limit: configuration.maximumWaiters)
        self.waiters = waiters
        moves = MoveTasks(store: store, now: now)
        store.observe { waiters.wake($0.ready) }
    }

    /// Calls that wait for messages answer at once from now on.
    public func beginDrain() { waiters.close() }

    /// Ends the tasks that move messages; what they have moved stays moved.
    public func stop() { moves.stop() }

    func perform(_ action: String, _ members: Members, _ caller: Caller) async throws -> JSON {
        switch action {
        case "CreateQueue": try await createQueue(members, caller)
        case "DeleteQueue": try await deleteQueue(members, caller)
        case "GetQueueUrl": try await queueURL(members, caller)
        case "ListQueues": try await listQueues(members, caller)
        case "GetQueueAttributes": try await attributes(members, caller)
        case "SetQueueAttributes": try await setAttributes(members, caller)
        case "ListQueueTags": try await tags(members, caller)
        case "TagQueue": try await tag(members, caller)
        case "UntagQueue": try await untag(members, caller)
        case "AddPermission": try await addPermission(members, caller)
        case "RemovePermission": try await removePermission(members, caller)
        case "PurgeQueue": try await purge(members, caller)
        case "SendMessage": try await send(members, caller)
        case "SendMessageBatch": try await sendBatch(members, caller)
        case "ReceiveMessage": try await receive(members, caller)
        case "DeleteMessage": try await delete(members, caller)
        case "DeleteMessageBatch": try await deleteBatch(members, caller)
        case "ChangeMessageVisibility": try await changeVisibility(members, caller)
        case "ChangeMessageVisibilityBatch": try await changeVisibilityBatch(members, caller)
        case "ListDeadLetterSourceQueues": try await deadLetterSources(members, caller)
        case "StartMessageMoveTask": try await startMove(members, caller)
        case "ListMessageMoveTasks": try await listMoves(members, caller)
        case "CancelMessageMoveTask": try await cancelMove(members, caller)
        default: throw SQSError(.invalidAction, "The action \(action.prefix(100)) is not valid for this endpoint.")
        }
    }

    // MARK: Queues by name

    func url(_ key: QueueKey) -> String { "\(configuration.baseURL)/\(key.account)/\(key.name)" }

    /// The queue that a URL means. Its host is not looked at: clients reach one server under several names.
    func record(_ members: Members, _ caller: Caller) async throws -> QueueRecord {
        let url = try members.required("QueueUrl")
        let parts = url.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 2, Self.isName(parts[parts.count - 1]), parts[parts.count - 2].utf8.count <= 12 else {
            throw SQSError(.invalidAddress, "The address \(url.prefix(200)) is not valid for this endpoint.")
        }
        guard parts[parts.count - 2] == caller.account else { throw SQSError.noQueue }
        return try await record(QueueKey(account: caller.account, region: caller.region, name: String(parts[parts.count - 1])))
    }

    func record(_ key: QueueKey) async throws -> QueueRecord {
        let time = now()
        // Each look into the store would wait for the disk with those who write.
        if let known = cache.withLock({ $0[key] }), time < known.until, known.until <= time + Self.cacheTime { return known.record }
        do {
            let record = try await store.queue(key)
            cache.withLock { cache in
                if cache.count >= Self.cachedQueues { cache.removeAll(keepingCapacity: true) }
                cache[key] = (record, time + Self.cacheTime)
            }
            return record
        } catch let error as ServiceError where error.code == .resourceNotFound {
            throw SQSError.noQueue
        }
    }

    func forget(_ key: QueueKey) { cache.withLock { _ = $0.removeValue(forKey: key) } }

    /// 1–80 characters, with `.fifo` at the end of a FIFO queue's. The platform's own queues have a colon, so they are never named.
    static func isName(_ name: some StringProtocol) -> Bool {
        let base = name.hasSuffix(".fifo") ? name.dropLast(5) : name[...]
        return !base.isEmpty && name.utf8.count <= 80 && base.utf8.allSatisfy(MessageAttributes.isNameByte)
    }

    // MARK: Batches

    /// The entries of a batch, whose IDs are in order.
    static func entries(_ members: Members, _ action: String) throws(SQSError) -> [(id: String, members: Members)] {
        guard let list = try members.list("Entries"), !list.isEmpty else {
            throw SQSError(.emptyBatchRequest, "There should be at least one \(action)RequestEntry in the request.")
        }
        guard list.count <= batchEntries else {
            throw SQSError(
                .tooManyEntriesInBatchRequest, "Maximum number of entries per request are \(batchEntries). You have sent \(list.count).")
        }
        var entries: [(id: String, members: Members)] = []
        for item in list {
            let entry = Members(item)
            let id = try entry.required("Id")
            guard (1...80).contains(id.utf8.count), id.utf8.allSatisfy(MessageAttributes.isNameByte) else {
                throw SQSError(
                    .invalidBatchEntryId, "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
            }
            guard !entries.contains(where: { $0.id == id }) else {
                throw SQSError(.batchEntryIdsNotDistinct, "Id \(id) repeated.")
            }
            entries.append((id, entry))
        }
        return entries
    }

    static func batchResult(_ successful: [JSON], _ failed: [(id: String, error: SQSError)]) -> JSON {
        .object([
            .init("Successful", .array(successful)),
            .init(
                "Failed",
                .array(
                    failed.map { id, error in
                        .object([
                            .init("Id", .string(id)), .init("SenderFault", .bool(error.kind.isSenderFault)),
                            .init("Code", .string(error.kind.queryCode)), .init("Message", .string(error.message)),
                        ])
                    })),
        ])
    }
}

extension SQSError {
    /// What the store said, in SQS's words.
    init(_ error: ServiceError) {
        switch error.code {
        case .resourceNotFound: self = .noQueue
        case .tooManyRequests: self.init(.overLimit, error.message)
        case .requestTooLarge, .invalidParameterValue: self.init(.invalidParameterValue, error.message)
        case .unavailable: self.init(.serviceUnavailable, error.message)
        default: self.init(.internalFailure, "We encountered an internal error. Please try again.")
        }
    }
}
