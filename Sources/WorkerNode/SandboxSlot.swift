import Glibc

extension SandboxHandle {
    /// A place for one worker: a cgroup of its own, used by one process tree at a time.
    public struct Slot: Sendable {
        public let index: UInt32
        let cpu: Int32
        let peak: Int32
        let statistics: Int32
        /// Only where the peak is that of all the slot's life.
        let current: Int32

        /// CPU time used in this slot since it was made, nanoseconds; nil where the host cannot tell.
        public func cpuNanoseconds() -> UInt64? {
            guard cpu >= 0 else { return nil }
            return withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { buffer in
                let n = pread(cpu, buffer.baseAddress, 511, 0)
                guard n > 0 else { return nil }
                // v1: the number alone. v2: "usage_usec N" comes first.
                var value: UInt64 = 0
                var digits = false
                for byte in buffer[0..<n] {
                    if byte >= 48 && byte <= 57 {
                        value = value &* 10 &+ UInt64(byte &- 48)
                        digits = true
                    } else if digits { break }
                }
                return buffer[0] == UInt8(ascii: "u") ? value &* 1000 : value
            }
        }

        /// Highest memory since the slot was last taken, bytes. Where the kernel cannot set the peak back, it is known
        /// only if it rose beyond `earlier`, its value at the invocation's begin; else this is the memory in use now.
        public func peakBytes(earlier: UInt64) -> UInt64? {
            let highest = number(peak)
            guard let highest, current >= 0, highest <= earlier else { return highest }
            return number(current)
        }

        public func peakBytesSoFar() -> UInt64 { current >= 0 ? number(peak) ?? 0 : 0 }

        /// Anonymous memory now, bytes.
        public func anonymousBytes() -> UInt64? {
            guard statistics >= 0 else { return nil }
            return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
                let n = pread(statistics, buffer.baseAddress, 4095, 0)
                guard n > 0 else { return nil }
                let text = String(decoding: buffer[0..<n], as: UTF8.self)
                for line in text.split(separator: "\n") where line.hasPrefix("total_rss ") || line.hasPrefix("anon ") {
                    return line.split(separator: " ").last.flatMap { UInt64($0) }
                }
                return nil
            }
        }

        private func number(_ fd: Int32) -> UInt64? {
            guard fd >= 0 else { return nil }
            return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { buffer in
                let n = pread(fd, buffer.baseAddress, 31, 0)
                guard n > 0 else { return nil }
                var value: UInt64 = 0
                for byte in buffer[0..<n] where byte >= 48 && byte <= 57 { value = value &* 10 &+ UInt64(byte &- 48) }
                return value
            }
        }

        func close() {
            for fd in [cpu, peak, statistics, current] where fd >= 0 { Glibc.close(fd) }
        }
    }
}
