import FoundationEssentials
public import FunctionModel
public import Registry

extension SQLiteStore: FunctionStore {
    public func loadFunctions() throws -> [FunctionRecord] {
        try attempt("load the functions") { () throws(SQLiteStoreError) in
            // One transaction, so that no record is seen between two states.
            try connection.transaction { () throws(SQLiteStoreError) in try readFunctions() }
        }
    }

    public func save(_ record: FunctionRecord) throws {
        try attempt("save function \(record.key)") { () throws(SQLiteStoreError) in
            try connection.transaction { () throws(SQLiteStoreError) in try write(record) }
        }
    }

    public func delete(_ key: FunctionKey) throws {
        try attempt("delete function \(key)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM functions WHERE account = ? AND region = ? AND name = ?")
            statement.bind(key)
            try statement.run()
        }
    }

    public func reserveRevision() throws -> UInt64 {
        try attempt("reserve a revision") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("UPDATE revisions SET last = last + 1 RETURNING last")
            guard try statement.step() else {
                statement.reset()
                throw SQLiteStoreError(step: "reserve a revision in \(connection.path)", code: 0, reason: "the table revisions is empty")
            }
            let revision = UInt64(bitPattern: statement.integer(0))
            try statement.run()
            return revision
        }
    }

    private func write(_ record: FunctionRecord) throws(SQLiteStoreError) {
        let function = try connection.prepare(
            """
            INSERT INTO functions (account, region, name, next_version, reserved_concurrency, created, tags,
                url_id, url_auth, url_created, url_modified, event_invoke, aliases, alias_urls, url_mode, url_cors, provisioned,
                code_signing_config, recursive_loop, runtime_management)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET next_version = excluded.next_version,
                reserved_concurrency = excluded.reserved_concurrency, created = excluded.created, tags = excluded.tags,
                url_id = excluded.url_id, url_auth = excluded.url_auth, url_created = excluded.url_created,
                url_modified = excluded.url_modified, event_invoke = excluded.event_invoke, aliases = excluded.aliases,
                alias_urls = excluded.alias_urls, url_mode = excluded.url_mode, url_cors = excluded.url_cors,
                provisioned = excluded.provisioned, code_signing_config = excluded.code_signing_config,
                recursive_loop = excluded.recursive_loop, runtime_management = excluded.runtime_management
            """)
        function.bind(record.key)
        function.bind(4, Int64(record.nextVersionNumber))
        function.bind(5, record.reservedConcurrency.map(Int64.init))
        function.bind(6, record.created)
        function.bind(7, try encode(record.tags))
        function.bind(8, record.url?.id)
        function.bind(9, record.url?.authType.rawValue)
        function.bind(10, record.url?.created)
        function.bind(11, record.url?.modified)
        function.bind(12, try encode(record.eventInvokeConfigs))
        function.bind(13, try encode(record.aliases))
        function.bind(14, try encode(record.aliasURLs))
        function.bind(15, record.url?.invokeMode.rawValue)
        function.bind(16, try record.url?.cors.map { policy throws(SQLiteStoreError) in try encode(policy) })
        function.bind(17, try encode(record.provisioned))
        function.bind(18, record.codeSigningConfig)
        function.bind(19, record.recursiveLoop.rawValue)
        function.bind(20, try encode(record.runtimeManagement))
        try function.run()

        let clear = try connection.prepare("DELETE FROM function_versions WHERE account = ? AND region = ? AND name = ?")
        clear.bind(record.key)
        try clear.run()
        for version in [record.latest] + record.published { try write(version, of: record.key) }
    }

    private func write(_ version: FunctionVersion, of key: FunctionKey) throws(SQLiteStoreError) {
        let statement = try connection.prepare(
            """
            INSERT INTO function_versions (account, region, name, version, revision, last_modified, code_sha256, code_size,
                runtime, handler, memory_size, timeout, ephemeral_storage, environment, isolation, description, role, dead_letter, layers, logging, kept, network)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        let configuration = version.configuration
        statement.bind(key)
        statement.bind(4, version.version)
        statement.bind(5, Int64(bitPattern: version.revision))
        statement.bind(6, version.lastModified)
        statement.bind(7, version.code.sha256)
        statement.bind(8, Int64(version.code.size))
        statement.bind(9, configuration.runtime)
        statement.bind(10, configuration.handler)
        statement.bind(11, Int64(configuration.memorySize))
        statement.bind(12, Int64(configuration.timeout))
        statement.bind(13, Int64(configuration.ephemeralStorage))
        statement.bind(14, try sealed(configuration.environment, version.version, of: key))
        statement.bind(15, configuration.isolation.rawValue)
        statement.bind(16, configuration.description)
        statement.bind(17, configuration.role)
        statement.bind(18, configuration.deadLetterTarget)
        statement.bind(19, configuration.layers == .none ? nil : try encode(configuration.layers))
        statement.bind(20, try encode(configuration.logging))
        statement.bind(21, try encode(configuration.kept))
        statement.bind(22, configuration.network?.rawValue)
        try statement.run()
    }

    private func readFunctions() throws(SQLiteStoreError) -> [FunctionRecord] {
        let versions = try readVersions()
        let statement = try connection.prepare(
            """
            SELECT account, region, name, next_version, reserved_concurrency, created, tags,
                url_id, url_auth, url_created, url_modified, event_invoke, aliases, alias_urls, url_mode, url_cors, provisioned,
                code_signing_config, recursive_loop, runtime_management
            FROM functions
            """)
        defer { statement.reset() }
        var records: [FunctionRecord] = []
        while try statement.step() {
            let key = statement.functionKey()
            let own = versions[key] ?? []
            guard let latest = own.first(where: { $0.version == FunctionVersion.latest }) else {
                throw SQLiteStoreError(step: "read function \(key) from \(connection.path)", code: 0, reason: "it has no $LATEST row")
            }
            let cors: CORSPolicy? = try statement.optionalText(15).map { text throws(SQLiteStoreError) in try decode(text, of: key) }
            let url = statement.optionalText(7).map { id in
                FunctionURL(
                    id: id, authType: URLAuthType(rawValue: statement.text(8)) ?? .iam,
                    invokeMode: statement.optionalText(14).flatMap(URLInvokeMode.init) ?? .buffered, cors: cors,
                    created: statement.integer(9), modified: statement.integer(10))
            }
            records.append(
                FunctionRecord(
                    key: key, latest: latest, published: own.filter { $0.version != FunctionVersion.latest },
                    aliases: try decode(statement.text(12), of: key),
                    nextVersionNumber: Int(statement.integer(3)), reservedConcurrency: statement.optionalInteger(4).map(Int.init),
                    url: url, aliasURLs: try decode(statement.text(13), of: key),
                    provisioned: try decode(statement.text(16), of: key),
                    eventInvokeConfigs: try decode(statement.text(11), of: key), tags: try decode(statement.text(6), of: key),
                    recursiveLoop: RecursiveLoop(rawValue: statement.text(18)) ?? .terminate,
                    runtimeManagement: try decode(statement.text(19), of: key), codeSigningConfig: statement.optionalText(17),
                    created: statement.integer(5)))
        }
        return records
    }

    private func readVersions() throws(SQLiteStoreError) -> [FunctionKey: [FunctionVersion]] {
        let statement = try connection.prepare(
            """
            SELECT account, region, name, version, revision, last_modified, code_sha256, code_size, runtime, handler,
                memory_size, timeout, ephemeral_storage, environment, isolation, description, role, dead_letter, layers, logging, kept, network
            FROM function_versions ORDER BY account, region, name, CAST(version AS INTEGER)
            """)
        defer { statement.reset() }
        var versions: [FunctionKey: [FunctionVersion]] = [:]
        while try statement.step() {
            let key = statement.functionKey()
            guard let isolation = Isolation(rawValue: statement.text(14)) else {
                throw SQLiteStoreError(
                    step: "read function \(key) from \(connection.path)", code: 0, reason: "unknown isolation \(statement.text(14))")
            }
            let configuration = FunctionConfiguration(
                runtime: statement.text(8), handler: statement.text(9), memorySize: Int(statement.integer(10)),
                timeout: Int(statement.integer(11)), ephemeralStorage: Int(statement.integer(12)),
                environment: try environment(statement.text(13), statement.text(3), of: key), isolation: isolation,
                network: statement.optionalText(21).flatMap(NetworkAccess.init), description: statement.text(15),
                role: statement.text(16), deadLetterTarget: statement.text(17),
                layers: try statement.optionalText(18).map { text throws(SQLiteStoreError) in try decode(text, of: key) } ?? .none,
                logging: try decode(statement.text(19), of: key), kept: try decode(statement.text(20), of: key))
            versions[key, default: []].append(
                FunctionVersion(
                    key: key, version: statement.text(3), revision: UInt64(bitPattern: statement.integer(4)),
                    configuration: configuration, code: CodeReference(sha256: statement.text(6), size: Int(statement.integer(7))),
                    lastModified: statement.integer(5)))
        }
        return versions
    }

    /// What a version's sealed variables open for.
    static func sealingContext(_ key: FunctionKey, _ version: String) -> String { "\(key.arn):\(version)" }

    /// No variables are no secret.
    func sealed(_ environment: [String: String], _ version: String, of key: FunctionKey) throws(SQLiteStoreError) -> String {
        let text = try encode(environment)
        guard let sealer, !environment.isEmpty else { return text }
        do { return try sealer.seal(text, for: Self.sealingContext(key, version)) } catch {
            throw SQLiteStoreError(step: "seal the environment of \(key)", code: 0, reason: "\(error)")
        }
    }

    func environment(_ text: String, _ version: String, of key: FunctionKey) throws(SQLiteStoreError) -> [String: String] {
        guard !text.hasPrefix("{") else { return try decode(text, of: key) }
        guard let sealer else {
            throw SQLiteStoreError(step: "read the environment of \(key) from \(connection.path)", code: 0, reason: "it is sealed, and there is no key")
        }
        let opened: String
        do { opened = try sealer.open(text, for: Self.sealingContext(key, version)) } catch {
            throw SQLiteStoreError(
                step: "read the environment of \(key) from \(connection.path)", code: 0,
                reason: "\(error): put the key that it was sealed with in its place")
        }
        return try decode(opened, of: key)
    }

    private func encode(_ values: some Encodable) throws(SQLiteStoreError) -> String {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return String(decoding: try encoder.encode(values), as: UTF8.self)
        } catch {
            throw SQLiteStoreError(step: "encode a record for \(connection.path)", code: 0, reason: "\(error)")
        }
    }

    private func decode<Value: Decodable>(_ text: String, of key: FunctionKey) throws(SQLiteStoreError) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(text.utf8))
        } catch {
            throw SQLiteStoreError(step: "read function \(key) from \(connection.path)", code: 0, reason: "\(error)")
        }
    }
}

extension Statement {
    /// Parameters 1 to 3.
    func bind(_ key: FunctionKey) {
        bind(1, key.account)
        bind(2, key.region)
        bind(3, key.name)
    }

    /// Columns 0 to 2.
    func functionKey() -> FunctionKey {
        FunctionKey(account: text(0), region: text(1), name: text(2))
    }
}
