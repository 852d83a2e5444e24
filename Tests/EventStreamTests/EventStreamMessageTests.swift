import Testing

@testable import EventStream

@Suite struct EventStreamMessageTests {
    private func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.filter { !$0.isWhitespace })
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16)! }
    }

    @Test func checksumIsThatOfIEEE() {
        var checksum = CRC32()
        Array("123456789".utf8).withUnsafeBytes { checksum.update($0) }
        #expect(checksum.value == 0xCBF4_3926)
    }

    /// The encoding's published vectors: no headers, and a payload alone.
    @Test func messagesWithoutHeadersAreAsPublished() {
        #expect(EventStreamMessage.encode([], []) == bytes("00000010 00000000 05c248eb 7d98c8ff"))
        #expect(
            EventStreamMessage.encode([], "{'foo':'bar'}".utf8)
                == bytes("0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936"))
    }

    /// The published vector with one header.
    @Test func aHeaderIsAsPublished() {
        let message = EventStreamMessage.encode([("content-type", "application/json")], "{'foo':'bar'}".utf8)
        #expect(
            message
                == bytes(
                    """
                    0000003d 00000020 07fd8396 0c 636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e
                    7b27666f6f273a27626172277d 8d9c08b1
                    """))
    }

    @Test func anEventNamesItself() {
        let message = EventStreamMessage.event("PayloadChunk", contentType: "application/octet-stream", payload: [1, 2, 3])
        let text = String(decoding: message, as: UTF8.self)
        #expect(text.contains(":event-type") && text.contains("PayloadChunk") && text.contains(":message-type"))
        #expect(message.suffix(7).prefix(3) == [1, 2, 3])
        #expect(message.prefix(4) == [0, 0, 0, UInt8(message.count)])
    }
}
