import Glibc
import LinuxPrimitives

/// A close-on-exec pipe whose read end does not block.
func logPipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    try check("making a log pipe") { pipe(&ends) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    return (ends[0], ends[1])
}

/// Reads what a non-blocking pipe holds, at most 64 KiB, so that a flood cannot hold the loop.
func drain(_ fd: Int32, limit: Int = 65536, _ take: (UnsafeRawBufferPointer) -> Void) {
    guard fd >= 0 else { return }
    withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { buffer in
        var total = 0
        while total < limit {
            let n = read(fd, buffer.baseAddress, buffer.count)
            if n < 0 && errno == EINTR { continue }
            guard n > 0 else { return }
            take(UnsafeRawBufferPointer(rebasing: buffer[0..<n]))
            total += n
            if n < buffer.count { return }
        }
    }
}
