public import DurableQueue
import FoundationEssentials
public import JSONValues

/// A queue's message as a function gets it, one of the event's `Records`.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event
public struct SQSRecord: Sendable {
    public let body: String
    /// All but the body.
    public let members: [JSON.Member]

    public init(_ claimed: ClaimedMessage, of queue: QueueRecord) {
        let message = claimed.message
        body = String(decoding: message.body, as: UTF8.self)
        let attributes = MessageAttributes(stored: message.attributes)
        members = [
            .init("messageId", .string(message.id.description)), .init("receiptHandle", .string(claimed.receipt.description)),
            .init("attributes", .object(SQSService.systemAttributes(message, queue))),
            .init("messageAttributes", .object(attributes.attributes.map { .init($0.name, Self.value($0)) })),
            .init("md5OfBody", .string(MessageBody.md5(message.body))),
        ] + (attributes.md5.map { [.init("md5OfMessageAttributes", .string($0))] } ?? []) + [
            .init("eventSource", .string("aws:sqs")), .init("eventSourceARN", .string(queue.key.arn)), .init("awsRegion", .string(queue.key.region)),
        ]
    }

    private static func value(_ attribute: MessageAttributes.Attribute) -> JSON {
        let value: JSON.Member =
            switch attribute.value {
            case .string(let text): .init("stringValue", .string(text))
            case .binary(let bytes): .init("binaryValue", .string(Data(bytes).base64EncodedString()))
            }
        return .object([value, .init("stringListValues", .array([])), .init("binaryListValues", .array([])), .init("dataType", .string(attribute.type))])
    }

    public var text: String { JSON.object([members[0], members[1], .init("body", .string(body))] + members.dropFirst(2)).text() }
}

extension QueueRecord {
    /// Milliseconds that a message is invisible after it was received, where its receiver asks for nothing else.
    public var visibilityTimeout: Int64 { Int64(QueueAttributes(isFIFO: kind == .fifo, values: attributes).visibilitySeconds) * 1_000 }
}
