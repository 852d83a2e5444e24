import DurableQueue
import FoundationEssentials
import Schedules

/// The one message in a schedule's queue: which due times are decided.
struct ScheduleTick: Codable, Sendable {
    /// Of a schedule that will not be due any more, so that its queue stays known as a finished one: a year.
    static let rest: Int64 = 365 * 86_400_000

    var state: ScheduleState

    init(_ state: ScheduleState) { self.state = state }

    /// - Throws: for bytes that are none of ours.
    init(_ bytes: [UInt8]) throws { self = try JSONDecoder().decode(ScheduleTick.self, from: Data(bytes)) }

    /// - Parameter wake: milliseconds since 1970; nil when nothing is due any more.
    func message(wake: Int64?, now: Int64) throws -> NewMessage {
        NewMessage(body: Array(try JSONEncoder().encode(self)), delay: wake.map { max(0, $0 - now) } ?? Self.rest, origin: "schedule")
    }
}
