import Testing

@testable import Martlet

private let plain = Style(isTerminal: false, environment: [:])

@Suite struct TextTests {
    @Test func columnsStandUnderEachOther() {
        var table = TextTable([.init("name"), .init("GB-s", .right)])
        table.add(["a", "1.5"])
        table.add(["längerer", "10.25"])
        table.total = ["total", "11.75"]
        #expect(
            table.lines(plain) == [
                "name       GB-s", "a           1.5", "längerer  10.25", "───────────────", "total     11.75",
            ])
    }

    @Test func longTextsAreCutToTheWidthAndNumbersAreNot() {
        var table = TextTable([.init("name"), .init("source"), .init("events", .right)])
        table.add(["a-rather-long-name", "arn:aws:sqs:us-east-1:123456789012:orders", "1234567"])
        let lines = table.lines(plain, fitting: 40)
        #expect(lines.allSatisfy { $0.count <= 40 })
        #expect(lines[1].hasSuffix("1234567") && lines[1].contains("…"))
        #expect(table.lines(plain, fitting: 10)[1].hasSuffix("1234567"), "nothing is cut beyond what can be read")
        #expect(table.lines(plain)[1].contains("123456789012:orders"))
    }

    @Test func colourIsForTerminalsOnly() {
        #expect(plain.red("x") == "x")
        #expect(Style(isTerminal: true, environment: [:]).red("x") == "\u{1B}[31mx\u{1B}[0m")
        #expect(Style(isTerminal: true, environment: ["NO_COLOR": "1"]).red("x") == "x")
    }

    @Test func valuesWithCommasQuotesAndLineBreaksAreQuoted() {
        #expect(csvLine(["a", "b,c", "d\"e", "f\ng", ""]) == "a,\"b,c\",\"d\"\"e\",\"f\ng\",")
    }

    @Test(arguments: [
        ("10m", Int64(600_000)), ("24h", 86_400_000), ("7d", 604_800_000), ("2w", 1_209_600_000), ("0s", 0),
    ])
    func lengthIsRead(text: String, milliseconds: Int64) { #expect(TimeText.duration(text) == milliseconds) }

    @Test(arguments: ["", "m", "10", "-5m", "+5m", "1.5h", "10 m", "10min", "99999999999999d", "9223372036854775807s"])
    func lengthThatIsNoneIsRefused(text: String) { #expect(TimeText.duration(text) == nil) }

    @Test(arguments: [
        ("2026-11-21", Int64(1_795_219_200_000)), ("2026-11-21T10:00", 1_795_255_200_000), ("2026-11-21T10:00:00Z", 1_795_255_200_000),
        ("2026-11-21T10:00:00", 1_795_255_200_000), ("2026-11-21T12:00:00+02:00", 1_795_255_200_000),
        ("2026-11-21T10:00:00.250Z", 1_795_255_200_250), ("1h", 1_795_251_600_000),
    ])
    func momentIsRead(text: String, milliseconds: Int64) throws {
        #expect(try TimeText.moment(text, now: 1_795_255_200_000) == milliseconds)
    }

    @Test func momentThatIsNoneIsAUsageFailure() {
        let failure = #expect(throws: CommandFailure.self) { try TimeText.moment("yesterday", now: 0) }
        #expect(failure?.exitCode == 64)
    }

    @Test func momentIsWrittenToTheMillisecond() {
        #expect(TimeText.iso(1_795_255_200_123) == "2026-11-21T10:00:00.123Z")
        #expect(TimeText.iso(1_795_255_200_000) == "2026-11-21T10:00:00.000Z")
    }

    @Test func lengthsAndSizesAreShort() {
        #expect([0, 980, 3_210, 17_340, 1_250_000].map { TimeText.length(microseconds: $0) } == ["0 µs", "980 µs", "3.21 ms", "17.3 ms", "1.25 s"])
        #expect([812, 12_345, 4_000_000].map(byteText) == ["812 B", "12.3 kB", "4.0 MB"])
    }

    @Test func pathPartsAreEncodedAsSignaturesNeedThem() {
        #expect(percentEncoded("a/b c:ü~") == "a%2Fb%20c%3A%C3%BC~")
    }
}

@Suite struct ExactDecimalTests {
    @Test(arguments: [
        ("0.0000166667", "0.0000166667"), ("1e-6", "0.000001"), ("2.650001e-06", "0.000002650001"), ("-1.50", "-1.5"), ("12", "12"),
        ("0.00000000000019", "0.0000000000001"),
    ])
    func digitsAreKept(text: String, expected: String) throws { #expect(try #require(ExactDecimal(text)).text == expected) }

    @Test(arguments: ["", ".", "1.2.3", "abc", "1e999", "--1"])
    func textThatIsNoNumberIsRefused(text: String) { #expect(ExactDecimal(text) == nil) }

    @Test func sumsAndRoundingAreExact() throws {
        let tenth = try #require(ExactDecimal("0.1"))
        #expect((0..<10).reduce(ExactDecimal.zero) { sum, _ in sum + tenth }.text == "1")
        #expect(ExactDecimal("1.0000005")?.rounded(6) == "1.000001")
        #expect(ExactDecimal("0.000002650001")?.rounded(12).trimmed(atLeast: 6) == "0.000002650001")
        #expect(ExactDecimal("1.5")?.rounded(12).trimmed(atLeast: 6) == "1.500000")
        #expect(ExactDecimal("17.345")?.scaled(by: 3) == 17_345)
        #expect(ExactDecimal("2500")?.dividedBy1000.text == "2.5")
    }
}
