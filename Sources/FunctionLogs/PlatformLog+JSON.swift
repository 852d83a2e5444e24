public import FunctionModel
internal import JSONValues

/// The platform's lines of a function whose log has the JSON format.
///
/// Source: Lambda Developer Guide, "Lambda Telemetry API Event schema reference", and for the levels "System log level event
/// mapping".
extension PlatformLog {
    /// A part of an invocation's time.
    public struct Span: Hashable, Sendable {
        public enum Name: String, Sendable {
            /// Until the first byte of the answer.
            case responseLatency
            /// From its first byte to its last.
            case responseDuration
            /// From the answer until the extensions were done.
            case extensionOverhead
        }

        public let name: Name
        /// Milliseconds since 1970.
        public let start: Int64
        public let microseconds: UInt32

        public init(_ name: Name, start: Int64, microseconds: UInt32) {
            self.name = name
            self.start = start
            self.microseconds = microseconds
        }

        fileprivate var json: String {
            #"{"name":"\#(name.rawValue)","start":"\#(LogTime.text(start))","durationMs":\#(PlatformLog.milliseconds(microseconds))}"#
        }
    }

    /// What a usage record does not say of an invocation.
    public struct Detail: Hashable, Sendable {
        /// The X-Amzn-Trace-Id header that the function has, of a chain that is traced.
        public var tracing: String?
        /// `Runtime.ExitError`, `Function.ResponseSizeTooLarge`: of an error or a failure.
        public var errorType: String?
        public var spans: [Span]

        public init(tracing: String? = nil, errorType: String? = nil, spans: [Span] = []) {
            self.tracing = tracing
            self.errorType = errorType
            self.spans = spans
        }

        /// Members of a record, each after a comma. Headers are callers' text.
        fileprivate var tracingJSON: String {
            tracing.map { #","tracing":{"type":"X-Amzn-Trace-Id","value":\#(JSON.string($0).text())}"# } ?? ""
        }
        fileprivate var errorJSON: String { errorType.map { #","errorType":"\#($0)""# } ?? "" }
        fileprivate var spansJSON: String { spans.isEmpty ? "" : #","spans":[\#(spans.map(\.json).joined(separator: ","))]"# }
    }

    /// - Returns: nil where the function does not keep lines of this level.
    public static func startJSON(requestID: RequestID, version: String, time: Int64, _ logging: LoggingConfiguration, detail: Detail = Detail()) -> String? {
        guard logging.keeps(.info) else { return nil }
        return event("start", time, #"{"requestId":"\#(requestID)","version":"\#(version)"\#(detail.tracingJSON)}"#)
    }

    public static func runtimeDoneJSON(_ record: UsageRecord, time: Int64, _ logging: LoggingConfiguration, detail: Detail = Detail()) -> String? {
        guard logging.keeps(record.outcome == .success ? .debug : .warn) else { return nil }
        return event(
            "runtimeDone", time,
            #"{"requestId":"\#(record.requestID)","status":"\#(status(record.outcome))"\#(detail.errorJSON)\#(detail.tracingJSON)\#(detail.spansJSON),"metrics":{"durationMs":\#(milliseconds(record.handlerMicroseconds)),"producedBytes":\#(record.bytesOut)}}"#
        )
    }

    public static func reportJSON(_ record: UsageRecord, time: Int64, _ logging: LoggingConfiguration, detail: Detail = Detail()) -> String? {
        guard logging.keeps(record.outcome == .success ? .info : .warn) else { return nil }
        var metrics = #"{"durationMs":\#(milliseconds(record.handlerMicroseconds)),"billedDurationMs":\#(record.billedMilliseconds),"memorySizeMB":\#(record.memorySize)"#
        if record.peakMemoryKiB > 0 { metrics += #","maxMemoryUsedMB":\#((UInt64(record.peakMemoryKiB) + 1_023) / 1_024)"# }
        if record.initMicroseconds > 0 { metrics += #","initDurationMs":\#(milliseconds(record.initMicroseconds))"# }
        return event(
            "report", time,
            #"{"requestId":"\#(record.requestID)","metrics":\#(metrics)},"status":"\#(status(record.outcome))"\#(detail.errorJSON)\#(detail.tracingJSON)\#(detail.spansJSON)}"#
        )
    }

    private static func event(_ type: String, _ time: Int64, _ record: String) -> String {
        #"{"time":"\#(LogTime.text(time))","type":"platform.\#(type)","record":\#(record)}"#
    }

    private static func status(_ outcome: Outcome) -> String {
        switch outcome {
        case .success: "success"
        case .timeout: "timeout"
        case .functionError, .initError, .invalidResponse: "error"
        case .outOfMemory, .crash, .interrupted, .cancelled: "failure"
        }
    }

    /// With three decimals.
    fileprivate static func milliseconds(_ microseconds: UInt32) -> String {
        let fraction = String(microseconds % 1_000)
        return "\(microseconds / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
    }
}
