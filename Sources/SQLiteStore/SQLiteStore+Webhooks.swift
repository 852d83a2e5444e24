import FoundationEssentials
import FunctionModel
public import Webhooks

extension SQLiteStore: WebhookStore {
    public func loadWebhooks() throws -> [Webhook] {
        try attempt("load the webhooks") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                "SELECT account, region, function, id, name, qualifier, scheme, secrets, created, modified, objects FROM webhooks")
            defer { statement.reset() }
            var webhooks: [Webhook] = []
            while try statement.step() {
                let id = statement.text(3)
                let form: SchemeForm = try decode(statement.text(6), of: id)
                let scheme: Result<_, ServiceError> = Result { () throws(ServiceError) in try form.parsed() }
                guard case .success(let scheme) = scheme else { throw unreadable(id, "unknown scheme \(form.scheme)") }
                webhooks.append(
                    Webhook(
                        id: id, name: statement.text(4), function: statement.functionKey(), qualifier: statement.optionalText(5), scheme: scheme,
                        objects: try statement.optionalText(10).map { text throws(SQLiteStoreError) in try decode(text, of: id) },
                        secrets: try decode(statement.text(7), of: id), created: statement.integer(8), modified: statement.integer(9)))
            }
            return webhooks
        }
    }

    public func save(_ webhook: Webhook) throws {
        try attempt("save webhook \(webhook.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare(
                """
                INSERT OR REPLACE INTO webhooks (account, region, function, id, name, qualifier, scheme, secrets, created, modified, objects)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
            statement.bind(webhook.function)
            statement.bind(4, webhook.id)
            statement.bind(5, webhook.name)
            statement.bind(6, webhook.qualifier)
            statement.bind(7, try encode(SchemeForm(webhook.scheme)))
            statement.bind(8, try encode(webhook.secrets))
            statement.bind(9, webhook.created)
            statement.bind(10, webhook.modified)
            statement.bind(11, try webhook.objects.map { filter throws(SQLiteStoreError) in try encode(filter) })
            try statement.run()
        }
    }

    public func deleteWebhook(id: String) throws {
        try attempt("delete webhook \(id)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM webhooks WHERE id = ?")
            statement.bind(1, id)
            try statement.run()
        }
    }

    private func encode(_ value: some Encodable) throws(SQLiteStoreError) -> String {
        do { return String(decoding: try JSONEncoder().encode(value), as: UTF8.self) } catch {
            throw SQLiteStoreError(step: "encode a webhook for \(connection.path)", code: 0, reason: "\(error)")
        }
    }

    private func decode<Value: Decodable>(_ text: String, of id: String) throws(SQLiteStoreError) -> Value {
        do { return try JSONDecoder().decode(Value.self, from: Data(text.utf8)) } catch { throw unreadable(id, "\(error)") }
    }

    private func unreadable(_ id: String, _ reason: String) -> SQLiteStoreError {
        SQLiteStoreError(step: "read webhook \(id) from \(connection.path)", code: 0, reason: reason)
    }
}
