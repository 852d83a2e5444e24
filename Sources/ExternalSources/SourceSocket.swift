import Glibc

/// What every adapter wants of its connection's socket.
public enum SourceSocket {
    /// A peer that has vanished without a word is noticed after about a minute.
    public static func keepAlive(_ descriptor: Int32) {
        for (level, option, value): (Int32, Int32, Int32) in [
            (SOL_SOCKET, SO_KEEPALIVE, 1), (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 30), (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10),
            (Int32(IPPROTO_TCP), TCP_KEEPCNT, 3),
        ] {
            var value = value
            setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        // Not for the processes that the server starts.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// Milliseconds of a clock that only runs forward.
    public static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Blocks until there is something to read.
    /// - Returns: false if there was nothing until then.
    public static func isReadable(_ descriptor: Int32, until deadline: Int64) -> Bool {
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let found = poll(&entry, 1, Int32(clamping: max(0, deadline - now())))
            if found > 0 { return true }
            if found == 0 || errno != EINTR { return false }
        }
    }
}
