public import FunctionModel

/// Where layers live between starts. Any task may call; writes are durable when the call returns.
public protocol LayerStore: Sendable {
    func loadLayers() async throws -> [LayerRecord]
    func save(_ layer: LayerRecord) async throws
}

/// What PublishLayerVersion says beside the content.
public struct LayerDescription: Sendable {
    public var description: String
    public var compatibleRuntimes: [String]
    public var compatibleArchitectures: [String]
    public var licenseInfo: String

    public init(description: String = "", compatibleRuntimes: [String] = [], compatibleArchitectures: [String] = [], licenseInfo: String = "") {
        self.description = description
        self.compatibleRuntimes = compatibleRuntimes
        self.compatibleArchitectures = compatibleArchitectures
        self.licenseInfo = licenseInfo
    }
}

/// The control plane's truth about layers. A function pins what it uses: a layer version that is deleted is no more to be
/// had, and functions that have it go on.
public actor LayerRegistry {
    private var layers: [LayerKey: LayerRecord] = [:]
    private let store: any LayerStore
    private let packages: any PackageStore
    private let now: @Sendable () -> Int64
    private let turn = Turn()

    /// - Parameter now: milliseconds since 1970.
    public init(store: any LayerStore, packages: any PackageStore, now: @escaping @Sendable () -> Int64) async throws {
        for layer in try await store.loadLayers() { layers[layer.key] = layer }
        self.store = store
        self.packages = packages
        self.now = now
    }

    // MARK: Changes

    /// - Throws: what `PackageStore.store` throws.
    public func publish(_ key: LayerKey, code: NewCode, _ description: LayerDescription) async throws -> LayerVersion {
        let reference = try await packages.reference(of: code)
        return try await change(key, isNew: true) { record in
            let version = LayerVersion(
                number: record.nextNumber, code: reference, description: description.description,
                compatibleRuntimes: description.compatibleRuntimes, compatibleArchitectures: description.compatibleArchitectures,
                licenseInfo: description.licenseInfo, created: now())
            record.nextNumber += 1
            record.versions.append(version)
            return version
        }
    }

    /// One that is not there is as good as deleted, as on Lambda.
    public func delete(_ key: LayerKey, version: Int) async throws {
        guard layers[key] != nil else { return }
        try await change(key) { record in record.versions.removeAll { $0.number == version } }
    }

    /// - Throws: `.resourceConflict` for an ID that is taken, `.preconditionFailed` for another revision than expected.
    public func addPermission(
        _ key: LayerKey, version: Int, _ permission: LayerPermission, expectedRevision: UInt64?
    ) async throws -> LayerVersion {
        try await changePolicy(key, version, expectedRevision) { version throws(ServiceError) in
            guard !version.permissions.contains(where: { $0.id == permission.id }) else {
                throw ServiceError(
                    .resourceConflict,
                    "The statement id (\(permission.id)) provided already exists. Please provide a new statement id, or remove the existing statement.")
            }
            version.permissions.append(permission)
        }
    }

    public func removePermission(_ key: LayerKey, version: Int, id: String, expectedRevision: UInt64?) async throws {
        _ = try await changePolicy(key, version, expectedRevision) { version throws(ServiceError) in
            guard version.permissions.contains(where: { $0.id == id }) else {
                throw ServiceError(.resourceNotFound, "Statement \(id) is not found in resource policy.")
            }
            version.permissions.removeAll { $0.id == id }
        }
    }

    private func changePolicy(
        _ key: LayerKey, _ number: Int, _ expectedRevision: UInt64?, _ body: (inout LayerVersion) throws(ServiceError) -> Void
    ) async throws -> LayerVersion {
        try await change(key) { record in
            guard let index = record.versions.firstIndex(where: { $0.number == number }) else { throw Self.missing(key, number) }
            if let expectedRevision, expectedRevision != record.versions[index].policyRevision {
                throw ServiceError(
                    .preconditionFailed, "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id")
            }
            try body(&record.versions[index])
            record.versions[index].policyRevision += 1
            return record.versions[index]
        }
    }

    /// One at a time: durable first, then known.
    private func change<Value: Sendable>(_ key: LayerKey, isNew: Bool = false, _ body: (inout LayerRecord) throws -> Value) async throws -> Value {
        await turn.take()
        do {
            guard var record = layers[key] ?? (isNew ? LayerRecord(key: key) : nil) else { throw Self.missing(key, nil) }
            let value = try body(&record)
            try await store.save(record)
            layers[key] = record
            await turn.pass()
            return value
        } catch {
            await turn.pass()
            throw error
        }
    }

    // MARK: Reading

    /// - Throws: `.resourceNotFound`; `.accessDenied` where it is another account's and its policy does not say that this one may.
    public func version(_ key: LayerKey, _ number: Int, for account: String) throws(ServiceError) -> LayerVersion {
        guard let version = layers[key]?.version(number) else { throw Self.missing(key, number) }
        guard key.account == account || version.permissions.contains(where: { $0.allows(account: account) }) else {
            throw ServiceError(
                .accessDenied, "account \(account) is not authorized to perform: lambda:GetLayerVersion on resource: \(key.arn):\(number)")
        }
        return version
    }

    /// An account's layers in one region that have a version, by name.
    public func layers(account: String, region: String) -> [LayerRecord] {
        layers.values.filter { $0.key.account == account && $0.key.region == region && !$0.versions.isEmpty }.sorted { $0.key.name < $1.key.name }
    }

    public func layer(_ key: LayerKey) -> LayerRecord? { layers[key] }

    /// Digests of every package that a layer version has.
    public func referencedPackages() -> Set<String> { Set(layers.values.flatMap { $0.versions.map(\.code.sha256) }) }

    // MARK: For functions

    /// What a function's `Layers` name, merged in the package store.
    /// - Throws: `.invalidParameterValue` for more than five, for two versions of one layer and for what is not there.
    public func resolve(_ arns: [String], for function: FunctionKey) async throws -> FunctionLayers {
        guard arns.count <= FunctionLayers.maximum else {
            throw ServiceError(.invalidParameterValue, "Cannot reference more than \(FunctionLayers.maximum) layers.")
        }
        var list: [FunctionLayers.Layer] = []
        var arnOf: [LayerKey: String] = [:]
        for arn in arns {
            guard let (key, number) = LayerKey.parse(arn: arn), let number else {
                throw ServiceError(
                    .invalidParameterValue,
                    "1 validation error detected: Value '[\(arn)]' at 'layers' failed to satisfy constraint: Member must be the ARN of a layer version, arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION")
            }
            guard key.region == function.region else {
                throw ServiceError(.invalidParameterValue, "Layer \(arn) is not in the function's region \(function.region).")
            }
            if let other = arnOf.updateValue(arn, forKey: key) {
                throw ServiceError(
                    .invalidParameterValue,
                    "Two different versions of the same layer are not allowed to be referenced in the same function. \(other) and \(arn)")
            }
            guard layers[key]?.version(number) != nil else {
                throw ServiceError(.invalidParameterValue, "Layer version \(arn) does not exist.")
            }
            list.append(FunctionLayers.Layer(arn: arn, code: try version(key, number, for: function.account).code))
        }
        let merged = try await packages.merge(list.map(\.code.sha256))
        return FunctionLayers(list: list, merged: merged, extensions: merged.isEmpty ? [] : try await packages.extensions(of: merged))
    }

    private static func missing(_ key: LayerKey, _ number: Int?) -> ServiceError {
        ServiceError(.resourceNotFound, "The resource you requested does not exist: \(key.arn)\(number.map { ":\($0)" } ?? "")")
    }
}
