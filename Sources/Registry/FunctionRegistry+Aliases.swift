public import FunctionModel

/// What UpdateAlias may change; nil leaves a member as it is.
public struct AliasChange: Sendable {
    public var version: String?
    public var description: String?
    /// The second version; `.some(nil)` takes it away.
    public var additional: FunctionAlias.Share??

    public init(version: String? = nil, description: String? = nil, additional: FunctionAlias.Share?? = nil) {
        self.version = version
        self.description = description
        self.additional = additional
    }
}

extension FunctionRegistry {
    /// - Throws: `.resourceConflict` if the name is taken, `.resourceNotFound` for an unknown function or version.
    public func createAlias(
        _ key: FunctionKey, name: String, version: String, additional: FunctionAlias.Share? = nil, description: String = ""
    ) async throws -> FunctionAlias {
        try await exclusively {
            var record = try self.snapshot.record(key)
            guard record.aliases[name] == nil else {
                throw ServiceError(.resourceConflict, "Alias already exists: \(key.arn):\(name)")
            }
            try record.checkAlias(version: version, additional: additional)
            let alias = FunctionAlias(
                name: name, version: version, additional: additional, description: description, revision: try await self.reserveRevision())
            record.aliases[name] = alias
            try await self.commit(record)
            return alias
        }
    }

    /// - Throws: `.preconditionFailed` if the alias has another revision, and what `createAlias` throws.
    public func updateAlias(_ key: FunctionKey, name: String, _ change: AliasChange, expectedRevision: UInt64? = nil) async throws -> FunctionAlias {
        try await exclusively {
            var record = try self.snapshot.record(key)
            guard var alias = record.aliases[name] else { throw ServiceError(.resourceNotFound, "Alias not found: \(key.arn):\(name)") }
            try Self.check(expectedRevision, alias.revision)
            if let version = change.version { alias.version = version }
            if let description = change.description { alias.description = description }
            if let additional = change.additional { alias.additional = additional }
            try record.checkAlias(version: alias.version, additional: alias.additional)
            try record.checkProvisioning(of: alias)
            alias.revision = try await self.reserveRevision()
            record.aliases[name] = alias
            try await self.commit(record)
            return alias
        }
    }

    /// Its URL, its provisioned concurrency and its event invoke configuration go with it. One that is not there is as good as deleted: so it is on Lambda.
    public func deleteAlias(_ key: FunctionKey, name: String) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            guard record.aliases.removeValue(forKey: name) != nil else { return }
            record.eventInvokeConfigs[name] = nil
            record.aliasURLs[name] = nil
            record.provisioned[name] = nil
            try await self.commit(record)
        }
    }
}

extension RegistrySnapshot {
    /// - Throws: `.resourceNotFound`.
    public func alias(_ key: FunctionKey, name: String) throws(ServiceError) -> FunctionAlias {
        guard let alias = try record(key).aliases[name] else {
            throw ServiceError(.resourceNotFound, "Cannot find alias arn: \(key.arn):\(name)")
        }
        return alias
    }
}

extension FunctionRecord {
    /// The error for a version or alias that is not there.
    public func unknown(qualifier: String) -> ServiceError {
        let numbers = published.suffix(5).map(\.version)
        let hint = numbers.isEmpty ? "it has no published version" : "its latest versions are \(numbers.joined(separator: ", "))"
        let names = aliases.isEmpty ? "" : ", its aliases \(aliases.keys.sorted().prefix(5).joined(separator: ", "))"
        return ServiceError(.resourceNotFound, "Function not found: \(key.arn):\(qualifier); \(hint)\(names)")
    }

    fileprivate func checkAlias(version: String, additional: FunctionAlias.Share?) throws(ServiceError) {
        guard self.version(number: version) != nil else { throw unknown(qualifier: version) }
        guard let additional else { return }
        if version == FunctionVersion.latest {
            throw ServiceError(.invalidParameterValue, "$LATEST is not supported for an alias pointing to more than 1 version")
        }
        if additional.version == version {
            throw ServiceError(
                .invalidParameterValue,
                "Invalid function version \(version). Function version \(version) is already included in routing configuration.")
        }
        guard self.version(number: additional.version) != nil else { throw unknown(qualifier: additional.version) }
    }
}
