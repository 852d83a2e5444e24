import Synchronization

/// The server's own log. Constant messages, everything that varies in the metadata; never payloads, environment
/// variables or credentials. Safe from any thread.
///
/// `Log.info("function deployed", ["function": name, "revision": 7])`
public enum Log {
    public enum Level: Int, Sendable, CaseIterable, Comparable {
        case debug, info, warning, error

        public init?(name: String) {
            guard let level = Level.allCases.first(where: { $0.name == name }) else { return nil }
            self = level
        }

        public var name: String {
            switch self {
            case .debug: "debug"
            case .info: "info"
            case .warning: "warning"
            case .error: "error"
            }
        }

        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    public enum Format: Int, Sendable, CaseIterable {
        /// One JSON object per line.
        case json
        /// One line for a person's eyes.
        case text
    }

    private static let level = Atomic<Int>(Level.info.rawValue)
    private static let format = Atomic<Int>(Format.text.rawValue)
    private static let limiter = Mutex(RepeatLimiter())

    /// Called once at start, before other threads log.
    public static func configure(level: Level, format: Format) {
        self.level.store(level.rawValue, ordering: .relaxed)
        self.format.store(format.rawValue, ordering: .relaxed)
    }

    /// For metadata that costs something to gather.
    public static func isEnabled(_ wanted: Level) -> Bool { wanted.rawValue >= level.load(ordering: .relaxed) }

    /// Per invocation.
    public static func debug(_ message: StaticString, _ metadata: @autoclosure () -> Metadata = [:]) {
        write(.debug, message, metadata)
    }
    /// The platform changed its state.
    public static func info(_ message: StaticString, _ metadata: @autoclosure () -> Metadata = [:]) {
        write(.info, message, metadata)
    }
    /// Something is not as it should be, and the server copes.
    public static func warning(_ message: StaticString, _ metadata: @autoclosure () -> Metadata = [:]) {
        write(.warning, message, metadata)
    }
    /// Somebody must act.
    public static func error(_ message: StaticString, _ metadata: @autoclosure () -> Metadata = [:]) {
        write(.error, message, metadata)
    }

    public typealias Metadata = KeyValuePairs<String, Value>

    private static func write(_ level: Level, _ message: StaticString, _ metadata: () -> Metadata) {
        guard isEnabled(level) else { return }
        let now = wallClockMicroseconds()
        let text = message.description
        guard let suppressed = limiter.withLock({ $0.admit(text, now: now) }) else { return }
        let format = Format(rawValue: format.load(ordering: .relaxed)) ?? .text
        writeLine(LogLine.render(level, text, metadata(), suppressed: suppressed, now: now, format: format))
    }
}

extension Log {
    /// One metadata value; numbers and truth values stay what they are in JSON.
    public enum Value: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
        ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral
    {
        case string(String)
        case integer(Int64)
        case bool(Bool)

        public init(stringLiteral value: String) { self = .string(value) }
        public init(integerLiteral value: Int64) { self = .integer(value) }
        public init(booleanLiteral value: Bool) { self = .bool(value) }
        public init(_ value: some BinaryInteger) {
            self = Int64(exactly: value).map(Value.integer) ?? .string(String(value))
        }
        /// An error, an identifier, an enum case.
        public init(describing value: some Any) { self = .string(String(describing: value)) }
        public init(_ value: String) { self = .string(value) }
    }
}

/// Lets the first few of equal messages through, then counts the others until the time window is over.
struct RepeatLimiter {
    private struct Entry {
        var windowStart: UInt64
        var count = 0
        var suppressed: UInt64 = 0
    }
    private var entries: [String: Entry] = [:]

    static var windowMicros: UInt64 { 10_000_000 }
    static var perWindow: Int { 20 }
    /// Messages are constants of the program, so this is never reached by what a peer does.
    static var maxEntries: Int { 512 }

    /// - Returns: how many equal messages were left out since the last one that was let through; nil to leave this out.
    mutating func admit(_ message: String, now: UInt64) -> UInt64? {
        if entries.count >= Self.maxEntries, entries[message] == nil { entries.removeAll(keepingCapacity: true) }
        var entry = entries[message] ?? Entry(windowStart: now)
        if now &- entry.windowStart >= Self.windowMicros {
            entry.windowStart = now
            entry.count = 0
        }
        entry.count += 1
        let isAdmitted = entry.count <= Self.perWindow
        let suppressed = entry.suppressed
        entry.suppressed = isAdmitted ? 0 : suppressed + 1
        entries[message] = entry
        return isAdmitted ? suppressed : nil
    }
}
