import DurableQueue
import FoundationEssentials
import FunctionModel

/// One queue's row while a transaction is open: counters change here and are written once at its end.
final class QueueRow {
    let id: Int64
    let record: QueueRecord
    var ready: Int
    var delayed: Int
    var inFlight: Int
    var waiting: Int
    var bytes: Int
    /// The rank of what was claimed last. What comes now is ranked behind it, so that each group has its turn in each round.
    var round: Int64
    var isChanged = false
    /// Whether something became claimable here.
    var hasNews = false

    init(
        id: Int64, record: QueueRecord, ready: Int, delayed: Int, inFlight: Int, waiting: Int, bytes: Int, round: Int64
    ) {
        self.id = id
        self.record = record
        self.ready = ready
        self.delayed = delayed
        self.inFlight = inFlight
        self.waiting = waiting
        self.bytes = bytes
        self.round = round
    }

    var key: QueueKey { record.key }
    var isFIFO: Bool { record.kind == .fifo }
    var messages: Int { ready + delayed + inFlight + waiting }

    func count(_ state: StoredMessage.State, _ change: Int) {
        isChanged = true
        switch state {
        case .ready:
            ready += change
            if change > 0 { hasNews = true }
        case .delayed: delayed += change
        case .inFlight: inFlight += change
        case .waiting: waiting += change
        }
    }
}

/// The queues as one open transaction sees and changes them. Used on the writer's thread only.
///
/// An operation either throws a `ServiceError` before it has changed anything, or does all of its work.
final class QueueTransaction {
    let connection: Connection
    let limits: QueueLimits
    private let randomness: () -> UInt64
    private var rows: [Int64: QueueRow] = [:]
    private var ids: [QueueKey: Int64] = [:]
    private var totals: (sequence: Int64, messages: Int, bytes: Int)?
    private var totalsChanged = false
    private(set) var nextDue: Int64?
    var deadLetters: [QueueKey: Int] = [:]

    init(_ connection: Connection, limits: QueueLimits, randomness: @escaping () -> UInt64) {
        self.connection = connection
        self.limits = limits
        self.randomness = randomness
    }

    var activity: QueueActivity {
        var activity = QueueActivity()
        for row in rows.values where row.hasNews && row.ready > 0 { activity.ready.insert(row.key) }
        activity.nextDue = nextDue
        activity.deadLetters = deadLetters
        return activity
    }

    func newLease() -> Int64 { Int64(bitPattern: randomness() >> 1) }

    func willBeDue(_ time: Int64) { nextDue = min(nextDue ?? time, time) }

    // MARK: Rows

    static let columns = """
        id, account, region, name, kind, created, modified, attributes, tags, retention, maximum_receives,
        dead_account, dead_region, dead_name, ready, delayed, in_flight, waiting, bytes, round
        """

    /// - Throws: `ServiceError` with `.resourceNotFound`.
    func row(_ key: QueueKey) throws -> QueueRow {
        guard let row = try find(key) else { throw ServiceError(.resourceNotFound, "the queue \(key.name) does not exist") }
        return row
    }

    func find(_ key: QueueKey) throws -> QueueRow? {
        if let id = ids[key], let row = rows[id] { return row }
        let statement = try connection.prepare(
            "SELECT \(Self.columns) FROM queues WHERE account = ? AND region = ? AND name = ? AND is_deleted = 0")
        defer { statement.reset() }
        statement.bind(1, key.account)
        statement.bind(2, key.region)
        statement.bind(3, key.name)
        return try statement.step() ? keep(statement) : nil
    }

    func row(id: Int64) throws -> QueueRow? {
        if let row = rows[id] { return row }
        let statement = try connection.prepare("SELECT \(Self.columns) FROM queues WHERE id = ?")
        defer { statement.reset() }
        statement.bind(1, id)
        return try statement.step() ? keep(statement) : nil
    }

    private func keep(_ statement: Statement) -> QueueRow {
        let id = statement.integer(0)
        if let row = rows[id] { return row }
        let row = Self.read(statement)
        rows[row.id] = row
        ids[row.key] = row.id
        return row
    }

    /// From a row of `columns`.
    static func read(_ statement: Statement) -> QueueRow {
        let dead = statement.optionalText(13).map { QueueKey(account: statement.text(11), region: statement.text(12), name: $0) }
        let record = QueueRecord(
            key: QueueKey(account: statement.text(1), region: statement.text(2), name: statement.text(3)),
            kind: QueueKind(rawValue: UInt8(clamping: statement.integer(4))) ?? .standard,
            settings: QueueSettings(
                retention: statement.optionalInteger(9), maximumReceives: statement.optionalInteger(10).map { Int($0) }, deadLetters: dead),
            attributes: texts(statement.text(7)), tags: texts(statement.text(8)), created: statement.integer(5), modified: statement.integer(6))
        return QueueRow(
            id: statement.integer(0), record: record, ready: Int(statement.integer(14)), delayed: Int(statement.integer(15)),
            inFlight: Int(statement.integer(16)), waiting: Int(statement.integer(17)), bytes: Int(statement.integer(18)),
            round: statement.integer(19))
    }

    /// The row is read anew by whoever needs it next.
    func forget(_ row: QueueRow) throws {
        try write(row)
        rows[row.id] = nil
        ids[row.key] = nil
    }

    private func write(_ row: QueueRow) throws(SQLiteStoreError) {
        guard row.isChanged else { return }
        let statement = try connection.prepare(
            "UPDATE queues SET ready = ?, delayed = ?, in_flight = ?, waiting = ?, bytes = ?, round = ? WHERE id = ?")
        for (index, value) in [Int64(row.ready), Int64(row.delayed), Int64(row.inFlight), Int64(row.waiting), Int64(row.bytes), row.round, row.id].enumerated() {
            statement.bind(Int32(index + 1), value)
        }
        try statement.run()
        row.isChanged = false
    }

    /// To be called before the commit.
    func flush() throws(SQLiteStoreError) {
        for row in rows.values { try write(row) }
        guard totalsChanged, let totals else { return }
        let statement = try connection.prepare("UPDATE totals SET sequence = ?, messages = ?, bytes = ?")
        statement.bind(1, totals.sequence)
        statement.bind(2, Int64(totals.messages))
        statement.bind(3, Int64(totals.bytes))
        try statement.run()
        totalsChanged = false
    }

    // MARK: Totals

    func loadTotals() throws -> (sequence: Int64, messages: Int, bytes: Int) {
        if let totals { return totals }
        let statement = try connection.prepare("SELECT sequence, messages, bytes FROM totals")
        defer { statement.reset() }
        guard try statement.step() else {
            throw SQLiteStoreError(step: "read the totals of \(connection.path)", code: 0, reason: "the table totals is empty")
        }
        let loaded = (statement.integer(0), Int(statement.integer(1)), Int(statement.integer(2)))
        totals = loaded
        return loaded
    }

    func nextSequence() throws -> Int64 {
        var loaded = try loadTotals()
        loaded.sequence += 1
        totals = loaded
        totalsChanged = true
        return loaded.sequence
    }

    /// Messages and bytes that a queue gains or loses.
    func count(_ row: QueueRow, messages: Int, bytes: Int) throws {
        var loaded = try loadTotals()
        loaded.messages += messages
        loaded.bytes += bytes
        totals = loaded
        totalsChanged = true
        row.bytes += bytes
        row.isChanged = true
    }

    // MARK: Texts

    static func texts(_ json: String) -> [String: String] {
        (try? JSONDecoder().decode([String: String].self, from: Data(json.utf8))) ?? [:]
    }

    static func json(_ texts: [String: String]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        do { return String(decoding: try encoder.encode(texts), as: UTF8.self) } catch {
            throw SQLiteStoreError(step: "encode a table of texts", code: 0, reason: "\(error)")
        }
    }
}
