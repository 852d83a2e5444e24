public import FunctionModel

/// The control plane's truth about functions.
///
/// Changes are made one at a time: durable first, then published, and a change's call returns only after every
/// subscriber has taken the new snapshot, so that no invocation after a success runs the old code.
public actor FunctionRegistry {
    public struct Configuration: Sendable {
        /// Concurrent executions of one account.
        public var accountConcurrency = 1000
        /// What reservations must leave to functions without one, as on Lambda.
        public var minimumUnreservedConcurrency = 100
        public init() {}
    }

    public typealias Subscriber = @Sendable (_ snapshot: RegistrySnapshot, _ changed: FunctionKey) async -> Void

    public private(set) var snapshot: RegistrySnapshot
    public nonisolated let runtimes: RuntimeCatalog
    public nonisolated let configuration: Configuration
    private let store: any FunctionStore
    private let packages: any PackageStore
    let now: @Sendable () -> Int64
    private var subscribers: [Subscriber] = []
    private let turn = SerialTurn()

    /// - Parameter now: milliseconds since 1970.
    public init(
        store: any FunctionStore, packages: any PackageStore, runtimes: RuntimeCatalog, configuration: Configuration = Configuration(),
        now: @escaping @Sendable () -> Int64
    ) async throws {
        var functions: [FunctionKey: FunctionRecord] = [:]
        for record in try await store.loadFunctions() { functions[record.key] = record }
        snapshot = RegistrySnapshot(generation: 1, functions: functions)
        self.store = store
        self.packages = packages
        self.runtimes = runtimes
        self.configuration = configuration
        self.now = now
    }

    /// Called with every later snapshot, one at a time and in order; take `snapshot` first for the state at start.
    public func subscribe(_ subscriber: @escaping Subscriber) {
        subscribers.append(subscriber)
    }

    // MARK: Functions

    /// - Throws: `.resourceConflict` if it exists, `.invalidParameterValue`, and what `PackageStore.store` throws.
    public func create(
        _ key: FunctionKey, configuration: FunctionConfiguration, code: NewCode, publish: Bool = false, tags: [String: String] = [:],
        codeSigningConfig: CodeSigningConfigKey? = nil
    ) async throws -> FunctionVersion {
        var configuration = configuration
        configuration.runtime = try runtimes.resolve(configuration.runtime)
        try EnvironmentRules.check(configuration.environment)
        try TagRules.check(tags)
        try MartletTags(tags).apply(to: &configuration)
        try configuration.checkTenancy()
        try refuseExisting(key)
        let reference = try await packages.reference(of: code)
        try await packages.checkSize(reference, configuration.layers)
        let complete = configuration
        return try await exclusively {
            try self.refuseExisting(key)
            let time = self.now()
            let latest = FunctionVersion(
                key: key, version: FunctionVersion.latest, revision: try await self.reserveRevision(), configuration: complete,
                code: reference, lastModified: time)
            var record = FunctionRecord(key: key, latest: latest, tags: tags, codeSigningConfig: codeSigningConfig?.arn, created: time)
            let version = publish ? try await self.publish(&record, description: nil) : latest
            try await self.commit(record)
            return version
        }
    }

    /// Code, and settings with it where `change` names some, as one revision.
    ///
    /// - Parameters:
    ///   - expectedRevision: the caller's `RevisionId`; refused with `.preconditionFailed` if it is not the latest.
    ///   - dryRun: checks everything and changes nothing; the answer has the given code's digest and size, which tells a caller
    ///     whether the code is another.
    public func updateCode(
        _ key: FunctionKey, code: NewCode, change: ConfigurationChange = ConfigurationChange(), publish: Bool = false,
        expectedRevision: UInt64? = nil, dryRun: Bool = false
    ) async throws -> FunctionVersion {
        let change = try checked(change)
        try check(expectedRevision, snapshot.record(key))
        let reference = try await packages.reference(of: code)
        return try await exclusively {
            var record = try self.snapshot.record(key)
            try self.check(expectedRevision, record)
            let configuration = change.applied(to: record.latest.configuration)
            try await self.packages.checkSize(reference, configuration.layers)
            if dryRun {
                try configuration.checkTenancy()
                let latest = record.latest
                return FunctionVersion(
                    key: key, version: latest.version, revision: latest.revision, configuration: latest.configuration, code: reference,
                    lastModified: latest.lastModified)
            }
            // The same bytes again change nothing: the ready workers of this snapshot stay in use.
            if record.latest.code != reference || record.latest.configuration != configuration {
                record.latest = try await self.successor(of: record.latest, configuration: configuration, code: reference)
            }
            let version = publish ? try await self.publish(&record, description: nil) : record.latest
            try await self.commitIfChanged(record)
            return version
        }
    }

    public func updateConfiguration(
        _ key: FunctionKey, change: ConfigurationChange, expectedRevision: UInt64? = nil
    ) async throws -> FunctionVersion {
        let change = try checked(change)
        return try await exclusively {
            var record = try self.snapshot.record(key)
            try self.check(expectedRevision, record)
            let configuration = change.applied(to: record.latest.configuration)
            if configuration != record.latest.configuration {
                try await self.packages.checkSize(record.latest.code, configuration.layers)
                record.latest = try await self.successor(of: record.latest, configuration: configuration, code: record.latest.code)
                try await self.commit(record)
            }
            return record.latest
        }
    }

    /// A version equal to the last published one is not made again; that one is returned, as on Lambda.
    /// - Parameter codeSha256: hexadecimal; refused with `.invalidParameterValue` if the latest code is another.
    public func publishVersion(
        _ key: FunctionKey, description: String? = nil, codeSha256: String? = nil, expectedRevision: UInt64? = nil
    ) async throws -> FunctionVersion {
        try await exclusively {
            var record = try self.snapshot.record(key)
            try self.check(expectedRevision, record)
            if let codeSha256, codeSha256 != record.latest.code.sha256 {
                throw ServiceError(
                    .invalidParameterValue,
                    "CodeSHA256 (\(codeSha256)) is different from current CodeSHA256 in $LATEST (\(record.latest.code.sha256)). Please try again with the CodeSHA256 in $LATEST."
                )
            }
            let version = try await self.publish(&record, description: description)
            try await self.commitIfChanged(record)
            return version
        }
    }

    /// - Parameter qualifier: one published version, which no alias needs; nil deletes the function with all of them.
    public func delete(_ key: FunctionKey, qualifier: String? = nil) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            guard let qualifier else {
                try await self.durably("delete function \(key.name)") { try await self.store.delete(key) }
                await self.publishSnapshot(key, record: nil)
                return
            }
            if qualifier == FunctionVersion.latest {
                throw ServiceError(.invalidParameterValue, "$LATEST version cannot be deleted without deleting the function.")
            }
            if record.aliases[qualifier] != nil, record.version(number: qualifier) == nil {
                throw ServiceError(.invalidParameterValue, "Deletion of aliases is not currently supported.")
            }
            let aliases = record.aliases.values.filter { $0.refers(to: qualifier) }.map(\.name).sorted()
            guard aliases.isEmpty else {
                throw ServiceError(
                    .resourceConflict,
                    "Unable to delete version because the following aliases reference it: [\(aliases.joined(separator: ", "))]")
            }
            // One that is not there is as good as deleted: so it is on Lambda.
            record.published.removeAll { $0.version == qualifier }
            record.eventInvokeConfigs[qualifier] = nil
            record.provisioned[qualifier] = nil
            record.runtimeManagement[qualifier] = nil
            try await self.commitIfChanged(record)
        }
    }

    // MARK: Concurrency, events, tags

    /// - Parameter reserved: nil takes the reservation away; 0 stops the function.
    public func setConcurrency(_ key: FunctionKey, reserved: Int?) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            if let reserved {
                let provisioned = record.totalProvisionedConcurrency
                guard reserved >= provisioned else {
                    throw ServiceError(
                        .invalidParameterValue,
                        "ReservedConcurrentExecutions  \(reserved) should not be lower than function's total provisioned concurrency [\(provisioned)].")
                }
                let free = self.configuration.accountConcurrency - self.configuration.minimumUnreservedConcurrency
                    - self.snapshot.claimedConcurrency(account: key.account, without: key)
                guard reserved <= max(0, free) else {
                    throw ServiceError(
                        .invalidParameterValue,
                        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [\(self.configuration.minimumUnreservedConcurrency)]: at most \(max(0, free)) can be reserved for \(key.name)."
                    )
                }
            }
            record.reservedConcurrency = reserved
            try await self.commitIfChanged(record)
        }
    }

    /// - Parameters:
    ///   - qualifier: nil for `$LATEST`.
    ///   - change: gets what is there and returns what is to be; nil takes it away.
    /// - Throws: `.resourceNotFound` for an unknown function or version, and what `change` throws.
    @discardableResult
    public func setEventInvokeConfig(
        _ key: FunctionKey, qualifier: String?, _ change: @Sendable (EventInvokeConfig?, _ now: Int64) throws(ServiceError) -> EventInvokeConfig?
    ) async throws -> EventInvokeConfig? {
        try await exclusively {
            var record = try self.snapshot.record(key)
            _ = try self.snapshot.version(key, qualifier: qualifier)
            let qualifier = qualifier ?? FunctionVersion.latest
            let config = try change(record.eventInvokeConfigs[qualifier], self.now())
            record.eventInvokeConfigs[qualifier] = config
            try await self.commitIfChanged(record)
            return config
        }
    }

    /// Martlet's own tags are settings: a change of theirs is one of `$LATEST`'s configuration.
    public func setTags(_ key: FunctionKey, adding: [String: String] = [:], removing: [String] = []) async throws {
        try await exclusively {
            var record = try self.snapshot.record(key)
            var configuration = record.latest.configuration
            for name in removing where record.tags.removeValue(forKey: name) != nil { MartletTags.reset(name, in: &configuration) }
            record.tags.merge(adding) { _, new in new }
            try TagRules.check(record.tags)
            try MartletTags(adding).apply(to: &configuration)
            if configuration != record.latest.configuration {
                record.latest = try await self.successor(of: record.latest, configuration: configuration, code: record.latest.code)
            }
            try await self.commitIfChanged(record)
        }
    }

    // MARK: Reading

    /// One account's functions in one region, by name.
    public func functions(account: String, region: String) -> [FunctionRecord] {
        snapshot.functions.values.filter { $0.key.account == account && $0.key.region == region }.sorted { $0.key.name < $1.key.name }
    }

    /// Whether somebody may refer to stored code by its digest: who has not uploaded it must not get at it by a number that is no secret.
    public func mayReuse(_ sha256: String, account: String, isOperator: Bool) -> Bool {
        isOperator
            || snapshot.functions.values.contains { record in
                record.key.account == account && (record.latest.code.sha256 == sha256 || record.published.contains { $0.code.sha256 == sha256 })
            }
    }

    /// Digests of every package that some version needs; all others may be collected.
    public func referencedPackages() -> Set<String> {
        snapshot.functions.values.reduce(into: []) { result, record in
            for version in [record.latest] + record.published {
                result.insert(version.code.sha256)
                if !version.configuration.layers.merged.isEmpty { result.insert(version.configuration.layers.merged) }
            }
        }
    }

    // MARK: Steps of a change

    /// With the runtime's full name.
    private func checked(_ change: ConfigurationChange) throws(ServiceError) -> ConfigurationChange {
        // Versions, URLs and event sources have been made for what the function was created as.
        guard change.kept.tenantIsolation == nil else {
            throw ServiceError(
                .invalidParameterValue, "TenancyConfig is set when a function is created and stays as it is: leave it out, or create another function with it")
        }
        var change = change
        if let runtime = change.runtime { change.runtime = try runtimes.resolve(runtime) }
        if let environment = change.environment { try EnvironmentRules.check(environment) }
        return change
    }

    private func refuseExisting(_ key: FunctionKey) throws(ServiceError) {
        if snapshot.functions[key] != nil { throw ServiceError(.resourceConflict, "Function already exist: \(key.name)") }
    }

    private func check(_ expectedRevision: UInt64?, _ record: FunctionRecord) throws(ServiceError) {
        try Self.check(expectedRevision, record.latest.revision)
    }

    /// The precondition of a change: that the caller knows what it changes.
    static func check(_ expectedRevision: UInt64?, _ revision: UInt64) throws(ServiceError) {
        guard let expectedRevision, expectedRevision != revision else { return }
        throw ServiceError(
            .preconditionFailed,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        )
    }

    /// - Throws: `.invalidParameterValue` where the settings exclude each other.
    private func successor(of version: FunctionVersion, configuration: FunctionConfiguration, code: CodeReference) async throws
        -> FunctionVersion
    {
        try configuration.checkTenancy()
        return FunctionVersion(
            key: version.key, version: FunctionVersion.latest, revision: try await reserveRevision(), configuration: configuration,
            code: code, lastModified: now())
    }

    private func publish(_ record: inout FunctionRecord, description: String?) async throws -> FunctionVersion {
        var configuration = record.latest.configuration
        if let description { configuration.description = description }
        if let last = record.published.last, last.code == record.latest.code {
            var comparable = last.configuration
            comparable.description = configuration.description
            if comparable == configuration { return last }
        }
        let version = FunctionVersion(
            key: record.key, version: String(record.nextVersionNumber), revision: try await reserveRevision(),
            configuration: configuration, code: record.latest.code, lastModified: now())
        record.nextVersionNumber += 1
        record.published.append(version)
        record.runtimeManagement[version.version] = record.runtimeManagement[FunctionVersion.latest]
        return version
    }

    func reserveRevision() async throws -> UInt64 {
        try await durably("reserve a revision") { try await self.store.reserveRevision() }
    }

    func commitIfChanged(_ record: FunctionRecord) async throws {
        if snapshot.functions[record.key] != record { try await commit(record) }
    }

    func commit(_ record: FunctionRecord) async throws {
        try await durably("save function \(record.key.name)") { try await self.store.save(record) }
        await publishSnapshot(record.key, record: record)
    }

    private func publishSnapshot(_ key: FunctionKey, record: FunctionRecord?) async {
        var functions = snapshot.functions
        functions[key] = record
        let next = RegistrySnapshot(generation: snapshot.generation + 1, functions: functions)
        snapshot = next
        for subscriber in subscribers { await subscriber(next, key) }
    }

    private func durably<Value: Sendable>(_ step: String, _ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch let error as ServiceError {
            throw error
        } catch {
            throw ServiceError(.internalFailure, "failed to \(step)", underlying: error)
        }
    }

    /// Changes suspend while they write; without a turn a second one could read a record that is about to be replaced.
    func exclusively<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        await turn.wait()
        defer { turn.pass() }
        return try await work()
    }
}

public enum TagRules {
    /// - Throws: `.invalidParameterValue`.
    public static func check(_ tags: [String: String]) throws(ServiceError) {
        guard tags.count <= 50 else {
            throw ServiceError(.invalidParameterValue, "a resource has at most 50 tags; the request would make it \(tags.count)")
        }
        for (name, value) in tags {
            guard (1...128).contains(name.unicodeScalars.count), value.unicodeScalars.count <= 256, !name.hasPrefix("aws:") else {
                throw ServiceError(
                    .invalidParameterValue,
                    "tag '\(name.prefix(128))' is refused: a key has 1 to 128 characters and does not begin with 'aws:', a value at most 256")
            }
        }
    }
}
