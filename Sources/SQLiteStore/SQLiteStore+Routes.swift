import FoundationEssentials
public import HTTPRoutes

extension SQLiteStore: RouteStore {
    public func loadDomains() throws -> [RouteDomain] {
        try attempt("load the domains of routes") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT name, id, account, region, definition, created, modified FROM route_domains")
            defer { statement.reset() }
            var domains: [RouteDomain] = []
            while try statement.step() {
                let name = statement.text(0)
                guard let definition = try? JSONDecoder().decode(RouteDomain.Definition.self, from: Data(statement.text(4).utf8)) else {
                    throw SQLiteStoreError(step: "read domain \(name) from \(connection.path)", code: 0, reason: "it is damaged")
                }
                domains.append(
                    RouteDomain(
                        name: name, id: statement.text(1), account: statement.text(2), region: statement.text(3), definition: definition,
                        created: statement.integer(5), modified: statement.integer(6)))
            }
            return domains
        }
    }

    public func save(_ domain: RouteDomain) throws {
        try attempt("save domain \(domain.name)") { () throws(SQLiteStoreError) in
            let definition: String
            do { definition = String(decoding: try JSONEncoder().encode(domain.definition), as: UTF8.self) } catch {
                throw SQLiteStoreError(step: "encode domain \(domain.name) for \(connection.path)", code: 0, reason: "\(error)")
            }
            let statement = try connection.prepare(
                "INSERT OR REPLACE INTO route_domains (name, id, account, region, definition, created, modified) VALUES (?, ?, ?, ?, ?, ?, ?)")
            statement.bind(1, domain.name)
            statement.bind(2, domain.id)
            statement.bind(3, domain.account)
            statement.bind(4, domain.region)
            statement.bind(5, definition)
            statement.bind(6, domain.created)
            statement.bind(7, domain.modified)
            try statement.run()
        }
    }

    public func deleteDomain(_ name: String) throws {
        try attempt("delete domain \(name)") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("DELETE FROM route_domains WHERE name = ?")
            statement.bind(1, name)
            try statement.run()
        }
    }
}
