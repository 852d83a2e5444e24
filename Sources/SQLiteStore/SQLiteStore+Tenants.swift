public import Tenants

extension SQLiteStore: TenantStore {
    public func loadTenants() throws -> (tenants: [Tenant], keys: [AccessKey]) {
        try attempt("load the tenants") { () throws(SQLiteStoreError) in (try readTenants(), try readKeys()) }
    }

    public func insert(_ tenant: Tenant) throws {
        try attempt("save tenant \(tenant.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("INSERT INTO tenants (account, name, suspended, created) VALUES (?, ?, ?, ?)")
            statement.bind(1, tenant.account)
            statement.bind(2, tenant.name)
            statement.bind(3, tenant.isSuspended ? 1 : 0)
            statement.bind(4, tenant.created)
            try statement.run()
        }
    }

    public func setSuspended(_ isSuspended: Bool, account: String) throws {
        try attempt("change tenant \(account)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("UPDATE tenants SET suspended = ? WHERE account = ?")
            statement.bind(1, isSuspended ? 1 : 0)
            statement.bind(2, account)
            try statement.run()
        }
    }

    public func insert(_ key: AccessKey) throws {
        try attempt("save access key \(key.id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                "INSERT INTO access_keys (id, account, secret, session_token, created, expires) VALUES (?, ?, ?, ?, ?, ?)")
            statement.bind(1, key.id)
            statement.bind(2, key.account)
            statement.bind(3, key.secret)
            statement.bind(4, key.sessionToken)
            statement.bind(5, key.created)
            statement.bind(6, key.expires)
            try statement.run()
        }
    }

    public func setExpiry(_ expires: Int64, key: String) throws {
        try attempt("change access key \(key)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("UPDATE access_keys SET expires = ? WHERE id = ?")
            statement.bind(1, expires)
            statement.bind(2, key)
            try statement.run()
        }
    }

    public func deleteKey(_ id: String) throws {
        try attempt("delete access key \(id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM access_keys WHERE id = ?")
            statement.bind(1, id)
            try statement.run()
        }
    }

    private func readTenants() throws(SQLiteStoreError) -> [Tenant] {
        let statement = try connection.prepare("SELECT account, name, suspended, created FROM tenants")
        defer { statement.reset() }
        var tenants: [Tenant] = []
        while try statement.step() {
            tenants.append(
                Tenant(
                    account: statement.text(0), name: statement.text(1), isSuspended: statement.integer(2) != 0, created: statement.integer(3)))
        }
        return tenants
    }

    private func readKeys() throws(SQLiteStoreError) -> [AccessKey] {
        let statement = try connection.prepare("SELECT id, account, secret, session_token, created, expires FROM access_keys")
        defer { statement.reset() }
        var keys: [AccessKey] = []
        while try statement.step() {
            keys.append(
                AccessKey(
                    id: statement.text(0), secret: statement.text(2), account: statement.text(1), sessionToken: statement.optionalText(3),
                    created: statement.integer(4), expires: statement.optionalInteger(5)))
        }
        return keys
    }
}
