/// How many environments of a published version, or of an alias's version, are kept ready without a request.
public struct ProvisionedConcurrency: Hashable, Sendable, Codable {
    /// At least 1.
    public var requested: Int
    /// Milliseconds since 1970.
    public var modified: Int64

    public init(requested: Int, modified: Int64) {
        self.requested = requested
        self.modified = modified
    }
}

extension FunctionRecord {
    /// Environments of the version that are kept ready: its own, or those of the aliases that stand for it.
    public func provisionedConcurrency(of version: String) -> Int {
        guard !provisioned.isEmpty else { return 0 }
        return provisioned.reduce(0) { sum, entry in
            entry.key == version || aliases[entry.key]?.version == version ? sum + entry.value.requested : sum
        }
    }

    public var totalProvisionedConcurrency: Int { provisioned.values.reduce(0) { $0 + $1.requested } }
}
