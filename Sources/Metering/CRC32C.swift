/// The Castagnoli CRC (polynomial 0x1EDC6F41, reflected), as in iSCSI (RFC 3720 §12.1).
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        table.withUnsafeBufferPointer { table in
            var value = ~UInt32(0)
            for byte in bytes { value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }
            return ~value
        }
    }

    /// Over `length` and then `bytes`, so that a damaged length cannot pass with an intact payload.
    static func checksum(length: UInt16, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        table.withUnsafeBufferPointer { table in
            var value = ~UInt32(0)
            value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ UInt8(truncatingIfNeeded: length))]
            value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ UInt8(truncatingIfNeeded: length >> 8))]
            for byte in bytes { value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }
            return ~value
        }
    }
}
