import Glibc
import LinuxPrimitives
import Sandbox

/// The number that tells this server's network from those of others on the host, in the names of its table and of its
/// interfaces: held by a lock on a file, as long as the helper lives, so that it is never two servers'. In the same file
/// is noted what was changed. A file that nobody holds is what a kill left.
final class EgressClaim {
    let number: UInt16
    /// What is noted, of this helper's or of one before whose changes could not be undone; nil: the host is unchanged.
    private(set) var record: EgressRecord?
    private let instance: String
    private let namespace: UInt64
    private let descriptor: Int32

    // It ends with the host's run, as all that is noted in it.
    private static let folder = "/run", name = "martlet-egress-"
    /// Numbers that are asked for, one after another.
    private static let attempts: UInt16 = 256

    /// - Parameter namespace: the inode of the network namespace.
    init(instance: String, namespace: UInt64) throws {
        let hash = Self.hash(instance)
        for offset in 0..<Self.attempts {
            let number = UInt16(truncatingIfNeeded: hash >> 16 ^ hash) &+ offset
            guard let descriptor = Self.hold(number, flags: O_CREAT) else { continue }
            let left = Self.read(descriptor).flatMap(EgressRecord.init)
            // What lies in another network namespace can be undone by a server in there alone.
            if let left, left.namespace != namespace, left.instance != instance {
                close(descriptor)
                continue
            }
            (self.number, self.descriptor, self.instance, self.namespace) = (number, descriptor, instance, namespace)
            record = left?.namespace == namespace ? left : nil
            return
        }
        throw LinuxError("finding a number for the functions' network that no other server holds (\(Self.folder)/\(Self.name)*)", EADDRINUSE)
    }

    /// FNV-1a.
    static func hash(_ instance: String) -> UInt32 { instance.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 } }

    static func digits(_ number: UInt16) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// Notes what is about to be changed. In place: the lock is the file's.
    func note(_ opened: Set<String>) throws {
        let wanted = EgressRecord(instance: instance, namespace: namespace, opened: opened)
        guard wanted != record else { return }
        let text = Array(wanted.text.utf8)
        let attempt = "noting the functions' network in \(Self.path(number))"
        let written = try check(attempt) { text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } }
        guard written == text.count else { throw LinuxError(attempt, ENOSPC) }
        record = wanted
        try check(attempt) { ftruncate(descriptor, off_t(text.count)) }
    }

    /// All is undone: the number may be another's.
    func end() {
        record = nil
        unlink(Self.path(number))
    }

    deinit {
        if record == nil { unlink(Self.path(number)) }
        close(descriptor)
    }

    /// Undoes what servers left in this network namespace that were killed; what cannot be undone stays noted.
    static func clean(namespace: UInt64, _ undo: (_ number: UInt16, _ record: EgressRecord) throws -> Void) {
        for entry in entries(of: folder) where entry.hasPrefix(name) {
            guard let number = UInt16(entry.dropFirst(name.count), radix: 16), path(number) == "\(folder)/\(entry)",
                let descriptor = hold(number, flags: 0)
            else { continue }
            defer { close(descriptor) }
            guard let text = read(descriptor) else { continue }
            do {
                if let record = EgressRecord(text) {
                    guard record.namespace == namespace else { continue }
                    try undo(number, record)
                } else if !text.isEmpty {
                    continue
                }
                unlink(path(number))
            } catch {
                Egress.report("undoing what a server left that was killed (\(path(number))): \(error)")
            }
        }
    }

    private static func path(_ number: UInt16) -> String { "\(folder)/\(name)\(digits(number))" }

    /// nil where somebody else holds it, or where there is something else.
    private static func hold(_ number: UInt16, flags: Int32) -> Int32? {
        for _ in 0..<4 {
            let descriptor = open(path(number), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0o600)
            guard descriptor >= 0 else { return nil }
            var (held, named) = (stat(), stat())
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &held) == 0,
                held.st_mode & S_IFMT == S_IFREG, held.st_nlink <= 1, held.st_uid == geteuid()
            else {
                close(descriptor)
                return nil
            }
            // Who held it before may have removed it meanwhile.
            if lstat(path(number), &named) == 0, named.st_ino == held.st_ino, named.st_dev == held.st_dev { return descriptor }
            close(descriptor)
        }
        return nil
    }

    private static func read(_ descriptor: Int32) -> String? {
        lseek(descriptor, 0, SEEK_SET)
        return readAll(descriptor, limit: 1 << 16).map { String(decoding: $0, as: UTF8.self) }
    }
}
