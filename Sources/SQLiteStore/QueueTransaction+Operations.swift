import DurableQueue
import FunctionModel

/// What the port offers, inside one transaction.
extension QueueTransaction {
    static let deduplicationMilliseconds: Int64 = 300_000
    /// Messages that one transaction makes visible, drops, deletes or moves at most, so that none holds up the others.
    static let slice = 500

    // MARK: Enqueue

    func enqueue(_ messages: [NewMessage], to key: QueueKey, now: Int64) throws -> [Result<Accepted, ServiceError>] {
        let row = try row(key)
        return try messages.map { try enqueue($0, to: row, now: now) }
    }

    func enqueue(_ message: NewMessage, to key: QueueKey, now: Int64) throws -> Result<Accepted, ServiceError> {
        try enqueue(message, to: row(key), now: now)
    }

    private func enqueue(_ message: NewMessage, to row: QueueRow, now: Int64) throws -> Result<Accepted, ServiceError> {
        guard message.size <= limits.messageBytes else {
            return .failure(
                ServiceError(.requestTooLarge, "the message has \(message.size) bytes with its attributes; at most \(limits.messageBytes) are taken"))
        }
        if row.isFIFO, message.group == nil {
            return .failure(ServiceError(.invalidParameterValue, "a message for the FIFO queue \(row.key.name) needs a group"))
        }
        if let key = message.deduplicationKey, let first = try duplicate(of: key, in: row, now: now) { return .success(first) }
        if let refusal = try refusal(row, bytes: message.size) { return .failure(refusal) }
        return .success(try add(message, to: row, now: now))
    }

    /// For a message of which all else was checked.
    func accept(_ message: NewMessage, into row: QueueRow, now: Int64) throws {
        if let key = message.deduplicationKey, try duplicate(of: key, in: row, now: now) != nil { return }
        _ = try add(message, to: row, now: now)
    }

    private func add(_ message: NewMessage, to row: QueueRow, now: Int64) throws -> Accepted {
        let sequence = try nextSequence()
        try insert(message, sequence: sequence, into: row, sent: now, now: now)
        if let key = message.deduplicationKey { try remember(key, message.id, sequence, in: row, now: now) }
        return Accepted(id: message.id, sequence: sequence, isDuplicate: false)
    }

    private func duplicate(of key: String, in row: QueueRow, now: Int64) throws -> Accepted? {
        let statement = try connection.prepare("SELECT message_id, sequence FROM dedups WHERE queue = ? AND key = ? AND until > ?")
        defer { statement.reset() }
        statement.bind(1, row.id)
        statement.bind(2, key)
        statement.bind(3, now)
        return try statement.step() ? Accepted(id: statement.requestID(0), sequence: statement.integer(1), isDuplicate: true) : nil
    }

    private func remember(_ key: String, _ id: RequestID, _ sequence: Int64, in row: QueueRow, now: Int64) throws {
        let statement = try connection.prepare("INSERT OR REPLACE INTO dedups (queue, key, message_id, sequence, until) VALUES (?, ?, ?, ?, ?)")
        statement.bind(1, row.id)
        statement.bind(2, key)
        statement.bind(3, id)
        statement.bind(4, sequence)
        statement.bind(5, now + Self.deduplicationMilliseconds)
        try statement.run()
    }

    // MARK: Claim

    func claim(from key: QueueKey, limit: Int, lease: Int64, now: Int64) throws -> [ClaimedMessage] {
        let row = try row(key)
        try showDue(now: now)
        try dropExpired(in: row, now: now)
        var claimed: [ClaimedMessage] = []
        // Messages that go to the dead letters instead are no result; a bounded number of rounds looks for others.
        for _ in 0..<4 where claimed.count < limit {
            let wanted = limit - claimed.count
            let heads = try messages(Self.readyInTurn, row.id, limit: wanted)
            if heads.isEmpty { break }
            for head in heads where claimed.count < limit {
                row.round = max(row.round, head.rank)
                row.isChanged = true
                guard let first = try claim(head, from: row, lease: lease, now: now) else { continue }
                claimed.append(first)
                if row.isFIFO, let group = head.group {
                    claimed += try claimFollowers(of: head, group, from: row, limit: limit - claimed.count, lease: lease, now: now)
                }
            }
        }
        return claimed
    }

    static let readyInTurn = "SELECT \(MessageRow.columns) FROM messages AS m WHERE m.queue = ? AND m.state = 0 ORDER BY m.rank, m.id LIMIT ?"

    static let followers = "SELECT \(MessageRow.columns) FROM messages AS m WHERE m.grp = ? AND m.state = 3 ORDER BY m.id LIMIT ?"

    /// Further messages of the group may go to the same consumer, in order.
    private func claimFollowers(of head: MessageRow, _ group: Int64, from row: QueueRow, limit: Int, lease: Int64, now: Int64) throws -> [ClaimedMessage] {
        guard limit > 0 else { return [] }
        let followers = try messages(Self.followers, group, limit: limit)
        var claimed: [ClaimedMessage] = []
        for follower in followers {
            guard follower.hold <= now, let message = try claim(follower, from: row, lease: lease, now: now) else { break }
            claimed.append(message)
        }
        return claimed
    }

    /// - Returns: nil where the message went to the dead letters.
    private func claim(_ message: MessageRow, from row: QueueRow, lease: Int64, now: Int64) throws -> ClaimedMessage? {
        if let most = row.record.settings.maximumReceives, message.receives >= most, try moveToDeadLetters(message, from: row, now: now) { return nil }
        let token = newLease()
        let due = now + lease
        let update = try connection.prepare(
            """
            UPDATE messages SET state = 2, due = ?1, rank = 0, lease = ?2, receives = receives + 1,
                first_received = coalesce(first_received, ?3) WHERE id = ?4
            """)
        update.bind(1, due)
        update.bind(2, token)
        update.bind(3, now)
        update.bind(4, message.id)
        try update.run()
        row.count(message.state, -1)
        row.count(.inFlight, 1)
        willBeDue(due)
        if row.isFIFO, let group = message.group { try countInFlight(group, 1) }
        guard let stored = try stored(message.id) else { return nil }
        return ClaimedMessage(receipt: Receipt(sequence: message.id, lease: token), message: stored)
    }

    /// - Returns: false where there is no such queue or no room in it; the message is handed out once more then.
    private func moveToDeadLetters(_ message: MessageRow, from row: QueueRow, now: Int64) throws -> Bool {
        guard let key = row.record.settings.deadLetters, let target = try find(key), target.id != row.id,
            target.isFIFO == row.isFIFO || !target.isFIFO, try refusal(target, bytes: message.size) == nil
        else { return false }
        try addFailure(
            Settlement.Failure(kind: "MaximumReceives", reason: "it was received \(message.receives) times and never deleted", isCounted: false),
            to: message, now: now)
        // It has left a trace of its own.
        guard let current = try self.message(message.id) else { return false }
        try move(current, from: row, to: target, now: now, keepsHistory: true)
        deadLetters[row.key, default: 0] += 1
        return true
    }

    // MARK: Settle

    func settle(_ settlement: Settlement, of row: QueueRow, now: Int64) throws -> Settlement.Result {
        guard let message = try message(settlement.receipt.sequence), message.queue == row.id, message.lease == settlement.receipt.lease else {
            return .stale
        }
        // After its lease only what was finished counts, as long as nobody else has begun.
        if message.state != .inFlight, case .acknowledge = settlement.action {} else if message.state != .inFlight { return .stale }
        if let refusal = try refusal(of: settlement, message, row) { return .refused(refusal) }
        for delivery in settlement.deliveries {
            guard let target = try find(delivery.queue) else { continue }
            _ = try enqueue(delivery.message, to: target, now: now)
        }
        switch settlement.action {
        case .acknowledge: try remove(message, from: row, now: now)
        case .release(let delay, let failure):
            if let failure { try addFailure(failure, to: message, now: now) }
            try show(message, hold: delay > 0 ? now + delay : 0, in: row, now: now)
        case .extend(let milliseconds):
            let due = now + milliseconds
            let statement = try connection.prepare("UPDATE messages SET due = ? WHERE id = ?")
            statement.bind(1, due)
            statement.bind(2, message.id)
            try statement.run()
            willBeDue(due)
        case .move(let key, let failure):
            try addFailure(failure, to: message, now: now)
            guard let target = try find(key), let current = try self.message(message.id) else { break }
            try move(current, from: row, to: target, now: now, keepsHistory: true)
        }
        return .done
    }

    /// All targets are looked at before anything is changed.
    private func refusal(of settlement: Settlement, _ message: MessageRow, _ row: QueueRow) throws -> String? {
        var sizes: [QueueKey: (messages: Int, bytes: Int)] = [:]
        for delivery in settlement.deliveries {
            let size = delivery.message.size
            guard size <= limits.messageBytes else { return "the message for \(delivery.queue.name) has \(size) bytes; at most \(limits.messageBytes) are taken" }
            let sum = sizes[delivery.queue] ?? (0, 0)
            sizes[delivery.queue] = (sum.messages + 1, sum.bytes + size)
        }
        if case .move(let key, _) = settlement.action {
            guard key != row.key else { return "the queue \(key.name) cannot take its own dead letters" }
            let sum = sizes[key] ?? (0, 0)
            sizes[key] = (sum.messages + 1, sum.bytes + message.size)
        }
        for (key, sum) in sizes {
            guard let target = try find(key) else { return "the queue \(key.name) does not exist" }
            if let refusal = try refusal(target, messages: sum.messages, bytes: sum.bytes) { return refusal.message }
            if target.isFIFO {
                let isGrouped = settlement.deliveries.allSatisfy { $0.queue != key || $0.message.group != nil }
                if case .move(key, _) = settlement.action, message.group == nil { return "the FIFO queue \(key.name) needs a group" }
                guard isGrouped else { return "the FIFO queue \(key.name) needs a group" }
            }
        }
        return nil
    }

    // MARK: Looking

    static let oldest = "SELECT min(sent) FROM messages WHERE queue = ?"

    func counts(_ row: QueueRow) throws -> QueueCounts {
        let statement = try connection.prepare(Self.oldest)
        defer { statement.reset() }
        statement.bind(1, row.id)
        let oldest = try statement.step() ? statement.optionalInteger(0) : nil
        return QueueCounts(visible: row.ready + row.waiting, inFlight: row.inFlight, delayed: row.delayed, bytes: row.bytes, oldest: oldest)
    }

    static let storedColumns = """
        m.id, m.message_id, m.state, b.body, b.attributes, g.name, b.dedup, b.trace, b.origin, m.sent, m.first_received, m.due,
            m.receives, m.errors, m.failures, s.account, s.region, s.name
        FROM messages AS m JOIN bodies AS b ON b.id = m.id LEFT JOIN groups AS g ON g.id = m.grp LEFT JOIN queues AS s ON s.id = m.source
        """

    static let page = "SELECT \(storedColumns) WHERE m.queue = ?1 AND (m.sent, m.id) > (?2, ?3) ORDER BY m.sent, m.id LIMIT ?4"

    private func stored(_ id: Int64) throws -> StoredMessage? {
        let statement = try connection.prepare("SELECT \(Self.storedColumns) WHERE m.id = ?")
        statement.bind(1, id)
        let found = try statement.step() ? (message: statement.storedMessage(), hasFailures: statement.integer(14) > 0) : nil
        statement.reset()
        guard let found else { return nil }
        var message = found.message
        if found.hasFailures { message.failures = try failures(of: id) }
        return message
    }

    private func failures(of id: Int64) throws -> [DeliveryFailure] {
        let statement = try connection.prepare("SELECT attempt, time, kind, reason, counted FROM failures WHERE message = ? ORDER BY number")
        defer { statement.reset() }
        statement.bind(1, id)
        var failures: [DeliveryFailure] = []
        while try statement.step() {
            failures.append(
                DeliveryFailure(
                    attempt: Int(statement.integer(0)), time: statement.integer(1), kind: statement.text(2), reason: statement.text(3),
                    isCounted: statement.integer(4) != 0))
        }
        return failures
    }

    func peek(_ row: QueueRow, after: (sent: Int64, sequence: Int64)?, limit: Int) throws -> [StoredMessage] {
        let statement = try connection.prepare(Self.page)
        statement.bind(1, row.id)
        statement.bind(2, after?.sent ?? .min)
        statement.bind(3, after?.sequence ?? .min)
        statement.bind(4, Int64(limit))
        var found: [StoredMessage] = []
        var failed: [Int] = []
        while try statement.step() {
            if statement.integer(14) > 0 { failed.append(found.count) }
            found.append(statement.storedMessage())
        }
        statement.reset()
        for index in failed { found[index].failures = try failures(of: found[index].sequence) }
        return found
    }

    private func rowID(of id: RequestID, in row: QueueRow) throws -> MessageRow? {
        let statement = try connection.prepare(
            "SELECT \(MessageRow.columns) FROM messages AS m WHERE m.message_id = ? AND m.queue = ? AND m.state <> 2 ORDER BY m.id LIMIT 1")
        defer { statement.reset() }
        statement.bind(1, id)
        statement.bind(2, row.id)
        return try statement.step() ? MessageRow(statement) : nil
    }

    func find(_ id: RequestID, in row: QueueRow) throws -> StoredMessage? {
        let statement = try connection.prepare("SELECT m.id FROM messages AS m WHERE m.message_id = ? AND m.queue = ? ORDER BY m.id LIMIT 1")
        statement.bind(1, id)
        statement.bind(2, row.id)
        let found = try statement.step() ? statement.integer(0) : nil
        statement.reset()
        return try found.flatMap { try stored($0) }
    }

    func discard(_ id: RequestID, from row: QueueRow, now: Int64) throws -> Bool {
        guard let message = try rowID(of: id, in: row) else { return false }
        try remove(message, from: row, now: now)
        return true
    }

    // MARK: Moving and deleting many

    /// - Parameter last: messages accepted later stay.
    func purge(_ row: QueueRow, upTo last: Int64, now: Int64) throws -> Int {
        let found = try messages(
            "SELECT \(MessageRow.columns) FROM messages AS m WHERE m.queue = ?1 AND m.id <= ?3 ORDER BY m.sent, m.id LIMIT ?2", row.id,
            limit: Self.slice, third: last)
        for message in found { try remove(message, from: row, now: now) }
        return found.count
    }

    func redrive(_ row: QueueRow, to target: QueueKey?, id: RequestID?, limit: Int, now: Int64) throws -> Int {
        let chosen: [MessageRow]
        if let id { chosen = try rowID(of: id, in: row).map { [$0] } ?? [] } else { chosen = try messages(Self.readyInTurn, row.id, limit: limit) }
        var moved = 0
        for message in chosen {
            let key = try target ?? source(of: message)
            guard let key, let queue = try find(key), queue.id != row.id else {
                throw ServiceError(
                    .resourceNotFound, "the queue that messages of \(row.key.name) came from does not exist any more; name one to move them to")
            }
            if queue.isFIFO, message.group == nil {
                throw ServiceError(.invalidParameterValue, "the FIFO queue \(queue.key.name) takes messages with a group only")
            }
            if let refusal = try refusal(queue, bytes: message.size) {
                // What was moved stays so; the next call meets the refusal first.
                if moved > 0 { return moved }
                throw refusal
            }
            try move(message, from: row, to: queue, now: now, keepsHistory: false)
            moved += 1
        }
        return moved
    }

    private func source(of message: MessageRow) throws -> QueueKey? {
        let statement = try connection.prepare(
            "SELECT s.account, s.region, s.name FROM messages AS m JOIN queues AS s ON s.id = m.source WHERE m.id = ? AND s.is_deleted = 0")
        defer { statement.reset() }
        statement.bind(1, message.id)
        return try statement.step() ? QueueKey(account: statement.text(0), region: statement.text(1), name: statement.text(2)) : nil
    }

    // MARK: Time

    static let dueMessages = "SELECT \(MessageRow.columns) FROM messages AS m WHERE m.due <= ? ORDER BY m.due LIMIT ?"

    /// Makes visible what is due.
    func showDue(now: Int64) throws {
        for message in try messages(Self.dueMessages, now, limit: Self.slice) {
            guard let row = try row(id: message.queue) else { continue }
            // A sibling of its group may have been shown with it.
            guard let current = try self.message(message.id), current.state == message.state else { continue }
            try show(current, hold: current.state == .inFlight ? 0 : current.hold, in: row, now: now)
        }
    }

    static let leased = "SELECT \(MessageRow.columns) FROM messages AS m INDEXED BY messages_leased WHERE m.queue = ? AND m.state = 2 LIMIT ?"

    func reclaim(_ row: QueueRow, now: Int64) throws -> Int {
        let leased = try messages(Self.leased, row.id, limit: Self.slice)
        for message in leased {
            guard let current = try self.message(message.id), current.state == .inFlight else { continue }
            try show(current, hold: 0, in: row, now: now)
        }
        return leased.count
    }

    private func dropExpired(in row: QueueRow, now: Int64) throws {
        guard let retention = row.record.settings.retention, row.messages > 0 else { return }
        let old = try messages(
            "SELECT \(MessageRow.columns) FROM messages AS m WHERE m.queue = ?1 AND m.sent <= ?3 ORDER BY m.sent LIMIT ?2", row.id,
            limit: Self.slice, third: now - retention)
        for message in old { try remove(message, from: row, now: now) }
    }

    static let nextTimes = """
        SELECT (SELECT min(due) FROM messages WHERE due IS NOT NULL), (SELECT min(expires) FROM messages WHERE expires IS NOT NULL)
        """

    /// - Returns: when there is more to do.
    func advance(now: Int64) throws -> Int64? {
        try showDue(now: now)
        let expired = try messages("SELECT \(MessageRow.columns) FROM messages AS m WHERE m.expires <= ? ORDER BY m.expires LIMIT ?", now, limit: Self.slice)
        for message in expired {
            // Who works on it may still finish.
            guard message.state != .inFlight, let row = try row(id: message.queue) else {
                try execute("UPDATE messages SET expires = NULL WHERE id = ?", message.id)
                continue
            }
            try remove(message, from: row, now: now)
        }
        let kept = try connection.prepare("SELECT id FROM queues WHERE retention IS NOT NULL AND is_deleted = 0")
        var ids: [Int64] = []
        while try kept.step() { ids.append(kept.integer(0)) }
        kept.reset()
        for id in ids { if let row = try row(id: id) { try dropExpired(in: row, now: now) } }
        try execute("DELETE FROM dedups WHERE (queue, key) IN (SELECT queue, key FROM dedups WHERE until <= ? LIMIT 500)", now)
        let isEmptying = try emptyDeleted(now: now)
        let next = try connection.prepare(Self.nextTimes)
        defer { next.reset() }
        guard try next.step() else { return nil }
        let times = [next.optionalInteger(0), next.optionalInteger(1)].compactMap(\.self)
        return isEmptying ? now : times.min().map { max($0, now) }
    }

    private func execute(_ sql: String, _ value: Int64) throws {
        let statement = try connection.prepare(sql)
        statement.bind(1, value)
        try statement.run()
    }

    /// - Returns: whether there is more.
    private func emptyDeleted(now: Int64) throws -> Bool {
        let statement = try connection.prepare("SELECT id FROM queues WHERE is_deleted = 1 LIMIT 1")
        let id = try statement.step() ? statement.integer(0) : nil
        statement.reset()
        guard let id, let row = try row(id: id) else { return false }
        if try purge(row, upTo: .max, now: now) == 0 {
            for sql in ["DELETE FROM dedups WHERE queue = ?", "DELETE FROM groups WHERE queue = ?"] { try execute(sql, id) }
            // A message elsewhere that came from it names a queue that is not there any more; its number is never used again.
            try forget(row)
            try execute("DELETE FROM queues WHERE id = ?", id)
        }
        return true
    }
}

extension QueueTransaction {
    func messages(_ sql: String, _ first: Int64, limit: Int, third: Int64) throws -> [MessageRow] {
        let statement = try connection.prepare(sql)
        defer { statement.reset() }
        statement.bind(1, first)
        statement.bind(2, Int64(limit))
        statement.bind(3, third)
        var rows: [MessageRow] = []
        while try statement.step() { rows.append(MessageRow(statement)) }
        return rows
    }
}

extension Statement {
    func requestID(_ column: Int32) -> RequestID {
        let id = blob(column)
        guard id.count == 16 else { return RequestID(high: 0, low: 0) }
        return RequestID(
            high: UInt64(bigEndian: id.loadUnaligned(as: UInt64.self)), low: UInt64(bigEndian: id.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }

    /// The columns of `QueueTransaction.storedColumns`.
    func storedMessage() -> StoredMessage {
        StoredMessage(
            id: requestID(1), sequence: integer(0), state: StoredMessage.State(rawValue: UInt8(clamping: integer(2))) ?? .ready,
            body: [UInt8](blob(3)), attributes: [UInt8](blob(4)), group: optionalText(5), deduplicationKey: optionalText(6),
            trace: optionalText(7), origin: text(8), sent: integer(9), firstReceived: optionalInteger(10), due: optionalInteger(11),
            receives: Int(integer(12)), errors: Int(integer(13)),
            source: optionalText(17).map { QueueKey(account: text(15), region: text(16), name: $0) })
    }
}
