public import CloudEvents
import FoundationEssentials
import FunctionModel
import JSONValues

extension BusEvent {
    /// `source` stays, `type` is the detail-type, the data is the detail (in a member `data`, or `data_base64`, where it is no
    /// object), `subject` the resource. What CloudEvents says of it stays whole in `cloudevent`.
    init(_ event: CloudEvent, on bus: EventBusKey, now: Int64, trace: String?) {
        let detail: JSON
        switch event.data {
        case .json(.object(let members))?: detail = .object(members)
        case .json(let value)?: detail = .object([.init("data", value)])
        case .text(let text)?: detail = .object([.init("data", .string(text))])
        case .binary(let bytes)?: detail = .object([.init("data_base64", .string(Data(bytes).base64EncodedString()))])
        case nil: detail = .object([])
        }
        // Together they name an event: a sender that had no answer sends the same again.
        let key = "\(event.source) \(event.id)"
        self.init(
            id: event.id, detailType: event.type, source: event.source, bus: bus, time: event.time ?? now / 1000,
            resources: event.subject.map { [$0] } ?? [], detail: detail, more: [.init("cloudevent", .object(event.attributes))], ingested: now,
            trace: trace,
            deduplicationKey: key.utf8.count <= Self.maximumKey ? key : nil)
    }

    private static let maximumKey = 1_024
}

extension EventBusService {
    /// Returns when all deliveries of the events are on the disk.
    /// - Throws: `ServiceError`; then some of a batch may have been accepted, and sending it again does not deliver them twice.
    public func accept(_ events: [CloudEvent], on name: String, _ caller: Caller, trace: String?) async throws {
        let key = EventBusKey(account: caller.account, region: caller.region, name: name)
        guard registry.hasBus(key) else {
            throw ServiceError(.resourceNotFound, "there is no event bus '\(name.prefix(64))': `martlet bus list` shows those there are")
        }
        let time = now()
        var made: [(event: BusEvent, bus: EventBusKey)] = []
        for event in events {
            guard !event.source.lowercased().hasPrefix("aws.") else {
                throw ServiceError(.invalidParameterValue, "the source '\(event.source.prefix(64))' is not a user's: sources that begin with aws. are the platform's")
            }
            let busEvent = BusEvent(event, on: key, now: time, trace: trace)
            let size = busEvent.json.text().utf8.count
            guard size <= BusEvent.maximumBytes else {
                throw ServiceError(.requestTooLarge, "event \(event.id.prefix(64)) makes \(size) bytes; at most \(BusEvent.maximumBytes) are taken")
            }
            made.append((busEvent, key))
        }
        let refusals = try await accept(made).compactMap { $0 }
        guard let first = refusals.first else { return }
        throw ServiceError(
            first.kind == .limitExceeded ? .invalidParameterValue : .tooManyRequests,
            "\(refusals.count) of \(events.count) events were not accepted: \(first.message)", retryAfter: 1)
    }
}
