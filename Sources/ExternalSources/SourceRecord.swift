import FoundationEssentials
public import JSONValues

/// A record as an adapter read it.
public struct SourceRecord: Sendable {
    /// What `batchItemFailures` names it by; unique among those that are held.
    public let id: String
    /// What keeps its order: a Kafka partition. Empty for all others.
    public let lane: String
    public let position: SourcePosition
    /// Milliseconds since 1970 at which the broker got it; nil where it does not say.
    public let timestamp: Int64?
    /// As the function sees it.
    public let members: [JSON.Member]
    /// What a filter sees in place of `ExternalSource.Kind.filteredMember`.
    public let content: Content
    /// Bytes that it came with.
    public let size: Int

    public enum Content: Sendable {
        case bytes([UInt8])
        case fields([(name: String, value: [UInt8])])
    }

    public init(id: String, lane: String = "", position: SourcePosition, timestamp: Int64?, members: [JSON.Member], content: Content) {
        self.id = id
        self.lane = lane
        self.position = position
        self.timestamp = timestamp
        self.members = members
        self.content = content
        size =
            switch content {
            case .bytes(let bytes): bytes.count
            case .fields(let fields): fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
            }
    }

    /// One record of the event.
    public var text: String { JSON.object(members).text() }
}

/// Values of records as JSON.
public enum SourceValue {
    /// Bytes that need not be text, as Lambda gives them.
    public static func base64(_ bytes: [UInt8]) -> JSON { .string(Data(bytes).base64EncodedString()) }

    /// A list of numbers, as Lambda gives headers of Kafka and RabbitMQ.
    public static func numbers(_ bytes: [UInt8]) -> JSON { .array(bytes.map { .integer(Int8(bitPattern: $0)) }) }

    /// Text from outside: what is not UTF-8 is replaced.
    public static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// The event around a batch's records.
public struct SourceEvent: Sendable {
    private let before: String
    private let after: String

    /// - Parameters:
    ///   - lane: of the batch; of Kafka `TOPIC-PARTITION`.
    ///   - arn: what stands for the broker where Lambda's event has an ARN.
    public init(of source: ExternalSource, lane: String, arn: String) {
        let members: [JSON.Member]
        let list: [String]
        switch source.kind {
        case .kafka:
            // Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kafka.html
            members = [.init("eventSource", .string(source.kind.eventSource)), .init("bootstrapServers", .string(source.endpoints.joined(separator: ",")))]
            list = ["records", lane]
        case .rabbitmq:
            // Source: https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html
            members = [.init("eventSource", .string(source.kind.eventSource)), .init("eventSourceArn", .string(arn))]
            list = ["rmqMessagesByQueue", "\(source.name)::\(source.virtualHost ?? "/")"]
        case .redis, .nats, .mqtt:
            members = [.init("eventSource", .string(source.kind.eventSource))]
            list = ["Records"]
        }
        let head = JSON.object(members).text().dropLast()
        let keys = list.map { JSON.string($0).text() }
        before = head + "," + keys.joined(separator: ":{") + ":["
        after = "]" + String(repeating: "}", count: list.count)
    }

    public var overhead: Int { before.utf8.count + after.utf8.count }

    /// - Parameter records: `SourceRecord.text` of each.
    public func text(_ records: some Sequence<String>) -> String { before + records.joined(separator: ",") + after }
}
