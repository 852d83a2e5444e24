public import DurableQueue

/// An event bus within one account and region.
public struct EventBusKey: Hashable, Sendable {
    /// Every account has this one in every region.
    public static let defaultName = "default"
    private static let queuePrefix = "bus:"

    public let account: String
    public let region: String
    /// 1–256 characters of `[A-Za-z0-9._-]`.
    public let name: String

    public init(account: String, region: String, name: String) {
        self.account = account
        self.region = region
        self.name = name
    }

    public var isDefault: Bool { name == Self.defaultName }

    /// `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`
    public var arn: String { "arn:aws:events:\(region):\(account):event-bus/\(name)" }

    /// Where events wait that others than a client put on the bus, and deliveries that are tried again.
    public var queue: QueueKey { QueueKey(account: account, region: region, name: Self.queuePrefix + name) }

    /// Nil for a queue that is no bus's.
    public init?(_ queue: QueueKey) {
        guard queue.name.hasPrefix(Self.queuePrefix) else { return nil }
        self.init(account: queue.account, region: queue.region, name: String(queue.name.dropFirst(Self.queuePrefix.count)))
    }

    static func isName(_ text: some StringProtocol, maximum: Int) -> Bool {
        (1...maximum).contains(text.utf8.count)
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

/// A rule of one bus.
public struct RuleKey: Hashable, Sendable {
    public let bus: EventBusKey
    /// 1–64 characters of `[A-Za-z0-9._-]`.
    public let name: String

    public init(bus: EventBusKey, name: String) {
        self.bus = bus
        self.name = name
    }

    /// `arn:aws:events:REGION:ACCOUNT:rule/[BUS/]NAME`, without the bus where it is the default one.
    public var arn: String { "arn:aws:events:\(bus.region):\(bus.account):rule/\(bus.isDefault ? "" : "\(bus.name)/")\(name)" }

    /// Reads the form of `arn`; nil for anything else.
    public init?(arn: String) {
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[1].hasPrefix("aws"), parts[2] == "events", parts[5].hasPrefix("rule/") else { return nil }
        let names = parts[5].dropFirst("rule/".count).split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(names.count), names.allSatisfy({ !$0.isEmpty }), let name = names.last else { return nil }
        let bus = names.count == 2 ? String(names[0]) : EventBusKey.defaultName
        self.init(bus: EventBusKey(account: String(parts[4]), region: String(parts[3]), name: bus), name: String(name))
    }
}
