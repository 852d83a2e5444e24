public import FunctionModel

/// A function as the owner of a log.
public struct LogOwner: Hashable, Sendable {
    public let function: FunctionKey
    /// The group that the function names in its LoggingConfig; nil for `/aws/lambda/NAME`.
    public let customGroup: String?
    /// Milliseconds since 1970.
    public let created: Int64

    public init(function: FunctionKey, customGroup: String?, created: Int64) {
        self.function = function
        self.customGroup = customGroup
        self.created = created
    }

    var group: String { customGroup ?? "/aws/lambda/\(function.name)" }
}

/// One line of a log.
public struct LogEvent: Hashable, Sendable {
    /// Milliseconds since 1970.
    public let time: Int64
    public let stream: String
    public let message: String
    /// Unique within the function's log and rising with it.
    public let position: LogPosition

    public init(time: Int64, stream: String, message: String, position: LogPosition) {
        self.time = time
        self.stream = stream
        self.message = message
        self.position = position
    }
}

/// A line's place in its function's log.
public struct LogPosition: Hashable, Comparable, Sendable {
    public let file: UInt64
    public let offset: UInt64

    public init(file: UInt64, offset: UInt64) {
        self.file = file
        self.offset = offset
    }

    public static func < (one: LogPosition, other: LogPosition) -> Bool { (one.file, one.offset) < (other.file, other.offset) }
}

/// What the operations read from.
public protocol LogStore: Sendable {
    /// The functions of an account and region.
    func owners(account: String, region: String) async -> [LogOwner]

    /// Calls `visit` for each line in the order of writing until it returns false.
    /// - Parameters:
    ///   - since: milliseconds since 1970; earlier lines are left out.
    ///   - position: what an earlier reading returned; nil for the oldest line.
    /// - Returns: where to go on: behind the last line, or at the one that `visit` did not want.
    @discardableResult
    func read(_ owner: LogOwner, since: Int64?, after position: LogPosition?, _ visit: @Sendable (LogEvent) -> Bool) async throws -> LogPosition

    /// Bytes of the function's log.
    func size(of owner: LogOwner) async throws -> Int
}
