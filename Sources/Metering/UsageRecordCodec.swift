import FunctionModel

/// The binary form of usage entries in segment files.
///
/// Frame, little-endian: u16 mark, u16 payload length, u32 CRC-32C over length and payload, payload. Payload: u8 format
/// version (1, or 2 for asynchronous attempts, whose records end with their age), u8 kind (1 record, 2 start), 16 bytes request ID, then LEB128 integers and length-prefixed UTF-8 in the
/// order of `UsageRecord`. A reader that meets damage goes on byte by byte to the next frame whose CRC holds; names hold no
/// byte of the mark, so no client can plant a frame inside another.
public enum UsageRecordCodec {
    /// Bytes of the largest frame.
    public static let maximumFrameSize = 2048
    static let formatVersion: UInt8 = 2
    /// Of what older programs know, too: they refuse a file with anything else instead of taking it for damage.
    private static let plainVersion: UInt8 = 1
    static let headerSize = 8
    static let mark: UInt16 = 0xF5CB
    private static let recordKind: UInt8 = 1
    private static let startKind: UInt8 = 2
    /// Room that is left for text when all integers have their longest form.
    private static let maximumTextSize = 1800

    /// What stands at a place of a segment.
    public enum Step: Hashable, Sendable {
        /// An intact entry; `size` is the length of its frame.
        case entry(UsageEntry, size: Int)
        /// The bytes end inside what may be a frame.
        case incomplete
        /// No frame begins here; the next candidate is `skip` bytes on.
        case damaged(skip: Int)
        /// An intact frame of a format that this program does not know.
        case unknownVersion(UInt8, size: Int)
    }

    /// The frame of `entry`.
    /// - Throws: `UsageLogError` if the names are longer than a frame holds (1,800 bytes together).
    public static func encode(_ entry: UsageEntry) throws(UsageLogError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: maximumFrameSize, alignment: 8)
        defer { buffer.deallocate() }
        let size: Int
        switch entry {
        case .record(let record): size = try encode(record, into: buffer)
        case .start(let start): size = try encode(start, into: buffer)
        }
        return [UInt8](buffer[..<size])
    }

    /// Reads what begins at the first of `bytes`, which must not be empty.
    public static func decode(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard bytes.count >= headerSize else {
            return mayBeginFrame(bytes) ? .incomplete : .damaged(skip: distanceToMark(bytes))
        }
        guard bytes.loadUnaligned(as: UInt16.self).littleEndian == mark else { return .damaged(skip: distanceToMark(bytes)) }
        let length = bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self).littleEndian
        let size = headerSize + Int(length)
        guard length > 0, size <= maximumFrameSize else { return .damaged(skip: 1) }
        guard bytes.count >= size else { return .incomplete }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[headerSize..<size])
        let checksum = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self).littleEndian
        guard CRC32C.checksum(length: length, payload) == checksum else { return .damaged(skip: 1) }
        guard (plainVersion...formatVersion).contains(payload[0]) else { return .unknownVersion(payload[0], size: size) }
        guard let entry = decodePayload(payload) else { return .damaged(skip: 1) }
        return .entry(entry, size: size)
    }

    public static func decode(_ bytes: [UInt8]) -> Step {
        bytes.withUnsafeBytes(decode)
    }

    /// Into a buffer of at least `maximumFrameSize` bytes.
    static func encode(_ record: UsageRecord, into buffer: UnsafeMutableRawBufferPointer) throws(UsageLogError) -> Int {
        try checkText(record.key, record.version)
        var writer = FrameWriter(buffer: buffer, position: headerSize)
        writer.byte(version(of: record.trigger))
        writer.byte(recordKind)
        writer.identity(record.requestID, record.attempt, record.key, record.version, record.revision)
        writer.byte(record.trigger.rawValue)
        writer.byte(record.startKind.rawValue)
        writer.byte(record.outcome.rawValue)
        writer.signed(record.startMilliseconds)
        writer.integer(UInt64(record.queueMicroseconds))
        writer.integer(UInt64(record.sandboxMicroseconds))
        writer.integer(UInt64(record.initMicroseconds))
        writer.integer(UInt64(record.handlerMicroseconds))
        writer.integer(UInt64(record.totalMicroseconds))
        writer.integer(UInt64(record.billedMilliseconds))
        writer.integer(UInt64(record.memorySize))
        writer.integer(UInt64(record.peakMemoryKiB))
        writer.integer(record.cpuMicroseconds)
        writer.integer(UInt64(record.bytesIn))
        writer.integer(UInt64(record.bytesOut))
        if record.trigger.isEvent { writer.integer(UInt64(record.ageMilliseconds)) }
        return writer.finish()
    }

    static func encode(_ start: UsageStart, into buffer: UnsafeMutableRawBufferPointer) throws(UsageLogError) -> Int {
        try checkText(start.key, start.version)
        var writer = FrameWriter(buffer: buffer, position: headerSize)
        writer.byte(version(of: start.trigger))
        writer.byte(startKind)
        writer.identity(start.requestID, start.attempt, start.key, start.version, start.revision)
        writer.byte(start.trigger.rawValue)
        writer.signed(start.startMilliseconds)
        writer.integer(UInt64(start.memorySize))
        return writer.finish()
    }

    private static func version(of trigger: Trigger) -> UInt8 { trigger.isEvent ? formatVersion : plainVersion }

    private static func checkText(_ key: FunctionKey, _ version: String) throws(UsageLogError) {
        let size = key.account.utf8.count + key.region.utf8.count + key.name.utf8.count + version.utf8.count
        guard size <= maximumTextSize else {
            throw UsageLogError("encode the usage record of \(key.name.prefix(64))…: its names have \(size) bytes, \(maximumTextSize) fit")
        }
    }

    private static func mayBeginFrame(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes[0] == UInt8(truncatingIfNeeded: mark) && (bytes.count == 1 || bytes[1] == UInt8(truncatingIfNeeded: mark >> 8))
    }

    private static func distanceToMark(_ bytes: UnsafeRawBufferPointer) -> Int {
        for index in 1..<max(bytes.count, 1) where bytes[index] == UInt8(truncatingIfNeeded: mark) { return index }
        return bytes.count
    }

    private static func decodePayload(_ payload: UnsafeRawBufferPointer) -> UsageEntry? {
        var reader = FrameReader(bytes: payload, position: 1)
        guard let kind = reader.byte(), let high = reader.word(), let low = reader.word(), let attempt = reader.integer32(),
            let account = reader.text(), let region = reader.text(), let name = reader.text(), let version = reader.text(),
            let revision = reader.integer(), let trigger = reader.byte().flatMap(Trigger.init(rawValue:))
        else { return nil }
        let requestID = RequestID(high: high, low: low)
        let key = FunctionKey(account: account, region: region, name: name)
        switch kind {
        case recordKind:
            guard let startKind = reader.byte().flatMap(StartKind.init(rawValue:)),
                let outcome = reader.byte().flatMap(Outcome.init(rawValue:)), let start = reader.signed(),
                let queue = reader.integer32(), let sandbox = reader.integer32(), let initialization = reader.integer32(),
                let handler = reader.integer32(), let total = reader.integer32(), let billed = reader.integer32(),
                let memory = reader.integer32(), let peak = reader.integer32(), let cpu = reader.integer(),
                let bytesIn = reader.integer32(), let bytesOut = reader.integer32(),
                let age = trigger.isEvent ? reader.integer32() : 0, reader.isAtEnd
            else { return nil }
            return .record(
                UsageRecord(
                    requestID: requestID, attempt: attempt, key: key, version: version, revision: revision, trigger: trigger,
                    startKind: startKind, outcome: outcome, startMilliseconds: start, queueMicroseconds: queue,
                    sandboxMicroseconds: sandbox, initMicroseconds: initialization, handlerMicroseconds: handler,
                    totalMicroseconds: total, billedMilliseconds: billed, memorySize: memory, peakMemoryKiB: peak,
                    cpuMicroseconds: cpu, bytesIn: bytesIn, bytesOut: bytesOut, ageMilliseconds: age))
        case startKind:
            guard let start = reader.signed(), let memory = reader.integer32(), reader.isAtEnd else { return nil }
            return .start(
                UsageStart(
                    requestID: requestID, attempt: attempt, key: key, version: version, revision: revision, trigger: trigger,
                    startMilliseconds: start, memorySize: memory))
        default:
            return nil
        }
    }
}

/// Fills a frame; the caller has made sure that everything fits.
private struct FrameWriter {
    let buffer: UnsafeMutableRawBufferPointer
    var position: Int

    mutating func byte(_ value: UInt8) {
        buffer[position] = value
        position += 1
    }

    mutating func word(_ value: UInt64) {
        buffer.storeBytes(of: value.littleEndian, toByteOffset: position, as: UInt64.self)
        position += 8
    }

    mutating func integer(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            byte(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        byte(UInt8(truncatingIfNeeded: rest))
    }

    /// Zigzag, so that small negative numbers stay short.
    mutating func signed(_ value: Int64) {
        integer(UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    mutating func text(_ value: String) {
        integer(UInt64(value.utf8.count))
        for unit in value.utf8 { byte(unit) }
    }

    mutating func identity(_ requestID: RequestID, _ attempt: UInt32, _ key: FunctionKey, _ version: String, _ revision: UInt64) {
        word(requestID.high)
        word(requestID.low)
        integer(UInt64(attempt))
        text(key.account)
        text(key.region)
        text(key.name)
        text(version)
        integer(revision)
    }

    /// - Returns: bytes of the whole frame.
    mutating func finish() -> Int {
        let length = UInt16(position - UsageRecordCodec.headerSize)
        let payload = UnsafeRawBufferPointer(rebasing: buffer[UsageRecordCodec.headerSize..<position])
        buffer.storeBytes(of: UsageRecordCodec.mark.littleEndian, as: UInt16.self)
        buffer.storeBytes(of: length.littleEndian, toByteOffset: 2, as: UInt16.self)
        buffer.storeBytes(of: CRC32C.checksum(length: length, payload).littleEndian, toByteOffset: 4, as: UInt32.self)
        return position
    }
}

private struct FrameReader {
    let bytes: UnsafeRawBufferPointer
    var position: Int

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func word() -> UInt64? {
        guard bytes.count - position >= 8 else { return nil }
        defer { position += 8 }
        return bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian
    }

    mutating func integer() -> UInt64? {
        var value: UInt64 = 0
        for index in 0..<10 {
            guard let next = byte(), index < 9 || next <= 1 else { return nil }
            value |= UInt64(next & 0x7F) << UInt64(index * 7)
            if next < 0x80 { return value }
        }
        return nil
    }

    mutating func integer32() -> UInt32? {
        integer().flatMap(UInt32.init(exactly:))
    }

    mutating func signed() -> Int64? {
        integer().map { Int64(bitPattern: $0 >> 1) ^ -Int64(bitPattern: $0 & 1) }
    }

    mutating func text() -> String? {
        guard let count = integer(), count <= UInt64(bytes.count - position) else { return nil }
        defer { position += Int(count) }
        return String(validating: bytes[position..<position + Int(count)], as: UTF8.self)
    }
}
