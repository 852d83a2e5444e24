internal import Glibc
internal import LinuxPrimitives
internal import SQLiteStore

/// Makes one archive of a data directory, also while a server works on it.
///
/// What changes is copied beside the archive first, what never changes is read in its place. The order makes the copies fit:
/// 1. usage on its way, then the database that it is taken into: what is in both is one record after all;
/// 2. queues later than usage: no event that has run, and whose run is in the copy, waits in the copied queue to run again
///    under the same number;
/// 3. packages last: those of every function in the copied database are there, for none goes before the next start.
struct BackupWriter {
    let data: String
    let target: String
    let hasLogs: Bool
    let environment: [String: String]
    let progress: (String) -> Void

    static let databases = ["martlet.db", "queue.sqlite"]
    /// Never rewritten once they are there.
    private static let unchanging = ["blobs", "packages"]
    private static let small = ["credentials", "environment.key", "secrets"]

    /// - Returns: bytes of the archive.
    /// - Throws: `CommandFailure`; nothing is left of the archive then.
    func write() throws -> Int {
        guard LocalFile.info("\(data)/martlet.db")?.kind == .file else {
            throw CommandFailure("\(data) is no data directory of a server: it has no martlet.db")
        }
        guard LocalFile.info(target) == nil else { throw CommandFailure("\(target) is there already: name a new file") }
        guard let tar = ChildProcess.find("tar", environment: environment) else { throw CommandFailure("tar is not installed here: install the package tar") }
        let staging = "\(target).partial"
        guard mkdir(staging, 0o700) == 0 else {
            throw CommandFailure("making \(staging) failed: \(String(cString: strerror(errno)))\(errno == EEXIST ? ": another backup to this file is under way, or was broken off; remove it" : "")")
        }
        defer { removeTree(staging) }
        let manifest = BackupManifest(version: martletVersion, time: currentMilliseconds(), hasLogs: hasLogs)
        progress("usage")
        try copyTree("usage", to: staging)
        for name in Self.databases where LocalFile.info("\(data)/\(name)") != nil {
            progress(name)
            do { try DatabaseCopy.make(of: "\(data)/\(name)", at: "\(staging)/\(name)") } catch {
                throw CommandFailure("copying \(data)/\(name) failed: \(error)")
            }
        }
        for name in Self.small + (hasLogs ? ["audit", "logs"] : []) where LocalFile.info("\(data)/\(name)") != nil {
            progress(name)
            try copyTree(name, to: staging)
        }
        try LocalFile.write(Array(manifest.json.text(indented: true).utf8), to: "\(staging)/\(BackupManifest.name)")
        progress("archive")
        return try pack(staging, tar)
    }

    private func pack(_ staging: String, _ tar: String) throws -> Int {
        let unfinished = "\(staging)/.archive"
        // What is being stored, by its place: a function's own files may have any name.
        var arguments = [
            tar, "--create", "--file", unfinished, "--sparse", "--numeric-owner", "--anchored", "--no-wildcards-match-slash",
            "--exclude=blobs/.incoming-*", "--exclude=packages/.incoming-*",
        ]
        if target.hasSuffix(".gz") || target.hasSuffix(".tgz") { arguments.append("--gzip") }
        if target.hasSuffix(".zst") { arguments.append("--zstd") }
        // The manifest first, so that a reader knows at once what it has.
        arguments += ["-C", staging, BackupManifest.name] + LinuxPrimitives.entries(of: staging).filter { $0 != BackupManifest.name && $0 != ".archive" }.sorted()
        arguments += ["-C", data] + Self.unchanging.filter { LocalFile.info("\(data)/\($0)") != nil }
        let before = umask(0o077)
        defer { umask(before) }
        let result = ChildProcess.run(arguments, environment: environment)
        guard result.status == 0 else { throw CommandFailure("packing \(target) failed: \(result.output.isEmpty ? "tar ended with \(result.status)" : result.output)") }
        let descriptor = open(unfinished, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0, fsync(descriptor) == 0 else { throw CommandFailure("writing \(target) failed: \(String(cString: strerror(errno)))") }
        close(descriptor)
        // A link, unlike a renaming, never takes the place of a file that came meanwhile.
        guard link(unfinished, target) == 0 else { throw CommandFailure("making \(target) failed: \(String(cString: strerror(errno)))") }
        return LocalFile.info(target)?.size ?? 0
    }

    /// What a server removes meanwhile is not missed: it has gone where a later copy has it, or is out of date.
    private func copyTree(_ name: String, to staging: String) throws {
        let source = "\(data)/\(name)"
        guard let info = LocalFile.info(source, followLinks: false) else { return }
        switch info.kind {
        case .directory:
            guard mkdir("\(staging)/\(name)", 0o700) == 0 else { throw CommandFailure("making \(staging)/\(name) failed: \(String(cString: strerror(errno)))") }
            for child in LinuxPrimitives.entries(of: source) { try copyTree("\(name)/\(child)", to: staging) }
        case .file:
            do { try copyFile(source, to: "\(staging)/\(name)", mode: 0o600) } catch {
                if LocalFile.info(source, followLinks: false) == nil { return }
                throw CommandFailure("copying \(source) failed: \(error)")
            }
        case .link, .other: throw CommandFailure("\(source) is neither a file nor a folder: remove it from the data directory")
        }
    }
}

/// What is there of a folder; that it is gone already is no fault.
func removeTree(_ path: String) {
    if LocalFile.info(path, followLinks: false)?.kind == .directory {
        for name in LinuxPrimitives.entries(of: path) { removeTree("\(path)/\(name)") }
        rmdir(path)
    } else {
        unlink(path)
    }
}
