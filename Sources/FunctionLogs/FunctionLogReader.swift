import BlockingThread
public import FunctionModel
import Glibc

/// A part of a function's log.
public struct LogPage: Hashable, Sendable {
    public var lines: [LogLine]
    /// Where each of the lines begins; as many as lines.
    public var positions: [LogCursor] = []
    /// Where to go on, also when there are no lines.
    public var next: LogCursor
    /// Lines behind the given cursor were deleted before they were read, so some may be missing before `lines`.
    public var hasGap: Bool
    /// More is there already: the limit ended the page.
    public var isPartial: Bool

    public init(lines: [LogLine], next: LogCursor, hasGap: Bool = false, isPartial: Bool = false) {
        self.lines = lines
        self.next = next
        self.hasGap = hasGap
        self.isPartial = isPartial
    }
}

/// Reads logs on a thread of its own, while a `FunctionLogWriter` writes them.
public actor FunctionLogReader {
    /// Lines of one page at most.
    public static let maximumLimit = 10_000
    /// Bytes of text of one page, about.
    private static let maximumPageBytes = 4 << 20
    private static let readSize = 1 << 20

    private let folder: LogFolder
    private let executor: ThreadExecutor

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameter path: the writer's folder; made (0700) if missing.
    public init(directory path: String) throws {
        folder = try LogFolder(path: path)
        do {
            executor = try ThreadExecutor(name: "log-reader")
        } catch {
            folder.close()
            throw error
        }
    }

    deinit {
        folder.close()
    }

    /// The lines after `cursor` (nil: from the oldest kept), oldest first.
    ///
    /// A function without a log has no lines; that is no error. Does not wait for lines to come.
    /// - Parameters:
    ///   - since: milliseconds since 1970, inclusive.
    ///   - limit: 1…10,000 lines.
    public func lines(
        of function: FunctionKey, since: Int64? = nil, requestID: RequestID? = nil, after cursor: LogCursor? = nil, limit: Int = 1_000
    ) throws(FunctionLogError) -> LogPage {
        let path = try folder.folder(of: function)
        let numbers = try folder.files(in: path)
        var page = LogPage(lines: [], next: cursor ?? LogCursor(file: 0, offset: 0))
        var rest = numbers[...]
        if let cursor, cursor.file != 0 {
            rest = numbers.drop { $0 < cursor.file }
            // Numbers only rise: a cursor beyond them all belongs to a log that is gone.
            if rest.first != cursor.file { page.hasGap = true }
            if rest.isEmpty { rest = numbers[...] }
        } else if let since {
            // A file's number is the time of its making or later, and nothing was written to the one before it from then on.
            while rest.count > 1, rest[rest.startIndex + 1] < UInt64(clamping: since) { rest.removeFirst() }
        }
        let filter = Filter(since: since, requestID: requestID, limit: min(max(limit, 1), Self.maximumLimit))
        var bytes = 0
        for number in rest {
            if page.next.file != number { page.next = LogCursor(file: number, offset: 0) }
            let name = "\(path)/\(LogFolder.fileName(number))"
            let descriptor = openat(folder.descriptor, name, O_RDONLY | O_CLOEXEC)
            if descriptor < 0 && errno == ENOENT {
                page.hasGap = true
                continue
            }
            guard descriptor >= 0 else { throw FunctionLogError("open log \(folder.path)/\(name)", code: errno) }
            defer { close(descriptor) }
            try read(descriptor, name: name, filter: filter, bytes: &bytes, into: &page)
            if page.isPartial { break }
        }
        return page
    }

    /// Bytes that a function's log takes on the disk.
    public func size(of function: FunctionKey) throws(FunctionLogError) -> Int {
        let path = try folder.folder(of: function)
        var total = 0
        for number in try folder.files(in: path) {
            var status = stat()
            if fstatat(folder.descriptor, "\(path)/\(LogFolder.fileName(number))", &status, 0) == 0 { total += Int(status.st_size) }
        }
        return total
    }

    private struct Filter {
        let since: Int64?
        let requestID: RequestID?
        let limit: Int

        func admits(_ line: LogLine) -> Bool {
            (since.map { line.timeMilliseconds >= $0 } ?? true) && (requestID.map { line.requestID == $0 } ?? true)
        }
    }

    private func read(_ descriptor: Int32, name: String, filter: Filter, bytes: inout Int, into page: inout LogPage)
        throws(FunctionLogError)
    {
        // A write that failed half-way is taken back, also when some of it was read already.
        let size = UInt64(max(lseek(descriptor, 0, SEEK_END), 0))
        if page.next.offset > size {
            page.next = LogCursor(file: page.next.file, offset: size)
            page.hasGap = true
        }
        var buffer = [UInt8](repeating: 0, count: Self.readSize)
        while true {
            let start = page.next.offset
            let count = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, off_t(clamping: start)) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FunctionLogError("read log \(folder.path)/\(name)", code: errno) }
            let consumed = buffer.withUnsafeBytes { take(UnsafeRawBufferPointer(rebasing: $0[..<count]), filter, &bytes, &page) }
            // A buffer without a line end was not written by us.
            let step = consumed == 0 && count == Self.readSize ? count : consumed
            page.next = LogCursor(file: page.next.file, offset: start + UInt64(step))
            if page.isPartial || step == 0 { return }
        }
    }

    /// - Returns: bytes of whole lines that need not be looked at again.
    private func take(_ chunk: UnsafeRawBufferPointer, _ filter: Filter, _ bytes: inout Int, _ page: inout LogPage) -> Int {
        var position = 0
        while let end = chunk[position...].firstIndex(of: UInt8(ascii: "\n")) {
            if let line = LogLineFormat.parse(UnsafeRawBufferPointer(rebasing: chunk[position..<end])), filter.admits(line) {
                if page.lines.count == filter.limit || bytes > Self.maximumPageBytes {
                    page.isPartial = true
                    return position
                }
                bytes += line.text.utf8.count
                page.lines.append(line)
                page.positions.append(LogCursor(file: page.next.file, offset: page.next.offset + UInt64(position)))
            }
            position = end + 1
        }
        return position
    }
}
