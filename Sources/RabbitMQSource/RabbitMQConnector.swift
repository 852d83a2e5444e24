#if RabbitMQ
import CRabbitMQ
public import ExternalSources
import Glibc

/// RabbitMQ's queues over AMQP 0-9-1.
///
/// Messages are acknowledged one by one. What a connection had not acknowledged is given again by the broker when it ends, to
/// this or another reader. What is given up is rejected without requeue: the queue's dead-letter exchange gets it, if it has one.
public struct RabbitMQConnector: SourceConnector {
    public init() {}

    public func connect(_ request: SourceRequest) throws(SourceFault) -> any SourceConnection {
        let endpoint = try request.endpoint()
        let broker = "RabbitMQ at \(endpoint.host):\(endpoint.port)"
        guard let connection = amqp_new_connection() else { throw SourceFault("failed to connect to \(broker): no memory") }
        do throws(SourceFault) {
            try open(connection, endpoint, request, broker)
            return RabbitMQConnection(connection, request, broker)
        } catch {
            amqp_destroy_connection(connection)
            throw error
        }
    }

    private func open(_ connection: amqp_connection_state_t, _ endpoint: SourceEndpoint, _ request: SourceRequest, _ broker: String) throws(SourceFault) {
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        amqp_set_handshake_timeout(connection, &patience)
        amqp_set_rpc_timeout(connection, &patience)
        let socket: OpaquePointer?
        if let file = request.rootCertificateFile {
            socket = amqp_ssl_socket_new(connection)
            guard let socket, amqp_ssl_socket_set_cacert(socket, file) == AMQP_STATUS_OK.rawValue else {
                throw SourceFault("failed to use the certificates that \(broker) is checked with")
            }
            amqp_ssl_socket_set_verify_peer(socket, 1)
            amqp_ssl_socket_set_verify_hostname(socket, 1)
        } else {
            socket = amqp_tcp_socket_new(connection)
        }
        var connecting = timeval(tv_sec: 5, tv_usec: 0)
        let status = amqp_socket_open_noblock(socket, endpoint.host, Int32(endpoint.port), &connecting)
        guard status == AMQP_STATUS_OK.rawValue else { throw SourceFault("failed to connect to \(broker): \(String(cString: amqp_error_string2(status)))") }
        SourceSocket.keepAlive(amqp_get_sockfd(connection))
        let credentials = request.credentials ?? SourceCredentials(username: "guest", password: "guest")
        try check(
            martlet_amqp_login(connection, request.source.virtualHost ?? "/", 131_072, credentials.username, credentials.password), "log in to \(broker)")
        amqp_channel_open(connection, 1)
        try check(amqp_get_rpc_reply(connection), "open a channel at \(broker)")
        amqp_basic_qos(connection, 1, 0, UInt16(clamping: request.prefetch), 0)
        try check(amqp_get_rpc_reply(connection), "set the prefetch count at \(broker)")
        request.source.name.withCString { queue in
            request.reader.withCString { tag in
                _ = amqp_basic_consume(connection, 1, amqp_cstring_bytes(queue), amqp_cstring_bytes(tag), 0, 0, 0, amqp_empty_table)
            }
        }
        try check(amqp_get_rpc_reply(connection), "consume queue \(request.source.name) at \(broker)")
    }

    private func check(_ reply: amqp_rpc_reply_t, _ attempt: String) throws(SourceFault) {
        guard let reason = RabbitMQReply.fault(reply) else { return }
        throw SourceFault("failed to \(attempt): \(reason)")
    }
}

/// What the library says about an answer.
enum RabbitMQReply {
    /// nil for success.
    static func fault(_ reply: amqp_rpc_reply_t) -> String? {
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL: return nil
        case AMQP_RESPONSE_SERVER_EXCEPTION: return closing(reply.reply)
        case AMQP_RESPONSE_LIBRARY_EXCEPTION: return String(cString: amqp_error_string2(reply.library_error))
        default: return "it did not answer"
        }
    }

    /// Why the broker closed the channel or the connection.
    static func closing(_ method: amqp_method_t) -> String {
        guard let decoded = method.decoded else { return "it closed the connection" }
        switch method.id {
        case UInt32(0x000A_0032): return bytes(decoded.load(as: amqp_connection_close_t.self).reply_text)
        case UInt32(0x0014_0028): return bytes(decoded.load(as: amqp_channel_close_t.self).reply_text)
        default: return "it sent method \(method.id)"
        }
    }

    static func bytes(_ value: amqp_bytes_t) -> String { SourceValue.text(array(value)) }

    static func array(_ value: amqp_bytes_t) -> [UInt8] { Array(UnsafeRawBufferPointer(start: value.bytes, count: value.bytes == nil ? 0 : value.len)) }
}
#endif
