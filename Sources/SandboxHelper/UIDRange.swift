import Glibc
import LinuxPrimitives

/// Hands out host uids, each new sandbox another, and remembers across restarts how far it came: a uid comes round again
/// only after all the others.
struct UIDRange {
    private let first: UInt32
    private let count: UInt32
    private var next: UInt32 = 0
    private var reserved: UInt32 = 0
    private let folder: Int32
    private let rootless: Bool
    private static let block: UInt32 = 64

    init(_ arguments: Arguments, folder: Int32, rootless: Bool) {
        first = arguments.uidFirst
        count = arguments.uidCount
        self.folder = folder
        self.rootless = rootless
        let fd = Self.open(folder, O_RDONLY)
        if fd >= 0 {
            let text = readAll(fd, limit: 32).map { String(decoding: $0, as: UTF8.self) } ?? ""
            next = (UInt32(text.split(separator: "\n").first ?? "") ?? 0) % count
            close(fd)
        }
        reserved = next
    }

    /// The folder belongs to the server: what it may have put there instead (a FIFO to wait at, a second name of a file of
    /// root's to overwrite) is removed.
    private static func open(_ folder: Int32, _ flags: Int32) -> Int32 {
        let fd = openat(folder, "uids", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        var info = stat()
        if fd >= 0, fstat(fd, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_nlink == 1, info.st_uid == geteuid() { return fd }
        if fd >= 0 { close(fd) }
        unlinkat(folder, "uids", 0)
        return -1
    }

    mutating func take(except live: Set<UInt32>) -> UInt32? {
        if rootless { return geteuid() }
        for _ in 0..<count {
            if next == reserved { reserve() }
            let uid = first + next
            next = (next + 1) % count
            if !live.contains(uid) { return uid }
        }
        return nil
    }

    /// Written ahead in blocks, so that a crash skips some instead of giving one out twice.
    private mutating func reserve() {
        reserved = (next + Self.block) % count
        let fd = openat(folder, "uids", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard fd >= 0 else { return }
        // A fixed width, so that nothing is ever truncated.
        let number = "\(reserved)"
        let text = Array((String(repeating: "0", count: 10 - number.count) + number + "\n").utf8)
        _ = text.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        close(fd)
    }
}
