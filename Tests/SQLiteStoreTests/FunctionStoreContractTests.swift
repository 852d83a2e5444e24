import FunctionModel
import Registry
import SQLiteStore
import Testing

/// What every `FunctionStore` promises, with two instances over one file: what one writes, the other reads.
@Suite struct FunctionStoreContractTests {
    private let temporary: TemporaryFolder
    private let writer: any FunctionStore
    private let reader: any FunctionStore

    init() async throws {
        temporary = try TemporaryFolder()
        writer = try await SQLiteStore.open(path: temporary.database)
        reader = try await SQLiteStore.open(path: temporary.database)
    }

    @Test func savedRecordComesBackAsItWas() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var expected: Set<FunctionRecord> = []
        for index in 0..<20 {
            let record = FunctionRecord.sample("function-\(index)", using: &generator)
            try await writer.save(record)
            expected.insert(record)
        }
        #expect(Set(try await reader.loadFunctions()) == expected, "seed \(seed)")
    }

    @Test func saveReplacesTheWholeRecord() async throws {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<10 {
            let record = FunctionRecord.sample("hello", using: &generator)
            try await writer.save(record)
            #expect(try await reader.loadFunctions() == [record])
        }
    }

    @Test func sameNameInOtherAccountsIsAnotherFunction() async throws {
        var generator = SeededGenerator(seed: 2)
        let mine = FunctionRecord.sample("hello", account: "111111111111", using: &generator)
        let theirs = FunctionRecord.sample("hello", account: "222222222222", using: &generator)
        try await writer.save(mine)
        try await reader.save(theirs)
        #expect(Set(try await reader.loadFunctions()) == [mine, theirs])
        try await reader.delete(mine.key)
        #expect(try await writer.loadFunctions() == [theirs])
    }

    @Test func deletedFunctionIsGoneAndDeletingAgainIsNoError() async throws {
        var generator = SeededGenerator(seed: 3)
        let record = FunctionRecord.sample("hello", using: &generator)
        try await writer.save(record)
        try await reader.delete(record.key)
        try await writer.delete(record.key)
        #expect(try await writer.loadFunctions().isEmpty)
        try await writer.save(record)
        #expect(try await reader.loadFunctions() == [record])
    }

    @Test func revisionsRiseOverAllInstancesAndOpenings() async throws {
        var last: UInt64 = 0
        for index in 0..<20 {
            let revision = try await (index % 2 == 0 ? writer : reader).reserveRevision()
            #expect(revision > last)
            last = revision
        }
        let later = try await SQLiteStore.open(path: temporary.database)
        #expect(try await later.reserveRevision() > last)
    }

    @Test func concurrentReservationsNeverCollide() async throws {
        let revisions = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for index in 0..<60 {
                group.addTask { [writer, reader] in try await (index % 2 == 0 ? writer : reader).reserveRevision() }
            }
            return try await group.reduce(into: [UInt64]()) { $0.append($1) }
        }
        #expect(Set(revisions).count == 60)
    }

    @Test func failedSaveLeavesTheOldRecord() async throws {
        var generator = SeededGenerator(seed: 4)
        var first = FunctionRecord.sample("first", using: &generator)
        first.url = FunctionURL(id: "same", authType: .none, created: 1, modified: 1)
        try await writer.save(first)
        var second = FunctionRecord.sample("second", using: &generator)
        second.url = nil
        try await writer.save(second)
        var stealing = second
        stealing.url = first.url
        stealing.tags = ["changed": "yes"]
        let refused = stealing
        let error = await #expect(throws: ServiceError.self) { try await writer.save(refused) }
        #expect(error?.message == "failed to save function 123456789012/us-east-1/second")
        #expect(Set(try await reader.loadFunctions()) == [first, second])
    }
}
