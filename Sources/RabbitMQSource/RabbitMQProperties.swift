#if RabbitMQ
import CRabbitMQ
import ExternalSources
import Glibc
import JSONValues

/// A message's properties in Lambda's form.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-mq.html
struct RabbitMQProperties {
    let json: JSON
    /// Milliseconds since 1970, as the sender says.
    let timestamp: Int64?

    init(_ properties: amqp_basic_properties_t, bodySize: Int) {
        func has(_ flag: Int32) -> Bool { properties._flags & UInt32(bitPattern: flag) != 0 }
        func text(_ flag: Int32, _ value: amqp_bytes_t) -> JSON { has(flag) ? .string(RabbitMQReply.bytes(value)) : .null }
        let seconds = has(AMQP_BASIC_TIMESTAMP_FLAG) ? Int64(clamping: properties.timestamp) : nil
        timestamp = seconds.flatMap { $0 < 1 << 40 ? $0 * 1_000 : nil }
        json = .object([
            .init("contentType", text(AMQP_BASIC_CONTENT_TYPE_FLAG, properties.content_type)),
            .init("contentEncoding", text(AMQP_BASIC_CONTENT_ENCODING_FLAG, properties.content_encoding)),
            .init("headers", has(AMQP_BASIC_HEADERS_FLAG) ? Self.table(properties.headers) : .object([])),
            .init("deliveryMode", has(AMQP_BASIC_DELIVERY_MODE_FLAG) ? .integer(properties.delivery_mode) : .null),
            .init("priority", has(AMQP_BASIC_PRIORITY_FLAG) ? .integer(properties.priority) : .null),
            .init("correlationId", text(AMQP_BASIC_CORRELATION_ID_FLAG, properties.correlation_id)),
            .init("replyTo", text(AMQP_BASIC_REPLY_TO_FLAG, properties.reply_to)),
            .init("expiration", text(AMQP_BASIC_EXPIRATION_FLAG, properties.expiration)),
            .init("messageId", text(AMQP_BASIC_MESSAGE_ID_FLAG, properties.message_id)),
            .init("timestamp", timestamp.map { .string(Self.date($0 / 1_000)) } ?? .null),
            .init("type", text(AMQP_BASIC_TYPE_FLAG, properties.type)),
            .init("userId", text(AMQP_BASIC_USER_ID_FLAG, properties.user_id)),
            .init("appId", text(AMQP_BASIC_APP_ID_FLAG, properties.app_id)),
            .init("clusterId", text(AMQP_BASIC_CLUSTER_ID_FLAG, properties.cluster_id)),
            .init("bodySize", .integer(bodySize)),
        ])
    }

    /// As in `Jan 1, 1970, 12:33:41 AM`.
    static func date(_ seconds: Int64) -> String {
        var time = time_t(seconds)
        var parts = tm()
        guard gmtime_r(&time, &parts) != nil else { return "" }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let hour = parts.tm_hour % 12 == 0 ? 12 : parts.tm_hour % 12
        return "\(months[Int(parts.tm_mon)]) \(parts.tm_mday), \(Int(parts.tm_year) + 1_900), \(hour):\(two(parts.tm_min)):\(two(parts.tm_sec)) \(parts.tm_hour < 12 ? "AM" : "PM")"
    }

    private static func table(_ table: amqp_table_t) -> JSON {
        .object((0..<Int(table.num_entries)).map { .init(RabbitMQReply.bytes(table.entries[$0].key), value(table.entries[$0].value)) })
    }

    private static func value(_ field: amqp_field_value_t) -> JSON {
        let value = field.value
        // The letters of the field table's types.
        switch UnicodeScalar(field.kind) {
        case "t": return .bool(value.boolean != 0)
        case "b": return .integer(value.i8)
        case "B": return .integer(value.u8)
        case "s": return .integer(value.i16)
        case "u": return .integer(value.u16)
        case "I": return .integer(value.i32)
        case "i": return .integer(value.u32)
        case "l": return .integer(value.u64)
        case "L": return .integer(value.i64)
        case "T": return .integer(value.u64)
        case "f": return value.f32.isFinite ? .number("\(value.f32)") : .null
        case "d": return value.f64.isFinite ? .number("\(value.f64)") : .null
        case "S", "x": return .object([.init("bytes", SourceValue.numbers(RabbitMQReply.array(value.bytes)))])
        case "A": return .array((0..<Int(value.array.num_entries)).map { Self.value(value.array.entries[$0]) })
        case "F": return table(value.table)
        default: return .null
        }
    }
}
#endif
