import FoundationEssentials
public import JSONValues
import Schedules

/// An event on a bus, in EventBridge's envelope.
public struct BusEvent: Sendable {
    /// Of one entry as `PutEvents` counts it; the envelope around it does not count.
    public static let maximumBytes = 1 << 20
    /// Objects and arrays inside each other, in `detail`.
    public static let maximumDepth = 200

    public let id: String
    /// `version`, `id`, `detail-type`, `source`, `account`, `time`, `region`, `resources`, `detail`, and for a CloudEvent
    /// `cloudevent` with its attributes.
    public let json: JSON
    /// When it was accepted, milliseconds since 1970.
    public let ingested: Int64
    /// The `X-Amzn-Trace-Id` it came with.
    public let trace: String?
    /// Of a sender that names each event: what came twice within five minutes is delivered once.
    public let deduplicationKey: String?
    /// Names of the buses it was on before this one.
    let path: [String]

    init(id: String, json: JSON, ingested: Int64, trace: String?, deduplicationKey: String?, path: [String]) {
        self.id = id
        self.json = json
        self.ingested = ingested
        self.trace = trace
        self.deduplicationKey = deduplicationKey
        self.path = path
    }

    /// - Parameters:
    ///   - time: seconds since 1970.
    ///   - detail: an object.
    ///   - more: members after those of EventBridge.
    ///   - ingested: milliseconds since 1970.
    public init(
        id: String, detailType: String, source: String, bus: EventBusKey, time: Int64, resources: [String], detail: JSON, more: [JSON.Member] = [],
        ingested: Int64, trace: String? = nil, deduplicationKey: String? = nil
    ) {
        let members: [JSON.Member] = [
            .init("version", .string("0")), .init("id", .string(id)), .init("detail-type", .string(detailType)), .init("source", .string(source)),
            .init("account", .string(bus.account)), .init("time", .string(ScheduleTime.text(time))), .init("region", .string(bus.region)),
            .init("resources", .array(resources.map(JSON.string))), .init("detail", detail),
        ]
        self.init(id: id, json: .object(members + more), ingested: ingested, trace: trace, deduplicationKey: deduplicationKey, path: [])
    }

    /// The same event on its way to another bus.
    func forwarded(from bus: EventBusKey) -> BusEvent {
        BusEvent(id: id, json: json, ingested: ingested, trace: trace, deduplicationKey: deduplicationKey, path: path + [bus.name])
    }
}
