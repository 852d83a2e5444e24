public import FunctionModel

/// One run of a schedule, as it is remembered.
public struct ScheduleRun: Codable, Hashable, Sendable {
    /// Runs that are remembered of a schedule; the oldest go first.
    public static let kept = 50
    /// Milliseconds after which a run is forgotten: 90 days.
    public static let maximumAge: Int64 = 90 * 86_400_000

    /// When it was due, seconds since 1970.
    public let due: Int64
    /// When the target's message was written, milliseconds since 1970.
    public let fired: Int64
    /// Milliseconds from the moment it should have begun, which a flexible window or a catch-up policy puts after `due`.
    public let lateness: Int64
    /// Of the message; the invocation's request ID where the target is a function. Nil where none could be sent.
    public let id: RequestID?
    /// Why nothing could be sent.
    public let error: String?

    /// Bytes kept of an error.
    static let maximumError = 200

    init(due: Int64, fired: Int64, lateness: Int64, id: RequestID?, error: String? = nil) {
        self.due = due
        self.fired = fired
        self.lateness = lateness
        self.id = id
        self.error = error.map { String(decoding: $0.utf8.prefix(Self.maximumError), as: UTF8.self) }
    }

    /// Short: all runs of a schedule are written with each new one.
    private enum CodingKeys: String, CodingKey {
        case due = "d", fired = "f", lateness = "l", id = "i", error = "e"
    }
}
