import JSONValues
import Testing

@testable import Martlet

private let plain = Style(isTerminal: false, environment: [:])

@Suite struct UsageTextTests {
    private let rows = try? JSON(
        parsing: """
            [{"function":"hello","invocations":12,"initializations":1,"errors":1,"billedMs":120,"gbSeconds":0.0150000000001,"cpuMs":98.123,"cost":0.000002650001},
             {"function":"b","invocations":1,"initializations":0,"errors":0,"billedMs":1000,"gbSeconds":0.125,"cpuMs":2500,"cost":0.5}]
            """
    ).array

    @Test func reportHasTheNamedColumnsAndATotal() throws {
        let rows = try #require(rows)
        var total = UsageSums(.object([]))
        for row in rows { total.add(UsageSums(row)) }
        #expect(
            UsageCommand.sumTable(rows, total: total, by: .function).lines(plain) == [
                "function  invocations  errors  inits  billed ms      GB-s  CPU-s            cost",
                "hello              12       1      1        120  0.015000  0.098  0.000002650001",
                "b                   1       0      0       1000  0.125000  2.500        0.500000",
                "────────────────────────────────────────────────────────────────────────────────",
                "total              13       1      1       1120  0.140000  2.598  0.500002650001",
            ])
    }

    @Test func csvHasTheRowsMembersAsColumns() throws {
        let lines = UsageCommand.csv(try #require(rows))
        #expect(lines.count == 3)
        #expect(lines[0] == "function,invocations,initializations,errors,billedMs,gbSeconds,cpuMs,cost")
        #expect(lines[1] == "hello,12,1,1,120,0.0150000000001,98.123,0.000002650001")
        #expect(UsageCommand.csv([]).isEmpty)
    }

    @Test func phasesAreDrawnToScaleOneAfterTheOther() throws {
        let record = try JSON(
            parsing: """
                {"function":"f","version":"1","requestId":"r","attempt":1,"start":"s","trigger":"invoke","startKind":"cold","outcome":"success",
                 "queueMs":0,"sandboxMs":2.5,"initMs":5,"handlerMs":2.5,"totalMs":10}
                """)
        let lines = UsageCommand.phases(record, width: 8, plain)
        #expect(lines[2] == "  queue            0 µs")
        #expect(lines[3] == "  sandbox ██       2.50 ms")
        #expect(lines[4] == "  init      ████   5.00 ms")
        #expect(lines[5] == "  handler       ██ 2.50 ms")
        #expect(lines[6] == "  total            10.0 ms")
    }

    @Test func functionErrorIsShownAsAnInterpreterWould() {
        let body = Array(#"{"errorMessage":"boom","errorType":"ValueError","stackTrace":["  File \"h.py\", line 1, in handler\n    raise\n"]}"#.utf8)
        #expect(InvokeCommand.errorText(body) == "ValueError: boom\n  File \"h.py\", line 1, in handler\n    raise")
        #expect(InvokeCommand.errorText(Array("plain".utf8)) == "plain")
    }

    @Test func logLineNamesTimeAndInvocation() throws {
        let line = try JSON(parsing: #"{"time":1795255200123,"requestId":"8f0e5a3c-0000-4000-8000-000000000000","text":"hi"}"#)
        #expect(LogsCommand.text(line, plain) == "2026-11-21T10:00:00.123Z 8f0e5a3c hi")
    }
}
