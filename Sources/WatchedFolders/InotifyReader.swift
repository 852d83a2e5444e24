import Glibc
import LinuxPrimitives
import Synchronization

struct InotifyEvent: Sendable {
    let watch: Int32
    let mask: UInt32
    /// Empty for the folder itself.
    let name: String

    func has(_ bits: Int32) -> Bool { mask & UInt32(bits) != 0 }
    var isFolder: Bool { mask & UInt32(IN_ISDIR) != 0 }
}

/// The kernel's notes on folders, read by a thread of its own: reading blocks, and what is not read in time is lost.
///
/// Notes are hints. What they say is looked up, and when one is lost all is looked up.
final class InotifyReader: Sendable {
    enum Signal: Sendable {
        case events([InotifyEvent])
        /// Something was lost.
        case overflow
        case tick
    }

    /// Reads that wait to be looked at.
    private static let waiting = 4_096

    let signals: AsyncStream<Signal>
    private let continuation: AsyncStream<Signal>.Continuation
    private let descriptor: Int32
    /// A pipe: a byte in it ends the thread.
    private let end: Int32
    private let ending: Int32
    /// A signal found no room.
    private let hasLost = Atomic<Bool>(false)

    init() throws {
        (signals, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.waiting))
        descriptor = try check("asking the kernel for notes on folders (fs.inotify.max_user_instances may be reached)") {
            inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            let error = LinuxError("making a pipe")
            close(descriptor)
            throw error
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (end, ending) = (ends[0], ends[1])
    }

    deinit {
        close(descriptor)
        close(end)
        close(ending)
    }

    func start() throws {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(self).toOpaque()
        let result = pthread_create(&thread, nil, { argument in
            if let argument { Unmanaged<InotifyReader>.fromOpaque(argument).takeRetainedValue().read() }
            return nil
        }, argument)
        guard result == 0 else {
            Unmanaged<InotifyReader>.fromOpaque(argument).release()
            throw LinuxError("starting the thread that reads notes on folders", result)
        }
        pthread_detach(thread)
    }

    func stop() {
        var byte: UInt8 = 0
        _ = write(ending, &byte, 1)
        continuation.finish()
    }

    func tick() { continuation.yield(.tick) }

    /// Whether something was lost since the last call.
    func takeLoss() -> Bool { hasLost.exchange(false, ordering: .acquiringAndReleasing) }

    private static let interesting = UInt32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

    /// - Parameter folder: a descriptor; a path could be another's by the time the kernel takes it.
    /// - Returns: the watch's number; the same for a folder that has one.
    func watch(_ folder: Int32, _ name: String) throws -> Int32 {
        try check("watching the folder \(name) (fs.inotify.max_user_watches may be reached)") {
            inotify_add_watch(descriptor, "/proc/self/fd/\(folder)", Self.interesting | UInt32(IN_ONLYDIR) | UInt32(IN_EXCL_UNLINK))
        }
    }

    func unwatch(_ watch: Int32) { _ = inotify_rm_watch(descriptor, watch) }

    // MARK: The thread

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: end, events: Int16(POLLIN), revents: 0)]
            guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { return }
            if polled[1].revents != 0 { return }
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { continue }
            let events = buffer.withUnsafeBytes { Self.events(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            let isLoss = events.contains { $0.has(IN_Q_OVERFLOW) }
            switch continuation.yield(isLoss ? .overflow : .events(events)) {
            case .enqueued: break
            case .dropped: hasLost.store(true, ordering: .releasing)
            case .terminated: return
            @unknown default: return
            }
        }
    }

    /// `struct inotify_event`: watch, mask, cookie and length of 4 bytes each, then the name, filled up with zeros.
    private static func events(_ bytes: UnsafeRawBufferPointer) -> [InotifyEvent] {
        var events: [InotifyEvent] = []
        var offset = 0
        while offset + 16 <= bytes.count {
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
            guard offset + 16 + length <= bytes.count else { break }
            let name = bytes[(offset + 16)..<(offset + 16 + length)].prefix { $0 != 0 }
            events.append(
                InotifyEvent(
                    watch: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self),
                    mask: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self), name: String(decoding: name, as: UTF8.self)))
            offset += 16 + length
        }
        return events
    }
}
