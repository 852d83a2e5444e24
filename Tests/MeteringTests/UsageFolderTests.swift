import FunctionModel
import Glibc
import Metering
import Testing

@Suite struct UsageFolderTests {
    private let temporary: TemporaryFolder
    private let store = MemoryStore()

    init() throws {
        temporary = try TemporaryFolder()
    }

    private func log(segmentBytes: Int = 64 << 10) throws -> UsageLog {
        try UsageLog(directory: temporary.path, configuration: .init(segmentBytes: segmentBytes))
    }

    private func samples(_ count: Int, seed: UInt64 = 1) -> [UsageRecord] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in .sample(using: &generator) }
    }

    private var segments: [String] { temporary.names.filter { $0.hasSuffix(".seg") } }

    @Test func flushMakesEveryEarlierRecordVisible() async throws {
        let log = try log()
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        var expected: Set<UsageRecord> = []
        for batch in 0..<20 {
            for record in samples(50, seed: UInt64(batch)) {
                try writer.write(record)
                expected.insert(record)
            }
            try await folder.flushNow()
            #expect(await store.records == expected)
        }
    }

    @Test func closedSegmentsAreDeletedOnceFolded() async throws {
        let log = try log()
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        let records = samples(5_000)
        for record in records { try writer.write(record) }
        #expect(segments.count > 5)
        try await folder.flushNow()
        #expect(segments.count == 1)
        writer.rotate()
        try await folder.flushNow()
        #expect(segments.isEmpty)
        #expect(await store.records == Set(records))
    }

    @Test func transactionsAreBounded() async throws {
        let log = try log(segmentBytes: 4 << 20)
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        for record in samples(5_000) { try writer.write(record) }
        try await folder.flushNow()
        let folds = await store.folds
        #expect(folds.allSatisfy { $0 <= 2_000 })
        #expect(folds.reduce(0, +) == 5_000)
    }

    @Test func refusedTransactionIsTriedAgainWithoutLossOrDouble() async throws {
        let log = try log()
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        let records = samples(3_000)
        for record in records { try writer.write(record) }
        await store.refuse(times: 1)
        await #expect(throws: Refusal.self) { try await folder.flushNow() }
        try await folder.flushNow()
        #expect(await store.records == Set(records))
        #expect(await store.folds.reduce(0, +) == records.count)
    }

    @Test func concurrentFlushesAllSeeTheirRecords() async throws {
        let log = try log()
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        let records = samples(500)
        try await withThrowingTaskGroup { group in
            for record in records {
                try writer.write(record)
                group.addTask { [store] in
                    try await folder.flushNow()
                    #expect(await store.record(requestID: record.requestID).contains(record))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func runFoldsWithoutBeingAsked() async throws {
        let log = try UsageLog(directory: temporary.path, configuration: .init(foldIntervalMilliseconds: 1))
        let folder = try UsageFolder(log: log, store: store)
        let running = Task { await folder.run() }
        let writer = UsageSegmentWriter(log: log)
        let records = samples(100)
        for record in records { try writer.write(record) }
        while await store.records.count < records.count { await Task.yield() }
        running.cancel()
        await running.value
    }

    @Test func whatACrashLeftIsTakenInAndDeleted() async throws {
        let records = samples(4_000)
        do {
            let writer = UsageSegmentWriter(log: try log())
            for record in records { try writer.write(record) }
        }
        #expect(!segments.isEmpty)
        let recovery = try await UsageFolder(log: try log(), store: store).recover()
        #expect(recovery.records == records.count)
        #expect(recovery.damagedBytes == 0)
        #expect(await store.records == Set(records))
        #expect(segments.isEmpty)
    }

    /// The end of the file may be lost at any byte; every record before it must come back and nothing else.
    @Test func tornTailIsSkippedAtEveryByte() async throws {
        let records = samples(4)
        let frames = try records.map { try UsageRecordCodec.encode(.record($0)) }
        let whole = frames.flatMap { $0 }
        for length in 0...whole.count {
            temporary.write(Array(whole[..<length]), to: "000000000001.seg")
            let store = MemoryStore()
            try await UsageFolder(log: try log(), store: store).recover()
            var end = 0
            let intact = zip(records, frames).filter { _, frame in
                end += frame.count
                return end <= length
            }
            #expect(await store.records == Set(intact.map(\.0)), "cut at \(length)")
            #expect(segments.isEmpty)
        }
    }

    @Test func damageInTheMiddleCostsOnlyTheRecordsItTouches() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<40 {
            let records = (0..<20).map { _ in UsageRecord.sample(using: &generator) }
            let frames = try records.map { try UsageRecordCodec.encode(.record($0)) }
            let hit = Int.random(in: 0..<20, using: &generator)
            var bytes: [UInt8] = []
            for (index, frame) in frames.enumerated() {
                var frame = frame
                if index == hit { frame[Int.random(in: 0..<frame.count, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator) }
                bytes += frame
            }
            bytes += [UInt8](repeating: 0, count: 5_000)
            temporary.write(bytes, to: "000000000001.seg")
            let store = MemoryStore()
            let recovery = try await UsageFolder(log: try log(), store: store).recover()
            var expected = Set(records)
            expected.remove(records[hit])
            #expect(await store.records == expected, "seed \(seed)")
            #expect(recovery.damagedBytes > 0, "seed \(seed)")
        }
    }

    @Test func recoveryAfterAnInterruptedRecoveryChangesNothing() async throws {
        let records = samples(300)
        do {
            let writer = UsageSegmentWriter(log: try log())
            for record in records { try writer.write(record) }
        }
        let kept = segments.map { ($0, temporary.read($0)) }
        try await UsageFolder(log: try log(), store: store).recover()
        // As if the process had died after the commit and before the files were deleted.
        for (name, bytes) in kept { temporary.write(bytes, to: name) }
        try await UsageFolder(log: try log(), store: store).recover()
        #expect(await store.records == Set(records))
    }

    @Test func failedRecoveryKeepsTheFiles() async throws {
        let records = samples(300)
        do {
            let writer = UsageSegmentWriter(log: try log())
            for record in records { try writer.write(record) }
        }
        await store.refuse(times: 1)
        let folder = try UsageFolder(log: try log(), store: store)
        await #expect(throws: Refusal.self) { try await folder.recover() }
        #expect(!segments.isEmpty)
        try await folder.recover()
        #expect(await store.records == Set(records))
    }

    @Test func recordsOfANewerFormatAreRefusedByNameAndKept() async throws {
        var frame = try UsageRecordCodec.encode(.record(samples(1)[0]))
        frame[8] = 9
        let payload = Array(frame[8...])
        let checksum = crc32c([frame[2], frame[3]] + payload)
        for index in 0..<4 { frame[4 + index] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * index)) }
        temporary.write(frame, to: "000000000007.seg")
        let folder = try UsageFolder(log: try log(), store: store)
        let error = await #expect(throws: UsageLogError.self) { try await folder.recover() }
        #expect(error?.description.contains("000000000007.seg: it holds records of format 9") == true)
        #expect(segments.count == 1)
    }

    @Test func startWithoutEndBecomesInterruptedInRecoveryOnly() async throws {
        var generator = SeededGenerator(seed: 3)
        let ended = UsageStart.sample(using: &generator)
        let lost = UsageStart.sample(using: &generator)
        do {
            let log = try log()
            let folder = try UsageFolder(log: log, store: store)
            let writer = UsageSegmentWriter(log: log)
            try writer.write(ended)
            try writer.write(lost)
            try writer.write(ended.end)
            try await folder.flushNow()
            #expect(await store.records == [ended.end])
            writer.rotate()
            try await folder.flushNow()
            #expect(segments.count == 1, "a segment stays while an attempt that began in it runs")
        }
        let recovery = try await UsageFolder(log: try log(), store: store).recover()
        #expect(recovery.interrupted == 1)
        #expect(await store.records == [ended.end, lost.interrupted])
        #expect(segments.isEmpty)
    }

    @Test func segmentOfAStartGoesWhenItsEndIsFoldedFromALaterOne() async throws {
        var generator = SeededGenerator(seed: 4)
        let start = UsageStart.sample(using: &generator)
        let log = try log()
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        try writer.write(start)
        writer.rotate()
        try await folder.flushNow()
        #expect(segments.count == 1)
        try writer.write(start.end)
        writer.rotate()
        try await folder.flushNow()
        #expect(segments.isEmpty)
        #expect(await store.records == [start.end])
    }

    /// The end was folded and its segment deleted before the crash; the start's segment is still there.
    @Test func endThatIsAlreadyInTheStoreWinsOverInterruption() async throws {
        var generator = SeededGenerator(seed: 5)
        let start = UsageStart.sample(using: &generator)
        temporary.write(try UsageRecordCodec.encode(.start(start)), to: "000000000001.seg")
        _ = try await store.fold([start.end])
        let recovery = try await UsageFolder(log: try log(), store: store).recover()
        #expect(recovery.interrupted == 0)
        #expect(await store.records == [start.end])
    }

    @Test func recoveryLeavesTheSegmentsOfThisProcessAlone() async throws {
        let log = try log()
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        var generator = SeededGenerator(seed: 6)
        try writer.write(UsageStart.sample(using: &generator))
        #expect(try await folder.recover().segments == 0)
        #expect(await store.records.isEmpty)
        #expect(segments.count == 1)
    }

    @Test(arguments: [UsageLog.Configuration.Sync.none, .always, .interval(milliseconds: 1)])
    func everySyncModeKeepsRecords(sync: UsageLog.Configuration.Sync) async throws {
        let log = try UsageLog(directory: temporary.path, configuration: .init(sync: sync))
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        let records = samples(20)
        for record in records { try writer.write(record) }
        try await folder.flushNow()
        #expect(await store.records == Set(records))
    }

    @Test func missingParentFolderIsNamed() {
        let error = #expect(throws: UsageLogError.self) { try UsageLog(directory: "/nonexistent/usage") }
        #expect(error?.description.contains("/nonexistent/usage") == true)
    }

    /// Bit by bit, unlike the table in the module.
    private func crc32c(_ bytes: [UInt8]) -> UInt32 {
        var value = ~UInt32(0)
        for byte in bytes {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
        }
        return ~value
    }
}

/// On a small file system of its own, which only root may mount.
@Suite(.enabled(if: geteuid() == 0, "needs root to mount a small tmpfs"))
struct FullDiskTests {
    private typealias Mount =
        @convention(c) (UnsafePointer<CChar>?, UnsafePointer<CChar>, UnsafePointer<CChar>?, UInt, UnsafePointer<CChar>?) -> Int32
    private typealias Unmount = @convention(c) (UnsafePointer<CChar>, Int32) -> Int32

    private func symbol<Function>(_ name: String, _ type: Function.Type) throws -> Function {
        unsafeBitCast(try #require(dlsym(nil, name)), to: type)
    }

    @Test func fullDiskRefusesRecordsWholeAndRecovers() async throws {
        let temporary = try TemporaryFolder()
        let mount = try symbol("mount", Mount.self)
        let unmount = try symbol("umount2", Unmount.self)
        try #require(mount("tmpfs", temporary.path, "tmpfs", 0, "size=256k") == 0)
        defer { _ = unmount(temporary.path, 2) }

        let store = MemoryStore()
        let log = try UsageLog(directory: temporary.path, configuration: .init(segmentBytes: 64 << 10))
        let folder = try UsageFolder(log: log, store: store)
        let writer = UsageSegmentWriter(log: log)
        var generator = SeededGenerator(seed: 8)
        var written: Set<UsageRecord> = []
        var refusal: UsageLogError?
        while refusal == nil {
            let record = UsageRecord.sample(using: &generator)
            do {
                try writer.write(record)
                written.insert(record)
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.isOutOfSpace == true)
        #expect(refusal?.description.contains("free space") == true)
        #expect(throws: UsageLogError.self) { try writer.prepare() }

        // Folding frees the space, and the same writer goes on.
        try await folder.flushNow()
        try writer.prepare()
        let record = UsageRecord.sample(using: &generator)
        try writer.write(record)
        written.insert(record)
        try await folder.flushNow()
        #expect(await store.records == written)
    }
}
