public import Glibc

/// A failed system call: what was attempted, on what, and the error number.
public struct LinuxError: Error, Sendable, CustomStringConvertible {
    public let attempt: String
    public let number: Int32

    public init(_ attempt: String, _ number: Int32 = errno) {
        self.attempt = attempt
        self.number = number
    }

    public var description: String { "\(attempt): \(String(cString: strerror(number)))" }
}

/// Runs a call that answers -1 on failure, again when a signal interrupted it.
@discardableResult
public func check<Value: SignedInteger>(_ attempt: @autoclosure () -> String, _ call: () -> Value) throws -> Value {
    while true {
        let value = call()
        if value != -1 { return value }
        let number = errno
        if number != EINTR { throw LinuxError(attempt(), number) }
    }
}
