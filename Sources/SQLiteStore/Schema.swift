/// The numbered steps from an empty file to the schema of this program. A step is never changed once released.
enum Schema {
    static let migrations: [String] = [
        """
        CREATE TABLE functions (
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
            next_version INTEGER NOT NULL, reserved_concurrency INTEGER, created INTEGER NOT NULL, tags TEXT NOT NULL,
            url_id TEXT UNIQUE, url_auth TEXT, url_created INTEGER, url_modified INTEGER,
            PRIMARY KEY (account, region, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE function_versions (
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
            revision INTEGER NOT NULL, last_modified INTEGER NOT NULL,
            code_sha256 TEXT NOT NULL, code_size INTEGER NOT NULL,
            runtime TEXT NOT NULL, handler TEXT NOT NULL, memory_size INTEGER NOT NULL, timeout INTEGER NOT NULL,
            ephemeral_storage INTEGER NOT NULL, environment TEXT NOT NULL, isolation TEXT NOT NULL,
            description TEXT NOT NULL, role TEXT NOT NULL,
            PRIMARY KEY (account, region, name, version),
            FOREIGN KEY (account, region, name) REFERENCES functions ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE revisions (only INTEGER PRIMARY KEY CHECK (only = 1), last INTEGER NOT NULL) STRICT;
        INSERT INTO revisions VALUES (1, 0);

        CREATE TABLE usage_versions (
            id INTEGER PRIMARY KEY,
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
            UNIQUE (account, region, name, version)
        ) STRICT;

        CREATE TABLE usage_ledger (
            id INTEGER PRIMARY KEY,
            request_id BLOB NOT NULL, attempt INTEGER NOT NULL,
            version_id INTEGER NOT NULL REFERENCES usage_versions,
            revision INTEGER NOT NULL, trigger INTEGER NOT NULL, start_kind INTEGER NOT NULL, outcome INTEGER NOT NULL,
            start_ms INTEGER NOT NULL, queue_us INTEGER NOT NULL, sandbox_us INTEGER NOT NULL, init_us INTEGER NOT NULL,
            handler_us INTEGER NOT NULL, total_us INTEGER NOT NULL, billed_ms INTEGER NOT NULL,
            memory_mb INTEGER NOT NULL, peak_kib INTEGER NOT NULL, cpu_us INTEGER NOT NULL,
            bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
            UNIQUE (request_id, attempt)
        ) STRICT;
        CREATE INDEX usage_ledger_by_start ON usage_ledger (start_ms, request_id, attempt, version_id);

        CREATE TABLE usage_hours (
            hour INTEGER NOT NULL, version_id INTEGER NOT NULL REFERENCES usage_versions,
            invocations INTEGER NOT NULL, initializations INTEGER NOT NULL, errors INTEGER NOT NULL,
            billed_ms INTEGER NOT NULL, megabyte_ms INTEGER NOT NULL, cpu_us INTEGER NOT NULL,
            bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
            PRIMARY KEY (hour, version_id)
        ) STRICT, WITHOUT ROWID;
        """,
        """
        ALTER TABLE functions ADD COLUMN event_invoke TEXT NOT NULL DEFAULT '{}';
        ALTER TABLE function_versions ADD COLUMN dead_letter TEXT NOT NULL DEFAULT '';
        ALTER TABLE usage_ledger ADD COLUMN age_ms INTEGER NOT NULL DEFAULT 0;
        """,
        """
        CREATE TABLE webhooks (
            id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
            function TEXT NOT NULL, qualifier TEXT, scheme TEXT NOT NULL, secrets TEXT NOT NULL,
            created INTEGER NOT NULL, modified INTEGER NOT NULL,
            UNIQUE (account, region, name)
        ) STRICT, WITHOUT ROWID;
        """,
        """
        CREATE TABLE event_source_mappings (
            id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, function TEXT NOT NULL, qualifier TEXT, source TEXT NOT NULL,
            batch_size INTEGER NOT NULL, batching_window INTEGER NOT NULL, filters TEXT NOT NULL, reports_failures INTEGER NOT NULL,
            maximum_concurrency INTEGER, enabled INTEGER NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """,
        """
        CREATE TABLE event_buses (
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, description TEXT, tags TEXT NOT NULL,
            created INTEGER NOT NULL, modified INTEGER NOT NULL,
            PRIMARY KEY (account, region, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE event_rules (
            account TEXT NOT NULL, region TEXT NOT NULL, bus TEXT NOT NULL, name TEXT NOT NULL, pattern TEXT, schedule TEXT,
            enabled INTEGER NOT NULL, description TEXT, role TEXT, targets TEXT NOT NULL, tags TEXT NOT NULL,
            created INTEGER NOT NULL, modified INTEGER NOT NULL,
            PRIMARY KEY (account, region, bus, name)
        ) STRICT, WITHOUT ROWID;
        """,
        """
        CREATE TABLE event_endpoints (
            account TEXT NOT NULL, region TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, definition TEXT NOT NULL,
            created INTEGER NOT NULL, modified INTEGER NOT NULL,
            PRIMARY KEY (account, region, kind, name)
        ) STRICT, WITHOUT ROWID;
        """,
        """
        ALTER TABLE webhooks ADD COLUMN objects TEXT;

        CREATE TABLE watched_folders (
            id TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, function TEXT NOT NULL, qualifier TEXT,
            path TEXT NOT NULL, filter TEXT NOT NULL, is_recursive INTEGER NOT NULL, has_content INTEGER NOT NULL, created INTEGER NOT NULL,
            UNIQUE (account, region, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE watched_files (
            folder TEXT NOT NULL REFERENCES watched_folders ON DELETE CASCADE, path TEXT NOT NULL,
            size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
            PRIMARY KEY (folder, path)
        ) STRICT, WITHOUT ROWID;
        """,
        """
        ALTER TABLE event_source_mappings ADD COLUMN external TEXT;
        ALTER TABLE event_source_mappings ADD COLUMN failure_policy TEXT NOT NULL DEFAULT '{"bisectsBatch":false}';
        """,
        """
        ALTER TABLE functions ADD COLUMN aliases TEXT NOT NULL DEFAULT '{}';
        """,
        """
        ALTER TABLE functions ADD COLUMN alias_urls TEXT NOT NULL DEFAULT '{}';
        ALTER TABLE functions ADD COLUMN url_mode TEXT;
        ALTER TABLE functions ADD COLUMN url_cors TEXT;
        ALTER TABLE functions ADD COLUMN provisioned TEXT NOT NULL DEFAULT '{}';
        """,
        """
        CREATE TABLE layers (
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, next_number INTEGER NOT NULL, versions TEXT NOT NULL,
            PRIMARY KEY (account, region, name)
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE function_versions ADD COLUMN layers TEXT;
        """,
        """
        ALTER TABLE function_versions ADD COLUMN logging TEXT NOT NULL DEFAULT '{}';
        """,
        "ALTER TABLE function_versions ADD COLUMN kept TEXT NOT NULL DEFAULT '{}';",
        """
        CREATE TABLE tenants (
            account TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, suspended INTEGER NOT NULL, created INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE access_keys (
            id TEXT PRIMARY KEY, account TEXT NOT NULL, secret TEXT NOT NULL, session_token TEXT, created INTEGER NOT NULL, expires INTEGER
        ) STRICT, WITHOUT ROWID;
        """,
        """
        CREATE TABLE function_policies (
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, qualifier TEXT NOT NULL, revision TEXT NOT NULL,
            statements TEXT NOT NULL,
            PRIMARY KEY (account, region, name, qualifier),
            FOREIGN KEY (account, region, name) REFERENCES functions ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE event_source_mappings ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
        """,
        """
        CREATE TABLE route_domains (
            name TEXT PRIMARY KEY, id TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, definition TEXT NOT NULL,
            created INTEGER NOT NULL, modified INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE stack_records (
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, document TEXT NOT NULL,
            modified INTEGER NOT NULL,
            PRIMARY KEY (account, region, name)
        ) STRICT, WITHOUT ROWID;
        """,
        """
        CREATE TABLE role_policies (
            account TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (account, name)
        ) STRICT, WITHOUT ROWID;
        """,
        """
        CREATE TABLE code_signing_configs (
            account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, description TEXT NOT NULL, signing_profiles TEXT NOT NULL,
            policy TEXT NOT NULL, tags TEXT NOT NULL, modified INTEGER NOT NULL,
            PRIMARY KEY (account, region, id)
        ) STRICT, WITHOUT ROWID;
        ALTER TABLE functions ADD COLUMN code_signing_config TEXT;
        ALTER TABLE functions ADD COLUMN recursive_loop TEXT NOT NULL DEFAULT 'Terminate';
        ALTER TABLE functions ADD COLUMN runtime_management TEXT NOT NULL DEFAULT '{}';
        """,
        "ALTER TABLE function_versions ADD COLUMN network TEXT;",
    ]

    /// Brings the file to the newest schema, or refuses one from a newer program before anything in it is changed.
    static func migrate(_ connection: Connection, migrations: [String] = migrations) throws(SQLiteStoreError) {
        try refuseNewer(connection, migrations)
        try connection.configure()
        guard try version(connection) < migrations.count else { return }
        try connection.transaction { () throws(SQLiteStoreError) in
            // Once more under the lock: another process may have been quicker.
            try refuseNewer(connection, migrations)
            let current = try version(connection)
            guard current < migrations.count else { return }
            for migration in migrations[current...] { try connection.execute(migration) }
            try connection.execute(
                """
                CREATE TABLE IF NOT EXISTS schema_version (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT;
                INSERT OR REPLACE INTO schema_version VALUES (1, \(migrations.count));
                """)
        }
    }

    /// 0 for an empty file.
    static func version(_ connection: Connection) throws(SQLiteStoreError) -> Int {
        let tables = try connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'")
        defer { tables.reset() }
        guard try tables.step() else { return 0 }
        let rows = try connection.prepare("SELECT version FROM schema_version")
        defer { rows.reset() }
        return try rows.step() ? Int(rows.integer(0)) : 0
    }

    private static func refuseNewer(_ connection: Connection, _ migrations: [String]) throws(SQLiteStoreError) {
        let found = try version(connection)
        guard found > migrations.count else { return }
        throw SQLiteStoreError(
            step: "open database \(connection.path)", code: 0,
            reason:
                "its schema has version \(found), this program knows up to version \(migrations.count): start the newer Martlet again, or use another data directory"
        )
    }
}
