import FoundationEssentials
import FunctionModel
import Metering
import Testing

@Suite struct UsageReportTests {
    private let record = UsageRecord(
        requestID: RequestID("8a1f2c3d-0000-4000-8000-00000000002a")!, attempt: 2,
        key: FunctionKey(account: "123456789012", region: "eu-west-1", name: "hello"), version: "$LATEST", revision: 9,
        trigger: .functionURL, startKind: .ready, outcome: .timeout, startMilliseconds: 1_795_255_445_678, queueMicroseconds: 1,
        sandboxMicroseconds: 20, initMicroseconds: 300, handlerMicroseconds: 27_550, totalMicroseconds: 28_000,
        billedMilliseconds: 28, memorySize: 128, peakMemoryKiB: 30_000, cpuMicroseconds: 1_234_567, bytesIn: 12, bytesOut: 34)

    @Test func singleRecordShowsAllFields() {
        #expect(
            UsageReport.record(record, prices: .lambda) == """
                {"requestId":"8a1f2c3d-0000-4000-8000-00000000002a","attempt":2,"account":"123456789012","region":"eu-west-1",\
                "function":"hello","version":"$LATEST","revision":9,"trigger":"functionURL","start":"2026-11-21T10:04:05.678Z",\
                "startKind":"ready","outcome":"timeout","queueMs":0.001,"sandboxMs":0.02,"initMs":0.3,"handlerMs":27.55,\
                "totalMs":28,"billedMs":28,"memorySize":128,"peakMemoryKiB":30000,"cpuMs":1234.567,"bytesIn":12,"bytesOut":34,"ageMs":0,\
                "cost":0.000000258333,"costPico":"258333"}
                """)
    }

    @Test func rollUpIsNamedAfterItsGrouping() {
        let row = UsageRow(
            group: "hello:3", account: "123456789012", function: "hello", version: "3", invocations: 2, initializations: 1, errors: 1,
            billedMilliseconds: 30, megabyteMilliseconds: 3_840, cpuMicroseconds: 1_500, bytesIn: 1, bytesOut: 2)
        let sums = #""invocations":2,"initializations":1,"errors":1,"billedMs":30,"gbSeconds":0.00375,"cpuMs":1.5,"bytesIn":1,"bytesOut":2,"cost":0.0000004625,"costPico":"462500""#
        #expect(
            UsageReport.json(rows: [row], grouping: .version, prices: .lambda)
                == #"{"rows":[{"version":"3","function":"hello","tenant":"123456789012",\#(sums)}],"total":{\#(sums)},"currency":"USD"}"#)
        #expect(UsageReport.row(row, grouping: .function, prices: .lambda).hasPrefix(#"{"function":"hello","tenant":"123456789012","#))
        var other = row
        other.group = "2026-11-21T10"
        #expect(UsageReport.row(other, grouping: .hour, prices: .lambda).hasPrefix(#"{"hour":"2026-11-21T10","inv"#))
        other.group = "2026-11-21"
        #expect(UsageReport.row(other, grouping: .day, prices: .lambda).hasPrefix(#"{"day":"2026-11-21","inv"#))
        other.group = "123456789012"
        #expect(UsageReport.row(other, grouping: .tenant, prices: .lambda).hasPrefix(#"{"tenant":"123456789012","inv"#))
    }

    @Test func totalIsPricedOnItsOwnSums() throws {
        let row = UsageRow(group: "a", account: "1", function: "a", version: "", megabyteMilliseconds: 128)
        struct Document: Decodable {
            struct Sums: Decodable { let costPico: String }
            let rows: [Sums]
            let total: Sums
        }
        let json = UsageReport.json(rows: Array(repeating: row, count: 8), grouping: .function, prices: .lambda)
        let document = try JSONDecoder().decode(Document.self, from: Data(json.utf8))
        #expect(document.rows.allSatisfy { $0.costPico == "2083" })
        #expect(document.total.costPico == "16667")
    }

    @Test func initializationIsARowButNoInvocation() {
        var initialization = record
        initialization.trigger = .initialization
        let json = UsageReport.json(records: [record, initialization], next: UsageCursor(startMilliseconds: 5, rowID: 6), prices: .lambda)
        #expect(json.contains(#""trigger":"initialization""#))
        #expect(json.contains(#""total":{"invocations":1,"initializations":1,"errors":1,"billedMs":56,"#))
        #expect(json.hasSuffix(#""currency":"USD","next":"5.6"}"#))
    }

    @Test func emptyReportHasAZeroTotal() {
        let json = UsageReport.json(rows: [], grouping: .function, prices: .lambda)
        #expect(json.hasPrefix(#"{"rows":[],"total":{"invocations":0,"#))
        #expect(json.contains(#""gbSeconds":0,"cpuMs":0,"bytesIn":0,"bytesOut":0,"cost":0,"costPico":"0""#))
    }

    @Test func textIsEscaped() throws {
        var odd = record
        odd.key = FunctionKey(account: "\"\\\u{1}", region: "\n", name: "ä")
        struct Row: Decodable { let account, region, function: String }
        let row = try JSONDecoder().decode(Row.self, from: Data(UsageReport.record(odd, prices: .lambda).utf8))
        #expect([row.account, row.region, row.function] == ["\"\\\u{1}", "\n", "ä"])
    }

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"), (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        (1_709_251_199_001, "2024-02-29T23:59:59.001Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ])
    func timeIsWrittenInUTC(milliseconds: Int64, text: String) {
        #expect(UsageTime.iso8601(milliseconds) == text)
        #expect(UsageTime.hour(milliseconds) == String(text.prefix(13)))
        #expect(UsageTime.day(milliseconds) == String(text.prefix(10)))
    }

    @Test func cursorComesBackFromItsText() {
        let cursor = UsageCursor(startMilliseconds: -7, rowID: 42)
        #expect(UsageCursor(cursor.description) == cursor)
        #expect(UsageCursor("7") == nil)
        #expect(UsageCursor("7.x") == nil)
        #expect(UsageCursor("1.2.3") == nil)
    }
}
