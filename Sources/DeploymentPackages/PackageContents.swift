public import FunctionModel

/// What an archive holds, for whoever wants to look into it without unpacking it.
public struct PackageContents: Sendable {
    public struct File: Hashable, Sendable {
        public let path: String
        public let isExecutable: Bool
        public let size: Int
    }

    private let archive: ZipArchive
    /// Plain files only, in the archive's order.
    public let files: [File]

    /// - Throws: `ServiceError`, as `PackageStore.store` does for the same bytes.
    public init(_ bytes: [UInt8], limits: UnpackLimits = .lambda) throws(ServiceError) {
        do {
            archive = try ZipArchive(bytes, limits: limits)
        } catch {
            throw error as? ServiceError ?? ServiceError(.invalidZipFile, "Could not unzip uploaded file: \(error)")
        }
        files = archive.entries.compactMap { entry in
            guard case .file(let isExecutable) = entry.kind else { return nil }
            return File(path: entry.path, isExecutable: isExecutable, size: entry.size)
        }
    }

    /// A file's content; nil if there is no such file.
    ///
    /// - Throws: `ServiceError` `.invalidZipFile` if it is damaged.
    public func content(of path: String) throws -> [UInt8]? {
        guard let entry = archive.entries.first(where: { $0.path == path }), case .file = entry.kind else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(entry.size)
        try archive.extract(entry) { bytes.append(contentsOf: $0) }
        return bytes
    }
}
