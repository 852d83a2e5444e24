import BlockingThread
import FunctionModel
import Glibc
import Synchronization

/// Takes the records of the segment files into the store and deletes the files.
///
/// Files are read and synced on a thread of its own. Everything may be repeated after a crash at any point: a segment is
/// deleted only when all it holds is durable in the store, and the store leaves out what it already has.
public actor UsageFolder {
    public struct Recovery: Hashable, Sendable {
        /// Files that a previous process left.
        public var segments = 0
        /// Records found in them, known to the store or not.
        public var records = 0
        /// Attempts that had begun and were closed as `interrupted`.
        public var interrupted = 0
        /// Bytes that belong to no intact record: the torn end of a write, or damage by the disk.
        public var damagedBytes = 0
    }

    /// Records of one transaction at most.
    static let batchSize = 2_000
    private static let readSize = 256 << 10
    private static let retryDelay = Duration.seconds(1)

    private struct Progress {
        let descriptor: Int32
        var folded = 0
        var synced = 0
        /// Attempts that began in this segment and whose end is not folded yet.
        var openStarts = 0
    }

    private let log: UsageLog
    private let store: any UsageStore
    private let onError: @Sendable (any Error) -> Void
    private let executor: ThreadExecutor
    private var progress: [UInt64: Progress] = [:]
    private var openStarts: [AttemptID: UInt64] = [:]
    private var isFolding = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameter onError: told of faults while `run` goes on trying, and of damage found in files; called on the folder's
    ///   thread.
    public init(log: UsageLog, store: any UsageStore, onError: @escaping @Sendable (any Error) -> Void = { _ in }) throws {
        self.log = log
        self.store = store
        self.onError = onError
        executor = try ThreadExecutor(name: "usage-folder")
    }

    deinit {
        for segment in progress.values { close(segment.descriptor) }
    }

    /// Takes in what processes before this one left, and closes their unfinished attempts as `interrupted`.
    ///
    /// To be awaited before the first report and before readiness. May be called again after it threw.
    /// - Throws: the store's error, or `UsageLogError` for a file that cannot be read or was written by a newer program; the
    ///   files then stay.
    @discardableResult
    public func recover() async throws -> Recovery {
        var recovery = Recovery()
        var unfinished: [AttemptID: UsageStart] = [:]
        var batch: [UsageRecord] = []
        let numbers = try log.leftovers()
        for number in numbers {
            let reader = try SegmentReader(log: log, number: number)
            defer { reader.close() }
            recovery.segments += 1
            while let part = try reader.next(limit: nil, entries: Self.batchSize) {
                recovery.damagedBytes += part.damagedBytes
                for entry in part.entries {
                    switch entry {
                    case .start(let start):
                        unfinished[AttemptID(start)] = start
                    case .record(let record):
                        unfinished[AttemptID(record)] = nil
                        batch.append(record)
                        recovery.records += 1
                    }
                }
                if batch.count >= Self.batchSize {
                    try await store.fold(batch)
                    batch.removeAll(keepingCapacity: true)
                }
            }
        }
        // Ends first: a start whose end an earlier run already folded is then a duplicate and is left out.
        if !batch.isEmpty { try await store.fold(batch) }
        var closing = unfinished.values.map(\.interrupted)
        while !closing.isEmpty {
            recovery.interrupted += try await store.fold(Array(closing.suffix(Self.batchSize)))
            closing.removeLast(min(Self.batchSize, closing.count))
        }
        for number in numbers { try unlink(number) }
        return recovery
    }

    /// Syncs and folds while records come, until the task is cancelled. To be run by one task.
    ///
    /// Faults are told to `onError` and tried again after a second. What is written after cancellation is taken in by
    /// `flushNow` or the next start.
    public func run() async {
        for await _ in log.signals {
            log.acknowledgeSignal()
            do {
                try await gather()
                try await fold()
            } catch is CancellationError {
                return
            } catch {
                onError(error)
                log.signal()
                try? await Task.sleep(for: Self.retryDelay)
            }
        }
    }

    /// Returns when every record whose `write` returned before this call is visible in the store.
    /// - Throws: the store's error, or `UsageLogError`; the records then stay in the files.
    public func flushNow() async throws {
        try await fold()
    }

    /// Lets records gather for one transaction, syncing them meanwhile.
    private func gather() async throws {
        guard case .interval(let milliseconds) = log.configuration.sync else {
            try await Task.sleep(for: .milliseconds(log.configuration.foldIntervalMilliseconds))
            return
        }
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(log.configuration.foldIntervalMilliseconds)
        repeat {
            // The thread is this actor's own: resting on it takes one wake-up where a suspension takes seven.
            executor.rest(milliseconds: max(milliseconds, 1))
            try Task.checkCancellation()
            sync()
            // Lets in whoever waits for `flushNow`.
            await Task.yield()
        } while clock.now < end
    }

    private func sync() {
        for segment in log.segments {
            let committed = segment.committed.load(ordering: .acquiring)
            guard (try? open(segment)) != nil, let state = progress[segment.number], state.synced < committed else { continue }
            if fdatasync(state.descriptor) != 0 {
                segment.isFailed.store(true, ordering: .relaxed)
                onError(UsageLogError("sync \(log.path)/\(UsageLog.fileName(segment.number))", code: errno))
            }
            progress[segment.number]?.synced = committed
        }
    }

    /// One pass at a time; a caller that waited makes a pass of its own, as the one before may have begun too early.
    private func fold() async throws {
        while isFolding { await withCheckedContinuation { waiting.append($0) } }
        isFolding = true
        defer {
            isFolding = false
            let resumed = waiting
            waiting = []
            for continuation in resumed { continuation.resume() }
        }
        var finished: [UsageSegment] = []
        for segment in log.segments {
            // In this order: after `isClosed` is seen, `committed` is final.
            if segment.isClosed.load(ordering: .acquiring) { finished.append(segment) }
            try await fold(segment, upTo: segment.committed.load(ordering: .acquiring))
        }
        for segment in finished where progress[segment.number]?.openStarts == 0 {
            if let state = progress.removeValue(forKey: segment.number) { close(state.descriptor) }
            log.remove(segment)
            try unlink(segment.number)
        }
    }

    private func fold(_ segment: UsageSegment, upTo limit: Int) async throws {
        try open(segment)
        while let state = progress[segment.number], state.folded < limit {
            let reader = SegmentReader(log: log, number: segment.number, descriptor: state.descriptor, offset: state.folded)
            guard let part = try reader.next(limit: limit, entries: Self.batchSize) else {
                throw UsageLogError("read \(log.path)/\(UsageLog.fileName(segment.number)): it ends before byte \(limit)")
            }
            if part.damagedBytes > 0 {
                onError(UsageLogError("read \(part.damagedBytes) bytes of \(log.path)/\(UsageLog.fileName(segment.number)): they are damaged"))
            }
            let records = part.entries.compactMap { if case .record(let record) = $0 { record } else { nil } }
            if !records.isEmpty { try await store.fold(records) }
            // Only now: had the store failed, the same part would be read again.
            note(part.entries, of: segment.number)
            progress[segment.number]?.folded = reader.offset
            if case .interval = log.configuration.sync { sync() }
        }
    }

    private func note(_ entries: [UsageEntry], of number: UInt64) {
        for entry in entries {
            switch entry {
            case .start(let start):
                openStarts[AttemptID(start)] = number
                progress[number]?.openStarts += 1
            case .record(let record):
                guard let origin = openStarts.removeValue(forKey: AttemptID(record)) else { continue }
                progress[origin]?.openStarts -= 1
            }
        }
    }

    private func open(_ segment: UsageSegment) throws(UsageLogError) {
        guard progress[segment.number] == nil else { return }
        progress[segment.number] = Progress(descriptor: try SegmentReader.open(log: log, number: segment.number))
    }

    private func unlink(_ number: UInt64) throws(UsageLogError) {
        let name = UsageLog.fileName(number)
        guard unlinkat(log.directory, name, 0) == 0 || errno == ENOENT else {
            throw UsageLogError("delete folded usage segment \(log.path)/\(name)", code: errno)
        }
    }

    /// Reads a segment in parts, skipping damage.
    private final class SegmentReader {
        struct Part {
            var entries: [UsageEntry] = []
            var damagedBytes = 0
        }

        private let name: String
        private let descriptor: Int32
        private(set) var offset: Int

        static func open(log: UsageLog, number: UInt64) throws(UsageLogError) -> Int32 {
            let name = UsageLog.fileName(number)
            let descriptor = openat(log.directory, name, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw UsageLogError("open usage segment \(log.path)/\(name)", code: errno) }
            return descriptor
        }

        init(log: UsageLog, number: UInt64) throws(UsageLogError) {
            name = "\(log.path)/\(UsageLog.fileName(number))"
            descriptor = try Self.open(log: log, number: number)
            offset = 0
        }

        init(log: UsageLog, number: UInt64, descriptor: Int32, offset: Int) {
            name = "\(log.path)/\(UsageLog.fileName(number))"
            self.descriptor = descriptor
            self.offset = offset
        }

        func close() {
            Glibc.close(descriptor)
        }

        /// - Parameter limit: where the writer stands, or nil to read to the end of a file that nobody writes any more.
        /// - Returns: nil at the end.
        func next(limit: Int?, entries maximum: Int) throws(UsageLogError) -> Part? {
            let wanted = min(UsageFolder.readSize, limit.map { $0 - offset } ?? UsageFolder.readSize)
            guard wanted > 0 else { return nil }
            var buffer = [UInt8](repeating: 0, count: wanted)
            var filled = 0
            while filled < wanted {
                let position = filled
                let count = buffer.withUnsafeMutableBytes {
                    pread(descriptor, $0.baseAddress! + position, wanted - position, off_t(offset + position))
                }
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { throw UsageLogError("read usage segment \(name)", code: errno) }
                if count == 0 { break }
                filled += count
            }
            guard filled > 0 else { return nil }
            let isLast = filled < UsageFolder.readSize
            var part = Part()
            let consumed = try scan(buffer[..<filled], isLast: isLast, maximum: maximum, into: &part)
            offset += consumed
            return part
        }

        private func scan(_ bytes: ArraySlice<UInt8>, isLast: Bool, maximum: Int, into part: inout Part) throws(UsageLogError) -> Int {
            var position = 0
            while position < bytes.count && part.entries.count < maximum {
                let step = bytes.withUnsafeBytes { UsageRecordCodec.decode(UnsafeRawBufferPointer(rebasing: $0[position...])) }
                switch step {
                case .entry(let entry, let size):
                    part.entries.append(entry)
                    position += size
                case .damaged(let skip):
                    // Zeros are reserved space that was never written.
                    part.damagedBytes += bytes[position..<position + skip].count { $0 != 0 }
                    position += skip
                case .incomplete where !isLast:
                    return position
                case .incomplete:
                    // A torn end, or a damaged length that hides what follows.
                    part.damagedBytes += 1
                    position += 1
                case .unknownVersion(let version, _):
                    throw UsageLogError(
                        "read usage segment \(name): it holds records of format \(version), this program knows up to \(UsageRecordCodec.formatVersion): start the newer program again")
                }
            }
            return position
        }
    }
}
