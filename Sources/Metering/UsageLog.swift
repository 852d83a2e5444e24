import Glibc
import Synchronization

/// The folder of segment files, shared by the writers on event loops and the one folder behind them.
///
/// A segment `<number>.seg` is written by one writer from front to end, closed, folded into the store, and deleted. Files
/// that were there before this object are left to `UsageFolder.recover()`.
public final class UsageLog: Sendable {
    public struct Configuration: Sendable {
        /// How often written records are forced to the disk. Records survive the end of any process in every mode; this is
        /// about power loss and kernel panics.
        public enum Sync: Hashable, Sendable {
            /// Left to the kernel (up to about 30 s).
            case none
            /// At most this many milliseconds, plus the disk's own time, after the write. From 1.
            case interval(milliseconds: Int)
            /// Before `write` returns: blocks the event loop for the disk's time on every record.
            case always
        }

        public var sync: Sync
        /// Bytes of a segment before the next is begun; at least 64 KiB.
        public var segmentBytes: Int
        /// Milliseconds for which records are gathered before they are folded; from 1. Reports do not wait for it.
        public var foldIntervalMilliseconds: Int

        public init(sync: Sync = .interval(milliseconds: 5), segmentBytes: Int = 4 << 20, foldIntervalMilliseconds: Int = 100) {
            self.sync = sync
            self.segmentBytes = max(segmentBytes, 64 << 10)
            self.foldIntervalMilliseconds = max(foldIntervalMilliseconds, 1)
        }
    }

    private struct State {
        var segments: [UsageSegment] = []
        var nextNumber: UInt64
    }

    public let configuration: Configuration
    public let path: String
    let directory: Int32
    private let state: Mutex<State>

    /// One element while there is something to fold.
    let signals: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation
    private let isSignalled = Atomic<Bool>(false)

    /// Opens the folder and makes it (0700) if it is missing; its parent must exist.
    /// - Parameter path: may be relative to the working directory at the time of this call.
    public init(directory path: String, configuration: Configuration = Configuration()) throws(UsageLogError) {
        self.path = path
        self.configuration = configuration
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw UsageLogError("make usage folder \(path)", code: errno) }
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw UsageLogError("open usage folder \(path)", code: errno) }
        let numbers: [UInt64]
        do {
            numbers = try Self.segmentNumbers(in: directory, path: path)
        } catch {
            Glibc.close(directory)
            throw error
        }
        self.directory = directory
        state = Mutex(State(nextNumber: (numbers.max() ?? 0) + 1))
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    deinit {
        continuation.finish()
        Glibc.close(directory)
    }

    static func fileName(_ number: UInt64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 12 - digits.count)) + digits + ".seg"
    }

    /// Files that no writer of this object made, in the order they were written.
    func leftovers() throws(UsageLogError) -> [UInt64] {
        let own = state.withLock { Set($0.segments.map(\.number)) }
        return try Self.segmentNumbers(in: directory, path: path).filter { !own.contains($0) }.sorted()
    }

    /// - Returns: a new segment, known to the folder, and a descriptor open for writing that the caller closes.
    func makeSegment() throws(UsageLogError) -> (UsageSegment, Int32) {
        let number = state.withLock { state in
            defer { state.nextNumber += 1 }
            return state.nextNumber
        }
        let name = Self.fileName(number)
        let descriptor = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw UsageLogError("make usage segment \(path)/\(name)", code: errno) }
        // The whole segment is reserved at once (zeros follow the records), so that a full disk shows here and not in the
        // middle of an invocation.
        let code = posix_fallocate(descriptor, 0, off_t(configuration.segmentBytes))
        if code != 0 {
            Glibc.close(descriptor)
            unlinkat(directory, name, 0)
            throw UsageLogError("reserve \(configuration.segmentBytes) bytes for usage segment \(path)/\(name)", code: code)
        }
        let segment = UsageSegment(number: number)
        state.withLock { $0.segments.append(segment) }
        return (segment, descriptor)
    }

    /// In the order they were begun.
    var segments: [UsageSegment] { state.withLock { $0.segments } }

    func remove(_ segment: UsageSegment) {
        state.withLock { $0.segments.removeAll { $0 === segment } }
    }

    /// Cheap when the folder is already awake: it is woken once until it calls `acknowledgeSignal`.
    func signal() {
        if !isSignalled.exchange(true, ordering: .acquiringAndReleasing) { continuation.yield() }
    }

    /// To be called before the segments are looked at, so that no later write goes unnoticed.
    func acknowledgeSignal() {
        // An exchange, not a store: it must see what was committed before a signal that found the flag still set.
        _ = isSignalled.exchange(false, ordering: .acquiringAndReleasing)
    }

    private static func segmentNumbers(in directory: Int32, path: String) throws(UsageLogError) -> [UInt64] {
        let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else { throw UsageLogError("list usage folder \(path)", code: errno) }
        defer { closedir(stream) }
        var numbers: [UInt64] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard name.hasSuffix(".seg"), let number = UInt64(name.dropLast(4)), fileName(number) == name else { continue }
            numbers.append(number)
        }
        return numbers
    }
}

/// What writer and folder know of one file in common.
final class UsageSegment: Sendable {
    let number: UInt64
    /// Bytes of whole records; what lies behind is of no account.
    let committed = Atomic<Int>(0)
    /// Set after the last change of `committed`.
    let isClosed = Atomic<Bool>(false)
    /// Set by the folder when the file could not be synced, so that the next record goes to a sound one.
    let isFailed = Atomic<Bool>(false)

    init(number: UInt64) {
        self.number = number
    }
}
