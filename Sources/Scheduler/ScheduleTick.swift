import DurableQueue
import FoundationEssentials
import Schedules

/// The one message in a schedule's queue: which due times are decided, and what became of the last ones. One write keeps
/// both, so that the history says of each run neither more nor less than what happened.
struct ScheduleTick: Codable, Sendable {
    /// Of a schedule that will not be due any more, so that its queue stays known as a finished one: a year.
    static let rest: Int64 = 365 * 86_400_000

    var state: ScheduleState
    /// Oldest first. Nil in what was written before there was a history.
    private(set) var runs: [ScheduleRun]?

    init(_ state: ScheduleState, runs: [ScheduleRun] = []) {
        self.state = state
        self.runs = runs
    }

    /// - Throws: for bytes that are none of ours.
    init(_ bytes: [UInt8]) throws { self = try JSONDecoder().decode(ScheduleTick.self, from: Data(bytes)) }

    mutating func remember(_ new: [ScheduleRun], now: Int64) {
        runs = ((runs ?? []) + new).suffix(ScheduleRun.kept).filter { now - $0.fired < ScheduleRun.maximumAge }
    }

    /// - Parameter wake: milliseconds since 1970; nil when nothing is due any more.
    func message(wake: Int64?, now: Int64) throws -> NewMessage {
        NewMessage(body: Array(try JSONEncoder().encode(self)), delay: wake.map { max(0, $0 - now) } ?? Self.rest, origin: "schedule")
    }
}
