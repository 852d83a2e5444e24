import Glibc

/// A function's log could not be written or read.
public struct FunctionLogError: Error, Sendable, CustomStringConvertible {
    /// What was attempted and on what.
    public let step: String
    /// The system's error number; 0 if the system was not the cause.
    public let code: Int32

    init(_ step: String, code: Int32 = 0) {
        self.step = step
        self.code = code
    }

    public var description: String {
        guard code != 0 else { return "failed to \(step)" }
        let hint = code == ENOSPC || code == EDQUOT ? ": free space on the data directory's file system" : ""
        return "failed to \(step): \(String(cString: strerror(code)))\(hint)"
    }
}
