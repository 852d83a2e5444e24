import FoundationEssentials
public import FunctionModel
public import Registry

extension SQLiteStore: CodeSigningStore {
    public func loadCodeSigningConfigs() throws -> [CodeSigningConfig] {
        try attempt("load the code signing configurations") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                "SELECT account, region, id, description, signing_profiles, policy, tags, modified FROM code_signing_configs")
            defer { statement.reset() }
            var configs: [CodeSigningConfig] = []
            while try statement.step() {
                let key = CodeSigningConfigKey(account: statement.text(0), region: statement.text(1), id: statement.text(2))
                guard let profiles = try? JSONDecoder().decode([String].self, from: Data(statement.text(4).utf8)),
                    let policy = CodeSigningConfig.Policy(rawValue: statement.text(5)),
                    let tags = try? JSONDecoder().decode([String: String].self, from: Data(statement.text(6).utf8))
                else {
                    throw SQLiteStoreError(step: "read the code signing configuration \(key.id) from \(connection.path)", code: 0, reason: "it is damaged")
                }
                configs.append(
                    CodeSigningConfig(
                        key: key, description: statement.text(3), signingProfiles: profiles, policy: policy, tags: tags, modified: statement.integer(7)))
            }
            return configs
        }
    }

    public func save(_ config: CodeSigningConfig) throws {
        try attempt("save the code signing configuration \(config.key.id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                """
                INSERT OR REPLACE INTO code_signing_configs (account, region, id, description, signing_profiles, policy, tags, modified)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """)
            guard let profiles = try? JSONEncoder().encode(config.signingProfiles), let tags = try? JSONEncoder().encode(config.tags) else {
                throw SQLiteStoreError(step: "encode a code signing configuration for \(connection.path)", code: 0, reason: "it is no JSON")
            }
            statement.bind(config.key)
            statement.bind(4, config.description)
            statement.bind(5, String(decoding: profiles, as: UTF8.self))
            statement.bind(6, config.policy.rawValue)
            statement.bind(7, String(decoding: tags, as: UTF8.self))
            statement.bind(8, config.modified)
            try statement.run()
        }
    }

    public func deleteCodeSigningConfig(_ key: CodeSigningConfigKey) throws {
        try attempt("delete the code signing configuration \(key.id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM code_signing_configs WHERE account = ? AND region = ? AND id = ?")
            statement.bind(key)
            try statement.run()
        }
    }
}

extension Statement {
    /// Parameters 1 to 3.
    fileprivate func bind(_ key: CodeSigningConfigKey) {
        bind(1, key.account)
        bind(2, key.region)
        bind(3, key.id)
    }
}
