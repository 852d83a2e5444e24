#if RabbitMQ
import CRabbitMQ
import ExternalSources
import Glibc
import JSONValues

/// One consumer on one channel.
final class RabbitMQConnection: SourceConnection {
    /// Bytes of one delivery; the next record after it waits for the next.
    private static let deliveryBytes = 8 << 20

    let readsAhead = true
    /// A delivery tag means something on its own channel alone.
    let keepsPositions = false
    /// The broker's own limit for an acknowledgement is half an hour, which a function's 15 minutes keep.
    let extensionInterval: Int64? = nil

    private let connection: amqp_connection_state_t
    private let broker: String
    private let queue: String

    init(_ connection: amqp_connection_state_t, _ request: SourceRequest, _ broker: String) {
        self.connection = connection
        self.broker = broker
        queue = request.source.name
    }

    func receive(limit: Int, wait: Int64) throws(SourceFault) -> SourceDelivery {
        var delivery = SourceDelivery()
        var bytes = 0
        while delivery.records.count < limit, bytes < Self.deliveryBytes {
            // Only the first is waited for.
            guard let record = try next(wait: delivery.records.isEmpty ? wait : 0) else { break }
            bytes += record.size
            delivery.records.append(record)
        }
        amqp_maybe_release_buffers(connection)
        return delivery
    }

    private func next(wait: Int64) throws(SourceFault) -> SourceRecord? {
        var envelope = amqp_envelope_t()
        var time = timeval(tv_sec: Int(wait / 1_000), tv_usec: Int(wait % 1_000) * 1_000)
        let reply = amqp_consume_message(connection, &envelope, &time, 0)
        if reply.reply_type == AMQP_RESPONSE_NORMAL {
            defer { amqp_destroy_envelope(&envelope) }
            return record(envelope)
        }
        if reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION {
            if reply.library_error == AMQP_STATUS_TIMEOUT.rawValue { return nil }
            if reply.library_error == AMQP_STATUS_UNEXPECTED_STATE.rawValue { throw SourceFault("\(broker) ended the consumer: \(unexpected())") }
        }
        throw SourceFault("failed to receive from \(broker): \(RabbitMQReply.fault(reply) ?? "")")
    }

    /// A frame that is no delivery: the queue was deleted, or the channel closed.
    private func unexpected() -> String {
        var frame = amqp_frame_t()
        var time = timeval(tv_sec: 1, tv_usec: 0)
        guard amqp_simple_wait_frame_noblock(connection, &frame, &time) == AMQP_STATUS_OK.rawValue, frame.frame_type == UInt8(AMQP_FRAME_METHOD) else {
            return "it sent something else than messages"
        }
        return frame.payload.method.id == UInt32(0x003C_001E) ? "queue \(queue) was deleted" : RabbitMQReply.closing(frame.payload.method)
    }

    private func record(_ envelope: amqp_envelope_t) -> SourceRecord {
        let body = RabbitMQReply.array(envelope.message.body)
        let properties = RabbitMQProperties(envelope.message.properties, bodySize: body.count)
        let tag = Int64(bitPattern: envelope.delivery_tag)
        return SourceRecord(
            id: "\(tag)", position: SourcePosition(number: tag), timestamp: properties.timestamp,
            members: [
                .init("basicProperties", properties.json), .init("redelivered", .bool(envelope.redelivered != 0)), .init("data", SourceValue.base64(body)),
                .init("deliveryTag", .integer(tag)),
            ],
            content: .bytes(body))
    }

    func settle(_ settlements: [SourceSettlement]) throws(SourceFault) {
        for settlement in settlements {
            let tag = UInt64(bitPattern: settlement.position.number)
            let status =
                switch settlement.verdict {
                case .done: amqp_basic_ack(connection, 1, tag, 0)
                case .rejected: amqp_basic_reject(connection, 1, tag, 0)
                case .released: amqp_basic_reject(connection, 1, tag, 1)
                }
            guard status == AMQP_STATUS_OK.rawValue else {
                throw SourceFault("failed to acknowledge at \(broker): \(String(cString: amqp_error_string2(status)))")
            }
        }
    }

    func extend(_ positions: [SourcePosition]) {}

    func close() {
        _ = amqp_channel_close(connection, 1, AMQP_REPLY_SUCCESS)
        _ = amqp_connection_close(connection, AMQP_REPLY_SUCCESS)
        amqp_destroy_connection(connection)
    }
}
#endif
