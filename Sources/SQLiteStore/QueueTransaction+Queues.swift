import DurableQueue
import FunctionModel

/// Queues as such.
extension QueueTransaction {
    func insert(_ queue: QueueRecord) throws {
        let statement = try connection.prepare(
            """
            INSERT INTO queues (account, region, name, kind, created, modified, attributes, tags, retention, maximum_receives,
                dead_account, dead_region, dead_name)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        statement.bind(1, queue.key.account)
        statement.bind(2, queue.key.region)
        statement.bind(3, queue.key.name)
        statement.bind(4, Int64(queue.kind.rawValue))
        statement.bind(5, queue.created)
        try bindChangeable(queue, to: statement, from: 6)
        try statement.run()
    }

    func update(_ queue: QueueRecord) throws {
        let row = try row(queue.key)
        try forget(row)
        let statement = try connection.prepare(
            """
            UPDATE queues SET modified = ?, attributes = ?, tags = ?, retention = ?, maximum_receives = ?, dead_account = ?,
                dead_region = ?, dead_name = ? WHERE id = ?
            """)
        try bindChangeable(queue, to: statement, from: 1)
        statement.bind(9, row.id)
        try statement.run()
    }

    private func bindChangeable(_ queue: QueueRecord, to statement: Statement, from first: Int32) throws {
        statement.bind(first, queue.modified)
        statement.bind(first + 1, try Self.json(queue.attributes))
        statement.bind(first + 2, try Self.json(queue.tags))
        statement.bind(first + 3, queue.settings.retention)
        statement.bind(first + 4, queue.settings.maximumReceives.map(Int64.init))
        statement.bind(first + 5, queue.settings.deadLetters?.account)
        statement.bind(first + 6, queue.settings.deadLetters?.region)
        statement.bind(first + 7, queue.settings.deadLetters?.name)
    }

    /// Its name is free from now on; `advance` deletes what it held.
    func markDeleted(_ key: QueueKey) throws {
        let row = try row(key)
        try forget(row)
        let statement = try connection.prepare("UPDATE queues SET is_deleted = 1, name = '#' || id, retention = NULL WHERE id = ?")
        statement.bind(1, row.id)
        try statement.run()
        willBeDue(0)
    }

    func queues(account: String, region: String, prefix: String, after: String?, limit: Int) throws -> [QueueRecord] {
        let statement = try connection.prepare(
            """
            SELECT \(Self.columns) FROM queues
            WHERE account = ?1 AND region = ?2 AND name > ?3 AND name >= ?4 AND is_deleted = 0 ORDER BY name LIMIT ?5
            """)
        defer { statement.reset() }
        statement.bind(1, account)
        statement.bind(2, region)
        statement.bind(3, after ?? "")
        statement.bind(4, prefix)
        statement.bind(5, Int64(limit))
        var records: [QueueRecord] = []
        while try statement.step() {
            let record = Self.read(statement).record
            guard record.key.name.hasPrefix(prefix) else { break }
            records.append(record)
        }
        return records
    }

    /// As they were when this transaction began: nothing else in it changes their counters before they are read.
    func queues(_ kind: QueueKind) throws -> [QueueRow] {
        try flush()
        let statement = try connection.prepare("SELECT \(Self.columns) FROM queues WHERE kind = ? AND is_deleted = 0")
        defer { statement.reset() }
        statement.bind(1, Int64(kind.rawValue))
        var rows: [QueueRow] = []
        while try statement.step() { rows.append(Self.read(statement)) }
        return rows
    }

    func sources(of key: QueueKey) throws -> [QueueKey] {
        let statement = try connection.prepare(
            """
            SELECT account, region, name FROM queues
            WHERE dead_account = ? AND dead_region = ? AND dead_name = ? AND dead_name IS NOT NULL AND is_deleted = 0 ORDER BY name
            """)
        defer { statement.reset() }
        statement.bind(1, key.account)
        statement.bind(2, key.region)
        statement.bind(3, key.name)
        var keys: [QueueKey] = []
        while try statement.step() { keys.append(QueueKey(account: statement.text(0), region: statement.text(1), name: statement.text(2))) }
        return keys
    }
}
