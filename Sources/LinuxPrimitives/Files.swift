public import Glibc

/// The whole of a small file (at most `limit` bytes), nil if it cannot be read.
public func readFile(_ path: String, limit: Int = 1 << 20) -> [UInt8]? {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    return readAll(fd, limit: limit)
}

public func readAll(_ fd: Int32, limit: Int = 1 << 20) -> [UInt8]? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while bytes.count < limit {
        let n = chunk.withUnsafeMutableBytes { read(fd, $0.baseAddress, $0.count) }
        if n < 0 { if errno == EINTR { continue } else { return nil } }
        if n == 0 { break }
        bytes.append(contentsOf: chunk[0..<n])
    }
    return bytes
}

public func readText(_ path: String) -> String? {
    readFile(path).map { String(decoding: $0, as: UTF8.self) }
}

/// Writes in one call, as control files want it.
public func writeText(_ text: String, to path: String) throws {
    let fd = try check("opening \(path) for writing") { open(path, O_WRONLY | O_CLOEXEC) }
    defer { close(fd) }
    let bytes = Array(text.utf8)
    try check("writing \(text) to \(path)") { bytes.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) } }
}

public enum FileKind: Sendable { case file, folder, link, other }

/// What is at the path; links are followed unless asked not to. nil if nothing is or it cannot be reached.
public func fileKind(_ path: String, followLinks: Bool = true) -> FileKind? {
    var s = stat()
    guard (followLinks ? stat(path, &s) : lstat(path, &s)) == 0 else { return nil }
    switch s.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .folder
    case S_IFLNK: return .link
    default: return .other
    }
}

/// Names in a folder without "." and "..", sorted; empty if it cannot be read.
public func entries(of folder: String) -> [String] {
    guard let d = opendir(folder) else { return [] }
    defer { closedir(d) }
    var names: [String] = []
    while let e = readdir(d) {
        let name = withUnsafePointer(to: &e.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
}

/// Makes the folder and those above it.
public func makeFolders(_ path: String, mode: mode_t = 0o755) throws {
    var partial = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
        partial += "/\(part)"
        if mkdir(partial, mode) != 0 && errno != EEXIST { throw LinuxError("making the folder \(partial)") }
    }
}

public func copyFile(_ source: String, to target: String, mode: mode_t = 0o755) throws {
    let from = try check("opening \(source)") { open(source, O_RDONLY | O_CLOEXEC) }
    defer { close(from) }
    let to = try check("creating \(target)") { open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode) }
    defer { close(to) }
    while try check("copying \(source) to \(target)", { sendfile(to, from, nil, 1 << 30) }) > 0 {}
}

public func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
}
