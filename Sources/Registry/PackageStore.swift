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
    /// The same for an archive that lies on the data directory's file system; the file may go afterwards.
    func store(file: ArchiveFile) async throws -> CodeReference
    /// The archive's reference if it is stored and unpacked.
    func reference(sha256: String) async -> CodeReference?
    /// The path of the original archive, relative to the data directory.
    /// - Throws: `ServiceError` with `.resourceNotFound`.
    func archivePath(sha256: String) async throws -> String
    /// Lays packages over each other, the later over the earlier, and returns the digest under which the result can be
    /// mounted; empty for none.
    func merge(_ packages: [String]) async throws -> String
    /// The files in the folder `extensions` of a package or of a merge, by name; none where it has no such folder, at most
    /// `FunctionLayers.maximumExtensions` and one more.
    func extensions(of sha256: String) async throws -> [String]
    /// Bytes of all files of a package.
    func unpackedSize(sha256: String) async throws -> Int
}

extension PackageStore {
    /// - Throws: `.invalidParameterValue` for a digest that nothing is stored under, and what `store` throws.
    func reference(of code: NewCode) async throws -> CodeReference {
        switch code {
        case .archive(let bytes): return try await store(zip: bytes)
        case .file(let file): return try await store(file: file)
        case .stored(let sha256):
            guard let reference = await reference(sha256: sha256) else {
                throw ServiceError(.invalidParameterValue, "no stored archive has the SHA-256 \(sha256): upload it as ZipFile")
            }
            return reference
        }
    }

    /// Lambda's limit on code and layers together.
    static var maximumUnpackedBytes: Int { 262_144_000 }

    func checkSize(_ code: CodeReference, _ layers: FunctionLayers) async throws {
        guard !layers.list.isEmpty else { return }
        var bytes = 0
        for sha256 in [code.sha256] + layers.list.map(\.code.sha256) { bytes += try await unpackedSize(sha256: sha256) }
        guard bytes <= Self.maximumUnpackedBytes else {
            throw ServiceError(
                .invalidParameterValue,
                "Function code combined with layers exceeds the maximum allowed size of \(Self.maximumUnpackedBytes) bytes. The actual size is \(bytes) bytes.")
        }
    }

    public func contains(sha256: String) async -> Bool { await reference(sha256: sha256) != nil }
}
