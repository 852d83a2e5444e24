import Glibc
import Testing

@testable import Telemetry

@Suite struct LogTests {
    private func render(
        _ message: String, _ metadata: Log.Metadata = [:], format: Log.Format, suppressed: UInt64 = 0
    ) -> String {
        String(
            decoding: LogLine.render(.info, message, metadata, suppressed: suppressed, now: 1_795_250_627_123_456, format: format),
            as: UTF8.self)
    }

    @Test func jsonLineKeepsTypesAndOrder() {
        #expect(
            render("function deployed", ["function": "hello", "revision": 7, "forkable": true], format: .json)
                == #"{"time":"2026-11-21T08:43:47.123Z","level":"info","message":"function deployed","function":"hello","revision":7,"forkable":true}"#
                + "\n")
    }

    @Test func textLineQuotesWhatNeedsIt() {
        #expect(
            render("function deployed", ["function": "hello", "reason": "it has a thread", "empty": ""], format: .text)
                == #"2026-11-21T08:43:47.123Z info function deployed function=hello reason="it has a thread" empty="""# + "\n")
    }

    @Test(arguments: Log.Format.allCases) func valueCannotForgeALineOrSteerATerminal(format: Log.Format) {
        let line = render("bad name", ["name": "x\n2026 error all is lost\u{1B}[2J\u{9B}31m\r"], format: format)
        #expect(line.utf8.filter { $0 == UInt8(ascii: "\n") }.count == 1)
        #expect(line.unicodeScalars.dropLast().allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
    }

    @Test(arguments: Log.Format.allCases) func lineNeverExceedsWhatAPipeTakesAtOnce(format: Log.Format) {
        let long = String(repeating: "é\u{1}", count: 5_000)
        let line = render("long", ["a": .string(long), "b": .string(long), "c": .string(long), "d": .string(long)], format: format)
        #expect(line.utf8.count <= LogLine.maxBytes)
        #expect(line.hasSuffix(format == .json ? "}\n" : "\n"))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
        (4_102_444_799_999_999, "2099-12-31T23:59:59.999Z"), (1_709_251_199_000_000, "2024-02-29T23:59:59.000Z"),
    ] as [(UInt64, String)])
    func timestampsAreUTC(micros: UInt64, text: String) {
        #expect(LogLine.timestamp(micros) == text)
    }

    @Test func repeatsAreLeftOutCountedAndReported() {
        var limiter = RepeatLimiter()
        var admitted = 0
        for number in 0..<100 where limiter.admit("same", now: UInt64(number)) != nil { admitted += 1 }
        #expect(admitted == RepeatLimiter.perWindow)
        #expect(limiter.admit("other", now: 100) == 0)
        #expect(limiter.admit("same", now: RepeatLimiter.windowMicros) == UInt64(100 - RepeatLimiter.perWindow))
        #expect(limiter.admit("same", now: RepeatLimiter.windowMicros + 1) == 0)
        #expect(render("same", format: .json, suppressed: 80).contains(#""suppressed":80"#))
    }

    @Test func stalledReaderCostsLinesAndNeverBlocks() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: LogLine.maxBytes)
        // The pipe holds 64 KiB: without the check this loop would never end.
        for _ in 0..<100 { writeLine(line, to: ends[1]) }
        var waiting: Int32 = 0
        #expect(ioctl(ends[0], UInt(FIONREAD), &waiting) == 0)
        #expect(waiting > 0 && waiting % Int32(LogLine.maxBytes) == 0)
    }

    @Test func levelsAreOrderedAndNamed() {
        #expect(Log.Level(name: "warning") == .warning)
        #expect(Log.Level(name: "loud") == nil)
        #expect(Log.Level.debug < .error)
    }
}
