import FunctionModel
import Metering
import SQLiteStore
import Testing

/// What every `UsageStore` promises, with two instances over one file.
@Suite struct UsageStoreContractTests {
    private static let hour: Int64 = 3_600_000
    private let temporary: TemporaryFolder
    private let writer: any UsageStore
    private let reader: any UsageStore

    init() async throws {
        temporary = try TemporaryFolder()
        writer = try await SQLiteStore.open(path: temporary.database)
        reader = try await SQLiteStore.open(path: temporary.database)
    }

    private func sample(using generator: inout some RandomNumberGenerator) -> UsageRecord {
        UsageRecord(
            requestID: .random(using: &generator, at: 1_795_249_257_123), attempt: UInt32.random(in: 1...2, using: &generator),
            key: FunctionKey(
                account: ["111111111111", "222222222222"].randomElement(using: &generator)!, region: "us-east-1",
                name: ["alpha", "beta", "gamma"].randomElement(using: &generator)!),
            version: ["$LATEST", "2", "10"].randomElement(using: &generator)!, revision: generator.next(),
            trigger: Trigger.allCases.randomElement(using: &generator)!, startKind: StartKind.allCases.randomElement(using: &generator)!,
            outcome: Outcome.allCases.randomElement(using: &generator)!,
            // Few distinct milliseconds, so that the order among equals matters.
            startMilliseconds: Int64.random(in: -3...60, using: &generator) * Self.hour
                + [0, 1, Self.hour - 1].randomElement(using: &generator)!,
            queueMicroseconds: .random(in: 0 ... .max, using: &generator), sandboxMicroseconds: 2, initMicroseconds: 3,
            handlerMicroseconds: 4, totalMicroseconds: .max, billedMilliseconds: .random(in: 0...900_000, using: &generator),
            memorySize: .random(in: 128...10_240, using: &generator), peakMemoryKiB: 5,
            cpuMicroseconds: generator.next() >> 20, bytesIn: .random(in: 0...6_000_000, using: &generator), bytesOut: 7,
            ageMilliseconds: .random(in: 0 ... .max, using: &generator))
    }

    private func allRecords(_ query: UsageQuery, limit: Int) async throws -> [UsageRecord] {
        var records: [UsageRecord] = []
        var cursor: UsageCursor?
        repeat {
            let page = try await reader.records(query, after: cursor, limit: limit)
            #expect(page.rows.count <= limit)
            records += page.rows
            cursor = page.next
        } while cursor != nil
        return records
    }

    private func matches(_ record: UsageRecord, _ query: UsageQuery) -> Bool {
        (query.since.map { record.startMilliseconds >= $0 } ?? true) && (query.until.map { record.startMilliseconds < $0 } ?? true)
            && (query.account.map { record.key.account == $0 } ?? true) && (query.function.map { record.key.name == $0 } ?? true)
    }

    private func group(_ record: UsageRecord, _ grouping: UsageQuery.Grouping) -> [String] {
        switch grouping {
        case .function: [record.key.account, record.key.region, record.key.name]
        case .version: [record.key.account, record.key.region, record.key.name, record.version]
        case .tenant: [record.key.account]
        case .hour: [UsageTime.hour(record.startMilliseconds)]
        case .day: [UsageTime.day(record.startMilliseconds)]
        }
    }

    @Test func foldedRecordComesBackAsItWas() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<50 {
            let record = sample(using: &generator)
            #expect(try await writer.fold([record]) == 1)
            #expect(try await reader.record(requestID: record.requestID) == [record], "seed \(seed)")
        }
    }

    @Test func unknownRequestHasNoRecords() async throws {
        #expect(try await reader.record(requestID: .random()).isEmpty)
    }

    @Test func attemptsOfOneRequestAreSeparateAndInOrder() async throws {
        var generator = SeededGenerator(seed: 1)
        var first = sample(using: &generator)
        first.attempt = 1
        var second = first
        second.attempt = 2
        #expect(try await writer.fold([second, first]) == 2)
        #expect(try await reader.record(requestID: first.requestID) == [first, second])
    }

    @Test func duplicatesAreLeftOutOfLedgerAndRollUps() async throws {
        var generator = SeededGenerator(seed: 2)
        let records = (0..<100).map { _ in sample(using: &generator) }
        #expect(try await writer.fold(records + records) == 100)
        let rows = try await reader.report(UsageQuery(grouping: .version))
        #expect(try await reader.fold(records.shuffled(using: &generator)) == 0)
        var changed = records[0]
        changed.billedMilliseconds += 1
        #expect(try await writer.fold([changed]) == 0)
        #expect(try await writer.report(UsageQuery(grouping: .version)) == rows)
        #expect(try await reader.record(requestID: records[0].requestID) == [records[0]])
    }

    /// Random batches through both instances; every grouping and filter must give the sums of the ledger.
    @Test func rollUpsEqualTheSumsOfTheLedger() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        var all: [UsageRecord] = []
        for _ in 0..<30 {
            var batch = (0..<Int.random(in: 0...60, using: &generator)).map { _ in sample(using: &generator) }
            all += batch
            if let repeated = all.randomElement(using: &generator) { batch.append(repeated) }
            try await (Bool.random(using: &generator) ? writer : reader).fold(batch)
        }
        for grouping in UsageQuery.Grouping.allCases {
            for _ in 0..<8 {
                var query = UsageQuery(grouping: grouping)
                if Bool.random(using: &generator) { query.account = ["111111111111", "x"].randomElement(using: &generator) }
                if Bool.random(using: &generator) { query.function = ["beta", "x"].randomElement(using: &generator) }
                if Bool.random(using: &generator) { query.since = Int64.random(in: -4...50, using: &generator) * Self.hour }
                if Bool.random(using: &generator) { query.until = Int64.random(in: 0...70, using: &generator) * Self.hour }
                var expected: [[String]: UsageTotals] = [:]
                for record in all where matches(record, query) { expected[group(record, grouping), default: UsageTotals()].add(record) }
                let rows = try await reader.report(query)
                #expect(rows.count == expected.count, "seed \(seed) \(query)")
                for row in rows {
                    let key: [String] =
                        switch grouping {
                        case .function: [row.account, "us-east-1", row.function]
                        case .version: [row.account, "us-east-1", row.function, row.version]
                        case .tenant, .hour, .day: [row.group]
                        }
                    #expect(UsageTotals(row) == expected[key], "seed \(seed) \(query) \(row)")
                }
            }
        }
    }

    @Test func boundsOfReportsAreWidenedToWholeHours() async throws {
        var generator = SeededGenerator(seed: 3)
        var record = sample(using: &generator)
        record.startMilliseconds = 5 * Self.hour + 1_000
        try await writer.fold([record])
        func count(_ since: Int64?, _ until: Int64?) async throws -> Int {
            try await reader.report(UsageQuery(since: since, until: until)).count
        }
        #expect(try await count(5 * Self.hour + 2_000, nil) == 1)
        #expect(try await count(6 * Self.hour, nil) == 0)
        #expect(try await count(nil, 5 * Self.hour + 1) == 1)
        #expect(try await count(nil, 5 * Self.hour) == 0)
    }

    @Test(arguments: [1, 7, 1_000])
    func pagesGiveEveryRecordOnceInOrder(limit: Int) async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let records = (0..<150).map { _ in sample(using: &generator) }
        try await writer.fold(records)
        for query in [
            UsageQuery(), UsageQuery(account: "111111111111"), UsageQuery(function: "gamma"),
            UsageQuery(since: 10 * Self.hour + 1, until: 40 * Self.hour), UsageQuery(account: "nobody"),
        ] {
            let expected = records.filter { matches($0, query) }.sorted {
                ($0.startMilliseconds, $0.requestID.description, $0.attempt) < ($1.startMilliseconds, $1.requestID.description, $1.attempt)
            }
            #expect(try await allRecords(query, limit: limit) == expected, "seed \(seed) \(query)")
        }
    }

    @Test func rowsNameTheirGroup() async throws {
        var generator = SeededGenerator(seed: 5)
        var record = sample(using: &generator)
        record.key = FunctionKey(account: "111111111111", region: "us-east-1", name: "alpha")
        record.version = "10"
        record.startMilliseconds = 1_795_255_445_678
        try await writer.fold([record])
        var groups: [String] = []
        for grouping in UsageQuery.Grouping.allCases { groups += try await reader.report(UsageQuery(grouping: grouping)).map(\.group) }
        #expect(groups == ["alpha", "alpha:10", "111111111111", "2026-11-21T10", "2026-11-21"])
    }

    @Test func emptyFoldIsAllowed() async throws {
        #expect(try await writer.fold([]) == 0)
    }

    @Test func concurrentFoldsOfTheSameRecordsCountOnce() async throws {
        var generator = SeededGenerator(seed: 6)
        let records = (0..<200).map { _ in sample(using: &generator) }
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<10 {
                group.addTask { [writer, reader] in try await (index % 2 == 0 ? writer : reader).fold(records) }
            }
            return try await group.reduce(0, +)
        }
        #expect(total == 200)
        let rows = try await reader.report(UsageQuery(grouping: .tenant))
        // What extensions took after an answer is on the bill, and neither an invocation nor an initialization.
        let counted = records.count { $0.trigger != .extensions }
        #expect(rows.map { $0.invocations + $0.initializations }.reduce(0, +) == UInt64(counted))
    }
}
