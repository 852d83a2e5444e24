/// One message of `application/vnd.amazon.eventstream`: a prelude, headers, a payload and two checksums, all big-endian.
///
/// Source: AWS event stream encoding (Smithy, "Amazon Event Stream specification").
public enum EventStreamMessage {
    /// Bytes of payload that one message carries at most here; the encoding allows 16 MiB, and what is longer is split.
    public static let maximumPayload = 1 << 20

    /// `{u32 length, u32 headers' length, u32 CRC}` before the headers and a u32 CRC behind the payload.
    private static let framing = 16
    private static let stringType: UInt8 = 7

    /// An event: `:event-type`, `:content-type` and `:message-type` `event`.
    public static func event(_ name: String, contentType: String = "application/json", payload: some Collection<UInt8>) -> [UInt8] {
        encode([(":event-type", name), (":content-type", contentType), (":message-type", "event")], payload)
    }

    /// An error that ends the stream, modeled by the operation.
    public static func exception(_ name: String, payload: some Collection<UInt8>) -> [UInt8] {
        encode([(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")], payload)
    }

    /// - Parameter headers: names of at most 255 and values of at most 65,535 bytes.
    static func encode(_ headers: [(name: String, value: String)], _ payload: some Collection<UInt8>) -> [UInt8] {
        let headerLength = headers.reduce(0) { $0 + 4 + $1.name.utf8.count + $1.value.utf8.count }
        var message: [UInt8] = []
        message.reserveCapacity(framing + headerLength + payload.count)
        append(UInt32(framing + headerLength + payload.count), to: &message)
        append(UInt32(headerLength), to: &message)
        var checksum = CRC32()
        message.withUnsafeBytes { checksum.update($0) }
        append(checksum.value, to: &message)
        for (name, value) in headers {
            message.append(UInt8(name.utf8.count))
            message.append(contentsOf: name.utf8)
            message.append(stringType)
            message.append(UInt8(truncatingIfNeeded: value.utf8.count >> 8))
            message.append(UInt8(truncatingIfNeeded: value.utf8.count))
            message.append(contentsOf: value.utf8)
        }
        message.append(contentsOf: payload)
        // The second checksum is over all before it, so it goes on where the first one stood, with that one's own bytes.
        message.withUnsafeBytes { checksum.update(UnsafeRawBufferPointer(rebasing: $0[8...])) }
        append(checksum.value, to: &message)
        return message
    }

    private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
