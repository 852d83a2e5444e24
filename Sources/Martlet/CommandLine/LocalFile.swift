internal import Glibc

/// Files of the person who runs a verb.
enum LocalFile {
    struct Info: Sendable {
        enum Kind: Sendable { case file, directory, link, other }
        let kind: Kind
        let isExecutable: Bool
        let size: Int
    }

    static func info(_ path: String, followLinks: Bool = true) -> Info? {
        var status = stat()
        guard (followLinks ? stat(path, &status) : lstat(path, &status)) == 0 else { return nil }
        let kind: Info.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .link
            default: .other
            }
        return Info(kind: kind, isExecutable: status.st_mode & 0o111 != 0, size: Int(status.st_size))
    }

    /// - Throws: `CommandFailure` that names the file.
    static func read(_ path: String, limit: Int = 1_073_741_824) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        return try read(descriptor, path, expected: info(path)?.size ?? 0, limit: limit)
    }

    /// At most 64 MB.
    static func readStandardInput() throws -> [UInt8] { try read(0, "stdin", expected: 0, limit: 67_108_864) }

    private static func read(_ descriptor: CInt, _ name: String, expected: Int, limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(expected, limit) + 1)
        let size = 262_144
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, size)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read", name) }
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else { throw CommandFailure("\(name) has more than \(limit) bytes") }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    /// Writes by way of a temporary name, so that nobody ever reads half of it, also after a power loss: it is on the disk when
    /// this returns.
    static func write(_ bytes: [UInt8], to path: String) throws {
        let temporary = "\(path).\(UInt64.random(in: 0...UInt64.max))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("make", temporary) }
        defer { unlink(temporary) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                defer { close(descriptor) }
                throw failure("write", temporary)
            }
            rest = rest.dropFirst(count)
        }
        let isKept = fsync(descriptor) == 0
        close(descriptor)
        guard isKept, rename(temporary, path) == 0 else { throw failure("write", path) }
        let folder = open(path.lastIndex(of: "/").map { path[..<$0].isEmpty ? "/" : String(path[..<$0]) } ?? ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw failure("open the folder of", path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw failure("keep", path) }
    }

    static func names(in path: String) throws -> [String] {
        guard let handle = opendir(path) else { throw failure("open folder", path) }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func linkTarget(_ path: String) throws -> String {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.bindMemory(to: CChar.self).baseAddress.map { readlink(path, $0, bytes.count) } ?? -1
        }
        guard count >= 0 else { throw failure("read link", path) }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// Makes a folder and those above it.
    static func makeFolders(_ path: String) throws {
        var partial = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            partial += "/\(part)"
            guard mkdir(partial, 0o755) == 0 || errno == EEXIST else { throw failure("make folder", partial) }
        }
    }

    /// Links are removed, never followed; what cannot be removed stays.
    static func removeTree(_ path: String) {
        if info(path, followLinks: false)?.kind == .directory {
            for name in (try? names(in: path)) ?? [] { removeTree("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    private static func failure(_ attempt: String, _ path: String) -> CommandFailure {
        CommandFailure("failed to \(attempt) \(path): \(String(cString: strerror(errno)))")
    }
}
