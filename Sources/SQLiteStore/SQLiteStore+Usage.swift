public import FunctionModel
public import Metering

struct VersionKey: Hashable {
    let key: FunctionKey
    let version: String
}

private struct HourKey: Hashable {
    let hour: Int64
    let versionID: Int64
}

extension SQLiteStore: UsageStore {
    @discardableResult
    public func fold(_ records: [UsageRecord]) throws -> Int {
        guard !records.isEmpty else { return 0 }
        return try attempt("store \(records.count) usage records") { () throws(SQLiteStoreError) in
            var madeIDs: [VersionKey: Int64] = [:]
            let count = try connection.transaction { () throws(SQLiteStoreError) in
                var hours: [HourKey: UsageTotals] = [:]
                var count = 0
                for record in records {
                    let versionID = try self.versionID(of: record, made: &madeIDs)
                    guard try insert(record, versionID: versionID) else { continue }
                    count += 1
                    let hour = HourKey(hour: UsageTime.floorDivide(record.startMilliseconds, Self.hour), versionID: versionID)
                    hours[hour, default: UsageTotals()].add(record)
                }
                for (hour, sums) in hours { try add(sums, to: hour) }
                return count
            }
            // Only now: a rolled back row has no ID.
            versionIDs.merge(madeIDs) { _, new in new }
            return count
        }
    }

    public func record(requestID: RequestID) throws -> [UsageRecord] {
        try attempt("look up invocation \(requestID)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(Self.recordByRequest)
            defer { statement.reset() }
            statement.bind(1, requestID)
            var records: [UsageRecord] = []
            while try statement.step() { records.append(statement.usageRecord()) }
            return records
        }
    }

    public func report(_ query: UsageQuery) throws -> [UsageRow] {
        try attempt("report usage by \(query.grouping.rawValue)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(Self.reportSQL(query.grouping))
            defer { statement.reset() }
            statement.bind(1, query.since.map { UsageTime.floorDivide($0, Self.hour) })
            // The exclusive bound is widened to the end of its hour.
            statement.bind(2, query.until.map { $0 == .min ? $0 : UsageTime.floorDivide($0 - 1, Self.hour) + 1 })
            statement.bind(3, query.account)
            statement.bind(4, query.function)
            var rows: [UsageRow] = []
            while try statement.step() { rows.append(statement.usageRow(query)) }
            return rows
        }
    }

    public func records(_ query: UsageQuery, after cursor: UsageCursor?, limit: Int) throws -> (
        rows: [UsageRecord], next: UsageCursor?
    ) {
        try attempt("list usage records") { () throws(SQLiteStoreError) in
            let limit = min(max(limit, 1), 100_000)
            // The cursor names a row; the order goes on after that row's request ID and attempt.
            let since = query.since ?? .min
            let place = try cursor.map { cursor throws(SQLiteStoreError) in
                let place = try self.place(of: cursor)
                // A place before the first possible record is no lower bound.
                return place.start < since ? (start: since, requestID: [UInt8](repeating: 0, count: 16), attempt: 0) : place
            }
            let statement = try connection.prepare(place == nil ? Self.firstPage : Self.nextPage)
            defer { statement.reset() }
            if place == nil { statement.bind(1, since) }
            statement.bind(2, query.until.map { $0 == .min ? $0 : $0 - 1 } ?? .max)
            statement.bind(3, query.account)
            statement.bind(4, query.function)
            // One more than asked for tells whether there is a next page.
            statement.bind(5, Int64(limit + 1))
            if let place {
                statement.bind(6, place.start)
                place.requestID.withUnsafeBytes { statement.bind(7, blob: $0) }
                statement.bind(8, place.attempt)
            }
            var rows: [UsageRecord] = []
            var last: UsageCursor?
            while try statement.step() {
                if rows.count == limit { return (rows, last) }
                let record = statement.usageRecord()
                last = UsageCursor(startMilliseconds: record.startMilliseconds, rowID: statement.integer(21))
                rows.append(record)
            }
            return (rows, nil)
        }
    }

    // MARK: Folding

    private func versionID(of record: UsageRecord, made: inout [VersionKey: Int64]) throws(SQLiteStoreError) -> Int64 {
        let key = VersionKey(key: record.key, version: record.version)
        if let id = versionIDs[key] ?? made[key] { return id }
        let insert = try connection.prepare(
            "INSERT INTO usage_versions (account, region, name, version) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
        insert.bind(record.key)
        insert.bind(4, record.version)
        try insert.run()
        let select = try connection.prepare(
            "SELECT id FROM usage_versions WHERE account = ? AND region = ? AND name = ? AND version = ?")
        defer { select.reset() }
        select.bind(record.key)
        select.bind(4, record.version)
        guard try select.step() else {
            throw SQLiteStoreError(step: "store the name \(record.key) in \(connection.path)", code: 0, reason: "it was not kept")
        }
        let id = select.integer(0)
        made[key] = id
        return id
    }

    /// - Returns: false for a duplicate.
    private func insert(_ record: UsageRecord, versionID: Int64) throws(SQLiteStoreError) -> Bool {
        let statement = try connection.prepare(
            """
            INSERT INTO usage_ledger (request_id, attempt, version_id, revision, trigger, start_kind, outcome, start_ms,
                queue_us, sandbox_us, init_us, handler_us, total_us, billed_ms, memory_mb, peak_kib, cpu_us, bytes_in, bytes_out,
                age_ms)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """)
        statement.bind(1, record.requestID)
        statement.bind(2, Int64(record.attempt))
        statement.bind(3, versionID)
        statement.bind(4, Int64(bitPattern: record.revision))
        statement.bind(5, Int64(record.trigger.rawValue))
        statement.bind(6, Int64(record.startKind.rawValue))
        statement.bind(7, Int64(record.outcome.rawValue))
        statement.bind(8, record.startMilliseconds)
        statement.bind(9, Int64(record.queueMicroseconds))
        statement.bind(10, Int64(record.sandboxMicroseconds))
        statement.bind(11, Int64(record.initMicroseconds))
        statement.bind(12, Int64(record.handlerMicroseconds))
        statement.bind(13, Int64(record.totalMicroseconds))
        statement.bind(14, Int64(record.billedMilliseconds))
        statement.bind(15, Int64(record.memorySize))
        statement.bind(16, Int64(record.peakMemoryKiB))
        statement.bind(17, Int64(clamping: record.cpuMicroseconds))
        statement.bind(18, Int64(record.bytesIn))
        statement.bind(19, Int64(record.bytesOut))
        statement.bind(20, Int64(record.ageMilliseconds))
        try statement.run()
        return connection.changes == 1
    }

    private func add(_ sums: UsageTotals, to hour: HourKey) throws(SQLiteStoreError) {
        let statement = try connection.prepare(
            """
            INSERT INTO usage_hours (hour, version_id, invocations, initializations, errors, billed_ms, megabyte_ms, cpu_us,
                bytes_in, bytes_out)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET invocations = invocations + excluded.invocations,
                initializations = initializations + excluded.initializations, errors = errors + excluded.errors,
                billed_ms = billed_ms + excluded.billed_ms, megabyte_ms = megabyte_ms + excluded.megabyte_ms,
                cpu_us = cpu_us + excluded.cpu_us, bytes_in = bytes_in + excluded.bytes_in,
                bytes_out = bytes_out + excluded.bytes_out
            """)
        statement.bind(1, hour.hour)
        statement.bind(2, hour.versionID)
        statement.bind(3, Int64(clamping: sums.invocations))
        statement.bind(4, Int64(clamping: sums.initializations))
        statement.bind(5, Int64(clamping: sums.errors))
        statement.bind(6, Int64(clamping: sums.billedMilliseconds))
        statement.bind(7, Int64(clamping: sums.megabyteMilliseconds))
        statement.bind(8, Int64(clamping: sums.cpuMicroseconds))
        statement.bind(9, Int64(clamping: sums.bytesIn))
        statement.bind(10, Int64(clamping: sums.bytesOut))
        try statement.run()
    }

    // MARK: Reading

    /// CROSS JOIN keeps the ledger outermost, so that pages come from its index in order and stop at the limit.
    private static let selectRecords = """
        SELECT v.account, v.region, v.name, v.version, l.request_id, l.attempt, l.revision, l.trigger, l.start_kind, l.outcome,
            l.start_ms, l.queue_us, l.sandbox_us, l.init_us, l.handler_us, l.total_us, l.billed_ms, l.memory_mb, l.peak_kib,
            l.cpu_us, l.bytes_in, l.id, l.bytes_out, l.age_ms
        FROM usage_ledger AS l CROSS JOIN usage_versions AS v ON v.id = l.version_id
        """

    private static let filteredRecords = """
        \(selectRecords)
        WHERE l.start_ms <= ?2 AND (?3 IS NULL OR v.account = ?3) AND (?4 IS NULL OR v.name = ?4)
        """
    private static let order = "ORDER BY l.start_ms, l.request_id, l.attempt LIMIT ?5"
    static let recordByRequest = "\(selectRecords) WHERE l.request_id = ? ORDER BY l.attempt"
    static let firstPage = "\(filteredRecords) AND l.start_ms >= ?1 \(order)"
    /// Without the bound of the first page: of two lower bounds, SQLite may seek to the lesser and scan.
    static let nextPage = "\(filteredRecords) AND (l.start_ms, l.request_id, l.attempt) > (?6, ?7, ?8) \(order)"

    private func place(of cursor: UsageCursor) throws(SQLiteStoreError) -> (start: Int64, requestID: [UInt8], attempt: Int64) {
        let statement = try connection.prepare("SELECT start_ms, request_id, attempt FROM usage_ledger WHERE id = ?")
        defer { statement.reset() }
        statement.bind(1, cursor.rowID)
        guard try statement.step() else { return (cursor.startMilliseconds, [UInt8](repeating: 0xFF, count: 16), .max) }
        return (statement.integer(0), [UInt8](statement.blob(1)), statement.integer(2))
    }

    private static func reportSQL(_ grouping: UsageQuery.Grouping) -> String {
        let (columns, group): (String, String)
        switch grouping {
        case .function: (columns, group) = ("v.account, v.region, v.name, ''", "v.account, v.region, v.name")
        case .version:
            (columns, group) = (
                "v.account, v.region, v.name, v.version",
                "v.account, v.region, v.name, length(v.version), v.version"
            )
        case .tenant: (columns, group) = ("v.account, '', '', ''", "v.account")
        case .hour: (columns, group) = ("'', '', '', h.hour", "h.hour")
        // Floor division also before 1970.
        case .day:
            let day = "(CASE WHEN h.hour >= 0 THEN h.hour / 24 ELSE (h.hour + 1) / 24 - 1 END)"
            (columns, group) = ("'', '', '', \(day)", day)
        }
        return """
            SELECT \(columns), SUM(h.invocations), SUM(h.initializations), SUM(h.errors), SUM(h.billed_ms), SUM(h.megabyte_ms),
                SUM(h.cpu_us), SUM(h.bytes_in), SUM(h.bytes_out)
            FROM usage_hours AS h JOIN usage_versions AS v ON v.id = h.version_id
            WHERE (?1 IS NULL OR h.hour >= ?1) AND (?2 IS NULL OR h.hour < ?2)
                AND (?3 IS NULL OR v.account = ?3) AND (?4 IS NULL OR v.name = ?4)
            GROUP BY \(group) ORDER BY \(group)
            """
    }
}

extension Statement {
    func bind(_ index: Int32, _ requestID: RequestID) {
        // Big-endian, so that the index sorts like the text form.
        let words = (requestID.high.bigEndian, requestID.low.bigEndian)
        withUnsafeBytes(of: words) { bind(index, blob: $0) }
    }

    /// The columns of `selectRecords`.
    fileprivate func usageRecord() -> UsageRecord {
        let id = blob(4)
        let words = id.count == 16 ? (id.loadUnaligned(as: UInt64.self), id.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) : (0, 0)
        return UsageRecord(
            requestID: RequestID(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1)), attempt: small(5),
            key: functionKey(), version: text(3), revision: UInt64(bitPattern: integer(6)),
            trigger: Trigger(rawValue: UInt8(clamping: integer(7))) ?? .invoke,
            startKind: StartKind(rawValue: UInt8(clamping: integer(8))) ?? .cold,
            outcome: Outcome(rawValue: UInt8(clamping: integer(9))) ?? .interrupted, startMilliseconds: integer(10),
            queueMicroseconds: small(11), sandboxMicroseconds: small(12), initMicroseconds: small(13),
            handlerMicroseconds: small(14), totalMicroseconds: small(15), billedMilliseconds: small(16), memorySize: small(17),
            peakMemoryKiB: small(18), cpuMicroseconds: UInt64(clamping: integer(19)), bytesIn: small(20), bytesOut: small(22),
            ageMilliseconds: small(23))
    }

    fileprivate func usageRow(_ query: UsageQuery) -> UsageRow {
        let group: String
        switch query.grouping {
        case .function: group = text(2)
        case .version: group = "\(text(2)):\(text(3))"
        case .tenant: group = text(0)
        case .hour: group = UsageTime.hour(integer(3) * UsageTime.millisecondsPerHour)
        case .day: group = UsageTime.day(integer(3) * UsageTime.millisecondsPerDay)
        }
        let isTime = query.grouping == .hour || query.grouping == .day
        return UsageRow(
            group: group, account: isTime ? query.account ?? "" : text(0),
            function: query.grouping == .function || query.grouping == .version ? text(2) : query.function ?? "",
            version: isTime ? "" : text(3), invocations: sum(4), initializations: sum(5), errors: sum(6),
            billedMilliseconds: sum(7), megabyteMilliseconds: sum(8), cpuMicroseconds: sum(9), bytesIn: sum(10), bytesOut: sum(11))
    }

    private func small(_ column: Int32) -> UInt32 { UInt32(clamping: integer(column)) }
    private func sum(_ column: Int32) -> UInt64 { UInt64(clamping: integer(column)) }
}
