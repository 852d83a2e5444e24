import Glibc

/// A usage record could not be written, read or made durable.
public struct UsageLogError: Error, Sendable, CustomStringConvertible {
    /// What was attempted and on what.
    public let step: String
    /// The system's error number; 0 if the system was not the cause.
    public let code: Int32

    /// True when space has run out (`ENOSPC`, `EDQUOT`, or the file size limit): writes go on by themselves once there is
    /// room again.
    public var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT || code == EFBIG }

    init(_ step: String, code: Int32 = 0) {
        self.step = step
        self.code = code
    }

    public var description: String {
        guard code != 0 else { return "failed to \(step)" }
        let hint = isOutOfSpace ? ": free space on the data directory's file system" : ""
        return "failed to \(step): \(String(cString: strerror(code)))\(hint)"
    }
}
