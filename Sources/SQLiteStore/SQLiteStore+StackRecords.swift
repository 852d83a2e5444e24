public import StackRecords

extension SQLiteStore: StackRecordStore {
    private static let columns = "account, region, name, revision, document, modified"

    public func stackRecords(account: String, region: String) throws -> [StackRecord] {
        try attempt("list the stacks") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT \(Self.columns) FROM stack_records WHERE account = ? AND region = ? ORDER BY name")
            statement.bind(1, account)
            statement.bind(2, region)
            return try Self.records(statement)
        }
    }

    public func stackRecord(_ name: String, account: String, region: String) throws -> StackRecord? {
        try attempt("read the stack \(name)") { () throws(SQLiteStoreError) in try record(name, account, region) }
    }

    public func save(_ record: StackRecord) throws -> Bool {
        try attempt("save the stack \(record.name)") { () throws(SQLiteStoreError) in
            try connection.transaction { () throws(SQLiteStoreError) in
                guard try self.record(record.name, record.account, record.region)?.revision ?? 0 == record.revision - 1 else { return false }
                let statement = try connection.prepare("INSERT OR REPLACE INTO stack_records (\(Self.columns)) VALUES (?, ?, ?, ?, ?, ?)")
                statement.bind(1, record.account)
                statement.bind(2, record.region)
                statement.bind(3, record.name)
                statement.bind(4, Int64(record.revision))
                statement.bind(5, record.document)
                statement.bind(6, record.modified)
                try statement.run()
                return true
            }
        }
    }

    public func deleteStackRecord(_ name: String, account: String, region: String, revision: Int) throws -> Bool {
        try attempt("delete the stack \(name)") { () throws(SQLiteStoreError) in
            try connection.transaction { () throws(SQLiteStoreError) in
                guard try record(name, account, region)?.revision == revision else { return false }
                let statement = try connection.prepare("DELETE FROM stack_records WHERE account = ? AND region = ? AND name = ?")
                statement.bind(1, account)
                statement.bind(2, region)
                statement.bind(3, name)
                try statement.run()
                return true
            }
        }
    }

    private func record(_ name: String, _ account: String, _ region: String) throws(SQLiteStoreError) -> StackRecord? {
        let statement = try connection.prepare("SELECT \(Self.columns) FROM stack_records WHERE account = ? AND region = ? AND name = ?")
        statement.bind(1, account)
        statement.bind(2, region)
        statement.bind(3, name)
        return try Self.records(statement).first
    }

    private static func records(_ statement: Statement) throws(SQLiteStoreError) -> [StackRecord] {
        defer { statement.reset() }
        var records: [StackRecord] = []
        while try statement.step() {
            records.append(
                StackRecord(
                    account: statement.text(0), region: statement.text(1), name: statement.text(2), revision: Int(statement.integer(3)),
                    document: statement.text(4), modified: statement.integer(5)))
        }
        return records
    }
}
