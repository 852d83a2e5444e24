import DurableQueue
public import EventSourceMappings
import ExternalSources
import FoundationEssentials
import FunctionModel

extension SQLiteStore: EventSourceMappingStore {
    public func loadEventSourceMappings() throws -> [EventSourceMapping] {
        try attempt("load the event source mappings") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                """
                SELECT account, region, function, id, qualifier, source, batch_size, batching_window, filters, reports_failures, maximum_concurrency,
                    enabled, created, modified, external, failure_policy, tags FROM event_source_mappings
                """)
            defer { statement.reset() }
            var mappings: [EventSourceMapping] = []
            while try statement.step() {
                let id = statement.text(3)
                guard let source = Self.source(statement.text(5), external: statement.optionalText(14)),
                    let filters = Self.decode([String].self, statement.text(8)), let policy = Self.decode(SourceFailurePolicy.self, statement.text(15)),
                    let tags = Self.decode([String: String].self, statement.text(16))
                else { throw SQLiteStoreError(step: "read event source mapping \(id) from \(connection.path)", code: 0, reason: "it is damaged") }
                mappings.append(
                    EventSourceMapping(
                        id: id, function: statement.functionKey(), qualifier: statement.optionalText(4), source: source,
                        batchSize: Int(statement.integer(6)), batchingWindow: Int(statement.integer(7)), filters: filters,
                        reportsBatchItemFailures: statement.integer(9) != 0, maximumConcurrency: statement.optionalInteger(10).map(Int.init), failurePolicy: policy,
                        isEnabled: statement.integer(11) != 0, tags: tags, created: statement.integer(12), modified: statement.integer(13)))
            }
            return mappings
        }
    }

    public func save(_ mapping: EventSourceMapping) throws {
        try attempt("save event source mapping \(mapping.id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                """
                INSERT OR REPLACE INTO event_source_mappings (account, region, function, id, qualifier, source, batch_size, batching_window, filters,
                    reports_failures, maximum_concurrency, enabled, created, modified, external, failure_policy, tags)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
            statement.bind(mapping.function)
            statement.bind(4, mapping.id)
            statement.bind(5, mapping.qualifier)
            statement.bind(6, mapping.source.summary)
            statement.bind(7, Int64(mapping.batchSize))
            statement.bind(8, Int64(mapping.batchingWindow))
            statement.bind(9, try encode(mapping.filters))
            statement.bind(10, mapping.reportsBatchItemFailures ? 1 : 0)
            statement.bind(11, mapping.maximumConcurrency.map(Int64.init))
            statement.bind(12, mapping.isEnabled ? 1 : 0)
            statement.bind(13, mapping.created)
            statement.bind(14, mapping.modified)
            statement.bind(15, try mapping.source.external.map { external throws(SQLiteStoreError) in try encode(external) })
            statement.bind(16, try encode(mapping.failurePolicy))
            statement.bind(17, try encode(mapping.tags))
            try statement.run()
        }
    }

    public func deleteEventSourceMapping(id: String) throws {
        try attempt("delete event source mapping \(id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM event_source_mappings WHERE id = ?")
            statement.bind(1, id)
            try statement.run()
        }
    }

    private static func source(_ text: String, external: String?) -> EventSource? {
        if let external { return decode(ExternalSource.self, external).map { .external($0) } }
        return QueueKey(arn: text).map { .queue($0) }
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ text: String) -> Value? {
        try? JSONDecoder().decode(type, from: Data(text.utf8))
    }

    private func encode(_ value: some Encodable) throws(SQLiteStoreError) -> String {
        do { return String(decoding: try JSONEncoder().encode(value), as: UTF8.self) } catch {
            throw SQLiteStoreError(step: "encode a mapping for \(connection.path)", code: 0, reason: "\(error)")
        }
    }
}
