public import FunctionModel
import Glibc

/// Writes usage records with one system call each. Confined to one event loop; several loops have a writer each.
///
/// A record that `write` accepted survives `kill -9` of the process. A record that it refused is not there: nothing is half
/// written, and the next call tries again.
public final class UsageSegmentWriter {
    private struct Active {
        let segment: UsageSegment
        let descriptor: Int32
        var offset = 0
    }

    /// Room that `prepare` asks for: records of invocations that are already running.
    private static let reserve = 32 << 10

    private let log: UsageLog
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: UsageRecordCodec.maximumFrameSize, alignment: 8)
    private var active: Active?

    public init(log: UsageLog) {
        self.log = log
    }

    deinit {
        rotate()
        buffer.deallocate()
    }

    /// Makes sure that space for the records of what is about to run is reserved on the disk, so that a full disk refuses an
    /// invocation instead of running it and losing its bill. Cheap; to be called before dispatch.
    public func prepare() throws(UsageLogError) {
        if let active, active.offset + Self.reserve <= log.configuration.segmentBytes { return }
        try open()
    }

    /// - Throws: `UsageLogError`; then the record is not in the log.
    public func write(_ record: UsageRecord) throws(UsageLogError) {
        try commit(UsageRecordCodec.encode(record, into: buffer))
    }

    /// - Throws: `UsageLogError`; then the start is not in the log.
    public func write(_ start: UsageStart) throws(UsageLogError) {
        try commit(UsageRecordCodec.encode(start, into: buffer))
    }

    /// Closes the current segment, so that it can be deleted once it is folded. The next record begins another.
    public func rotate() {
        guard let active else { return }
        self.active = nil
        // Gives back what was reserved and drops what a failed write may have left.
        ftruncate(active.descriptor, off_t(active.offset))
        close(active.descriptor)
        active.segment.isClosed.store(true, ordering: .releasing)
        log.signal()
    }

    private func open() throws(UsageLogError) {
        let (segment, descriptor) = try log.makeSegment()
        rotate()
        active = Active(segment: segment, descriptor: descriptor)
    }

    private func commit(_ size: Int) throws(UsageLogError) {
        if let active, active.offset + size > log.configuration.segmentBytes || active.segment.isFailed.load(ordering: .relaxed) {
            rotate()
        }
        if active == nil { try open() }
        guard var active else { return }
        // A positioned write: whatever a failed one left behind is overwritten by the next.
        var done = 0
        while done < size {
            let count = pwrite(active.descriptor, buffer.baseAddress! + done, size - done, off_t(active.offset + done))
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                try fail("write a usage record to", code: count == 0 ? EIO : errno, active)
            }
        }
        if log.configuration.sync == .always && fdatasync(active.descriptor) != 0 { try fail("sync", code: errno, active) }
        active.offset += size
        self.active = active
        active.segment.committed.store(active.offset, ordering: .releasing)
        log.signal()
    }

    private func fail(_ step: String, code: Int32, _ active: Active) throws(UsageLogError) {
        ftruncate(active.descriptor, off_t(active.offset))
        let error = UsageLogError("\(step) \(log.path)/\(UsageLog.fileName(active.segment.number))", code: code)
        // After any other fault the file is not trusted with further records; the folder still takes in what it holds.
        if !error.isOutOfSpace { active.segment.isFailed.store(true, ordering: .relaxed) }
        throw error
    }
}
