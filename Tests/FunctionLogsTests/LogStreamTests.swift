import FunctionModel
import Testing

@testable import FunctionLogs

@Suite struct LogStreamTests {
    private let hello = FunctionKey(account: "123456789012", region: "us-east-1", name: "hello")

    @Test(arguments: [
        (Int64(0), "1970/01/01"), (951_782_400_000, "2000/02/29"), (1_795_301_400_000, "2026/11/21"), (1_798_675_200_000, "2026/12/31"),
        (4_107_542_400_000, "2100/03/01"),
    ])
    func aStreamIsNamedAsLambdasAre(_ milliseconds: Int64, _ day: String) {
        let stream = LogStreamID(milliseconds: milliseconds, version: "$LATEST", revision: 26)
        #expect(stream.name() == "\(day)/[$LATEST]0000000000000000000000000000001a")
        #expect(stream.name(function: "hello") == "\(day)/hello[$LATEST]0000000000000000000000000000001a")
    }

    @Test func linesKeepTheirStreamAndPlace() async throws {
        let temporary = try TemporaryFolder()
        let writer = try FunctionLogWriter(directory: temporary.path)
        let stream = LogStreamID(day: 20_778, version: "7", revision: .max)
        let request = RequestID("8a1f2c3d-0000-4000-8000-00000000002a")!
        try "one\ntwo".withBytes { try writer.append(function: hello, requestID: request, stream: stream, timeMilliseconds: 5, bytes: $0) }
        try "three".withBytes { try writer.append(function: hello, requestID: nil, stream: stream, timeMilliseconds: 6, bytes: $0) }
        let reader = try FunctionLogReader(directory: temporary.path)
        let page = try await reader.lines(of: hello)
        #expect(page.lines.map(\.stream) == [stream, stream, stream] && page.lines.map(\.requestID) == [request, request, nil])
        // A position is where reading finds its line first.
        let rest = try await reader.lines(of: hello, after: page.positions[1])
        #expect(rest.lines.map(\.text) == ["two", "three"] && page.positions.count == 3)
        #expect(try await reader.size(of: hello) > 0)
    }

    @Test func theJSONFormHasLambdasMembersAndLevels() {
        let id = RequestID("8a1f2c3d-0000-4000-8000-00000000002a")!
        var record = UsageRecord(
            requestID: id, key: hello, version: "$LATEST", revision: 1, trigger: .invoke, startKind: .cold, outcome: .success, startMilliseconds: 0,
            initMicroseconds: 20_000, handlerMicroseconds: 1_234, billedMilliseconds: 2, memorySize: 128, peakMemoryKiB: 2_000)
        let json = LoggingConfiguration(format: .json)
        #expect(
            PlatformLog.startJSON(requestID: id, version: "$LATEST", time: 1_795_301_400_123, json)
                == #"{"time":"2026-11-21T22:50:00.123Z","type":"platform.start","record":{"requestId":"\#(id)","version":"$LATEST"}}"#)
        #expect(
            PlatformLog.reportJSON(record, time: 0, json)
                == #"{"time":"1970-01-01T00:00:00.000Z","type":"platform.report","record":{"requestId":"\#(id)","metrics":{"durationMs":1.234,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":2,"initDurationMs":20.000},"status":"success"}}"#
        )
        #expect(PlatformLog.runtimeDoneJSON(record, time: 0, json) == nil)
        let warnings = LoggingConfiguration(format: .json, systemLevel: .warn)
        #expect(PlatformLog.reportJSON(record, time: 0, warnings) == nil && PlatformLog.startJSON(requestID: id, version: "1", time: 0, warnings) == nil)
        let detail = PlatformLog.Detail(
            tracing: #"Root=1;a="b"\"#, errorType: "Runtime.ExitError", spans: [.init(.responseLatency, start: 1_795_301_400_123, microseconds: 1_200)])
        #expect(
            PlatformLog.startJSON(requestID: id, version: "1", time: 0, json, detail: detail)
                == #"{"time":"1970-01-01T00:00:00.000Z","type":"platform.start","record":{"requestId":"\#(id)","version":"1","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1;a=\"b\"\\"}}}"#
        )
        record.outcome = .crash
        #expect(
            PlatformLog.runtimeDoneJSON(record, time: 0, json, detail: detail)
                == #"{"time":"1970-01-01T00:00:00.000Z","type":"platform.runtimeDone","record":{"requestId":"\#(id)","status":"failure","errorType":"Runtime.ExitError","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1;a=\"b\"\\"},"spans":[{"name":"responseLatency","start":"2026-11-21T22:50:00.123Z","durationMs":1.200}],"metrics":{"durationMs":1.234,"producedBytes":0}}}"#
        )
        record.outcome = .timeout
        #expect(PlatformLog.reportJSON(record, time: 0, warnings)?.contains(#""status":"timeout""#) == true)
        #expect(PlatformLog.runtimeDoneJSON(record, time: 0, warnings) != nil)
    }
}

extension String {
    fileprivate func withBytes(_ body: (UnsafeRawBufferPointer) throws -> Void) throws { try Array(utf8).withUnsafeBytes(body) }
}
