public import FunctionModel
internal import Glibc
public import Registry
internal import Synchronization

/// Packages in a folder: `blobs/<sha256>.zip` as uploaded, `packages/<sha256>/` unpacked, read-only by mount and made
/// anew by nobody. Merged layers are folders beside them, without an archive. All paths are relative to the process's working directory when `directory` is.
///
/// Disk work runs on two threads of its own. At most eight archives wait for them; more are refused.
public final class LocalPackageStore: PackageStore {
    private let directory: String
    private let limits: UnpackLimits
    private let graceSeconds: Int
    private let queue: BlockingQueue
    /// Held while a package's two halves come or go, so that a collection never takes the half that a store found in place.
    private let changes = Mutex(())

    /// Makes the folders and removes what an interrupted store left.
    ///
    /// Only one store may be open on a folder at a time (the data directory's lock sees to that).
    /// - Parameter graceSeconds: how long a package without a function is kept after it was stored or asked for, so that
    ///   a deployment between upload and registration does not lose it.
    public init(directory: String, limits: UnpackLimits = .lambda, graceSeconds: Int = 3_600) throws {
        self.directory = directory
        self.limits = limits
        self.graceSeconds = graceSeconds
        for name in ["packages", "blobs"] { try Files.makeDirectory("\(directory)/\(name)", mode: 0o755) }
        for name in ["packages", "blobs"] {
            for leftover in try Files.names(in: "\(directory)/\(name)") where leftover.hasPrefix(".incoming-") {
                try Files.removeTree("\(directory)/\(name)/\(leftover)")
            }
        }
        queue = BlockingQueue(threads: 2, depth: 8)
    }

    /// The unpacked package's folder, whether it is there or not. `sha256` must be a digest.
    public func packagePath(_ sha256: String) -> String { "\(directory)/packages/\(sha256)" }
    private func blobPath(_ sha256: String) -> String { "\(directory)/blobs/\(sha256).zip" }

    /// Checks, unpacks and keeps an archive. Either all of it is stored when this returns, durably, or nothing is.
    ///
    /// - Throws: `ServiceError` `.invalidZipFile`, `.invalidParameterValue` (too large unpacked), `.requestTooLarge`,
    ///   `.codeStorageExceeded` (disk full), `.unavailable` (too many deployments at once).
    public func store(zip archive: [UInt8]) async throws -> CodeReference {
        try await queue.run { [self] in try storeBlocking(.memory(archive), limits) { try Files.write(archive, to: $0, mode: 0o600) } }
    }

    public func store(file: ArchiveFile) async throws -> CodeReference {
        try await queue.run { [self] in
            var limits = self.limits
            limits.archiveBytes = limits.fetchedBytes
            let mapped: MappedFile
            do { mapped = try MappedFile(file.path) } catch let error as FileError { throw failure(error, "read a deployment package") }
            return try storeBlocking(.file(mapped), limits) { blob in
                try Files.sync(file.path)
                try Files.makeHardLink(file.path, to: blob)
            }
        }
    }

    /// A name for a file that is to be stored; what is left of it after a crash goes at the next start.
    public func incomingPath() -> String { "\(directory)/blobs/.incoming-\(UInt64.random(in: 0...UInt64.max))" }

    public func reference(sha256: String) async -> CodeReference? {
        PackageDigest.isDigest(sha256) ? existing(sha256) : nil
    }

    public func archivePath(sha256: String) async throws -> String {
        guard await reference(sha256: sha256) != nil else { throw missing(sha256) }
        return blobPath(sha256)
    }

    /// The archive's bytes as they were uploaded.
    ///
    /// - Throws: `ServiceError` `.resourceNotFound`, `.unavailable`.
    public func archive(sha256: String) async throws -> [UInt8] {
        guard await reference(sha256: sha256) != nil else { throw missing(sha256) }
        return try await queue.run { [self] in
            do {
                return try Files.read(blobPath(sha256), limit: limits.archiveBytes)
            } catch let error as FileError {
                throw failure(error, "read deployment package \(sha256)")
            }
        }
    }

    /// One package is its own merge; each other order is a folder of its own, made once.
    public func merge(_ digests: [String]) async throws -> String {
        guard digests.count > 1 else { return digests.first ?? "" }
        return try await queue.run { [self] in
            do {
                return try mergeBlocking(digests)
            } catch let error as FileError {
                throw failure(error, "merge \(digests.count) layers")
            }
        }
    }

    public func extensions(of sha256: String) async throws -> [String] {
        try await queue.run { [self] in
            let folder = packagePath(sha256) + "/extensions"
            guard Files.kind(folder) == S_IFDIR else { return [] }
            do {
                let names = try Files.names(in: folder).filter { Files.kind("\(folder)/\($0)") != S_IFDIR }
                return Array(names.sorted().prefix(FunctionLayers.maximumExtensions + 1))
            } catch let error as FileError {
                throw failure(error, "list the extensions of package \(sha256)")
            }
        }
    }

    public func unpackedSize(sha256: String) async throws -> Int {
        try await queue.run { [self] in
            do {
                return try LayerMerge.size(of: packagePath(sha256))
            } catch let error as FileError {
                throw failure(error, "measure package \(sha256)")
            }
        }
    }

    private func missing(_ sha256: String) -> ServiceError {
        ServiceError(.resourceNotFound, "no deployment package with the SHA-256 \(sha256.prefix(64)) is stored here")
    }

    /// Removes every package that is not in `kept` and that nobody stored or asked for within the grace time.
    ///
    /// - Returns: how many were removed.
    @discardableResult
    public func collectGarbage(keeping kept: Set<String>) async throws -> Int {
        try await queue.run { [self] in
            do {
                return try collectBlocking(keeping: kept)
            } catch let error as FileError {
                throw failure(error, "remove unused deployment packages")
            }
        }
    }

    /// Files of a package that are synced each by itself, so that a small deployment does not wait for others' writes.
    private static let syncedOneByOne = 16

    // MARK: - On the queue's threads

    /// - Parameter keep: makes the archive's file, durably.
    private func storeBlocking(_ archive: ArchiveBytes, _ limits: UnpackLimits, keep: (_ blob: String) throws -> Void) throws -> CodeReference {
        guard archive.count <= limits.archiveBytes else {
            throw ServiceError(
                .requestTooLarge,
                "the deployment package has \(archive.count) bytes, and at most \(limits.archiveBytes) are accepted")
        }
        let sha256 = PackageDigest.sha256(archive)
        if let stored = existing(sha256) { return stored }
        let zip = try ZipArchive(archive, limits: limits)
        // Lambda's sentence for it.
        guard !zip.entries.isEmpty else { throw ServiceError(.invalidParameterValue, "Uploaded file must be a non-empty zip") }
        let suffix = ".incoming-\(UInt64.random(in: 0...UInt64.max))"
        let folder = "\(directory)/packages/\(suffix)"
        let blob = "\(directory)/blobs/\(suffix)"
        defer {
            // Gone already when all went well.
            try? Files.removeTree(folder)
            unlink(blob)
        }
        do {
            try unpack(zip, into: folder)
            try keep(blob)
            try changes.withLock { _ in
                // Two stores of the same archive may meet here: whoever comes second finds the same content in place.
                try Files.renameUnlessThere(folder, to: packagePath(sha256))
                try Files.sync("\(directory)/packages")
                try Files.rename(blob, to: blobPath(sha256))
                try Files.sync("\(directory)/blobs")
            }
        } catch let error as FileError {
            throw failure(error, "store a deployment package of \(archive.count) bytes")
        }
        return CodeReference(sha256: sha256, size: archive.count)
    }

    private func mergeBlocking(_ digests: [String]) throws -> String {
        let merged = LayerMerge.digest(digests)
        if Files.status(packagePath(merged)) != nil {
            Files.touch(packagePath(merged))
            return merged
        }
        let folder = "\(directory)/packages/.incoming-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? Files.removeTree(folder) }
        try LayerMerge.merge(digests.map(packagePath), into: folder)
        try Files.syncFileSystem(of: folder)
        try changes.withLock { _ in
            try Files.renameUnlessThere(folder, to: packagePath(merged))
            try Files.sync("\(directory)/packages")
        }
        return merged
    }

    private func unpack(_ zip: ZipArchive, into folder: String) throws {
        try Files.makeDirectory(folder, mode: 0o755)
        for path in zip.directories { try Files.makeDirectory("\(folder)/\(path)", mode: 0o755) }
        for entry in zip.entries {
            guard case .file(let executable) = entry.kind else { continue }
            let file = try NewFile("\(folder)/\(entry.path)", mode: executable ? 0o755 : 0o644)
            defer { file.close() }
            try zip.extract(entry) { try file.write($0) }
        }
        // Last, so that nothing is ever written through a link.
        for entry in zip.entries {
            guard case .link(let target) = entry.kind else { continue }
            try Files.makeLink("\(folder)/\(entry.path)", target: target)
        }
        // Without a journal each sync waits for the disk: many files are one for the whole file system instead.
        guard zip.entries.count <= Self.syncedOneByOne else { return try Files.syncFileSystem(of: folder) }
        // After everything is written: the first sync commits a journal for all, and the others find little left to do.
        for entry in zip.entries {
            guard case .file = entry.kind else { continue }
            try Files.sync("\(folder)/\(entry.path)")
        }
        for path in zip.directories { try Files.sync("\(folder)/\(path)") }
        try Files.sync(folder)
    }

    /// Both halves must be there; asking keeps a package from being collected for the grace time.
    private func existing(_ sha256: String) -> CodeReference? {
        guard let blob = Files.status(blobPath(sha256)), Files.status(packagePath(sha256)) != nil else { return nil }
        Files.touch(blobPath(sha256))
        return CodeReference(sha256: sha256, size: blob.size)
    }

    private func collectBlocking(keeping kept: Set<String>) throws -> Int {
        let now = time(nil)
        var removed = 0
        let isYoung = { [graceSeconds] (path: String) -> Bool in
            graceSeconds > 0 && (Files.status(path).map { $0.modified + graceSeconds > now } ?? false)
        }
        for name in try Files.names(in: "\(directory)/blobs") where name.hasSuffix(".zip") {
            let sha256 = String(name.dropLast(4))
            guard PackageDigest.isDigest(sha256), !kept.contains(sha256) else { continue }
            if try removePackage(sha256, unless: { isYoung(blobPath(sha256)) }) { removed += 1 }
        }
        // Folders whose archive is not there: a store or a collection was interrupted.
        for sha256 in try Files.names(in: "\(directory)/packages") where PackageDigest.isDigest(sha256) && !kept.contains(sha256) {
            if try removePackage(sha256, unless: { Files.status(blobPath(sha256)) != nil || isYoung(packagePath(sha256)) }) { removed += 1 }
        }
        return removed
    }

    private func removePackage(_ sha256: String, unless isNeeded: () -> Bool) throws -> Bool {
        let doomed = "\(directory)/packages/.incoming-\(UInt64.random(in: 0...UInt64.max))"
        let isRemoved = try changes.withLock { _ in
            if isNeeded() { return false }
            // The archive goes first: without it the folder does not count as stored. The folder goes in one step.
            unlink(blobPath(sha256))
            try Files.renameUnlessThere(packagePath(sha256), to: doomed)
            return true
        }
        if isRemoved { try Files.removeTree(doomed) }
        return isRemoved
    }

    private func failure(_ error: FileError, _ attempt: String) -> ServiceError {
        switch error.errno {
        case ENOSPC, EDQUOT:
            ServiceError(
                .codeStorageExceeded, "failed to \(attempt): the disk of the data directory is full; free some space and try again",
                underlying: error)
        default: ServiceError(.internalFailure, "failed to \(attempt)", underlying: error)
        }
    }
}
