#if Kafka
import CRdkafka
import ExternalSources
import JSONValues

struct KafkaPartition: Hashable {
    let topic: String
    let number: Int32

    /// As Lambda names it, `TOPIC-PARTITION`.
    var lane: String { "\(topic)-\(number)" }

    init(topic: String, number: Int32) {
        self.topic = topic
        self.number = number
    }

    init(_ entry: rd_kafka_topic_partition_t) { self.init(topic: String(cString: entry.topic), number: entry.partition) }

    init?(lane: String) {
        guard let dash = lane.lastIndex(of: "-"), let number = Int32(lane[lane.index(after: dash)...]) else { return nil }
        self.init(topic: String(lane[..<dash]), number: number)
    }
}

/// A record in Lambda's form.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html
struct KafkaRecord {
    private static let headersShown = 100

    let record: SourceRecord

    init(_ pointer: UnsafeMutablePointer<rd_kafka_message_t>) {
        let message = pointer.pointee
        let partition = KafkaPartition(topic: String(cString: rd_kafka_topic_name(message.rkt)), number: message.partition)
        let value = Self.bytes(message.payload, message.len)
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let time = rd_kafka_message_timestamp(pointer, &type)
        var members: [JSON.Member] = [
            .init("topic", .string(partition.topic)), .init("partition", .integer(partition.number)), .init("offset", .integer(message.offset)),
            .init("timestamp", .integer(time)),
            .init("timestampType", .string(type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? "LOG_APPEND_TIME" : type == RD_KAFKA_TIMESTAMP_CREATE_TIME ? "CREATE_TIME" : "NO_TIMESTAMP_TYPE")),
        ]
        if let key = message.key { members.append(.init("key", SourceValue.base64(Self.bytes(key, message.key_len)))) }
        // A tombstone has no value.
        if message.payload != nil { members.append(.init("value", SourceValue.base64(value))) }
        members.append(.init("headers", .array(Self.headers(pointer))))
        record = SourceRecord(
            id: "\(partition.lane)-\(message.offset)", lane: partition.lane, position: SourcePosition(text: partition.lane, number: message.offset),
            timestamp: type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? nil : time, members: members, content: .bytes(value))
    }

    private static func headers(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> [JSON] {
        var headers: OpaquePointer?
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR, let headers else { return [] }
        return (0..<min(rd_kafka_header_cnt(headers), headersShown)).compactMap { index in
            var name: UnsafePointer<CChar>?
            var value: UnsafeRawPointer?
            var size = 0
            guard rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR, let name else { return nil }
            return .object([.init(String(cString: name), SourceValue.numbers(bytes(value, size)))])
        }
    }

    private static func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count)) }
}
#endif
