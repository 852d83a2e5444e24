import FoundationEssentials
import FunctionModel
import Metering
import Testing

@Suite struct PriceTableTests {
    private let prices = PriceTable.lambda

    /// Lambda's own example: 3 million requests of 120 ms at 1,536 MB, without the free tier.
    @Test func publishedExampleIsExact() {
        let milliseconds: UInt64 = 3_000_000 * 120
        let cost = prices.cost(invocations: 3_000_000, megabyteMilliseconds: milliseconds * 1_536)
        // 540,000 GB-s × 0.0000166667 + 3 × 0.20
        #expect(DecimalText.exact(cost, scale: 12) == "9.600018")
    }

    @Test func oneRequestAloneCosts200NanoUnits() {
        #expect(prices.cost(invocations: 1, megabyteMilliseconds: 0) == 200_000)
        #expect(DecimalText.exact(200_000, scale: 12) == "0.0000002")
    }

    @Test func smallestInvocationIsRoundedOnce() {
        // 128 MB-ms × 16,666,700 / 1,024,000 = 2083.3375
        #expect(prices.cost(invocations: 0, megabyteMilliseconds: 128) == 2_083)
        // Eight of them are 16,666.7, not 8 × 2,083.
        #expect(prices.cost(invocations: 0, megabyteMilliseconds: 1_024) == 16_667)
        #expect(prices.cost(invocations: 0, megabyteMilliseconds: 1_024_000) == 16_666_700)
    }

    @Test func halfAPicoIsRoundedUp() {
        let half = PriceTable(currency: "X", picoPerMillionRequests: 500_000, picoPerGigabyteSecond: 0)
        #expect(half.cost(invocations: 1, megabyteMilliseconds: 0) == 1)
        #expect(half.cost(invocations: 2, megabyteMilliseconds: 0) == 1)
        #expect(half.cost(invocations: 3, megabyteMilliseconds: 0) == 2)
        let both = PriceTable(currency: "X", picoPerMillionRequests: 250_000, picoPerGigabyteSecond: 256_000)
        #expect(both.cost(invocations: 1, megabyteMilliseconds: 1) == 1)
    }

    @Test func largestValuesDoNotOverflow() {
        let highest = PriceTable(currency: "X", picoPerMillionRequests: .max, picoPerGigabyteSecond: .max)
        #expect(highest.cost(invocations: .max, megabyteMilliseconds: .max) > 0)
    }

    @Test func agreesWithWideArithmetic() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<5_000 {
            let table = PriceTable(
                currency: "X", picoPerMillionRequests: generator.next() >> 26, picoPerGigabyteSecond: generator.next() >> 26)
            let requests = generator.next() >> 26
            let memory = generator.next() >> 26
            let numerator =
                UInt128(requests) * UInt128(table.picoPerMillionRequests) * 128 + UInt128(memory) * UInt128(table.picoPerGigabyteSecond) * 125
            let cost = table.cost(invocations: requests, megabyteMilliseconds: memory)
            #expect(cost == (numerator + 64_000_000) / 128_000_000, "seed \(seed)")
        }
    }

    @Test func initializationIsChargedForTimeButIsNoRequest() {
        var record = UsageRecord(
            requestID: RequestID(high: 1, low: 2), key: FunctionKey(account: "1", region: "r", name: "f"), version: "1", revision: 1,
            trigger: .initialization, startKind: .cold, outcome: .success, startMilliseconds: 0, billedMilliseconds: 1_000,
            memorySize: 1_024)
        #expect(prices.cost(of: record) == 16_666_700)
        record.trigger = .invoke
        #expect(prices.cost(of: record) == 16_866_700)
    }

    @Test(arguments: [
        #"{"currency":"USD","perMillionRequests":"0.20","perGigabyteSecond":"0.0000166667"}"#,
        #"{"currency":"USD","perMillionRequests":0.2,"perGigabyteSecond":0.0000166667}"#,
        #"{}"#,
    ])
    func configurationIsReadExactly(json: String) throws {
        #expect(try JSONDecoder().decode(PriceTable.self, from: Data(json.utf8)) == .lambda)
    }

    @Test func configurationComesBack() throws {
        let table = PriceTable(currency: "EUR", picoPerMillionRequests: 123_456_789_012_345, picoPerGigabyteSecond: 1)
        #expect(try JSONDecoder().decode(PriceTable.self, from: try JSONEncoder().encode(table)) == table)
    }

    @Test(arguments: [
        #"{"perRequest":1}"#, #"{"perMillionRequests":-1}"#, #"{"perMillionRequests":"cheap"}"#,
        #"{"perGigabyteSecond":"0.0000000000001"}"#, #"{"perGigabyteSecond":1e9}"#, #"{"perGigabyteSecond":true}"#,
        #"{"perGigabyteSecond":null}"#,
    ])
    func badPricesAreRefused(json: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(PriceTable.self, from: Data(json.utf8)) }
    }

    @Test(arguments: [
        ("0", 0), ("0.2", 200_000_000_000), ("1.66667e-05", 16_666_700), ("1E3", 1_000_000_000_000_000), (".5", 500_000_000_000),
        ("7.", 7_000_000_000_000), ("0.0000000000010", 1),
    ])
    func decimalTextIsRead(text: String, pico: UInt64) {
        #expect(DecimalText.parse(text, scale: 12) == pico)
    }

    @Test(arguments: ["", ".", "-1", "+1", "1,5", "1.2.3", "1e", "1e999999999999", "0x10", "99999999999999999999", "1e60", "٣"])
    func otherTextIsNoDecimal(text: String) {
        #expect(DecimalText.parse(text, scale: 12) == nil)
    }

    @Test func tablesShowRoundedDecimals() {
        #expect(DecimalText.fixed(9_600_018_000_000, scale: 12, digits: 2) == "9.60")
        #expect(DecimalText.fixed(5_000_000, scale: 12, digits: 5) == "0.00001")
        #expect(DecimalText.fixed(4_999_999, scale: 12, digits: 5) == "0.00000")
        #expect(DecimalText.fixed(1_500, scale: 3, digits: 0) == "2")
        #expect(DecimalText.fixed(1_234, scale: 3, digits: 3) == "1.234")
    }
}
