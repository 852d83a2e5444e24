public import DurableQueue
import FoundationEssentials
import FunctionModel
import JSONValues

/// An event in a bus's queue: one that is still to be matched, or the delivery of one to a target that could not take it.
public struct BusMessage: Sendable {
    private struct Attributes: Codable {
        /// The rule whose targets get it, whatever its pattern: its name, or in an API destination's queue its ARN.
        var rule: String?
        /// The one target that gets it, as the client described it.
        var target: String?
        var ingested: Int64?
        var path: [String]?
        var deduplicationKey: String?

        var encoded: [UInt8] {
            // Texts and numbers always have a JSON form.
            (try? JSONEncoder().encode(self)).map { [UInt8]($0) } ?? []
        }
    }

    let event: BusEvent
    let rule: String?
    let target: JSON?

    /// - Throws: for bytes that are none of ours.
    init(_ message: StoredMessage) throws {
        let attributes = message.attributes.isEmpty ? Attributes() : try JSONDecoder().decode(Attributes.self, from: Data(message.attributes))
        let json = try JSON(parsing: message.body, maximumDepth: BusEvent.maximumDepth + 8)
        event = BusEvent(
            id: json["id"]?.string ?? message.id.description, json: json, ingested: attributes.ingested ?? message.sent, trace: message.trace,
            deduplicationKey: attributes.deduplicationKey, path: attributes.path ?? [])
        rule = attributes.rule
        target = try attributes.target.map { try JSON(parsing: $0) }
    }

    /// For whoever puts an event on a bus in a transaction of its own.
    public static func message(for event: BusEvent) -> NewMessage {
        message(event, Attributes(ingested: event.ingested, path: event.path, deduplicationKey: event.deduplicationKey), delay: 0)
    }

    /// Of an event that is made by a schedule: it goes to the targets of its rule.
    public static func attributes(ofSchedule rule: String) -> [UInt8] { Attributes(rule: rule).encoded }

    /// - Parameter delay: milliseconds until the next attempt.
    static func retry(_ event: BusEvent, rule: RuleKey, target: RuleTarget, delay: Int64) -> NewMessage {
        message(
            event,
            Attributes(
                rule: rule.name, target: target.json.text(), ingested: event.ingested, path: event.path,
                deduplicationKey: event.deduplicationKey),
            // A target that takes nothing holds up nobody else's.
            group: "\(rule.name)/\(target.id)", delay: delay)
    }

    /// For an API destination's queue.
    static func outgoing(_ event: BusEvent, rule: RuleKey, target: RuleTarget) -> NewMessage {
        message(
            event,
            Attributes(
                rule: rule.arn, target: target.json.text(), ingested: event.ingested, path: event.path,
                deduplicationKey: event.deduplicationKey), group: "\(rule.bus.name)/\(rule.name)", delay: 0)
    }

    private static func message(_ event: BusEvent, _ attributes: Attributes, group: String? = nil, delay: Int64) -> NewMessage {
        NewMessage(
            body: Array(event.json.text().utf8), attributes: attributes.encoded, group: group, delay: delay, trace: event.trace, origin: "bus")
    }
}
