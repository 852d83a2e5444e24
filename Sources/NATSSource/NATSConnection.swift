#if NATS
import CNATS
import ExternalSources
import Glibc
import JSONValues

/// One reader of a durable consumer.
final class NATSConnection: SourceConnection {
    /// Messages and bytes of one request; a message is at most 64 MB by the server's own limit, 1 MB as it is shipped.
    private static let messagesAtOnce = 64
    private static let headersShown = 100

    let readsAhead = true
    let keepsPositions = true
    let extensionInterval: Int64? = NATSConnector.acknowledgementWait / 3_000_000

    private let client: NATSClient
    private let source: ExternalSource

    init(_ client: NATSClient, _ source: ExternalSource) {
        self.client = client
        self.source = source
    }

    func receive(limit: Int, wait: Int64) throws(SourceFault) -> SourceDelivery {
        guard limit > 0 else {
            try client.check(natsConnection_FlushTimeout(client.connection, 5_000), "reach")
            return SourceDelivery()
        }
        let count = min(limit, Self.messagesAtOnce)
        // What is there comes at once. A request for several that may wait would wait for all of them.
        var records = try fetch(count, wait: nil)
        if records.isEmpty {
            records = try fetch(1, wait: max(wait, 10))
            if !records.isEmpty, count > 1 { records += try fetch(count - 1, wait: nil) }
        }
        return SourceDelivery(records: records)
    }

    /// - Parameter wait: milliseconds; nil: what is there.
    private func fetch(_ count: Int, wait: Int64?) throws(SourceFault) -> [SourceRecord] {
        var request = jsFetchRequest()
        try client.check(jsFetchRequest_Init(&request), "ask")
        request.Batch = Int32(count)
        request.NoWait = wait == nil
        // Nanoseconds. A request that is not to wait ends with this all the same where nothing is there; what comes later is kept
        // for the next one.
        request.Expires = (wait ?? 20) * 1_000_000
        var list = natsMsgList()
        let status = natsSubscription_FetchRequest(&list, client.subscription, &request)
        if status == NATS_TIMEOUT || status == NATS_NOT_FOUND { return [] }
        try client.check(status, "receive from")
        defer { natsMsgList_Destroy(&list) }
        return (0..<Int(list.Count)).compactMap { list.Msgs[$0].flatMap(record) }
    }

    private func record(_ message: OpaquePointer) -> SourceRecord? {
        guard let reply = natsMsg_GetReply(message) else { return nil }
        var meta: UnsafeMutablePointer<jsMsgMetaData>?
        guard natsMsg_GetMetaData(&meta, message) == NATS_OK, let meta else { return nil }
        defer { jsMsgMetaData_Destroy(meta) }
        let length = Int(natsMsg_GetDataLength(message))
        let data = Array(UnsafeRawBufferPointer(start: natsMsg_GetData(message), count: max(0, length)))
        let time = meta.pointee.Timestamp / 1_000_000
        let id = "\(meta.pointee.Sequence.Stream)"
        return SourceRecord(
            id: id, position: SourcePosition(text: String(cString: reply)), timestamp: time,
            members: [
                .init("id", .string(id)), .init("subject", .string(String(cString: natsMsg_GetSubject(message)))),
                .init("stream", .string(meta.pointee.Stream.map { String(cString: $0) } ?? "")), .init("consumer", .string(source.consumerGroup)),
                .init("streamSequence", .integer(meta.pointee.Sequence.Stream)), .init("consumerSequence", .integer(meta.pointee.Sequence.Consumer)),
                .init("deliveryCount", .integer(meta.pointee.NumDelivered)), .init("timestamp", .integer(time)),
                .init("headers", .object(headers(message))), .init("data", SourceValue.base64(data)),
            ],
            content: .bytes(data))
    }

    private func headers(_ message: OpaquePointer) -> [JSON.Member] {
        var keys: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        var count: Int32 = 0
        guard natsMsgHeader_Keys(message, &keys, &count) == NATS_OK, let keys else { return [] }
        defer { free(keys) }
        return (0..<min(Int(count), Self.headersShown)).compactMap { index in
            guard let key = keys[index] else { return nil }
            var values: UnsafeMutablePointer<UnsafePointer<CChar>?>?
            var number: Int32 = 0
            guard natsMsgHeader_Values(message, key, &values, &number) == NATS_OK, let values else { return nil }
            defer { free(values) }
            return .init(String(cString: key), .array((0..<Int(number)).compactMap { values[$0].map { .string(String(cString: $0)) } }))
        }
    }

    func settle(_ settlements: [SourceSettlement]) throws(SourceFault) {
        try tell(settlements.map { settlement in
            switch settlement.verdict {
            case .done: (settlement.position, "+ACK")
            // No further delivery, which the server makes known in an advisory.
            case .rejected: (settlement.position, "+TERM")
            case .released: (settlement.position, "-NAK")
            }
        })
    }

    func extend(_ positions: [SourcePosition]) throws(SourceFault) { try tell(positions.map { ($0, "+WPI") }) }

    /// Source: JetStream's acknowledgements, https://docs.nats.io/reference/reference-protocols/nats_api_reference
    private func tell(_ words: [(SourcePosition, String)]) throws(SourceFault) {
        for (position, word) in words { try client.check(natsConnection_PublishString(client.connection, position.text, word), "acknowledge at") }
        try client.check(natsConnection_FlushTimeout(client.connection, 5_000), "acknowledge at")
    }

    func close() { client.close() }
}
#endif
