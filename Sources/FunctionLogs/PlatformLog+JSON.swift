public import FunctionModel

/// The platform's lines of a function whose log has the JSON format.
///
/// Source: Lambda Developer Guide, "Lambda Telemetry API Event schema reference", and for the levels "System log level event
/// mapping".
extension PlatformLog {
    /// - Returns: nil where the function does not keep lines of this level.
    public static func startJSON(requestID: RequestID, version: String, time: Int64, _ logging: LoggingConfiguration) -> String? {
        guard logging.keeps(.info) else { return nil }
        return event("start", time, #"{"requestId":"\#(requestID)","version":"\#(version)"}"#)
    }

    public static func runtimeDoneJSON(_ record: UsageRecord, time: Int64, _ logging: LoggingConfiguration) -> String? {
        guard logging.keeps(record.outcome == .success ? .debug : .warn) else { return nil }
        return event(
            "runtimeDone", time,
            #"{"requestId":"\#(record.requestID)","status":"\#(status(record.outcome))","metrics":{"durationMs":\#(milliseconds(record.handlerMicroseconds)),"producedBytes":\#(record.bytesOut)}}"#
        )
    }

    public static func reportJSON(_ record: UsageRecord, time: Int64, _ logging: LoggingConfiguration) -> String? {
        guard logging.keeps(record.outcome == .success ? .info : .warn) else { return nil }
        var metrics = #"{"durationMs":\#(milliseconds(record.handlerMicroseconds)),"billedDurationMs":\#(record.billedMilliseconds),"memorySizeMB":\#(record.memorySize)"#
        if record.peakMemoryKiB > 0 { metrics += #","maxMemoryUsedMB":\#((UInt64(record.peakMemoryKiB) + 1_023) / 1_024)"# }
        if record.initMicroseconds > 0 { metrics += #","initDurationMs":\#(milliseconds(record.initMicroseconds))"# }
        return event("report", time, #"{"requestId":"\#(record.requestID)","metrics":\#(metrics)},"status":"\#(status(record.outcome))"}"#)
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
    private static func milliseconds(_ microseconds: UInt32) -> String {
        let fraction = String(microseconds % 1_000)
        return "\(microseconds / 1_000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
    }
}
