internal import CZlib

/// CRC-32 as zip archives use it.
struct Checksum {
    private(set) var value: UInt32 = 0

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
        value = UInt32(truncatingIfNeeded: crc32_z(UInt(value), base, bytes.count))
    }
}

enum Inflater {
    enum End { case complete, corrupt, truncated, trailing }

    /// Inflates a raw deflate stream; `write` gets pieces of at most 64 KiB and ends the work by throwing.
    static func inflate(_ source: UnsafeRawBufferPointer, _ write: (UnsafeRawBufferPointer) throws -> Void) throws -> End {
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return .corrupt }
        defer { inflateEnd(&stream) }
        guard let input = source.bindMemory(to: UInt8.self).baseAddress, let length = UInt32(exactly: source.count) else {
            return .truncated
        }
        // zlib does not write through next_in; the C type only lacks the const.
        stream.next_in = UnsafeMutablePointer(mutating: input)
        stream.avail_in = length
        let size = 65_536
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            stream.next_out = buffer.assumingMemoryBound(to: UInt8.self)
            stream.avail_out = UInt32(size)
            let status = CZlib.inflate(&stream, Z_NO_FLUSH)
            let produced = size - Int(stream.avail_out)
            if produced > 0 { try write(UnsafeRawBufferPointer(start: buffer, count: produced)) }
            switch status {
            case Z_STREAM_END: return stream.avail_in == 0 ? .complete : .trailing
            case Z_OK where produced > 0 || stream.avail_in > 0: continue
            case Z_OK, Z_BUF_ERROR: return .truncated
            default: return .corrupt
            }
        }
    }
}

enum Deflater {
    /// The raw deflate stream; nil when it would not be smaller than the source.
    /// - Parameter level: 1 (fast) … 9 (small).
    static func deflate(_ source: [UInt8], level: Int32 = 6) -> [UInt8]? {
        guard !source.isEmpty, let length = UInt32(exactly: source.count) else { return nil }
        var stream = z_stream()
        guard
            deflateInit2_(
                &stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { return nil }
        defer { deflateEnd(&stream) }
        return source.withUnsafeBufferPointer { input in
            let output = [UInt8](unsafeUninitializedCapacity: source.count) { buffer, count in
                stream.next_in = input.baseAddress.map { UnsafeMutablePointer(mutating: $0) }
                stream.avail_in = length
                stream.next_out = buffer.baseAddress
                stream.avail_out = length
                count = CZlib.deflate(&stream, Z_FINISH) == Z_STREAM_END ? source.count - Int(stream.avail_out) : 0
            }
            return output.isEmpty || output.count >= source.count ? nil : output
        }
    }
}
