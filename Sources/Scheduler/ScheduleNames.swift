import DurableQueue

/// A schedule lives in the queue store: its definition is the record of a queue of the platform's own, its place in time the
/// one message in it, which becomes visible when the schedule is due. So a run and the schedule's next state are one
/// transaction, and a schedule survives what the queues survive.
struct ScheduleName: Hashable, Sendable {
    static let defaultGroup = "default"
    static let queuePrefix = "schedule:"
    static let groupPrefix = "schedule-group:"

    let account: String
    let region: String
    let group: String
    let name: String

    var arn: String { "arn:aws:scheduler:\(region):\(account):schedule/\(group)/\(name)" }
    var queue: QueueKey { QueueKey(account: account, region: region, name: "\(Self.queuePrefix)\(group)/\(name)") }

    init(account: String, region: String, group: String, name: String) throws(SchedulerError) {
        guard Self.isName(name) else { throw .invalid("Name '\(name.prefix(64))' must have 1 to 64 letters, digits, '-', '_' and '.'") }
        guard Self.isName(group) else { throw .invalid("GroupName '\(group.prefix(64))' must have 1 to 64 letters, digits, '-', '_' and '.'") }
        self.account = account
        self.region = region
        self.group = group
        self.name = name
    }

    /// Nil for a queue that is none.
    init?(_ queue: QueueKey) {
        guard queue.name.hasPrefix(Self.queuePrefix) else { return nil }
        let parts = queue.name.dropFirst(Self.queuePrefix.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let made = try? ScheduleName(account: queue.account, region: queue.region, group: String(parts[0]), name: String(parts[1]))
        else { return nil }
        self = made
    }

    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }
}
