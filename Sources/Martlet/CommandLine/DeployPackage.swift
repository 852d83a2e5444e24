internal import DeploymentPackages
internal import JSONValues

/// An archive that is only made when the server does not have it.
struct DeployPackage {
    let sha256: String
    private(set) var size: Int
    private let source: PackageSource
    private var bytes: [UInt8]?

    /// The digest is looked up by the files' fingerprint where it is known, so that an unchanged folder is not packed.
    init(_ source: PackageSource, environment: [String: String]) throws {
        self.source = source
        if let archive = source.archive {
            sha256 = PackageDigest.sha256(archive)
            size = archive.count
            bytes = archive
            return
        }
        let folder = "\(Requirements.cacheFolder(environment))/archives"
        let note = "\(folder)/\(try source.fingerprint())"
        if let known = try? JSON(parsing: LocalFile.read(note, limit: 1_024)), let digest = known["sha256"]?.string,
            PackageDigest.isDigest(digest), let count = known["size"]?.integer
        {
            sha256 = digest
            size = count
            return
        }
        let archive = try source.makeArchive()
        sha256 = PackageDigest.sha256(archive)
        size = archive.count
        bytes = archive
        // Only a help for the next time.
        let text = JSON.object([.init("sha256", .string(sha256)), .init("size", .integer(size))]).text()
        try? LocalFile.makeFolders(folder)
        try? LocalFile.write(Array(text.utf8), to: note)
    }

    mutating func archive() throws -> [UInt8] {
        if let bytes { return bytes }
        let made = try source.makeArchive()
        bytes = made
        return made
    }
}
