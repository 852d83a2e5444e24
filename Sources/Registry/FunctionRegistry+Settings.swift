public import FunctionModel

/// What is set of a function as a whole, or of a version, beside its configuration.
extension FunctionRegistry {
    public func setRecursiveLoop(_ key: FunctionKey, _ loop: RecursiveLoop) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            record.recursiveLoop = loop
            try await self.commitIfChanged(record)
        }
    }

    /// - Parameter version: `$LATEST` or a number.
    /// - Throws: `.resourceNotFound` for a version that is not there.
    public func setRuntimeManagement(_ key: FunctionKey, version: String, _ management: RuntimeManagement) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            guard record.version(number: version) != nil else { throw record.unknown(qualifier: version) }
            record.runtimeManagement[version] = management == .automatic ? nil : management
            try await self.commitIfChanged(record)
        }
    }

    /// - Parameter config: nil takes it away.
    public func setCodeSigningConfig(_ key: FunctionKey, _ config: CodeSigningConfigKey?) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            record.codeSigningConfig = config?.arn
            try await self.commitIfChanged(record)
        }
    }
}

extension RegistrySnapshot {
    /// Functions that a code signing configuration decides about, by name.
    public func functions(codeSigningConfig config: CodeSigningConfigKey) -> [FunctionRecord] {
        let arn = config.arn
        return functions.values.filter { $0.codeSigningConfig == arn }.sorted { $0.key.name < $1.key.name }
    }
}
