import DurableQueue
public import EventSourceMappings
import FoundationEssentials
import FunctionModel

extension SQLiteStore: EventSourceMappingStore {
    public func loadEventSourceMappings() throws -> [EventSourceMapping] {
        try attempt("load the event source mappings") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                """
                SELECT account, region, function, id, qualifier, source, batch_size, batching_window, filters, reports_failures, maximum_concurrency,
                    enabled, created, modified FROM event_source_mappings
                """)
            defer { statement.reset() }
            var mappings: [EventSourceMapping] = []
            while try statement.step() {
                let id = statement.text(3)
                guard let source = QueueKey(arn: statement.text(5)), let filters = try? JSONDecoder().decode([String].self, from: Data(statement.text(8).utf8))
                else { throw SQLiteStoreError(step: "read event source mapping \(id) from \(connection.path)", code: 0, reason: "it is damaged") }
                mappings.append(
                    EventSourceMapping(
                        id: id, function: statement.functionKey(), qualifier: statement.optionalText(4), source: source,
                        batchSize: Int(statement.integer(6)), batchingWindow: Int(statement.integer(7)), filters: filters,
                        reportsBatchItemFailures: statement.integer(9) != 0, maximumConcurrency: statement.optionalInteger(10).map(Int.init),
                        isEnabled: statement.integer(11) != 0, created: statement.integer(12), modified: statement.integer(13)))
            }
            return mappings
        }
    }

    public func save(_ mapping: EventSourceMapping) throws {
        try attempt("save event source mapping \(mapping.id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                """
                INSERT OR REPLACE INTO event_source_mappings (account, region, function, id, qualifier, source, batch_size, batching_window, filters,
                    reports_failures, maximum_concurrency, enabled, created, modified)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
            let filters: String
            do { filters = String(decoding: try JSONEncoder().encode(mapping.filters), as: UTF8.self) } catch {
                throw SQLiteStoreError(step: "encode filters for \(connection.path)", code: 0, reason: "\(error)")
            }
            statement.bind(mapping.function)
            statement.bind(4, mapping.id)
            statement.bind(5, mapping.qualifier)
            statement.bind(6, mapping.source.arn)
            statement.bind(7, Int64(mapping.batchSize))
            statement.bind(8, Int64(mapping.batchingWindow))
            statement.bind(9, filters)
            statement.bind(10, mapping.reportsBatchItemFailures ? 1 : 0)
            statement.bind(11, mapping.maximumConcurrency.map(Int64.init))
            statement.bind(12, mapping.isEnabled ? 1 : 0)
            statement.bind(13, mapping.created)
            statement.bind(14, mapping.modified)
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
}
