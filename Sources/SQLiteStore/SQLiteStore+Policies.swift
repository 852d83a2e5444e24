import FoundationEssentials
import FunctionModel
public import ResourcePolicies

extension SQLiteStore: PolicyStore {
    public func loadPolicies() throws -> [PolicyResource: ResourcePolicy] {
        try attempt("load the resource policies") { () throws(SQLiteStoreError) in
            let statement = try connection.prepare("SELECT account, region, name, qualifier, revision, statements FROM function_policies")
            defer { statement.reset() }
            var policies: [PolicyResource: ResourcePolicy] = [:]
            while try statement.step() {
                let qualifier = statement.text(3)
                let resource = PolicyResource(function: statement.functionKey(), qualifier: qualifier.isEmpty ? nil : qualifier)
                guard let statements = try? JSONDecoder().decode([PolicyStatement].self, from: Data(statement.text(5).utf8)) else {
                    throw SQLiteStoreError(step: "read the policy of \(resource.arn) from \(connection.path)", code: 0, reason: "it is damaged")
                }
                policies[resource] = ResourcePolicy(revision: statement.text(4), statements: statements)
            }
            return policies
        }
    }

    public func save(_ policy: ResourcePolicy?, for resource: PolicyResource) throws {
        try attempt("save the policy of \(resource.arn)") { () throws(SQLiteStoreError) in
            let statement: Statement
            if let policy {
                statement = try connection.prepare(
                    "INSERT OR REPLACE INTO function_policies (account, region, name, qualifier, revision, statements) VALUES (?, ?, ?, ?, ?, ?)")
                guard let encoded = try? JSONEncoder().encode(policy.statements) else {
                    throw SQLiteStoreError(step: "encode a policy for \(connection.path)", code: 0, reason: "it is no JSON")
                }
                statement.bind(5, policy.revision)
                statement.bind(6, String(decoding: encoded, as: UTF8.self))
            } else {
                statement = try connection.prepare("DELETE FROM function_policies WHERE account = ? AND region = ? AND name = ? AND qualifier = ?")
            }
            statement.bind(resource.function)
            statement.bind(4, resource.qualifier ?? "")
            try statement.run()
        }
    }
}
