public import FunctionModel

/// The lines that Lambda writes around an invocation's output.
///
/// Source: Lambda Developer Guide, "View logs" (START, END, REPORT); the runtime interface emulator for the error lines.
public enum PlatformLog {
    public static func start(requestID: RequestID, version: String) -> String {
        "START RequestId: \(requestID) Version: \(version)"
    }

    public static func end(requestID: RequestID) -> String {
        "END RequestId: \(requestID)"
    }

    /// `REPORT RequestId: … Duration: 27.55 ms Billed Duration: 28 ms Memory Size: 128 MB Max Memory Used: 30 MB`, separated by
    /// tabs; with `Init Duration` if the invocation waited for init, and `Status` if it did not succeed. The memory used is
    /// left out where the host cannot tell.
    public static func report(_ record: UsageRecord) -> String {
        var line = ""
        line.reserveCapacity(224)
        line += "REPORT RequestId: "
        line += record.requestID.description
        line += "\tDuration: "
        appendMilliseconds(record.handlerMicroseconds, to: &line)
        line += " ms\tBilled Duration: "
        line += String(record.billedMilliseconds)
        line += " ms\tMemory Size: "
        line += String(record.memorySize)
        line += " MB"
        if record.peakMemoryKiB > 0 {
            line += "\tMax Memory Used: "
            line += String(megabytes(record.peakMemoryKiB))
            line += " MB"
        }
        if record.initMicroseconds > 0 {
            line += "\tInit Duration: "
            appendMilliseconds(record.initMicroseconds, to: &line)
            line += " ms"
        }
        switch record.outcome {
        case .success: break
        case .timeout: line += "\tStatus: timeout"
        case .functionError, .initError, .outOfMemory, .crash, .invalidResponse, .interrupted, .cancelled: line += "\tStatus: error"
        }
        return line
    }

    /// `RequestId: … Error: Task timed out after 3.00 seconds`
    public static func timedOut(requestID: RequestID, timeoutSeconds: Int) -> String {
        "RequestId: \(requestID) Error: Task timed out after \(timeoutSeconds).00 seconds"
    }

    /// `RequestId: … Error: Runtime exited with error: exit status 1` and, on a line of its own, the error type.
    public static func exited(requestID: RequestID, reason: String, errorType: String = "Runtime.ExitError") -> String {
        "RequestId: \(requestID) Error: \(reason)\n\(errorType)"
    }

    /// Two decimals, rounded half up.
    private static func appendMilliseconds(_ microseconds: UInt32, to line: inout String) {
        let hundredths = (UInt64(microseconds) + 5) / 10
        let fraction = hundredths % 100
        line += String(hundredths / 100)
        line += fraction < 10 ? ".0" : "."
        line += String(fraction)
    }

    /// Rounded up: an invocation that used anything did not use 0.
    private static func megabytes(_ kibibytes: UInt32) -> UInt64 {
        (UInt64(kibibytes) + 1_023) / 1_024
    }
}
