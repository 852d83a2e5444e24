import Extensions
import Testing

@Suite struct TelemetryBufferTests {
    private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    @Test func aBatchIsDueWhenItsFirstRecordIsOldEnough() {
        var buffer = TelemetryBuffer(TelemetrySubscription(types: [.platform], destination: .http(port: 1, path: "/"), timeoutMilliseconds: 25))
        #expect(buffer.dueAt == nil)
        buffer.append("1".utf8, now: 100)
        buffer.append("2".utf8, now: 110)
        let early = buffer.take(now: 124)
        #expect(buffer.dueAt == 125 && early == nil)
        let first = buffer.take(now: 125)
        #expect(text(first) == "[1,2]")
        // The next waits until this one is settled.
        buffer.append("3".utf8, now: 126)
        #expect(buffer.dueAt == nil && text(buffer.unsettled) == "[1,2]")
        buffer.delivered()
        #expect(buffer.dueAt == 151 && !buffer.isEmpty)
        buffer.flush()
        let second = buffer.take(now: 127)
        #expect(text(second) == "[3]")
        buffer.delivered()
        #expect(buffer.isEmpty && buffer.held == 0)
    }

    @Test func aBatchIsDueAtOnceWhenItIsLarge() {
        var buffer = TelemetryBuffer(TelemetrySubscription(types: [.platform], destination: .tcp(port: 1), maximumItems: 1_000, timeoutMilliseconds: 30_000))
        for _ in 0..<999 { buffer.append("x".utf8, now: 7) }
        let early = buffer.take(now: 8)
        #expect(early == nil)
        buffer.append("x".utf8, now: 8)
        let full = buffer.take(now: 8)
        #expect(full?.count == 2_000)
    }

    @Test func whatIsMoreThanTwiceTheBoundIsDroppedAndCounted() {
        let subscription = TelemetrySubscription(types: [.function], destination: .http(port: 1, path: "/"))
        var buffer = TelemetryBuffer(subscription)
        let record = [UInt8](repeating: 0x31, count: 100_000)
        var kept = 0
        for number in 0..<10 {
            if buffer.append(record, now: 0) { kept += 1 }
            if number == 2 { _ = buffer.take(now: 10_000) }
        }
        #expect(kept == 5 && buffer.held <= 2 * subscription.maximumBytes)
        let dropped = buffer.takeDropped(), again = buffer.takeDropped()
        #expect(dropped?.records == 5 && dropped?.bytes == 500_000 && again == nil)
    }
}

@Suite struct TelemetrySubscriptionTests {
    private func fault(_ text: String) -> String? {
        do throws(ExtensionFault) {
            _ = try TelemetrySubscription(parsing: text.utf8)
            return nil
        } catch {
            return error.message
        }
    }

    @Test func whatIsAskedForIsTaken() throws {
        let full = try TelemetrySubscription(
            parsing: #"{"schemaVersion":"2022-12-13","types":["function","platform"],"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/a?b#c"}}"#.utf8)
        #expect(full.types == [.platform, .function] && full.destination == .http(port: 8080, path: "/a?b"))
        #expect((full.maximumItems, full.maximumBytes, full.timeoutMilliseconds) == (1_000, 262_144, 25))
        let least = try TelemetrySubscription(parsing: #"{"schemaVersion":"2022-07-01","types":["extension"],"destination":{"protocol":"TCP","port":80}}"#.utf8)
        #expect((least.maximumItems, least.maximumBytes, least.timeoutMilliseconds) == (10_000, 262_144, 1_000) && least.destination == .tcp(port: 80))
    }

    @Test(arguments: [
        ("", "the request is no JSON"), ("[]", "the request is no JSON object"),
        (#"{"types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:1"}}"#, "schemaVersion must be one of"),
        (#"{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:70000"}}"#, "URI port must be between"),
        (#"{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:1/ö"}}"#, "URI path must be of printable"),
        (#"{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"https://sandbox:1"}}"#, "URI scheme must be http"),
        (#"{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"TCP","port":9001}}"#, "port 9001 is reserved"),
        (#"{"schemaVersion":"2022-07-01","types":["platform"],"buffering":[],"destination":{"protocol":"TCP","port":1}}"#, "buffering must be an object"),
    ])
    func whatIsWrongIsSaid(text: String, message: String) {
        #expect(fault(text)?.hasPrefix(message) == true, "\(fault(text) ?? "no fault")")
    }
}

@Suite struct TelemetryRecordTests {
    @Test func outputIsCutIntoLines() {
        var lines = TelemetryLines()
        let first = lines.append("one\ntw".utf8), second = lines.append("o\n\n".utf8)
        #expect((first + second).map { String(decoding: $0, as: UTF8.self) } == ["one", "two"])
        let long = lines.append([UInt8](repeating: 0x61, count: TelemetryLines.longestLine + 5)), rest = lines.finish(), none = lines.finish()
        #expect(long.map(\.count) == [TelemetryLines.longestLine] && rest.map(\.count) == [5] && none.isEmpty)
    }

    @Test func aLineIsTextUnlessItIsAnObjectOfAJSONLog() {
        let time = "2026-11-22T00:00:00.000Z"
        #expect(TelemetryRecord.line(#"{"a":1}"#.utf8, .function, isJSON: true, time: time) == #"{"time":"2026-11-22T00:00:00.000Z","type":"function","record":{"a":1}}"#)
        #expect(TelemetryRecord.line(#"{"a":1}"#.utf8, .extension, isJSON: false, time: time).hasSuffix(#""type":"extension","record":"{\"a\":1}"}"#))
        #expect(TelemetryRecord.line([0xFF, 0x22], .function, isJSON: true, time: time).hasSuffix("\"record\":\"\u{FFFD}\\\"\"}"))
    }
}
