import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

/// Byte code of the Python runtime's own modules, made once for each interpreter: it spares every cold start their
/// compilation. An interpreter may lie in a user's folder, so it runs in a sandbox like any function, and what it writes is
/// taken for the sandboxes of that interpreter alone.
struct ByteCode {
    let offer: RuntimeOffer
    /// The number of its sandbox.
    let id: UInt32
    /// What it writes; end of file when it is done.
    let output: Int32
    /// The worker's end, until the worker has it.
    var workerEnd: Int32
    /// Init's server: here, the helper itself.
    let control: Int32
    let controlUnused: Int32
    let null: Int32
    let deadline: Int
    private var bytes: [UInt8] = []

    static let memoryMB: UInt64 = 256
    static let storageMB: UInt64 = 16
    private static let limit = 1 << 20
    private static let secondsAllowed = 60

    /// - Parameter start: makes the sandbox with init's ends of its two channels and its log.
    init(_ offer: RuntimeOffer, id: UInt32, start: (_ descriptors: [Int32]) throws -> Void) throws {
        self.offer = offer
        self.id = id
        deadline = Self.now() + Self.secondsAllowed
        let (ours, theirs) = try socketPair()
        let (oursUnused, theirsUnused) = try socketPair()
        let pair = try socketPair()
        (control, controlUnused, output, workerEnd) = (ours, oursUnused, pair.0, pair.1)
        null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { for fd in [theirs, theirsUnused] { Glibc.close(fd) } }
        do { try start([theirs, theirsUnused, null]) } catch {
            close()
            throw error
        }
    }

    static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }

    /// Init is up and knows slot 0: runs the interpreter there.
    mutating func run() throws {
        let words = [offer.interpreter, "-S", "-E", "-s", "-B", "/var/runtime/bootstrap.py", "compile", "-"]
        let variables = ["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/tmp"]
        var payload: [UInt8] = []
        for count in [words.count, variables.count] { withUnsafeBytes(of: UInt32(count).littleEndian) { payload.append(contentsOf: $0) } }
        for word in words + variables { payload += Array(word.utf8) + [0] }
        try send(mc_message(MC_EXEC, slot: 0), payload: payload, descriptors: [workerEnd, null], to: control)
        Glibc.close(workerEnd)
        workerEnd = -1
    }

    /// Takes what has been written. True when nothing more will come.
    mutating func read() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let n = recv(output, &chunk, chunk.count, Int32(MSG_DONTWAIT))
        if n < 0 { return errno != EAGAIN && errno != EINTR }
        guard n > 0, bytes.count + n <= Self.limit else {
            if n > 0 { bytes = [] }
            return true
        }
        bytes += chunk[0..<n]
        return false
    }

    /// Puts the files in place, each at once; names that are not expected of this interpreter are left out.
    /// - Returns: how many.
    func install(in folder: String) throws -> Int {
        let expected = RuntimeFiles.byteCodePaths(tag: "cpython-" + offer.name.dropFirst(6).filter { $0 != "." })
        var rest = bytes[...]
        var count = 0
        func number() -> Int? {
            guard rest.count >= 4 else { return nil }
            defer { rest = rest.dropFirst(4) }
            return rest.prefix(4).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        }
        while let pathLength = number(), let length = number(), rest.count >= pathLength + length {
            let path = String(decoding: rest.prefix(pathLength), as: UTF8.self)
            let content = Array(rest.dropFirst(pathLength).prefix(length))
            rest = rest.dropFirst(pathLength + length)
            guard expected.contains(path), let slash = path.lastIndex(of: "/") else { continue }
            try makeFolders("\(folder)/\(path[..<slash])")
            let whole = "\(folder)/\(path)"
            let fd = try check("creating \(whole).new") { open(whole + ".new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644) }
            defer { Glibc.close(fd) }
            let written = content.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
            guard written == content.count else {
                unlink(whole + ".new")
                throw LinuxError("writing \(whole)")
            }
            try check("renaming \(whole).new") { rename(whole + ".new", whole) }
            count += 1
        }
        return count
    }

    func close() {
        for fd in [output, workerEnd, control, controlUnused, null] where fd >= 0 { Glibc.close(fd) }
    }
}
