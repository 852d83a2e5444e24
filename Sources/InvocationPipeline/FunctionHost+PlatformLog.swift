import FunctionLogs
import FunctionModel
import NIOCore
import WorkerNode

/// The platform's lines around an invocation's output, and the same for those who subscribe to its telemetry, in JSON and of every
/// level.
extension FunctionHost {
    private static let everything = LoggingConfiguration()

    func writeStart(of call: Call) {
        let (id, logging, time) = (call.invocation.requestID, version.configuration.logging, pipeline.wallMilliseconds())
        lazy var detail = PlatformLog.Detail(tracing: tracing(of: call))
        call.environment?.tell(
            PlatformLog.startJSON(requestID: id, version: version.version, time: time, Self.everything, detail: detail) ?? "")
        guard logging.format == .json else { return call.log.platform(PlatformLog.start(requestID: id, version: version.version)) }
        if let line = PlatformLog.startJSON(requestID: id, version: version.version, time: time, logging, detail: detail) { call.log.platform(line) }
    }

    /// - Parameter reason: why the platform ended it, for people; in the JSON format the report's status says so.
    func writeEnd(of call: Call, _ record: UsageRecord, _ errorType: String?, _ reason: String?) {
        let (logging, time) = (version.configuration.logging, pipeline.wallMilliseconds())
        lazy var detail = PlatformLog.Detail(
            tracing: tracing(of: call), errorType: errorType, spans: record.outcome == .success ? answerSpans(of: call, record, end: time) : [])
        call.environment?.finishLines()
        call.environment?.tell(PlatformLog.runtimeDoneJSON(record, time: time, Self.everything, detail: detail) ?? "")
        guard logging.format == .json else {
            if let reason { call.log.platform(reason) }
            return call.log.platform(PlatformLog.end(requestID: record.requestID))
        }
        if let line = PlatformLog.runtimeDoneJSON(record, time: time, logging, detail: detail) { call.log.platform(line) }
    }

    /// The last line of an invocation, when no extension is at work for it any more.
    /// - Parameter overhead: the time that its extensions took after the answer.
    func writeReport(of call: Call, _ record: UsageRecord, _ errorType: String?, overhead: PlatformLog.Span? = nil) {
        let (logging, time) = (version.configuration.logging, pipeline.wallMilliseconds())
        lazy var detail = PlatformLog.Detail(tracing: tracing(of: call), errorType: errorType, spans: overhead.map { [$0] } ?? [])
        call.environment?.tell(PlatformLog.reportJSON(record, time: time, Self.everything, detail: detail) ?? "")
        guard logging.format == .json else { return call.log.platform(PlatformLog.report(record)) }
        if let line = PlatformLog.reportJSON(record, time: time, logging, detail: detail) { call.log.platform(line) }
    }

    /// As Lambda reports it to extensions: a type that the platform does not know is Runtime.Unknown, and what is no error or failure
    /// has none.
    ///
    /// Source: the runtime interface emulator's fatal errors.
    func errorType(of call: Call, _ outcome: Outcome) -> String? {
        switch outcome {
        case .success, .timeout: nil
        case .functionError, .initError: "Runtime.Unknown"
        case .invalidResponse: "Function.ResponseSizeTooLarge"
        case .outOfMemory: "Runtime.OutOfMemory"
        case .crash: call.extensionFailure ?? "Runtime.ExitError"
        case .interrupted, .cancelled: "Sandbox.Failure"
        }
    }

    /// Lambda tells of a chain that is traced alone.
    private func tracing(of call: Call) -> String? {
        guard call.invocation.traceID?.contains("Sampled=1") == true else { return nil }
        return trace(of: call)
    }

    /// An answer in one piece comes at once when it comes.
    private func answerSpans(of call: Call, _ record: UsageRecord, end: Int64) -> [PlatformLog.Span] {
        let duration = call.answerBegan.map { UInt32(clamping: max(0, (NIODeadline.now() - $0).nanoseconds) / 1000) } ?? 0
        let latency = record.handlerMicroseconds - min(duration, record.handlerMicroseconds)
        return [
            PlatformLog.Span(.responseLatency, start: end - Int64(record.handlerMicroseconds) / 1000, microseconds: latency),
            PlatformLog.Span(.responseDuration, start: end - Int64(duration) / 1000, microseconds: duration),
        ]
    }
}
