public import FunctionModel
import Synchronization

/// The event source mappings of all tenants. Changes go one after the other through the store.
public actor EventSourceMappingRegistry {
    /// Of one account and region; one more is refused.
    public static let maximumPerRegion = 1_000
    /// With an external source, of all accounts: each has a thread and a connection.
    public static let maximumExternal = 64

    private let store: any EventSourceMappingStore
    private let now: @Sendable () -> Int64
    private nonisolated let mappings: Mutex<[String: EventSourceMapping]>
    private nonisolated let statuses = Mutex<[String: EventSourceStatus]>([:])
    private var observer: (@Sendable ([EventSourceMapping]) async -> Void)?

    /// - Parameter now: milliseconds since 1970.
    public init(store: any EventSourceMappingStore, now: @escaping @Sendable () -> Int64) async throws {
        self.store = store
        self.now = now
        let loaded = try await store.loadEventSourceMappings()
        mappings = Mutex(Dictionary(loaded.map { ($0.id, $0) }) { first, _ in first })
    }

    /// Calls with all mappings, now and after each change; a change's caller waits for it.
    public func observe(_ observer: @escaping @Sendable ([EventSourceMapping]) async -> Void) async {
        self.observer = observer
        await observer(all)
    }

    private nonisolated var all: [EventSourceMapping] { mappings.withLock { Array($0.values) } }

    // MARK: What became of batches

    public nonisolated func status(_ id: String) -> EventSourceStatus { statuses.withLock { $0[id] ?? EventSourceStatus() } }

    public nonisolated func note(_ id: String, _ change: (inout EventSourceStatus) -> Void) {
        let time = now()
        guard mappings.withLock({ $0[id] != nil }) else { return }
        statuses.withLock { statuses in
            var status = statuses[id, default: EventSourceStatus()]
            let (messages, failures, result) = (status.messages, status.failures, status.lastResult)
            change(&status)
            status.lastTime = time
            if status.messages > messages { status.activity.took(status.messages - messages, at: time) }
            if status.failures > failures || status.lastResult != result, status.lastResult.hasPrefix("PROBLEM: ") {
                status.activity.failed(String(status.lastResult.dropFirst("PROBLEM: ".count)), count: max(1, status.failures - failures), at: time)
            }
            statuses[id] = status
        }
    }

    // MARK: Management

    /// In the order of their creation.
    public nonisolated func list(account: String, region: String) -> [EventSourceMapping] {
        all.filter { $0.function.account == account && $0.function.region == region }
            .sorted { ($0.created, $0.id) < ($1.created, $1.id) }
    }

    /// - Throws: `.resourceNotFound`.
    public nonisolated func mapping(_ id: String, account: String, region: String) throws(ServiceError) -> EventSourceMapping {
        guard let mapping = mappings.withLock({ $0[id] }), mapping.function.account == account, mapping.function.region == region else {
            throw ServiceError(.resourceNotFound, "The resource you requested does not exist.")
        }
        return mapping
    }

    /// - Throws: `.resourceConflict` where the function has this source already, `.tooManyRequests` beyond the bound.
    public func create(_ mapping: EventSourceMapping) async throws {
        let known = list(account: mapping.function.account, region: mapping.function.region)
        if let same = known.first(where: { $0.sourceWithoutDefaults == mapping.sourceWithoutDefaults && $0.functionARN == mapping.functionARN }) {
            let kind = mapping.source.queue == nil ? "source" : "SQS arn"
            throw ServiceError(
                .resourceConflict,
                "An event source mapping with \(kind) (\" \(mapping.source.summary) \") and function (\" \(mapping.function.name) \") already exists. Please update or delete the existing mapping with UUID \(same.id)")
        }
        guard known.count < Self.maximumPerRegion else {
            throw ServiceError(.tooManyRequests, "there are \(known.count) event source mappings already, which is the limit of an account and region: delete some")
        }
        guard mapping.source.external == nil || all.filter({ $0.source.external != nil }).count < Self.maximumExternal else {
            throw ServiceError(.tooManyRequests, "there are \(Self.maximumExternal) event source mappings of external sources already, which is this server's limit: delete some")
        }
        mappings.withLock { $0[mapping.id] = mapping }
        do { try await store.save(mapping) } catch {
            mappings.withLock { $0[mapping.id] = nil }
            throw error
        }
        await observer?(all)
    }

    /// - Parameter change: gets the mapping as it is; what it throws ends the update.
    public func update(
        _ id: String, account: String, region: String, _ change: @Sendable (inout EventSourceMapping) throws(ServiceError) -> Void
    ) async throws -> EventSourceMapping {
        var mapping = try mapping(id, account: account, region: region)
        try change(&mapping)
        mapping.modified = now()
        try await store.save(mapping)
        let isThere = mappings.withLock { mappings in
            // It may have been deleted while the store wrote.
            guard mappings[id] != nil else { return false }
            mappings[id] = mapping
            return true
        }
        if !isThere {
            try await store.deleteEventSourceMapping(id: id)
            throw ServiceError(.resourceNotFound, "The resource you requested does not exist.")
        }
        await observer?(all)
        return mapping
    }

    /// What reads from the source does not hear of it: tags are for people.
    public func setTags(
        _ id: String, account: String, region: String, _ change: @Sendable (inout [String: String]) throws(ServiceError) -> Void
    ) async throws {
        var mapping = try mapping(id, account: account, region: region)
        try change(&mapping.tags)
        try await store.save(mapping)
        let isThere = mappings.withLock { mappings in
            mappings[id]?.tags = mapping.tags
            return mappings[id] != nil
        }
        // It may have been deleted while the store wrote.
        if !isThere { try await store.deleteEventSourceMapping(id: id) }
    }

    public func delete(_ id: String, account: String, region: String) async throws -> EventSourceMapping {
        let mapping = try mapping(id, account: account, region: region)
        try await store.deleteEventSourceMapping(id: id)
        forget(id)
        await observer?(all)
        return mapping
    }

    /// For a function that is gone.
    public func deleteAll(of function: FunctionKey) async throws {
        let gone = all.filter { $0.function == function }
        guard !gone.isEmpty else { return }
        for mapping in gone {
            try await store.deleteEventSourceMapping(id: mapping.id)
            forget(mapping.id)
        }
        await observer?(all)
    }

    private func forget(_ id: String) {
        mappings.withLock { $0[id] = nil }
        statuses.withLock { $0[id] = nil }
    }
}
