import BlockingThread
import Glibc
import NIOCore

/// Writes a file piece by piece on a thread of its own, away from the connection's loop.
actor ArchiveWriter {
    struct Fault: Error, CustomStringConvertible {
        let errno: Int32
        var description: String { String(cString: strerror(errno)) }
    }

    private let executor: ThreadExecutor
    private let descriptor: Int32

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Makes the file, which must not be there.
    static func open(_ path: String, on executor: ThreadExecutor) async throws -> ArchiveWriter {
        try await Opener(executor).open(path)
    }

    fileprivate init(_ path: String, _ executor: ThreadExecutor) throws {
        descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        self.executor = executor
        guard descriptor >= 0 else { throw Fault(errno: errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func write(_ buffer: ByteBuffer) throws {
        try buffer.withUnsafeReadableBytes { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0 {
                    if errno == EINTR { continue }
                    throw Fault(errno: errno)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}

/// Opens the file on the thread that will write it.
private actor Opener {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ executor: ThreadExecutor) { self.executor = executor }

    func open(_ path: String) throws -> ArchiveWriter { try ArchiveWriter(path, executor) }
}
