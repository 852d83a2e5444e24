import FunctionModel

extension SQLiteStore {
    /// Seals again what `isCurrent` does not know, and what was kept readable: all of it, or nothing.
    /// - Parameter isCurrent: of a sealed text and its context, whether new texts would be sealed with the same key.
    /// - Returns: the versions of functions whose variables were sealed.
    public func sealEnvironments(unless isCurrent: @Sendable (_ sealed: String, _ context: String) -> Bool) throws -> Int {
        try attempt("seal the environment variables of functions") { () throws(SQLiteStoreError) in
            try connection.transaction { () throws(SQLiteStoreError) in
                let stale = try staleEnvironments(isCurrent)
                for entry in stale { try seal(entry) }
                return stale.count
            }
        }
    }

    private struct Entry {
        let key: FunctionKey
        let version: String
        let environment: [String: String]
    }

    private func staleEnvironments(_ isCurrent: (String, String) -> Bool) throws(SQLiteStoreError) -> [Entry] {
        guard sealer != nil else { return [] }
        let statement = try connection.prepare("SELECT account, region, name, version, environment FROM function_versions WHERE environment <> '{}'")
        defer { statement.reset() }
        var found: [Entry] = []
        while try statement.step() {
            let (key, version, text) = (statement.functionKey(), statement.text(3), statement.text(4))
            if !text.hasPrefix("{"), isCurrent(text, Self.sealingContext(key, version)) { continue }
            found.append(Entry(key: key, version: version, environment: try environment(text, version, of: key)))
        }
        return found
    }

    private func seal(_ entry: Entry) throws(SQLiteStoreError) {
        let statement = try connection.prepare(
            "UPDATE function_versions SET environment = ? WHERE account = ? AND region = ? AND name = ? AND version = ?")
        statement.bind(1, try sealed(entry.environment, entry.version, of: entry.key))
        statement.bind(2, entry.key.account)
        statement.bind(3, entry.key.region)
        statement.bind(4, entry.key.name)
        statement.bind(5, entry.version)
        try statement.run()
    }
}
