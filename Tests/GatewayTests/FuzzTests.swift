import FunctionModel
import NIOCore
import Testing

@testable import Gateway

private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &+ 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

@Suite struct FuzzTests {
    /// However the network cuts the bytes, the same requests come out and get their answers in order.
    @Test func cutsBetweenBytesDoNotMatter() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(state: seed)
        for _ in 0..<50 {
            var stream = ""
            var expected: [String] = []
            for number in 0..<8 {
                let body = String(repeating: "\(number)", count: Int.random(in: 0..<40, using: &generator))
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: stream += "GET /fn/hello HTTP/1.1\r\nHost: a\r\n\r\n"
                case 1: stream += "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n\(body)"
                default:
                    stream += "PUT /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    for character in body { stream += "1\r\n\(character)\r\n" }
                    stream += "0\r\n\r\n"
                }
                expected.append("\(number)")
            }
            let gateway = try EmbeddedGateway { $0.maximumPipelined = 64 }
            var answered = 0
            var rest = Array(stream.utf8)[...]
            while !rest.isEmpty {
                let count = min(rest.count, Int.random(in: 1...60, using: &generator))
                gateway.send(ByteBuffer(bytes: rest.prefix(count)))
                rest = rest.dropFirst(count)
                if Bool.random(using: &generator) {
                    while !gateway.invoker.pending.isEmpty {
                        gateway.invoker.answer("\(answered)")
                        answered += 1
                    }
                }
            }
            while !gateway.invoker.pending.isEmpty {
                gateway.invoker.answer("\(answered)")
                answered += 1
            }
            var answers: [String] = []
            while let response = gateway.response() { answers.append(response.text) }
            #expect(answers == expected, "seed \(seed)")
            #expect(gateway.core.bytes.used == 0, "seed \(seed)")
        }
    }

    /// Damaged requests end in an answer or a closed connection, never in lost bytes of the budget or a hanging count.
    @Test func damagedRequestsLeaveNothingBehind() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(state: seed)
        let good = Array(
            "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: localhost:9000\r\nContent-Length: 7\r\nX-Amz-Log-Type: Tail\r\n\r\n{\"a\":1}"
                .utf8)
        for _ in 0..<2000 {
            let gateway = try EmbeddedGateway()
            gateway.invoker.immediate = { .success(FakeInvoker.result($0, $0.event)) }
            var bytes = good + good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: index)
                default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
                }
            }
            gateway.send(ByteBuffer(bytes: bytes))
            gateway.advance(200)
            #expect(gateway.isClosed, "seed \(seed)")
            #expect(gateway.core.bytes.used == 0, "seed \(seed)")
            #expect(gateway.core.statistics.requestsInFlight == 0, "seed \(seed)")
            #expect(gateway.core.statistics.connections == 0, "seed \(seed)")
        }
    }

    /// Whatever a function answers, the client gets one well-formed response.
    @Test func damagedAnswersAreAnsweredToo() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(state: seed)
        let good = Array(
            #"{"statusCode":200,"headers":{"a":"b","c":1},"cookies":["x=1"],"body":"\u00e9\ud83d\ude00\\n","isBase64Encoded":false}"#.utf8)
        for _ in 0..<3000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let index = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: index)
                default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
                }
            }
            let gateway = try EmbeddedGateway()
            let payload = ByteBuffer(bytes: bytes)
            gateway.invoker.immediate = { .success(FakeInvoker.result($0, payload)) }
            gateway.request("GET", "/fn/hello")
            let response = try #require(gateway.response(), "seed \(seed)")
            #expect((200...599).contains(response.status), "seed \(seed)")
            #expect(gateway.written().isEmpty, "seed \(seed)")
        }
    }
}
