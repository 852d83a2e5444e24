public import FunctionModel

/// Where deployment packages are kept. Contents are immutable: a name is the SHA-256 of what it names.
///
/// Any task may call. `FunctionRegistry` stores before it saves a record, so a package may be left over, never missing.
public protocol PackageStore: Sendable {
    /// Verifies, stores and unpacks a zip archive; returns when it is durable and ready to be mounted. Storing the same
    /// archive again is cheap and changes nothing.
    /// - Throws: `ServiceError` with `.invalidParameterValue` or `.invalidZipFile` for a bad archive, `.requestTooLarge` or
    ///   `.codeStorageExceeded` for one over a limit.
    func store(zip: [UInt8]) async throws -> CodeReference
    /// The archive's reference if it is stored and unpacked.
    func reference(sha256: String) async -> CodeReference?
    /// The path of the original archive, relative to the data directory.
    /// - Throws: `ServiceError` with `.resourceNotFound`.
    func archivePath(sha256: String) async throws -> String
}

extension PackageStore {
    public func contains(sha256: String) async -> Bool { await reference(sha256: sha256) != nil }
}
