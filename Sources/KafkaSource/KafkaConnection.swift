#if Kafka
import CRdkafka
import ExternalSources
import Glibc

/// One member of a consumer group. The library calls back only from within its calls here, on the source's own thread.
final class KafkaConnection: SourceConnection {
    /// Bytes of one delivery; the next record after it waits for the next.
    private static let deliveryBytes = 8 << 20

    let readsAhead = true
    /// The group may have moved on when another connection takes its place.
    let keepsPositions = false
    let extensionInterval: Int64? = nil

    private let request: SourceRequest
    private let broker: String
    private var client: OpaquePointer?
    private var assigned: Set<KafkaPartition> = []
    private var lost: Set<KafkaPartition> = []
    /// Next offsets that the group does not know yet.
    private var uncommitted: [KafkaPartition: Int64] = [:]
    private var isPaused = false
    /// Received while nothing was wanted.
    private var early: [SourceRecord] = []
    private var problem: String?

    init(_ request: SourceRequest, configuration: [(String, String)]) throws(SourceFault) {
        self.request = request
        broker = "Kafka at \(request.source.endpoints.joined(separator: ","))"
        guard let settings = rd_kafka_conf_new() else { throw SourceFault("failed to connect to \(broker): no memory") }
        for (name, value) in configuration {
            var text = [CChar](repeating: 0, count: 512)
            guard rd_kafka_conf_set(settings, name, value, &text, text.count) == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(settings)
                throw SourceFault("failed to set \(name) for \(broker): \(Self.text(text))")
            }
        }
        // SAFETY: the client is destroyed in `close`, before this object goes; it calls back on the thread that calls it.
        rd_kafka_conf_set_opaque(settings, Unmanaged.passUnretained(self).toOpaque())
        rd_kafka_conf_set_rebalance_cb(settings) { client, code, partitions, opaque in
            guard let opaque, let client, let partitions else { return }
            Unmanaged<KafkaConnection>.fromOpaque(opaque).takeUnretainedValue().rebalance(client, code, partitions)
        }
        rd_kafka_conf_set_error_cb(settings) { _, code, reason, opaque in
            guard let opaque else { return }
            let text = reason.map { String(cString: $0) } ?? ""
            Unmanaged<KafkaConnection>.fromOpaque(opaque).takeUnretainedValue().noteProblem("\(KafkaConnection.text(rd_kafka_resp_err_t(rawValue: code))): \(text)")
        }
        var text = [CChar](repeating: 0, count: 512)
        guard let made = rd_kafka_new(RD_KAFKA_CONSUMER, settings, &text, text.count) else {
            rd_kafka_conf_destroy(settings)
            throw SourceFault("failed to connect to \(broker): \(Self.text(text))")
        }
        client = made
        rd_kafka_poll_set_consumer(made)
    }

    func subscribe() throws(SourceFault) {
        let topics = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(topics) }
        rd_kafka_topic_partition_list_add(topics, request.source.name, -1)
        let code = rd_kafka_subscribe(client, topics)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw SourceFault("failed to subscribe to \(request.source.name) at \(broker): \(Self.text(code))") }
    }

    private func noteProblem(_ text: String) { problem = "\(broker): \(text)" }

    // MARK: Partitions

    private func rebalance(_ client: OpaquePointer, _ code: rd_kafka_resp_err_t, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>) {
        let partitions = Set((0..<Int(list.pointee.cnt)).map { KafkaPartition(list.pointee.elems[$0]) })
        guard code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS else {
            // Whoever has them next begins at the committed offsets.
            try? commit()
            lost.formUnion(partitions.union(assigned))
            early.removeAll { record in lost.contains { $0.lane == record.lane } }
            assigned = []
            uncommitted = [:]
            rd_kafka_assign(client, nil)
            return
        }
        if case .atTimestamp(let time) = request.source.startingPosition { seek(client, list, to: time) }
        assigned = partitions
        // Of an earlier assignment; the group may have moved on since.
        uncommitted = [:]
        isPaused = false
        problem = nil
        rd_kafka_assign(client, list)
    }

    /// Partitions of which the group has committed nothing begin at a time instead.
    private func seek(_ client: OpaquePointer, _ list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>, to time: Int64) {
        guard rd_kafka_committed(client, list, 5_000) == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        let fresh = (0..<Int(list.pointee.cnt)).filter { list.pointee.elems[$0].offset < 0 }
        guard !fresh.isEmpty, let times = rd_kafka_topic_partition_list_new(Int32(fresh.count)) else { return }
        defer { rd_kafka_topic_partition_list_destroy(times) }
        for index in fresh {
            let entry = list.pointee.elems[index]
            rd_kafka_topic_partition_list_add(times, entry.topic, entry.partition).pointee.offset = time
        }
        guard rd_kafka_offsets_for_times(client, times, 5_000) == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        for (place, index) in fresh.enumerated() { list.pointee.elems[index].offset = times.pointee.elems[place].offset }
    }

    // MARK: Receiving

    func receive(limit: Int, wait: Int64) throws(SourceFault) -> SourceDelivery {
        try commit()
        if limit == 0 { return try rest() }
        resume()
        var delivery = SourceDelivery(records: early)
        early = []
        var bytes = 0
        while delivery.records.count < limit, bytes < Self.deliveryBytes {
            // Only the first is waited for.
            guard let message = rd_kafka_consumer_poll(client, delivery.records.isEmpty ? Int32(clamping: wait) : 0) else { break }
            defer { rd_kafka_message_destroy(message) }
            guard let record = try record(message) else { continue }
            bytes += record.size
            delivery.records.append(record)
        }
        return finish(&delivery)
    }

    /// Tells what callbacks have left.
    private func finish(_ delivery: inout SourceDelivery) -> SourceDelivery {
        delivery.lostLanes = Set(lost.map(\.lane))
        delivery.records.removeAll { record in lost.contains { $0.lane == record.lane } && !assigned.contains { $0.lane == record.lane } }
        lost = []
        delivery.problem = problem
        problem = nil
        return delivery
    }

    /// A member that does not poll is taken for dead; paused, it is given nothing.
    private func rest() throws(SourceFault) -> SourceDelivery {
        if !isPaused {
            pause(true)
            isPaused = true
        }
        if let message = rd_kafka_consumer_poll(client, 0) {
            defer { rd_kafka_message_destroy(message) }
            if let record = try record(message) { early.append(record) }
        }
        var delivery = SourceDelivery()
        return finish(&delivery)
    }

    private func resume() {
        guard isPaused else { return }
        isPaused = false
        pause(false)
    }

    private func pause(_ isPausing: Bool) {
        let list = rd_kafka_topic_partition_list_new(Int32(assigned.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in assigned { rd_kafka_topic_partition_list_add(list, partition.topic, partition.number) }
        _ = isPausing ? rd_kafka_pause_partitions(client, list) : rd_kafka_resume_partitions(client, list)
    }

    /// nil for what is a note of the library.
    private func record(_ message: UnsafeMutablePointer<rd_kafka_message_t>) throws(SourceFault) -> SourceRecord? {
        let code = message.pointee.err
        if code == RD_KAFKA_RESP_ERR_NO_ERROR { return KafkaRecord(message).record }
        if code == RD_KAFKA_RESP_ERR__FATAL || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED {
            throw SourceFault("failed to receive from \(broker): \(Self.text(code))")
        }
        if code != RD_KAFKA_RESP_ERR__PARTITION_EOF { noteProblem(Self.text(code)) }
        return nil
    }

    // MARK: Committing

    func settle(_ settlements: [SourceSettlement]) throws(SourceFault) {
        for settlement in settlements where settlement.verdict != .released {
            guard let partition = KafkaPartition(lane: settlement.position.text) else { continue }
            uncommitted[partition] = max(uncommitted[partition] ?? 0, settlement.position.number + 1)
        }
        try commit()
    }

    /// What is refused while the group sorts itself out is tried again with the next call.
    private func commit() throws(SourceFault) {
        let offsets = uncommitted.filter { assigned.contains($0.key) }
        guard !offsets.isEmpty else { return }
        let list = rd_kafka_topic_partition_list_new(Int32(offsets.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for (partition, offset) in offsets { rd_kafka_topic_partition_list_add(list, partition.topic, partition.number).pointee.offset = offset }
        let code = rd_kafka_commit(client, list, 0)
        switch code {
        case RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR__NO_OFFSET: for partition in offsets.keys { uncommitted[partition] = nil }
        case RD_KAFKA_RESP_ERR__FATAL: throw SourceFault("failed to commit at \(broker): \(Self.text(code))")
        default: noteProblem("failed to commit: \(Self.text(code))")
        }
    }

    func extend(_ positions: [SourcePosition]) {}

    func close() {
        guard let client else { return }
        self.client = nil
        try? commit()
        rd_kafka_consumer_close(client)
        rd_kafka_destroy(client)
    }

    private static func text(_ code: rd_kafka_resp_err_t) -> String { String(cString: rd_kafka_err2str(code)) }
    private static func text(_ bytes: [CChar]) -> String { String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
}
#endif
