import FunctionModel
import Metering
import Testing

@Suite struct UsageRecordCodecTests {
    private func entries(_ count: Int, seed: UInt64) -> [UsageEntry] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            Bool.random(using: &generator) ? .record(.sample(using: &generator)) : .start(.sample(using: &generator))
        }
    }

    @Test func everyEntryComesBackAsItWas() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        for entry in entries(2_000, seed: seed) {
            let frame = try UsageRecordCodec.encode(entry)
            #expect(UsageRecordCodec.decode(frame) == .entry(entry, size: frame.count), "seed \(seed)")
        }
    }

    @Test func extremeValuesComeBack() throws {
        var record = UsageStart(
            requestID: RequestID(high: .max, low: .max), attempt: .max, key: FunctionKey(account: "", region: "", name: "ä\u{1F426}"),
            version: "", revision: .max, trigger: .initialization, startMilliseconds: .min, memorySize: .max
        ).interrupted
        record.cpuMicroseconds = .max
        record.bytesOut = .max
        let frame = try UsageRecordCodec.encode(.record(record))
        #expect(UsageRecordCodec.decode(frame) == .entry(.record(record), size: frame.count))
    }

    @Test func ordinaryRecordTakesAboutAHundredBytes() throws {
        var generator = SeededGenerator(seed: 1)
        let frame = try UsageRecordCodec.encode(.record(UsageStart.sample(using: &generator).end))
        #expect(frame.count < 100)
    }

    @Test func namesTooLongForAFrameAreRefused() {
        var generator = SeededGenerator(seed: 1)
        var record = UsageRecord.sample(using: &generator)
        record.version = String(repeating: "9", count: 2_000)
        #expect(throws: UsageLogError.self) { try UsageRecordCodec.encode(.record(record)) }
    }

    @Test func truncatedFrameIsNeverAnEntry() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        for entry in entries(50, seed: seed) {
            let frame = try UsageRecordCodec.encode(entry)
            for length in 1..<frame.count {
                #expect(UsageRecordCodec.decode(Array(frame[..<length])) == .incomplete, "seed \(seed), \(length) bytes")
            }
        }
    }

    @Test func flippedBitNeverYieldsAnEntry() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        for entry in entries(30, seed: seed) {
            let frame = try UsageRecordCodec.encode(entry)
            for bit in 0..<frame.count * 8 {
                var damaged = frame
                damaged[bit / 8] ^= 1 << UInt8(bit % 8)
                // What follows lets a lengthened frame find its bytes.
                damaged.append(contentsOf: frame)
                if case .entry = UsageRecordCodec.decode(damaged) { Issue.record("seed \(seed), bit \(bit)") }
            }
        }
    }

    @Test func noiseNeverYieldsAnEntry() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 1...200, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if Bool.random(using: &generator) { bytes.replaceSubrange(0..<min(4, bytes.count), with: [0xCB, 0xF5, 20, 0].prefix(bytes.count)) }
            switch UsageRecordCodec.decode(bytes) {
            case .entry, .unknownVersion: Issue.record("seed \(seed)")
            case .damaged(let skip): #expect(skip >= 1 && skip <= bytes.count, "seed \(seed)")
            case .incomplete: break
            }
        }
    }
}
