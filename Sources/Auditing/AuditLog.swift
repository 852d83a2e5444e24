import BlockingThread
import Glibc
import JSONValues
import LinuxPrimitives

/// What an entry could not be kept for.
public struct AuditFault: Error, CustomStringConvertible {
    public let description: String
}

/// The entries of one server in two files of lines, `audit.log` and, before it, `audit.log.1`; there is one writer.
///
/// A line is in the file when `record` returns, so it survives `kill -9` of the process. When the newer file has half of the
/// space it takes the older one's place. A line that a crash cut short is passed over.
public actor AuditLog {
    /// Of one entry.
    static let maximumLine = 16 << 10
    /// Read at once, from the end.
    private static let block = 64 << 10

    private let executor: ThreadExecutor
    private let path: String
    private let maximumBytes: Int
    private var descriptor: Int32 = -1
    private var size = 0

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - folder: is made if it is not there.
    ///   - maximumBytes: of both files; at least 64 KiB.
    public init(folder: String, maximumBytes: Int) throws {
        try makeFolders(folder, mode: 0o700)
        executor = try ThreadExecutor(name: "audit")
        path = folder + "/audit.log"
        self.maximumBytes = max(64 << 10, maximumBytes)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// - Throws: `AuditFault`; then the entry is not kept, or not whole.
    public func record(_ entry: AuditEntry) throws(AuditFault) {
        let line = Array((entry.json.text() + "\n").utf8)
        if size > 0, size + line.count > maximumBytes / 2 { try rotate() }
        if descriptor < 0 { try begin() }
        var written = 0
        while written < line.count {
            let count = line.withUnsafeBytes { write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let fault = Self.fault("write to", path)
                // What stands half may not run into the next line.
                close(descriptor)
                descriptor = -1
                throw fault
            }
            written += count
            size += count
        }
    }

    /// The newest entries, oldest first.
    /// - Parameters:
    ///   - limit: from 1.
    ///   - since: milliseconds since 1970.
    ///   - account: only of this one's calls.
    public func newest(_ limit: Int, since: Int64? = nil, account: String? = nil) throws(AuditFault) -> [AuditEntry] {
        var found: [AuditEntry] = []
        for file in [path, path + ".1"] {
            let isDone = try readBackwards(file) { line in
                guard let json = try? JSON(parsing: line), let entry = AuditEntry(json) else { return false }
                if let since, entry.time < since { return true }
                if account == nil || entry.account == account { found.append(entry) }
                return found.count >= limit
            }
            if isDone { break }
        }
        return found.reversed()
    }

    private func begin() throws(AuditFault) {
        descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.fault("open", path) }
        size = Int(lseek(descriptor, 0, SEEK_END))
        var last: UInt8 = 0
        guard size > 0, pread(descriptor, &last, 1, off_t(size - 1)) == 1, last != UInt8(ascii: "\n") else { return }
        var end = UInt8(ascii: "\n")
        if write(descriptor, &end, 1) == 1 { size += 1 }
    }

    private func rotate() throws(AuditFault) {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        guard rename(path, path + ".1") == 0 else { throw Self.fault("rename", path) }
        size = 0
    }

    /// - Parameter visit: gets each line, the last first, and returns whether that is enough.
    /// - Returns: whether `visit` had enough.
    private func readBackwards(_ file: String, _ visit: ([UInt8]) -> Bool) throws(AuditFault) -> Bool {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return false }
            throw Self.fault("open", file)
        }
        defer { close(descriptor) }
        var position = Int(lseek(descriptor, 0, SEEK_END))
        var rest: [UInt8] = []
        while position > 0 {
            let count = min(Self.block, position)
            var bytes = [UInt8](repeating: 0, count: count)
            guard pread(descriptor, &bytes, count, off_t(position - count)) == count else { throw Self.fault("read", file) }
            position -= count
            bytes += rest
            var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            rest = position > 0 ? Array(lines.removeFirst()) : []
            // No line is so long: the file is not one of ours any more.
            if rest.count > Self.maximumLine { rest = [] }
            for line in lines.reversed() where !line.isEmpty {
                if visit(Array(line)) { return true }
            }
        }
        return false
    }

    private static func fault(_ action: String, _ path: String) -> AuditFault {
        AuditFault(description: "failed to \(action) \(path) in the data directory: \(String(cString: strerror(errno)))")
    }
}
