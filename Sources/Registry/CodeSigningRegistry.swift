public import FunctionModel

/// Where code signing configurations live between starts. Any task may call; writes are durable when the call returns.
public protocol CodeSigningStore: Sendable {
    func loadCodeSigningConfigs() async throws -> [CodeSigningConfig]
    func save(_ config: CodeSigningConfig) async throws
    func deleteCodeSigningConfig(_ key: CodeSigningConfigKey) async throws
}

/// The control plane's truth about code signing configurations. Which function has which is in the function's record.
public actor CodeSigningRegistry {
    /// Of one account in one region; Lambda's is not published.
    public static let maximumConfigs = 1_000

    private var configs: [CodeSigningConfigKey: CodeSigningConfig] = [:]
    private let store: any CodeSigningStore
    private let functions: FunctionRegistry
    private let now: @Sendable () -> Int64
    private let turn = Turn()

    /// - Parameter now: milliseconds since 1970.
    public init(store: any CodeSigningStore, functions: FunctionRegistry, now: @escaping @Sendable () -> Int64) async throws {
        for config in try await store.loadCodeSigningConfigs() { configs[config.key] = config }
        self.store = store
        self.functions = functions
        self.now = now
    }

    // MARK: Configurations

    public func create(
        account: String, region: String, description: String, signingProfiles: [String], policy: CodeSigningConfig.Policy, tags: [String: String]
    ) async throws -> CodeSigningConfig {
        try TagRules.check(tags)
        return try await exclusively {
            guard self.list(account: account, region: region).count < Self.maximumConfigs else {
                throw ServiceError(.invalidParameterValue, "an account has at most \(Self.maximumConfigs) code signing configurations in a region")
            }
            let config = CodeSigningConfig(
                key: .random(account: account, region: region), description: description, signingProfiles: signingProfiles, policy: policy, tags: tags,
                modified: self.now())
            try await self.keep(config)
            return config
        }
    }

    /// - Parameter change: gets what is there.
    /// - Throws: `.resourceNotFound`, and what `change` throws.
    @discardableResult
    public func update(_ key: CodeSigningConfigKey, _ change: @Sendable (inout CodeSigningConfig) throws(ServiceError) -> Void) async throws -> CodeSigningConfig {
        try await exclusively {
            var config = try self.config(key)
            try change(&config)
            config.modified = self.now()
            try await self.keep(config)
            return config
        }
    }

    /// - Throws: `.resourceNotFound`, `.resourceConflict` while functions have it.
    public func delete(_ key: CodeSigningConfigKey) async throws {
        try await exclusively {
            _ = try self.config(key)
            let users = await self.functions.snapshot.functions(codeSigningConfig: key)
            guard users.isEmpty else {
                throw ServiceError(
                    .resourceConflict,
                    "Cannot delete the code signing configuration \(key.arn): it is in use by \(users.count) function(s), among them \(users[0].key.name). Take it from them first.")
            }
            try await self.store.deleteCodeSigningConfig(key)
            self.configs[key] = nil
        }
    }

    // MARK: Functions

    /// Does something that relies on a configuration, which cannot be deleted meanwhile.
    /// - Throws: `.codeSigningConfigNotFound`, and what `work` throws.
    public func using<Value: Sendable>(
        _ key: CodeSigningConfigKey, _ work: @Sendable (CodeSigningConfig) async throws -> Value
    ) async throws -> Value {
        try await exclusively {
            guard let config = self.configs[key] else { throw ServiceError(.codeSigningConfigNotFound, Self.missing(key)) }
            return try await work(config)
        }
    }

    /// - Throws: `.codeVerificationFailed` where the function's configuration asks for a signature.
    public func checkDeployment(to function: FunctionRecord) throws(ServiceError) {
        guard let key = function.codeSigningConfig.flatMap(CodeSigningConfigKey.init(arn:)) else { return }
        try configs[key]?.checkUnsigned()
    }

    // MARK: Reading

    /// - Throws: `.resourceNotFound`.
    public func config(_ key: CodeSigningConfigKey) throws(ServiceError) -> CodeSigningConfig {
        guard let config = configs[key] else { throw ServiceError(.resourceNotFound, Self.missing(key)) }
        return config
    }

    /// One account's in one region, by ID.
    public func list(account: String, region: String) -> [CodeSigningConfig] {
        configs.values.filter { $0.key.account == account && $0.key.region == region }.sorted { $0.key.id < $1.key.id }
    }

    /// One at a time: what a change relies on stays until it is done.
    private func exclusively<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        await turn.take()
        do {
            let value = try await work()
            await turn.pass()
            return value
        } catch {
            await turn.pass()
            throw error
        }
    }

    private func keep(_ config: CodeSigningConfig) async throws {
        try await store.save(config)
        configs[config.key] = config
    }

    private static func missing(_ key: CodeSigningConfigKey) -> String {
        "The code signing config cannot be found. Check that the provided code signing config is not deleted: \(key.arn)"
    }
}
