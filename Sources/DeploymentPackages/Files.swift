internal import CChild
import Glibc

/// A failed file operation: which, on what, and the kernel's reason.
struct FileError: Error, CustomStringConvertible {
    let operation: String
    let path: String
    let errno: Int32

    var description: String { "\(operation) \(path): \(String(cString: strerror(errno)))" }
}

enum Files {
    struct Status {
        let size: Int
        /// Seconds since 1970.
        let modified: Int
    }

    static func status(_ path: String) -> Status? {
        var info = stat()
        guard lstat(path, &info) == 0 else { return nil }
        return Status(size: Int(info.st_size), modified: info.st_mtim.tv_sec)
    }

    /// `S_IFDIR`, `S_IFREG`, `S_IFLNK`; nil where nothing is.
    static func kind(_ path: String) -> mode_t? {
        var info = stat()
        return lstat(path, &info) == 0 ? info.st_mode & S_IFMT : nil
    }

    /// Another name of the same file; of a link, of the link itself.
    static func makeHardLink(_ path: String, to new: String) throws {
        guard linkat(AT_FDCWD, path, AT_FDCWD, new, 0) == 0 else {
            throw FileError(operation: "link", path: "\(path) to \(new)", errno: errno)
        }
    }

    /// One that is there already is left as it is.
    static func makeDirectory(_ path: String, mode: mode_t) throws {
        if mkdir(path, mode) != 0 {
            guard errno == EEXIST else { throw FileError(operation: "make folder", path: path, errno: errno) }
            return
        }
        // mkdir obeys the umask.
        guard chmod(path, mode) == 0 else { throw FileError(operation: "set mode of", path: path, errno: errno) }
    }

    static func makeLink(_ path: String, target: String) throws {
        guard symlink(target, path) == 0 else { throw FileError(operation: "make link", path: path, errno: errno) }
    }

    static func names(in path: String) throws -> [String] {
        guard let handle = opendir(path) else { throw FileError(operation: "open folder", path: path, errno: errno) }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Links are removed, never followed.
    static func removeTree(_ path: String) throws {
        var info = stat()
        guard lstat(path, &info) == 0 else {
            if errno == ENOENT { return }
            throw FileError(operation: "look at", path: path, errno: errno)
        }
        if info.st_mode & S_IFMT == S_IFDIR {
            for name in try names(in: path) { try removeTree("\(path)/\(name)") }
            guard rmdir(path) == 0 || errno == ENOENT else { throw FileError(operation: "remove folder", path: path, errno: errno) }
        } else {
            guard unlink(path) == 0 || errno == ENOENT else { throw FileError(operation: "remove", path: path, errno: errno) }
        }
    }

    static func read(_ path: String, limit: Int) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw FileError(operation: "look at", path: path, errno: errno) }
        guard info.st_size <= limit else { throw FileError(operation: "read", path: path, errno: EFBIG) }
        var failed: Int32 = 0
        let size = Int(info.st_size)
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = 0
            while count < size {
                let got = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
                if got < 0, errno == EINTR { continue }
                if got < 0 { failed = errno }
                if got <= 0 { break }
                count += got
            }
        }
        guard failed == 0 else { throw FileError(operation: "read", path: path, errno: failed) }
        return bytes
    }

    /// Writes a new file and syncs it.
    static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
        let file = try NewFile(path, mode: mode)
        defer { file.close() }
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.sync()
    }

    static func rename(_ old: String, to new: String) throws {
        guard Glibc.rename(old, new) == 0 else { throw FileError(operation: "rename", path: "\(old) to \(new)", errno: errno) }
    }

    /// Nothing happens if `new` is a folder with something in it, or if `old` is not there.
    static func renameUnlessThere(_ old: String, to new: String) throws {
        guard Glibc.rename(old, new) == 0 || [EEXIST, ENOTEMPTY, ENOENT].contains(errno) else {
            throw FileError(operation: "rename", path: "\(old) to \(new)", errno: errno)
        }
    }

    /// Makes a file's or folder's content durable.
    static func sync(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: path, errno: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileError(operation: "sync", path: path, errno: errno) }
    }

    /// Makes durable all that was written to the file system on which a folder lies.
    static func syncFileSystem(of folder: String) throws {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileError(operation: "open", path: folder, errno: errno) }
        defer { close(descriptor) }
        guard mc_syncfs(descriptor) == 0 else { throw FileError(operation: "sync", path: folder, errno: errno) }
    }

    static func touch(_ path: String) { utimensat(AT_FDCWD, path, nil, AT_SYMLINK_NOFOLLOW) }
}

/// A file that was not there before, open for writing.
struct NewFile {
    private let path: String
    private let descriptor: Int32

    init(_ path: String, mode: mode_t) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError(operation: "make", path: path, errno: errno) }
        guard fchmod(descriptor, mode) == 0 else {
            let reason = errno
            close()
            throw FileError(operation: "set mode of", path: path, errno: reason)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(operation: "write", path: path, errno: errno)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    func sync() throws {
        guard fsync(descriptor) == 0 else { throw FileError(operation: "sync", path: path, errno: errno) }
    }

    func close() { _ = Glibc.close(descriptor) }
}
