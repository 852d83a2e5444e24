import Glibc
import LinuxPrimitives

/// The files below a folder, reached step by step from its descriptor: no link is followed, whoever puts one there when.
struct FolderTree {
    struct Contents {
        var files: [String: FileState] = [:]
        /// Folders that could not be read, with a slash at the end: of what is in them nothing is known.
        var unread: [String] = []
        /// There was more than the bounds allow.
        var isTruncated = false
        /// Names that no key can have: too long, or no UTF-8.
        var unnamed = 0
        fileprivate var folders = 0
    }

    let path: String

    // MARK: One file

    /// Nil where there is no plain file.
    func state(of file: String) -> FileState? {
        withFolder(of: file) { folder, name in Self.state(name, in: folder) } ?? nil
    }

    /// Whether the file has another name too: it came by a link, which nobody closes.
    func isLinked(_ file: String) -> Bool {
        withFolder(of: file) { folder, name in
            var info = stat()
            return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_mode & S_IFMT == S_IFREG && info.st_nlink > 1
        } ?? false
    }

    /// Nil where it cannot be read, or has more bytes than that.
    func content(of file: String, limit: Int) -> [UInt8]? {
        withFolder(of: file) { folder, name in
            // A pipe that took the file's place must not block.
            let descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            var info = stat()
            guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size <= limit else { return nil }
            return readAll(descriptor, limit: limit + 1).flatMap { $0.count <= limit ? $0 : nil }
        } ?? nil
    }

    // MARK: All files

    /// - Parameters:
    ///   - folder: where to begin, relative; empty for all.
    ///   - enter: called with each folder's descriptor before it is read, so that what comes later is noticed.
    /// - Throws: where the first folder cannot be read.
    func contents(of folder: String, isRecursive: Bool, enter: (_ descriptor: Int32, _ folder: String) throws -> Void) throws -> Contents {
        var contents = Contents()
        let descriptor = try open(folder)
        try read(descriptor, folder, depth: folder.isEmpty ? 0 : folder.split(separator: "/").count, isRecursive, &contents, enter)
        return contents
    }

    /// A folder's descriptor, owned by the caller.
    func open(_ folder: String) throws -> Int32 {
        var current = try check("opening the folder \(path)") { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        for part in folder.split(separator: "/") {
            let parent = current
            defer { close(parent) }
            current = try check("opening the folder \(path)/\(folder)") { openat(parent, String(part), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        }
        return current
    }

    private func read(
        _ descriptor: Int32, _ folder: String, depth: Int, _ isRecursive: Bool, _ contents: inout Contents, _ enter: (Int32, String) throws -> Void
    ) throws {
        guard let stream = fdopendir(descriptor) else {
            let error = LinuxError("reading the folder \(path)/\(folder)")
            close(descriptor)
            throw error
        }
        defer { closedir(stream) }
        contents.folders += 1
        try enter(descriptor, folder)
        while let entry = readdir(stream) {
            guard let name = withUnsafePointer(to: &entry.pointee.d_name, { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
            }) else {
                contents.unnamed += 1
                continue
            }
            guard name != ".", name != ".." else { continue }
            let file = folder.isEmpty ? name : "\(folder)/\(name)"
            if let state = Self.state(name, in: descriptor) {
                take(file, state, &contents)
            } else if isRecursive, Self.isFolder(name, in: descriptor) {
                descend(name, file, descriptor, depth: depth + 1, &contents, enter)
            }
        }
    }

    private func take(_ file: String, _ state: FileState, _ contents: inout Contents) {
        guard FolderChange.isKey(file) else { return contents.unnamed += 1 }
        guard contents.files.count < WatchedFolder.maximumFiles else { return contents.isTruncated = true }
        contents.files[file] = state
    }

    private func descend(
        _ name: String, _ folder: String, _ parent: Int32, depth: Int, _ contents: inout Contents, _ enter: (Int32, String) throws -> Void
    ) {
        guard depth < WatchedFolder.maximumDepth, contents.folders < WatchedFolder.maximumFolders else { return contents.isTruncated = true }
        let descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        do {
            guard descriptor >= 0 else { throw LinuxError("opening the folder \(path)/\(folder)") }
            try read(descriptor, folder, depth: depth, true, &contents, enter)
        } catch {
            contents.unread.append(folder + "/")
        }
    }

    // MARK: Steps

    private func withFolder<Value>(of file: String, _ body: (_ folder: Int32, _ name: String) -> Value) -> Value? {
        let end = file.lastIndex(of: "/")
        guard let descriptor = try? open(end.map { String(file[..<$0]) } ?? "") else { return nil }
        defer { close(descriptor) }
        return body(descriptor, end.map { String(file[file.index(after: $0)...]) } ?? file)
    }

    private static func state(_ name: String, in folder: Int32) -> FileState? {
        var info = stat()
        guard fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0, info.st_mode & S_IFMT == S_IFREG else { return nil }
        return FileState(
            size: Int64(info.st_size), modified: Int64(info.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(info.st_mtim.tv_nsec),
            inode: Int64(bitPattern: UInt64(info.st_ino)))
    }

    private static func isFolder(_ name: String, in folder: Int32) -> Bool {
        var info = stat()
        return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }
}
