public import Roles

extension SQLiteStore: RoleStore {
    public func loadRoles() throws -> [RoleKey: String] {
        try attempt("load the roles' policies") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT account, name, document FROM role_policies")
            defer { statement.reset() }
            var documents: [RoleKey: String] = [:]
            while try statement.step() { documents[RoleKey(account: statement.text(0), name: statement.text(1))] = statement.text(2) }
            return documents
        }
    }

    public func save(_ document: String?, for role: RoleKey) throws {
        try attempt("save the policy of the role \(role.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                document == nil
                    ? "DELETE FROM role_policies WHERE account = ? AND name = ?"
                    : "INSERT OR REPLACE INTO role_policies (account, name, document) VALUES (?, ?, ?)")
            statement.bind(1, role.account)
            statement.bind(2, role.name)
            if let document { statement.bind(3, document) }
            try statement.run()
        }
    }
}
