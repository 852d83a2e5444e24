#if MQTT
import CMosquitto
import ExternalSources
import Glibc
import JSONValues

/// One session. The library runs without a thread of its own: it reads, writes and calls back when it is called.
final class MQTTConnection: SourceConnection {
    /// Milliseconds for the broker's answers.
    private static let patience: Int64 = 5_000
    /// Bytes of one delivery; the next message after it waits for the next.
    private static let deliveryBytes = 8 << 20

    let readsAhead = false
    /// The broker gives again what was not acknowledged on its own connection.
    let keepsPositions = false
    let extensionInterval: Int64? = nil

    private let broker: String
    private let filter: String
    private var client: OpaquePointer?
    /// The broker's answer to CONNECT; nil while there is none.
    private var connectResult: Int32?
    /// The quality of service that it grants; nil while there is no answer to SUBSCRIBE.
    private var granted: Int32?
    private var received: [SourceRecord] = []
    private var receivedBytes = 0
    /// Received and not settled.
    private var outstanding: Set<SourcePosition> = []
    private var count: Int64 = 0

    init(_ request: SourceRequest) throws(SourceFault) {
        let endpoint = try request.endpoint()
        broker = "MQTT at \(endpoint.host):\(endpoint.port)"
        filter = request.source.name
        guard mosquitto_sub_topic_check(filter) == MOSQ_ERR_SUCCESS.rawValue else { throw SourceFault("\(filter) is no topic filter") }
        // The session is the client ID's: it has to be the same after a restart, and not clean.
        // SAFETY: `close` destroys the client before this object goes; it calls back on the thread that calls it.
        client = mosquitto_new(request.source.consumerGroup, false, Unmanaged.passUnretained(self).toOpaque())
        guard client != nil else { throw SourceFault("failed to connect to \(broker): no memory") }
        mosquitto_connect_callback_set(client) { _, object, result in MQTTConnection.of(object)?.connectResult = result }
        mosquitto_subscribe_callback_set(client) { _, object, _, count, granted in
            MQTTConnection.of(object)?.granted = count > 0 ? granted?.pointee ?? 128 : 128
        }
        mosquitto_message_callback_set(client) { _, object, message in
            if let message { MQTTConnection.of(object)?.take(message.pointee) }
        }
    }

    private static func of(_ object: UnsafeMutableRawPointer?) -> MQTTConnection? {
        object.map { Unmanaged<MQTTConnection>.fromOpaque($0).takeUnretainedValue() }
    }

    func open(_ request: SourceRequest) throws(SourceFault) {
        let endpoint = try request.endpoint()
        // So that writing is left to `flush`: without it each acknowledgement goes out as it is made.
        try check(mosquitto_threaded_set(client, true), "connect to")
        if let credentials = request.credentials { try check(mosquitto_username_pw_set(client, credentials.username, credentials.password), "log in to") }
        if let file = request.rootCertificateFile { try check(mosquitto_tls_set(client, file, nil, nil, nil, nil), "use the certificates for") }
        // No pings, which would take acknowledgements along; TCP notices a peer that is gone.
        try check(mosquitto_connect(client, endpoint.host, Int32(endpoint.port), 0), "connect to")
        SourceSocket.keepAlive(mosquitto_socket(client))
        // Before anything of the session is read: what is written now carries no acknowledgement. A client need not wait for the
        // answer to CONNECT (MQTT 3.1.1, 3.1.4).
        try check(mosquitto_subscribe(client, nil, filter, 1), "subscribe to \(filter) at")
        let deadline = SourceSocket.now() + Self.patience
        var isSent = false
        while connectResult == nil {
            // The library wants to write only after the TLS handshake, which goes on as it reads.
            if !isSent, mosquitto_want_write(client) {
                try flush()
                isSent = true
            }
            try read(until: deadline, orFail: "connect to")
        }
        guard connectResult == 0 else { throw SourceFault("failed to log in to \(broker): \(String(cString: mosquitto_connack_string(connectResult ?? 0)))") }
        while granted == nil { try read(until: deadline, orFail: "subscribe to \(filter) at") }
        guard let granted, granted < 128 else { throw SourceFault("\(broker) refuses a subscription to \(filter)") }
    }

    // MARK: Receiving

    func receive(limit: Int, wait: Int64) throws(SourceFault) -> SourceDelivery {
        var deadline = SourceSocket.now() + wait
        // With no room only the connection's end is looked for: reading would take messages.
        guard limit > 0 else {
            try look()
            return SourceDelivery()
        }
        while received.count < limit, receivedBytes < Self.deliveryBytes {
            guard try read(until: deadline) else { break }
            // Only the first is waited for.
            if !received.isEmpty { deadline = SourceSocket.now() }
        }
        let records = Array(received.prefix(limit))
        received.removeFirst(records.count)
        receivedBytes = received.reduce(0) { $0 + $1.size }
        return SourceDelivery(records: records)
    }

    private func take(_ message: mosquitto_message) {
        count += 1
        let position = SourcePosition(number: count)
        let topic = message.topic.map { String(cString: $0) } ?? ""
        let data = Array(UnsafeRawBufferPointer(start: message.payload, count: message.payload == nil ? 0 : Int(max(0, message.payloadlen))))
        let time = timeOfDay()
        outstanding.insert(position)
        receivedBytes += data.count
        received.append(
            SourceRecord(
                id: "\(count)", position: position, timestamp: nil,
                members: [
                    .init("id", .string("\(count)")), .init("topic", .string(topic)), .init("qos", .integer(message.qos)), .init("retain", .bool(message.retain)),
                    .init("messageId", .integer(message.mid)), .init("timestamp", .integer(time)), .init("data", SourceValue.base64(data)),
                ],
                content: .bytes(data)))
    }

    /// The protocol has no time of a message; this is its arrival here.
    private func timeOfDay() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Reads one packet.
    /// - Returns: false if none came until then.
    @discardableResult
    private func read(until deadline: Int64, orFail attempt: String? = nil) throws(SourceFault) -> Bool {
        let descriptor = mosquitto_socket(client)
        guard descriptor >= 0 else { throw SourceFault("\(broker) closed the connection") }
        guard SourceSocket.isReadable(descriptor, until: deadline) else {
            if let attempt { throw SourceFault("failed to \(attempt) \(broker): it did not answer in time") }
            return false
        }
        try check(mosquitto_loop_read(client, 1), attempt ?? "receive from")
        return true
    }

    private func look() throws(SourceFault) {
        var byte: UInt8 = 0
        let descriptor = mosquitto_socket(client)
        if descriptor < 0 || recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0 { throw SourceFault("\(broker) closed the connection") }
    }

    // MARK: Settling

    func settle(_ settlements: [SourceSettlement]) throws(SourceFault) {
        // What is released stays unacknowledged, and with it all that came after it on this connection.
        for settlement in settlements where settlement.verdict != .released { outstanding.remove(settlement.position) }
        if outstanding.isEmpty { try flush() }
    }

    /// Writes what waits: requests, and the acknowledgements of all messages that were read.
    private func flush() throws(SourceFault) {
        let deadline = SourceSocket.now() + Self.patience
        repeat {
            try check(mosquitto_loop_write(client, 1), "write to")
            guard SourceSocket.now() < deadline else { throw SourceFault("failed to write to \(broker): it does not take anything") }
        } while mosquitto_want_write(client)
    }

    func extend(_ positions: [SourcePosition]) {}

    func close() {
        // Without a DISCONNECT, which would take acknowledgements along: the session stays as it is.
        let descriptor = mosquitto_socket(client)
        if descriptor >= 0 { shutdown(descriptor, Int32(SHUT_RDWR)) }
        mosquitto_destroy(client)
        client = nil
    }

    private func check(_ code: Int32, _ attempt: String) throws(SourceFault) {
        guard code != MOSQ_ERR_SUCCESS.rawValue else { return }
        let reason = code == MOSQ_ERR_ERRNO.rawValue ? String(cString: strerror(errno)) : String(cString: mosquitto_strerror(code))
        throw SourceFault("failed to \(attempt) \(broker): \(reason)")
    }
}
#endif
