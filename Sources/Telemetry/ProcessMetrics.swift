import Glibc

/// The `process_*` metrics every Prometheus client library gives, read from /proc when asked for.
///
/// Source: https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
func registerProcessMetrics(in registry: MetricsRegistry) {
    registry.observed("process_cpu_seconds_total", "User and system CPU time of the server.", isCounter: true) {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return nil }
        let seconds = UInt64(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        return .millionths(seconds * 1_000_000 + UInt64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec))
    }
    registry.observed("process_resident_memory_bytes", "Resident memory of the server.") {
        statm(field: 1).map(Observation.whole)
    }
    registry.observed("process_virtual_memory_bytes", "Virtual memory of the server.") {
        statm(field: 0).map(Observation.whole)
    }
    registry.observed("process_open_fds", "Open descriptors of the server.") {
        countOpenDescriptors().map(Observation.whole)
    }
    registry.observed("process_max_fds", "Most descriptors the server may open.") {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return .whole(UInt64(limit.rlim_cur))
    }
    let started = wallClockMicroseconds()
    registry.observed("process_start_time_seconds", "When the server started, seconds since 1970.") { .millionths(started) }
}

/// Bytes, from the n-th number of /proc/self/statm, which counts pages.
private func statm(field: Int) -> UInt64? {
    let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 128)
    let count = read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return nil }
    let fields = buffer[..<count].split(separator: UInt8(ascii: " "))
    guard field < fields.count, let pages = UInt64(String(decoding: fields[field], as: UTF8.self)) else { return nil }
    return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
}

private func countOpenDescriptors() -> UInt64? {
    guard let directory = opendir("/proc/self/fd") else { return nil }
    defer { closedir(directory) }
    var count: UInt64 = 0
    while readdir(directory) != nil { count += 1 }
    // Without `.`, `..` and the descriptor that reads the folder.
    return count > 3 ? count - 3 : 0
}

func wallClockMicroseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
}
