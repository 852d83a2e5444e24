internal import AccessControl
internal import Glibc
internal import LinuxPrimitives
internal import SQLiteStore

/// Makes a data directory of an archive that `BackupWriter` made, and looks at every part of it before it counts.
struct BackupReader {
    let source: String
    let data: String
    let environment: [String: String]
    let progress: (String) -> Void

    /// - Throws: `CommandFailure`; then `data` is as it was.
    func restore() throws -> BackupManifest {
        guard LocalFile.info(source)?.kind == .file else { throw CommandFailure("there is no backup \(source)") }
        if let there = LocalFile.info(data, followLinks: false) {
            guard there.kind == .directory, LinuxPrimitives.entries(of: data).isEmpty else {
                throw CommandFailure("\(data) is there and not empty: a backup is restored into a new or empty folder")
            }
        }
        guard let tar = ChildProcess.find("tar", environment: environment) else { throw CommandFailure("tar is not installed here: install the package tar") }
        let unfinished = "\(data).partial"
        guard mkdir(unfinished, 0o700) == 0 else {
            throw CommandFailure("making \(unfinished) failed: \(String(cString: strerror(errno)))\(errno == EEXIST ? ": another restoring is under way, or was broken off; remove it" : "")")
        }
        var isDone = false
        defer { if !isDone { removeTree(unfinished) } }
        progress("archive")
        let result = ChildProcess.run([tar, "--extract", "--file", source, "--no-same-owner", "-C", unfinished], environment: environment)
        guard result.status == 0 else { throw CommandFailure("unpacking \(source) failed: \(result.output.isEmpty ? "tar ended with \(result.status)" : result.output)") }
        guard LocalFile.info("\(unfinished)/\(BackupManifest.name)", followLinks: false)?.kind == .file else {
            throw CommandFailure("\(source) is no backup of Martlet: it has no \(BackupManifest.name)")
        }
        let manifest = try BackupManifest(LocalFile.read("\(unfinished)/\(BackupManifest.name)", limit: 65_536))
        for name in BackupWriter.databases {
            guard let info = LocalFile.info("\(unfinished)/\(name)", followLinks: false) else {
                if name == BackupWriter.databases[0] { throw CommandFailure("\(source) has no \(name)") }
                continue
            }
            progress(name)
            guard info.kind == .file else { throw CommandFailure("\(name) in \(source) is no file") }
            do { try DatabaseCopy.check("\(unfinished)/\(name)") } catch { throw CommandFailure("\(name) in \(source) is damaged: \(error)") }
        }
        progress("packages")
        try checkPackages(unfinished)
        guard unlink("\(unfinished)/\(BackupManifest.name)") == 0 else { throw CommandFailure("removing \(BackupManifest.name) failed: \(String(cString: strerror(errno)))") }
        // Over an empty folder, too; one that has got something meanwhile is left alone.
        guard rename(unfinished, data) == 0 else { throw CommandFailure("making \(data) failed: \(String(cString: strerror(errno)))") }
        isDone = true
        return manifest
    }

    /// A package is named by what is in it.
    private func checkPackages(_ folder: String) throws {
        for name in LinuxPrimitives.entries(of: "\(folder)/blobs") {
            let bytes = try LocalFile.read("\(folder)/blobs/\(name)")
            guard "\(PayloadDigest.hexadecimal(of: bytes)).zip" == name else { throw CommandFailure("the package \(name) in \(source) is damaged") }
        }
    }
}
