import FoundationEssentials
public import FunctionModel
public import Registry

extension SQLiteStore: LayerStore {
    public func loadLayers() throws -> [LayerRecord] {
        try attempt("load the layers") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT account, region, name, next_number, versions FROM layers")
            defer { statement.reset() }
            var layers: [LayerRecord] = []
            while try statement.step() {
                let key = LayerKey(account: statement.text(0), region: statement.text(1), name: statement.text(2))
                layers.append(LayerRecord(key: key, versions: try decode(statement.text(4), of: key), nextNumber: Int(statement.integer(3))))
            }
            return layers
        }
    }

    public func save(_ layer: LayerRecord) throws {
        try attempt("save layer \(layer.key.name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("INSERT OR REPLACE INTO layers (account, region, name, next_number, versions) VALUES (?, ?, ?, ?, ?)")
            statement.bind(1, layer.key.account)
            statement.bind(2, layer.key.region)
            statement.bind(3, layer.key.name)
            statement.bind(4, Int64(layer.nextNumber))
            statement.bind(5, try encode(layer.versions))
            try statement.run()
        }
    }

    private func encode(_ versions: [LayerVersion]) throws(SQLiteStoreError) -> String {
        do { return String(decoding: try JSONEncoder().encode(versions), as: UTF8.self) } catch {
            throw SQLiteStoreError(step: "encode a layer for \(connection.path)", code: 0, reason: "\(error)")
        }
    }

    private func decode(_ text: String, of key: LayerKey) throws(SQLiteStoreError) -> [LayerVersion] {
        do { return try JSONDecoder().decode([LayerVersion].self, from: Data(text.utf8)) } catch {
            throw SQLiteStoreError(step: "read layer \(key.arn) from \(connection.path)", code: 0, reason: "\(error)")
        }
    }
}
