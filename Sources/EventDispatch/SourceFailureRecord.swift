import DurableQueue
import EventSourceMappings
import ExternalSources
import FoundationEssentials
import FunctionModel
import JSONValues
import Metering

/// What the on-failure destination of a mapping gets for records that were given up: Lambda's record for streams, with the
/// event itself, since no broker keeps what was settled.
struct SourceFailureRecord: Sendable {
    var mapping: EventSourceMapping
    /// `RetryAttemptsExhausted`, `RecordAgeExceeded`, `RecordTooLarge`.
    var condition: String
    var records: [RecordLedger.Held]
    var reason: String
    /// The event with these records; empty where it is too large for any event.
    var event: String

    /// What a message may have beside its event.
    private static let overhead = 65_536

    /// - Parameter limit: bytes; an event that does not fit is left out, which the record says.
    func text(now: Int64, limit: Int) -> [UInt8] {
        let attempts = records.map(\.attempts).max() ?? 0
        let function = mapping.functionARN
        var members: [JSON.Member] = [
            .init("version", .string("1.0")), .init("timestamp", .string(UsageTime.iso8601(now))),
            .init("requestContext", .object([
                .init("functionArn", .string(function)), .init("condition", .string(condition)), .init("approximateInvokeCount", .integer(attempts)),
            ])),
            .init("source", .object([
                .init("eventSource", .string(mapping.source.external?.kind.eventSource ?? "")), .init("name", .string(mapping.source.external?.name ?? "")),
                .init("eventSourceMappingArn", .string(mapping.arn)), .init("batchSize", .integer(records.count)),
                .init("recordIds", .array(records.prefix(100).map { .string(String($0.id.prefix(256))) })),
            ])),
            .init("reason", .string(String(reason.prefix(1_024)))),
        ]
        let fits = !event.isEmpty && event.utf8.count + Self.overhead <= limit
        members.append(.init("payload", fits ? (try? JSON(parsing: event)) ?? .null : .null))
        if !fits { members.append(.init("payloadOmitted", .bool(true))) }
        return Array(JSON.object(members).text().utf8)
    }
}

/// Sends what was given up to where it is wanted, durably.
struct SourceFailureSender: Sendable {
    let store: any QueueStore
    let now: @Sendable () -> Int64
    /// Bytes of a message of the store.
    static let messageBytes = 1 << 20

    /// Returns when it is on the disk, or nobody can have it.
    /// - Returns: what the operator should know, if anything.
    func send(_ record: SourceFailureRecord, to arn: String) async -> String? {
        let key: QueueKey
        var attributes: [UInt8] = []
        switch EventDestination(arn: arn) {
        case .queue(let account, let region, let name): key = QueueKey(account: account, region: region, name: name)
        case .function(let target, let qualifier):
            key = AsyncQueue.pending(target)
            attributes = AsyncQueue.attributes(qualifier: qualifier)
        case .eventBus, nil: return "the destination \(arn) is neither a queue nor a function"
        }
        let body = record.text(now: now(), limit: Self.messageBytes)
        var tries = 0
        while !Task.isCancelled {
            do {
                if key.name.hasPrefix("async:") { _ = try await store.create(QueueRecord(key: key, kind: .internal, created: now(), modified: now())) }
                let group = key.name.hasSuffix(".fifo") ? record.mapping.function.name : nil
                let dedup = key.name.hasSuffix(".fifo") ? RequestID.random().description : nil
                let accepted = try await store.enqueue([NewMessage(body: body, attributes: attributes, group: group, deduplicationKey: dedup, origin: "destination")], to: key, now: now())
                if case .failure(let error)? = accepted.first { throw error }
                return nil
            } catch let error as ServiceError where error.code == .resourceNotFound || error.code == .invalidParameterValue {
                return "the destination \(arn) cannot take it: \(error.message)"
            } catch {
                // A full queue or disk: what would be lost is kept, and its lane waits.
                tries += 1
                try? await Task.sleep(for: .milliseconds(min(10_000, 200 << min(tries, 6))))
            }
        }
        return "the server ended before \(arn) had it; it comes again"
    }
}
