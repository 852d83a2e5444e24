import FunctionModel
import Glibc
import Metering

/// Numbers that a printed seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

extension UsageRecord {
    static func sample(using generator: inout some RandomNumberGenerator) -> UsageRecord {
        func small(_ generator: inout some RandomNumberGenerator) -> UInt32 {
            UInt32.random(in: 0...UInt32.max, using: &generator) >> UInt32.random(in: 0...31, using: &generator)
        }
        let names = ["hello", "a", "thumbnail-maker_7", String(repeating: "n", count: 64)]
        var record = UsageRecord(
            requestID: .random(using: &generator, at: 1_795_249_257_123), attempt: UInt32.random(in: 1...5, using: &generator),
            key: FunctionKey(
                account: ["123456789012", "210987654321"].randomElement(using: &generator)!, region: "us-east-1",
                name: names.randomElement(using: &generator)!),
            version: ["$LATEST", "1", "42"].randomElement(using: &generator)!, revision: generator.next(),
            trigger: Trigger.allCases.randomElement(using: &generator)!,
            startKind: StartKind.allCases.randomElement(using: &generator)!,
            outcome: Outcome.allCases.randomElement(using: &generator)!,
            startMilliseconds: Int64.random(in: -10_000_000...2_000_000_000_000, using: &generator),
            queueMicroseconds: small(&generator), sandboxMicroseconds: small(&generator), initMicroseconds: small(&generator),
            handlerMicroseconds: small(&generator), totalMicroseconds: small(&generator), billedMilliseconds: small(&generator),
            memorySize: small(&generator), peakMemoryKiB: small(&generator),
            cpuMicroseconds: generator.next() >> UInt64.random(in: 0...63, using: &generator), bytesIn: small(&generator),
            bytesOut: small(&generator))
        if record.trigger == .async { record.ageMilliseconds = small(&generator) }
        return record
    }
}

extension UsageStart {
    static func sample(using generator: inout some RandomNumberGenerator) -> UsageStart {
        UsageStart(
            requestID: .random(using: &generator, at: 1_795_249_257_123), key: FunctionKey(account: "123456789012", region: "us-east-1", name: "hello"),
            version: "$LATEST", revision: 7, trigger: .invoke, startMilliseconds: 1_763_719_200_000, memorySize: 128)
    }

    /// The record that ends this attempt well.
    var end: UsageRecord {
        var record = interrupted
        record.outcome = .success
        record.billedMilliseconds = 5
        return record
    }
}

struct Refusal: Error {}

/// The ledger as a dictionary, with faults on demand.
actor MemoryStore: UsageStore {
    private(set) var ledger: [Key: UsageRecord] = [:]
    /// Records of each successful call.
    private(set) var folds: [Int] = []
    private var refusals = 0

    struct Key: Hashable {
        let requestID: RequestID
        let attempt: UInt32
    }

    var records: Set<UsageRecord> { Set(ledger.values) }

    func refuse(times: Int) {
        refusals = times
    }

    func fold(_ records: [UsageRecord]) throws -> Int {
        if refusals > 0 {
            refusals -= 1
            throw Refusal()
        }
        folds.append(records.count)
        let before = ledger.count
        for record in records {
            let key = Key(requestID: record.requestID, attempt: record.attempt)
            if ledger[key] == nil { ledger[key] = record }
        }
        return ledger.count - before
    }

    func record(requestID: RequestID) -> [UsageRecord] { ledger.values.filter { $0.requestID == requestID } }
    func report(_ query: UsageQuery) -> [UsageRow] { [] }
    func records(_ query: UsageQuery, after: UsageCursor?, limit: Int) -> (rows: [UsageRecord], next: UsageCursor?) { ([], nil) }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Refusal() }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    var names: [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    func read(_ name: String) -> [UInt8] {
        let descriptor = open("\(path)/\(name)", O_RDONLY)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        _ = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return bytes
    }

    func write(_ bytes: [UInt8], to name: String) {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
