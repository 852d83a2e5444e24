import DurableQueue
import EventSourceMappings
import ExternalSources
import FunctionModel
import SQLiteStore
import Testing

/// What every `EventSourceMappingStore` promises, with two instances over one file.
@Suite struct EventSourceMappingStoreContractTests {
    private let temporary: TemporaryFolder
    private let writer: any EventSourceMappingStore
    private let reader: any EventSourceMappingStore

    init() async throws {
        temporary = try TemporaryFolder()
        writer = try await SQLiteStore.open(path: temporary.database)
        reader = try await SQLiteStore.open(path: temporary.database)
    }

    private func mapping(_ id: String, account: String = "123456789012", queue: String = "jobs") -> EventSourceMapping {
        EventSourceMapping(
            id: id, function: FunctionKey(account: account, region: "us-east-1", name: "worker"), qualifier: id.hasSuffix("1") ? "7" : nil,
            source: .queue(QueueKey(account: account, region: "us-east-1", name: queue)), batchSize: 10, batchingWindow: 3,
            filters: [#"{"body":["ä \" '"]}"#, "{}"], reportsBatchItemFailures: true, maximumConcurrency: id.hasSuffix("2") ? 2 : nil, isEnabled: true,
            created: 1, modified: 2)
    }

    private func external(_ id: String) -> EventSourceMapping {
        var mapping = mapping(id)
        let source = ExternalSource(
            kind: .kafka, endpoints: ["a:1", "b:2"], name: "orders", consumerGroup: id, startingPosition: .atTimestamp(7), credentials: "shop", rootCertificate: "ca")
        mapping.source = .external(source)
        mapping.failurePolicy = SourceFailurePolicy(maximumRetryAttempts: 3, maximumRecordAge: 60, bisectsBatch: true, onFailure: "arn:x")
        return mapping
    }

    @Test func whatWasSavedComesBackAsItWas() async throws {
        let all: Set = [mapping("id-1"), mapping("id-2"), mapping("id-3", account: "999999999999", queue: "jobs.fifo"), external("id-5"), external("id-6")]
        for mapping in all { try await writer.save(mapping) }
        #expect(Set(try await reader.loadEventSourceMappings()) == all)
    }

    @Test func savingAgainReplacesAndDeletingTwiceIsNoError() async throws {
        var changed = mapping("id-1")
        try await writer.save(changed)
        changed.isEnabled = false
        changed.filters = []
        try await reader.save(changed)
        #expect(try await writer.loadEventSourceMappings() == [changed])
        try await writer.deleteEventSourceMapping(id: "id-1")
        try await reader.deleteEventSourceMapping(id: "id-1")
        #expect(try await reader.loadEventSourceMappings().isEmpty)
    }

    @Test func aRegistryRefusesTheSameSourceTwiceAndTellsEachChange() async throws {
        let registry = try await EventSourceMappingRegistry(store: writer, now: { 9 })
        let seen = Seen()
        await registry.observe { await seen.add($0.count) }
        try await registry.create(mapping("id-2"))
        await #expect(throws: ServiceError.self) { try await registry.create(mapping("id-4")) }
        // The consumer group that nobody chose does not make it another.
        try await registry.create(external("id-5"))
        await #expect(throws: ServiceError.self) { try await registry.create(external("id-6")) }
        _ = try await registry.delete("id-5", account: "123456789012", region: "us-east-1")
        try await registry.create(mapping("id-3", account: "999999999999"))
        let changed = try await registry.update("id-2", account: "123456789012", region: "us-east-1") { $0.batchSize = 1 }
        #expect(changed.batchSize == 1 && changed.modified == 9)
        // Another tenant's mapping is nobody else's business.
        await #expect(throws: ServiceError.self) { try await registry.delete("id-3", account: "123456789012", region: "us-east-1") }
        try await registry.deleteAll(of: changed.function)
        #expect(await seen.counts == [0, 1, 2, 1, 2, 2, 1])
        #expect(try await reader.loadEventSourceMappings().map(\.id) == ["id-3"])
    }

    private actor Seen {
        var counts: [Int] = []
        func add(_ count: Int) { counts.append(count) }
    }
}
