#if Redis
import ExternalSources
import JSONValues

/// One reader of a stream's consumer group.
final class RedisConnection: SourceConnection {
    /// Entries of one answer, whose size is bounded as a whole.
    private static let entriesAtOnce = 100
    private static let acknowledgementsAtOnce = 500

    let readsAhead = true
    /// An entry is acknowledged by its ID, on whichever connection.
    let keepsPositions = true
    let extensionInterval: Int64? = nil

    private let client: RedisClient
    private let source: ExternalSource
    private let reader: String
    /// Up to which of its own pending entries the reader has got again; nil: all.
    private var recovered: String? = "0"

    init(_ client: RedisClient, _ request: SourceRequest) {
        self.client = client
        source = request.source
        reader = request.reader
    }

    func receive(limit: Int, wait: Int64) throws(SourceFault) -> SourceDelivery {
        guard limit > 0 else {
            _ = try client.call(["PING"])
            return SourceDelivery()
        }
        let count = "\(min(limit, Self.entriesAtOnce))"
        let read = ["XREADGROUP", "GROUP", source.consumerGroup, reader, "COUNT", count]
        if let after = recovered {
            let entries = try entries(of: client.call(read + ["STREAMS", source.name, after]))
            recovered = entries.last?.id
            if recovered != nil { return try delivery(entries) }
        }
        return try delivery(entries(of: client.call(read + ["BLOCK", "\(max(1, wait))", "STREAMS", source.name, ">"], wait: wait)))
    }

    private struct Entry {
        let id: String
        /// nil for a pending entry that was deleted from the stream.
        let fields: [(name: String, value: [UInt8])]?
    }

    private func entries(of reply: RedisReply) throws(SourceFault) -> [Entry] {
        guard let streams = reply.value.list else { return [] }
        guard streams.count == 1, let stream = streams[0].list, stream.count == 2, let list = stream[1].list else { throw unreadable }
        var entries: [Entry] = []
        for item in list {
            guard let parts = item.list, parts.count == 2, let id = parts[0].bytes else { throw unreadable }
            var fields: [(name: String, value: [UInt8])] = []
            let values = parts[1].list
            for pair in stride(from: 0, to: (values ?? []).count - 1, by: 2) {
                guard let name = values?[pair].bytes, let value = values?[pair + 1].bytes else { throw unreadable }
                fields.append((SourceValue.text(name), value))
            }
            entries.append(Entry(id: SourceValue.text(id), fields: values == nil ? nil : fields))
        }
        return entries
    }

    private var unreadable: SourceFault { SourceFault("Redis sent an answer to XREADGROUP that cannot be read") }

    private func delivery(_ entries: [Entry]) throws(SourceFault) -> SourceDelivery {
        var delivery = SourceDelivery()
        var deleted: [SourceSettlement] = []
        for entry in entries {
            let position = SourcePosition(text: entry.id)
            guard let fields = entry.fields else {
                deleted.append(SourceSettlement(position, .done))
                continue
            }
            let time = entry.id.split(separator: "-").first.flatMap { Int64($0) }
            delivery.records.append(
                SourceRecord(
                    id: entry.id, position: position, timestamp: time,
                    members: [
                        .init("id", .string(entry.id)), .init("stream", .string(source.name)), .init("consumerGroup", .string(source.consumerGroup)),
                        .init("timestamp", time.map { .integer($0) } ?? .null),
                        .init("data", .object(fields.map { .init($0.name, SourceValue.base64($0.value)) })),
                    ],
                    content: .fields(fields)))
        }
        try settle(deleted)
        return delivery
    }

    func settle(_ settlements: [SourceSettlement]) throws(SourceFault) {
        // What is released stays in this reader's pending list, with which its next connection begins.
        let ids = settlements.filter { $0.verdict != .released }.map(\.position.text)
        guard !ids.isEmpty else { return }
        let commands = stride(from: 0, to: ids.count, by: Self.acknowledgementsAtOnce).map { begin in
            ["XACK", source.name, source.consumerGroup] + ids[begin..<min(begin + Self.acknowledgementsAtOnce, ids.count)]
        }
        _ = try client.calls(commands)
    }

    func extend(_ positions: [SourcePosition]) {}

    func close() { client.close() }
}
#endif
