/// The steps from an empty file to the queues' schema of this program. A step is never changed once released.
enum QueueSchema {
    /// Bodies lie apart, so that a change of state does not write them again. Counters are kept with each queue, because
    /// counting a million rows is a scan. Every index that is partial holds only what is in that state.
    static let migrations: [String] = [
        """
        CREATE TABLE queues (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,
            created INTEGER NOT NULL, modified INTEGER NOT NULL, attributes TEXT NOT NULL, tags TEXT NOT NULL,
            retention INTEGER, maximum_receives INTEGER, dead_account TEXT, dead_region TEXT, dead_name TEXT,
            ready INTEGER NOT NULL DEFAULT 0, delayed INTEGER NOT NULL DEFAULT 0, in_flight INTEGER NOT NULL DEFAULT 0,
            waiting INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
            round INTEGER NOT NULL DEFAULT 0, is_deleted INTEGER NOT NULL DEFAULT 0,
            UNIQUE (account, region, name)
        ) STRICT;
        CREATE INDEX queues_by_kind ON queues (kind);
        CREATE INDEX queues_deleted ON queues (id) WHERE is_deleted = 1;
        CREATE INDEX queues_by_dead_letters ON queues (dead_account, dead_region, dead_name) WHERE dead_name IS NOT NULL;

        CREATE TABLE totals (
            only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL
        ) STRICT;
        INSERT INTO totals VALUES (1, 0, 0, 0);

        CREATE TABLE messages (
            id INTEGER PRIMARY KEY, queue INTEGER NOT NULL REFERENCES queues, message_id BLOB NOT NULL,
            state INTEGER NOT NULL, rank INTEGER NOT NULL, due INTEGER, hold INTEGER NOT NULL, lease INTEGER, grp INTEGER,
            sent INTEGER NOT NULL, expires INTEGER, receives INTEGER NOT NULL, first_received INTEGER,
            errors INTEGER NOT NULL, failures INTEGER NOT NULL, size INTEGER NOT NULL, source INTEGER
        ) STRICT;
        CREATE INDEX messages_ready ON messages (queue, rank) WHERE state = 0;
        CREATE INDEX messages_leased ON messages (queue) WHERE state = 2;
        CREATE INDEX messages_due ON messages (due) WHERE due IS NOT NULL;
        CREATE INDEX messages_sent ON messages (queue, sent);
        CREATE INDEX messages_expires ON messages (expires) WHERE expires IS NOT NULL;
        CREATE INDEX messages_grouped ON messages (grp) WHERE grp IS NOT NULL;
        CREATE INDEX messages_by_message_id ON messages (message_id);

        CREATE TABLE bodies (
            id INTEGER PRIMARY KEY, body BLOB NOT NULL, attributes BLOB NOT NULL, dedup TEXT, trace TEXT, origin TEXT NOT NULL
        ) STRICT;

        CREATE TABLE failures (
            message INTEGER NOT NULL, number INTEGER NOT NULL, attempt INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL,
            reason TEXT NOT NULL, counted INTEGER NOT NULL,
            PRIMARY KEY (message, number)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE groups (
            id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, name TEXT NOT NULL, tag INTEGER NOT NULL, messages INTEGER NOT NULL,
            in_flight INTEGER NOT NULL,
            UNIQUE (queue, name)
        ) STRICT;

        CREATE TABLE dedups (
            queue INTEGER NOT NULL, key TEXT NOT NULL, message_id BLOB NOT NULL, sequence INTEGER NOT NULL, until INTEGER NOT NULL,
            PRIMARY KEY (queue, key)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX dedups_until ON dedups (until);
        """
    ]
}
