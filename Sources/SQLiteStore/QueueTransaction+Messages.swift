import DurableQueue
import FunctionModel

/// What a change of state needs to know of a message.
struct MessageRow {
    let id: Int64
    let queue: Int64
    var state: StoredMessage.State
    var lease: Int64?
    let group: Int64?
    let hold: Int64
    let sent: Int64
    let receives: Int
    let errors: Int
    let failures: Int
    let size: Int
    let rank: Int64

    static let columns = "m.id, m.queue, m.state, m.lease, m.grp, m.hold, m.sent, m.receives, m.errors, m.failures, m.size, m.rank"

    init(_ statement: Statement) {
        id = statement.integer(0)
        queue = statement.integer(1)
        state = StoredMessage.State(rawValue: UInt8(clamping: statement.integer(2))) ?? .ready
        lease = statement.optionalInteger(3)
        group = statement.optionalInteger(4)
        hold = statement.integer(5)
        sent = statement.integer(6)
        receives = Int(statement.integer(7))
        errors = Int(statement.integer(8))
        failures = Int(statement.integer(9))
        size = Int(statement.integer(10))
        rank = statement.integer(11)
    }
}

/// The steps that all operations are made of.
extension QueueTransaction {
    func message(_ id: Int64) throws -> MessageRow? {
        let statement = try connection.prepare("SELECT \(MessageRow.columns) FROM messages AS m WHERE m.id = ?")
        defer { statement.reset() }
        statement.bind(1, id)
        return try statement.step() ? MessageRow(statement) : nil
    }

    /// - Parameter sql: one of a fixed set, with `MessageRow.columns`.
    func messages(_ sql: String, _ first: Int64, limit: Int) throws -> [MessageRow] {
        let statement = try connection.prepare(sql)
        defer { statement.reset() }
        statement.bind(1, first)
        statement.bind(2, Int64(limit))
        var rows: [MessageRow] = []
        while try statement.step() { rows.append(MessageRow(statement)) }
        return rows
    }

    // MARK: States

    /// Takes a message into `state`, with the counters of its queue.
    func set(_ message: MessageRow, _ state: StoredMessage.State, in row: QueueRow, due: Int64? = nil, rank: Int64 = 0, lease: Int64? = nil) throws {
        let statement = try connection.prepare("UPDATE messages SET state = ?, due = ?, rank = ?, lease = ? WHERE id = ?")
        statement.bind(1, Int64(state.rawValue))
        statement.bind(2, due)
        statement.bind(3, rank)
        statement.bind(4, lease)
        statement.bind(5, message.id)
        try statement.run()
        row.count(message.state, -1)
        row.count(state, 1)
        if let due { willBeDue(due) }
    }

    /// A message that nobody holds (any more) becomes claimable at `hold`, in its turn.
    func show(_ message: MessageRow, hold: Int64, in row: QueueRow, now: Int64) throws {
        if row.isFIFO, let group = message.group {
            if hold != message.hold { try setHold(message.id, hold) }
            if message.state == .inFlight { try countInFlight(group, -1) }
            try set(message, .waiting, in: row)
            return try promoteHead(of: group, in: row, now: now)
        }
        if hold > now { return try set(message, .delayed, in: row, due: hold) }
        // The lease stays: who finished late, but before anybody else began, may still acknowledge.
        try set(message, .ready, in: row, rank: row.round + 1, lease: message.lease)
    }

    private func setHold(_ id: Int64, _ hold: Int64) throws {
        let statement = try connection.prepare("UPDATE messages SET hold = ? WHERE id = ?")
        statement.bind(1, hold)
        statement.bind(2, id)
        try statement.run()
    }

    // MARK: Groups

    struct GroupRow {
        let id: Int64
        var tag: Int64
        var messages: Int
        var inFlight: Int
    }

    func group(_ name: String, in row: QueueRow) throws -> GroupRow {
        let insert = try connection.prepare(
            "INSERT INTO groups (queue, name, tag, messages, in_flight) VALUES (?, ?, 0, 0, 0) ON CONFLICT DO NOTHING")
        insert.bind(1, row.id)
        insert.bind(2, name)
        try insert.run()
        let select = try connection.prepare("SELECT id, tag, messages, in_flight FROM groups WHERE queue = ? AND name = ?")
        defer { select.reset() }
        select.bind(1, row.id)
        select.bind(2, name)
        guard try select.step() else {
            throw SQLiteStoreError(step: "keep a group in \(connection.path)", code: 0, reason: "it was not kept")
        }
        return GroupRow(id: select.integer(0), tag: select.integer(1), messages: Int(select.integer(2)), inFlight: Int(select.integer(3)))
    }

    func group(id: Int64) throws -> GroupRow? {
        let select = try connection.prepare("SELECT id, tag, messages, in_flight FROM groups WHERE id = ?")
        defer { select.reset() }
        select.bind(1, id)
        guard try select.step() else { return nil }
        return GroupRow(id: select.integer(0), tag: select.integer(1), messages: Int(select.integer(2)), inFlight: Int(select.integer(3)))
    }

    func groupName(_ id: Int64) throws -> String? {
        let select = try connection.prepare("SELECT name FROM groups WHERE id = ?")
        defer { select.reset() }
        select.bind(1, id)
        return try select.step() ? select.text(0) : nil
    }

    func write(_ group: GroupRow) throws {
        guard group.messages > 0 else {
            let statement = try connection.prepare("DELETE FROM groups WHERE id = ?")
            statement.bind(1, group.id)
            return try statement.run()
        }
        let statement = try connection.prepare("UPDATE groups SET tag = ?, messages = ?, in_flight = ? WHERE id = ?")
        statement.bind(1, group.tag)
        statement.bind(2, Int64(group.messages))
        statement.bind(3, Int64(group.inFlight))
        statement.bind(4, group.id)
        try statement.run()
    }

    func countInFlight(_ group: Int64, _ change: Int) throws {
        guard var row = try self.group(id: group) else { return }
        row.inFlight += change
        try write(row)
    }

    /// While nothing of a FIFO group is in flight, its first message is claimable or waits for its time; all others wait
    /// behind it.
    func promoteHead(of group: Int64, in row: QueueRow, now: Int64) throws {
        guard let state = try self.group(id: group), state.inFlight == 0 else { return }
        let select = try connection.prepare("SELECT \(MessageRow.columns) FROM messages AS m WHERE m.grp = ? ORDER BY m.id LIMIT 1")
        select.bind(1, group)
        let head = try select.step() ? MessageRow(select) : nil
        select.reset()
        guard let head, head.state == .waiting else { return }
        if head.hold > now { try set(head, .delayed, in: row, due: head.hold) } else { try set(head, .ready, in: row, rank: row.round + 1) }
    }

    // MARK: Coming and going

    /// The rows of a message that is new in `row`'s queue; the limits were checked.
    func insert(
        _ message: NewMessage, sequence: Int64, into row: QueueRow, sent: Int64, now: Int64, receives: Int = 0, errors: Int = 0,
        failures: Int = 0, source: Int64? = nil
    ) throws {
        let hold = message.delay > 0 ? now + message.delay : 0
        var state: StoredMessage.State = hold > now ? .delayed : .ready
        var rank = row.round + 1
        var group: GroupRow?
        if let name = message.group {
            var own = try self.group(name, in: row)
            if row.isFIFO {
                if own.messages > 0 { state = .waiting }
            } else {
                // Its turn comes once in each round, however many it sends.
                own.tag = max(own.tag, row.round) + 1
                rank = own.tag
            }
            own.messages += 1
            try write(own)
            group = own
        }
        let statement = try connection.prepare(
            """
            INSERT INTO messages (id, queue, message_id, state, rank, due, hold, lease, grp, sent, expires, receives, first_received,
                errors, failures, size, source)
            VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, NULL, ?, ?, ?, ?)
            """)
        statement.bind(1, sequence)
        statement.bind(2, row.id)
        statement.bind(3, message.id)
        statement.bind(4, Int64(state.rawValue))
        statement.bind(5, state == .ready ? rank : 0)
        statement.bind(6, state == .delayed ? hold : nil)
        statement.bind(7, hold)
        statement.bind(8, group?.id)
        statement.bind(9, sent)
        statement.bind(10, message.expires)
        statement.bind(11, Int64(receives))
        statement.bind(12, Int64(errors))
        statement.bind(13, Int64(failures))
        statement.bind(14, Int64(message.size))
        statement.bind(15, source)
        try statement.run()

        let bodies = try connection.prepare("INSERT INTO bodies (id, body, attributes, dedup, trace, origin) VALUES (?, ?, ?, ?, ?, ?)")
        bodies.bind(1, sequence)
        message.body.withUnsafeBytes { bodies.bind(2, bytes: $0) }
        message.attributes.withUnsafeBytes { bodies.bind(3, bytes: $0) }
        bodies.bind(4, message.deduplicationKey)
        bodies.bind(5, message.trace)
        bodies.bind(6, message.origin)
        try bodies.run()
        row.count(state, 1)
        try count(row, messages: 1, bytes: message.size)
        if state == .delayed { willBeDue(hold) }
    }

    /// Deletes a message and what belongs to it; the next of its FIFO group takes its place.
    func remove(_ message: MessageRow, from row: QueueRow, now: Int64) throws {
        for sql in ["DELETE FROM messages WHERE id = ?", "DELETE FROM bodies WHERE id = ?"] {
            let statement = try connection.prepare(sql)
            statement.bind(1, message.id)
            try statement.run()
        }
        if message.failures > 0 {
            let statement = try connection.prepare("DELETE FROM failures WHERE message = ?")
            statement.bind(1, message.id)
            try statement.run()
        }
        row.count(message.state, -1)
        try count(row, messages: -1, bytes: -message.size)
        try leaveGroup(message, in: row, now: now)
    }

    private func leaveGroup(_ message: MessageRow, in row: QueueRow, now: Int64) throws {
        guard let id = message.group, var group = try group(id: id) else { return }
        group.messages -= 1
        if message.state == .inFlight, row.isFIFO { group.inFlight -= 1 }
        try write(group)
        if row.isFIFO, group.messages > 0 { try promoteHead(of: id, in: row, now: now) }
    }

    /// Takes a message to another queue, with its ID, body, times and failures; the target's room was checked.
    /// - Parameter keepsHistory: false where it begins anew: counted failures are 0 again, and claims too, but for the
    ///   platform's own queues, where each claim is an attempt with a number of its own.
    func move(_ message: MessageRow, from row: QueueRow, to target: QueueRow, now: Int64, keepsHistory: Bool) throws {
        let name = try message.group.flatMap { try groupName($0) }
        row.count(message.state, -1)
        try count(row, messages: -1, bytes: -message.size)
        var state: StoredMessage.State = .ready
        var rank = target.round + 1
        var group: GroupRow?
        if let name {
            var own = try self.group(name, in: target)
            if target.isFIFO {
                if own.messages > 0 { state = .waiting }
            } else {
                own.tag = max(own.tag, target.round) + 1
                rank = own.tag
            }
            own.messages += 1
            try write(own)
            group = own
        }
        let statement = try connection.prepare(
            """
            UPDATE messages SET queue = ?, state = ?, rank = ?, due = NULL, hold = 0, lease = NULL, grp = ?, source = ?,
                receives = CASE WHEN ?6 OR ?9 THEN receives ELSE 0 END, errors = CASE WHEN ?6 THEN errors ELSE 0 END,
                expires = NULL, sent = CASE WHEN ?6 THEN sent ELSE ?7 END,
                first_received = CASE WHEN ?6 THEN first_received ELSE NULL END
            WHERE id = ?8
            """)
        statement.bind(1, target.id)
        statement.bind(2, Int64(state.rawValue))
        statement.bind(3, state == .ready ? rank : 0)
        statement.bind(4, group?.id)
        statement.bind(5, keepsHistory ? row.id : nil)
        statement.bind(6, keepsHistory ? 1 : 0)
        statement.bind(7, now)
        statement.bind(8, message.id)
        statement.bind(9, target.record.kind == .internal ? 1 : 0)
        try statement.run()
        target.count(state, 1)
        try count(target, messages: 1, bytes: message.size)
        // Only now: it must not be taken for the first of the group that it leaves.
        try leaveGroup(message, in: row, now: now)
    }

    /// Why a message cannot be taken into a queue; nil when it can.
    func refusal(_ row: QueueRow, messages: Int = 1, bytes: Int) throws -> ServiceError? {
        let totals = try loadTotals()
        let name = row.key.name
        if row.messages + messages > limits.messagesPerQueue {
            return ServiceError(.tooManyRequests, "the queue \(name) is full: it holds \(row.messages) messages, its limit", retryAfter: 1)
        }
        if row.bytes + bytes > limits.bytesPerQueue {
            return ServiceError(.tooManyRequests, "the queue \(name) is full: it holds \(row.bytes) of \(limits.bytesPerQueue) bytes", retryAfter: 1)
        }
        if totals.messages + messages > limits.messages {
            return ServiceError(.tooManyRequests, "the server's queues are full: they hold \(totals.messages) messages together, their limit", retryAfter: 1)
        }
        if totals.bytes + bytes > limits.bytes {
            return ServiceError(.tooManyRequests, "the server's queues are full: they hold \(totals.bytes) of \(limits.bytes) bytes", retryAfter: 1)
        }
        return nil
    }

    func addFailure(_ failure: Settlement.Failure, to message: MessageRow, now: Int64) throws {
        let insert = try connection.prepare(
            "INSERT OR REPLACE INTO failures (message, number, attempt, time, kind, reason, counted) VALUES (?, ?, ?, ?, ?, ?, ?)")
        insert.bind(1, message.id)
        insert.bind(2, Int64(message.failures))
        insert.bind(3, Int64(message.receives))
        insert.bind(4, now)
        insert.bind(5, String(decoding: failure.kind.utf8.prefix(128), as: UTF8.self))
        insert.bind(6, String(decoding: failure.reason.utf8.prefix(DeliveryFailure.maximumReason), as: UTF8.self))
        insert.bind(7, failure.isCounted ? 1 : 0)
        try insert.run()
        if message.failures >= DeliveryFailure.kept {
            let delete = try connection.prepare("DELETE FROM failures WHERE message = ? AND number <= ?")
            delete.bind(1, message.id)
            delete.bind(2, Int64(message.failures - DeliveryFailure.kept))
            try delete.run()
        }
        let update = try connection.prepare("UPDATE messages SET failures = ?, errors = ?, receives = ? WHERE id = ?")
        update.bind(1, Int64(message.failures + 1))
        update.bind(2, Int64(message.errors + (failure.isCounted ? 1 : 0)))
        update.bind(3, Int64(max(0, message.receives - (failure.takesBackReceive ? 1 : 0))))
        update.bind(4, message.id)
        try update.run()
    }
}
