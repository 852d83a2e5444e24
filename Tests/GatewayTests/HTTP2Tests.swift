import FunctionModel
import InvocationPipeline
import NIOCore
import NIOEmbedded
import NIOHPACK
import NIOHTTP2
import Testing

@testable import Gateway

/// How often the socket was asked for what has come.
private final class ReadCount: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}

/// Both ends of one HTTP/2 connection without sockets, on one loop whose time the test moves.
private final class EmbeddedHTTP2 {
    let gateway: EmbeddedGateway
    private let server: EmbeddedChannel
    private let client: EmbeddedChannel
    private(set) var frames: [HTTP2Frame] = []
    private var lastStream: Int32 = -1
    private var isUnaware = false
    private let readCount = ReadCount()

    /// - Parameter window: bytes that the client takes on a stream before it says more.
    init(
        window: Int = 65_535, functions: [FunctionRecord] = [record("hello")], configure: (inout GatewayConfiguration) -> Void = { _ in }
    ) throws {
        gateway = try EmbeddedGateway(functions: functions, configure: configure)
        server = EmbeddedChannel(loop: gateway.loop)
        client = EmbeddedChannel(loop: gateway.loop)
        var settings = NIOHTTP2Handler.ConnectionConfiguration()
        settings.initialSettings = [HTTP2Setting(parameter: .initialWindowSize, value: window), HTTP2Setting(parameter: .maxHeaderListSize, value: 65_536)]
        // What is wrong is to reach the server.
        (settings.headerBlockValidation, settings.contentLengthValidation) = (.disabled, .disabled)
        settings.controlFrameRateLimit.maximumCount = 10_000
        try client.pipeline.syncOperations.addHandler(NIOHTTP2Handler(mode: .client, connectionConfiguration: settings))
        try server.pipeline.syncOperations.addHandler(readCount)
        _ = try HTTP2Connection.configure(server, core: gateway.core)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        try client.connect(to: address).wait()
        try server.connect(to: address).wait()
        exchange()
    }

    var isClosed: Bool { !server.isActive }

    /// Moves bytes until nobody has more to say.
    func exchange() {
        guard !isUnaware else { return }
        var moved = true
        while moved {
            gateway.loop.run()
            moved = Self.move(from: client, to: server)
            moved = Self.move(from: server, to: client) || moved
        }
        while let frame = try? client.readInbound(as: HTTP2Frame.self) { frames.append(frame) }
    }

    /// What happens before the peers see of each other's bytes; what the client sends by then arrives first.
    func unaware(_ act: () throws -> Void) rethrows {
        isUnaware = true
        try act()
        isUnaware = false
        exchange()
    }

    /// Whether the server's socket takes bytes.
    func setWritable(_ isWritable: Bool) {
        server.isWritable = isWritable
        server.pipeline.fireChannelWritabilityChanged()
        exchange()
    }

    /// Asks for what has come.
    /// - Returns: whether the socket was asked.
    func reads() -> Bool {
        let before = readCount.count
        server.read()
        return readCount.count > before
    }

    private static func move(from source: EmbeddedChannel, to target: EmbeddedChannel) -> Bool {
        var moved = false
        while case .byteBuffer(let bytes)? = try? source.readOutbound(as: IOData.self) {
            // What the other side makes of it is seen in its frames.
            _ = try? target.writeInbound(bytes)
            moved = true
        }
        return moved
    }

    func send(_ stream: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload) {
        _ = try? client.writeOutbound(HTTP2Frame(streamID: stream, payload: payload))
        exchange()
    }

    @discardableResult
    func request(_ method: String, _ path: String, _ fields: [(String, String)] = [], body: String? = nil, isWhole: Bool = true) -> HTTP2StreamID {
        lastStream += 2
        let id = HTTP2StreamID(Int(lastStream))
        var headers = HPACKHeaders([(":method", method), (":scheme", "https"), (":authority", "localhost:9000"), (":path", path)])
        for (name, value) in fields { headers.add(name: name, value: value) }
        send(id, .headers(.init(headers: headers, endStream: body == nil && isWhole)))
        if let body { send(id, .data(.init(data: .byteBuffer(ByteBuffer(string: body)), endStream: isWhole))) }
        return id
    }

    func advance(_ seconds: Int64) {
        for _ in 0..<seconds {
            gateway.advance(1)
            exchange()
        }
    }

    // MARK: What came

    func headers(_ id: HTTP2StreamID) -> HPACKHeaders? {
        for frame in frames where frame.streamID == id { if case .headers(let block) = frame.payload { return block.headers } }
        return nil
    }

    func status(_ id: HTTP2StreamID) -> String? { headers(id)?.first(name: ":status") }

    func body(_ id: HTTP2StreamID) -> String {
        var text = ""
        for frame in frames where frame.streamID == id {
            if case .data(let part) = frame.payload, case .byteBuffer(let bytes) = part.data { text += String(buffer: bytes) }
        }
        return text
    }

    func hasEnded(_ id: HTTP2StreamID) -> Bool {
        frames.contains { frame in
            guard frame.streamID == id else { return false }
            switch frame.payload {
            case .data(let part): return part.endStream
            case .headers(let block): return block.endStream
            default: return false
            }
        }
    }

    func reset(_ id: HTTP2StreamID) -> HTTP2ErrorCode? {
        for frame in frames where frame.streamID == id { if case .rstStream(let code) = frame.payload { return code } }
        return nil
    }

    struct Farewell: Equatable {
        let last: HTTP2StreamID
        let code: HTTP2ErrorCode
    }

    var farewells: [Farewell] {
        var found: [Farewell] = []
        for frame in frames { if case .goAway(let last, let code, _) = frame.payload { found.append(Farewell(last: last, code: code)) } }
        return found
    }
}

@Suite struct HTTP2StreamTests {
    @Test func eachStreamGetsItsOwnAnswer() throws {
        let peer = try EmbeddedHTTP2()
        let first = peer.request("POST", "/fn/hello", body: "one")
        let second = peer.request("POST", "/fn/hello", body: "two")
        #expect(peer.gateway.invoker.pending.count == 2)
        peer.gateway.invoker.pending.reverse()
        peer.gateway.invoker.answer("\"second\"")
        peer.gateway.invoker.answer(#"{"statusCode":201,"headers":{"Connection":"close","Keep-Alive":"a","Upgrade":"b","X-Own":"c"},"body":"first"}"#)
        peer.exchange()
        #expect(peer.status(first) == "201" && peer.body(first) == "first" && peer.hasEnded(first))
        #expect(peer.status(second) == "200" && peer.body(second) == "\"second\"" && peer.hasEnded(second))
        let names = Set(peer.headers(first)?.map(\.name) ?? [])
        #expect(names.isDisjoint(with: ["connection", "keep-alive", "upgrade", "transfer-encoding"]) && names.contains("x-amzn-requestid"))
        #expect(peer.headers(first)?.first(name: "x-own") == "c")
        #expect(peer.gateway.core.statistics.streams == 0 && peer.gateway.core.statistics.requestsInFlight == 0)
        #expect(peer.reset(first) == nil && peer.farewells.isEmpty)
    }

    @Test func theEventIsThatOfHTTP1() throws {
        let peer = try EmbeddedHTTP2()
        peer.request("POST", "/fn/hello/x?y=1", [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")], body: "text")
        let event = String(buffer: try #require(peer.gateway.invoker.invocations.first).event)
        #expect(event.contains(#""cookies":["a=1","b=2"]"#) && event.contains(#""cookie":"a=1; b=2""#) && event.contains(#""host":"localhost:9000""#))
        #expect(event.contains(#""rawPath":"/x""#) && event.contains(#""sourceIp":"127.0.0.1""#) && !event.contains("transfer-encoding"))
    }

    struct Refused: Sendable {
        var fields: [(String, String)] = []
        var path = "/fn/hello"
        /// nil where the library resets the stream.
        let status: String?
    }

    private static let refused = [
        Refused(fields: [("x-a", "b\u{1}c")], status: "400"), Refused(fields: [("x-a", "b\r\nc: d")], status: nil),
        Refused(fields: [("host", "other")], status: "400"), Refused(path: "/fn/he llo", status: nil), Refused(path: "*", status: "400"),
        Refused(fields: [("x-a", String(repeating: "b", count: 17 * 1024))], status: "431"),
        Refused(fields: (0..<130).map { ("x-\($0)", "b") }, status: "431"), Refused(path: "/" + String(repeating: "a", count: 9000), status: "414"),
        Refused(fields: [("expect", "else")], status: "417"),
    ]

    @Test(arguments: refused)
    func whatHTTP1RefusesIsRefused(_ one: Refused) throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("GET", one.path, one.fields)
        #expect(peer.status(id) == one.status && (one.status == nil ? peer.reset(id) == .protocolError : peer.hasEnded(id)))
        #expect(peer.gateway.invoker.invocations.isEmpty)
        let next = peer.request("GET", "/martlet/v1/health")
        #expect(peer.status(next) == "200", "the connection goes on")
    }

    @Test func aFaultOfOneStreamIsNotTheConnections() throws {
        let peer = try EmbeddedHTTP2()
        let kept = peer.request("POST", "/fn/hello", body: "one")
        let broken = peer.request("POST", "/fn/hello", [("content-length", "3")], body: "longer")
        #expect(peer.reset(broken) == .protocolError && peer.gateway.invoker.invocations.count == 1)
        peer.gateway.invoker.answer("1")
        peer.exchange()
        #expect(peer.body(kept) == "1" && !peer.isClosed && peer.farewells.isEmpty)
    }

    @Test func aPeerThatWaitsIsAskedForItsBody() throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("POST", "/fn/hello", [("expect", "100-continue")], isWhole: false)
        #expect(peer.status(id) == "100")
        peer.send(id, .data(.init(data: .byteBuffer(ByteBuffer(string: "x")), endStream: true)))
        #expect(peer.gateway.invoker.invocations.count == 1)
    }

    @Test func theRestOfARefusedBodyIsNotWanted() throws {
        let peer = try EmbeddedHTTP2()
        let large = peer.request("POST", "/fn/hello", [("content-length", "100000000")], isWhole: false)
        #expect(peer.status(large) == "413" && peer.hasEnded(large) && peer.reset(large) == .noError)
        // A little is read to its end, so that clients which send first and read later see the answer.
        let small = peer.request("POST", "/nothing", [("content-length", "4")], isWhole: false)
        #expect(peer.hasEnded(small) && peer.reset(small) == nil)
        peer.send(small, .data(.init(data: .byteBuffer(ByteBuffer(string: "abcd")), endStream: true)))
        #expect(peer.gateway.core.statistics.streams == 0 && peer.reset(small) == nil)
    }

    @Test func aResetCancelsTheInvocation() throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("POST", "/fn/hello", body: "one")
        peer.send(id, .rstStream(.cancel))
        #expect(peer.gateway.invoker.cancelled.count == 1 && peer.gateway.core.statistics.requestsInFlight == 0)
        #expect(peer.gateway.core.statistics.streams == 0 && !peer.isClosed)
    }

    @Test func streamsBeyondTheServersRoomAreRefusedUnseen() throws {
        // One place is the support's own connection, one this connection.
        let peer = try EmbeddedHTTP2 { $0.maximumConnections = 3 }
        let first = peer.request("POST", "/fn/hello", body: "one")
        let second = peer.request("GET", "/martlet/v1/health")
        #expect(peer.reset(second) == .refusedStream && peer.gateway.core.statistics.refusedStreams == 1)
        peer.gateway.invoker.answer("1")
        peer.exchange()
        #expect(peer.body(first) == "1")
        #expect(peer.status(peer.request("GET", "/martlet/v1/health")) == "200")
    }
}

@Suite struct HTTP2HeaderTests {
    /// Of 13 bits each in the header's compression.
    private static func long(_ count: Int) -> String { String(repeating: "~", count: count) }

    private func expectRefused(_ peer: EmbeddedHTTP2, _ id: HTTP2StreamID, status: String, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(peer.status(id) == status && peer.hasEnded(id) && peer.reset(id) == nil, sourceLocation: sourceLocation)
        #expect(peer.headers(id)?.first(name: "x-martlet-reason")?.contains("16384") == true, sourceLocation: sourceLocation)
    }

    @Test func whatFitsNoFrameIsABadGateway() throws {
        let peer = try EmbeddedHTTP2()
        let long = peer.request("GET", "/fn/hello")
        let other = peer.request("POST", "/fn/hello", body: "one")
        peer.gateway.invoker.answer(#"{"statusCode":200,"headers":{"x-own":"c","x-long":"\#(Self.long(20_000))"},"body":"x"}"#)
        peer.exchange()
        expectRefused(peer, long, status: "502")
        // Both ends still mean the same by a header's indices.
        peer.gateway.invoker.answer(#"{"statusCode":200,"headers":{"x-own":"c","x-other":"d"},"body":"y"}"#)
        peer.exchange()
        #expect(peer.headers(other)?.first(name: "x-own") == "c" && peer.headers(other)?.first(name: "x-other") == "d" && peer.body(other) == "y")
        #expect(peer.gateway.core.statistics.requestsInFlight == 0 && !peer.isClosed && peer.farewells.isEmpty)
    }

    @Test func whatFitsAFrameIsSent() throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("GET", "/fn/hello")
        peer.gateway.invoker.answer(#"{"statusCode":200,"headers":{"x-long":"\#(String(repeating: "a", count: 24_000))"},"body":"x"}"#)
        peer.exchange()
        #expect(peer.status(id) == "200" && peer.headers(id)?.first(name: "x-long")?.utf8.count == 24_000)
    }

    @Test func aStreamWhoseHeaderFitsNoFrameIsABadGateway() throws {
        var streaming = record("streaming")
        streaming.url?.invokeMode = .responseStream
        let peer = try EmbeddedHTTP2(functions: [streaming])
        let id = peer.request("GET", "/fn/streaming")
        let stream = try #require(peer.gateway.invoker.invocations.last?.stream)
        stream.begins(ResponseStream.Head(executedVersion: "$LATEST", contentType: "application/vnd.awslambda.http-integration-response"))
        stream.takes(ByteBuffer(string: #"{"headers":{"x-long":"\#(Self.long(20_000))"}}"# + "\0\0\0\0\0\0\0\0body"))
        stream.takes(ByteBuffer(string: "more"))
        peer.gateway.invoker.answer("")
        peer.exchange()
        expectRefused(peer, id, status: "502")
        #expect(peer.body(id) == "Internal Server Error" && peer.gateway.core.statistics.requestsInFlight == 0)
    }

    @Test func fieldsOfACORSPolicyThatFitNoFrameAreSaidToBeTooLong() throws {
        var open = record("open")
        open.url?.cors = CORSPolicy(allowOrigins: ["*"], allowMethods: ["*"], allowHeaders: (0..<100).map { "x-\($0)-" + Self.long(300) })
        let peer = try EmbeddedHTTP2(functions: [open])
        let id = peer.request(
            "OPTIONS", "/fn/open", [("origin", "https://a.example"), ("access-control-request-method", "GET"), ("access-control-request-headers", "x-a")])
        expectRefused(peer, id, status: "502")
    }
}

@Suite struct HTTP2BackPressureTests {
    @Test func nothingIsReadWhileNothingLeaves() throws {
        let peer = try EmbeddedHTTP2()
        #expect(peer.reads())
        peer.setWritable(false)
        #expect(!peer.reads())
        peer.setWritable(true)
        #expect(peer.reads())
        peer.setWritable(false)
        peer.advance(40)
        #expect(peer.isClosed, "who takes nothing is given up")
    }

    @Test func aStreamThatOpensWhileNothingLeavesWaits() throws {
        let peer = try EmbeddedHTTP2()
        peer.setWritable(false)
        let id = peer.request("POST", "/fn/hello", body: "one")
        #expect(peer.gateway.invoker.invocations.isEmpty)
        peer.setWritable(true)
        try #require(peer.gateway.invoker.pending.count == 1)
        peer.gateway.invoker.answer("1")
        peer.exchange()
        #expect(peer.body(id) == "1" && peer.hasEnded(id))
    }
}

@Suite struct HTTP2TimeTests {
    @Test func anAnswerThatNobodyTakesIsGivenUp() throws {
        let peer = try EmbeddedHTTP2(window: 0)
        let id = peer.request("POST", "/fn/hello", body: "one")
        peer.gateway.invoker.answer("\"" + String(repeating: "a", count: 200_000) + "\"")
        peer.exchange()
        #expect(peer.gateway.core.bytes.used >= 200_000)
        peer.advance(40)
        #expect(peer.reset(id) == .cancel && peer.gateway.core.statistics.timeouts == 1 && peer.gateway.core.bytes.used == 0)
        #expect(!peer.isClosed)
    }

    @Test func anAnswerThatIsTakenSlowlyGoesOn() throws {
        let peer = try EmbeddedHTTP2(window: 0)
        let id = peer.request("POST", "/fn/hello", body: "one")
        let text = "\"" + String(repeating: "a", count: 200_000) + "\""
        peer.gateway.invoker.answer(text)
        for _ in 0..<13 {
            peer.advance(20)
            peer.send(id, .windowUpdate(windowSizeIncrement: 16 * 1024))
            peer.send(.rootStream, .windowUpdate(windowSizeIncrement: 16 * 1024))
        }
        #expect(peer.body(id) == text && peer.hasEnded(id) && peer.gateway.core.bytes.used == 0)
    }

    @Test func aBodyThatDoesNotComeIsGivenUp() throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("POST", "/fn/hello", [("content-length", "5")], isWhole: false)
        peer.advance(22)
        #expect(peer.status(id) == "408" && !peer.isClosed)
    }

    @Test func anIdleConnectionIsSentAway() throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("POST", "/fn/hello", body: "one")
        peer.advance(100)
        #expect(peer.farewells.isEmpty, "it is not idle")
        peer.gateway.invoker.answer("1")
        peer.exchange()
        #expect(peer.body(id) == "1")
        peer.advance(80)
        #expect(peer.isClosed)
        #expect(peer.farewells == [.init(last: .maxID, code: .noError), .init(last: id, code: .noError)])
        #expect(peer.gateway.core.statistics.connections == 0)
    }

    @Test func aDrainLetsStreamsEnd() throws {
        let peer = try EmbeddedHTTP2()
        let before = peer.request("POST", "/fn/hello", body: "one")
        let ended = peer.gateway.core.closeConnections()
        var isEmpty = false
        ended.assumeIsolated().whenSuccess { isEmpty = true }
        peer.exchange()
        #expect(peer.farewells == [.init(last: .maxID, code: .noError), .init(last: before, code: .noError)] && !peer.isClosed)
        peer.gateway.invoker.answer("1")
        peer.exchange()
        #expect(peer.body(before) == "1" && peer.hasEnded(before) && peer.isClosed && isEmpty)
    }

    @Test func whatCrossesTheFirstGoAwayIsAnswered() throws {
        let peer = try EmbeddedHTTP2()
        let before = peer.request("POST", "/fn/hello", body: "one")
        var crossing = HTTP2StreamID.rootStream
        peer.unaware {
            _ = peer.gateway.core.closeConnections()
            crossing = peer.request("POST", "/fn/hello", body: "two")
        }
        try #require(peer.gateway.invoker.pending.count == 2)
        #expect(peer.farewells == [.init(last: .maxID, code: .noError), .init(last: crossing, code: .noError)])
        peer.gateway.invoker.answer("1")
        peer.gateway.invoker.answer("2")
        peer.exchange()
        #expect(peer.body(before) == "1" && peer.body(crossing) == "2" && peer.hasEnded(crossing) && peer.isClosed)
    }

    @Test func whatCrossesTheGoAwayOfAnIdleConnectionIsAnswered() throws {
        let peer = try EmbeddedHTTP2()
        var crossing = HTTP2StreamID.rootStream
        peer.unaware {
            _ = peer.gateway.core.closeConnections()
            crossing = peer.request("POST", "/fn/hello", body: "one")
        }
        try #require(peer.gateway.invoker.pending.count == 1)
        peer.gateway.invoker.answer("1")
        peer.exchange()
        #expect(peer.body(crossing) == "1" && peer.isClosed && peer.farewells.last == .init(last: crossing, code: .noError))
    }

    /// A peer that does not answer the PING in time.
    @Test func whatCrossesTheLastGoAwayIsRefusedAlone() throws {
        let peer = try EmbeddedHTTP2()
        let before = peer.request("POST", "/fn/hello", body: "one")
        peer.unaware {
            _ = peer.gateway.core.closeConnections()
            peer.gateway.advance(4)
            peer.request("POST", "/fn/hello", body: "two")
        }
        #expect(peer.gateway.invoker.pending.count == 1 && peer.gateway.core.statistics.refusedStreams == 1 && !peer.isClosed)
        peer.gateway.invoker.answer("1")
        peer.exchange()
        #expect(peer.body(before) == "1" && peer.hasEnded(before) && peer.isClosed)
        #expect(peer.farewells.last == .init(last: before, code: .noError))
    }

    @Test func pastTheLimitStreamsAreAnsweredWith503() throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("POST", "/fn/hello", body: "one")
        _ = peer.gateway.core.closeConnections()
        peer.exchange()
        peer.gateway.core.abortConnections()
        peer.exchange()
        #expect(peer.status(id) == "503" && peer.hasEnded(id) && peer.isClosed)
    }
}

@Suite struct HTTP2FloodTests {
    @Test func framesThatAskForNothingEndTheConnection() throws {
        let peer = try EmbeddedHTTP2()
        for _ in 0..<900 { peer.send(.rootStream, .ping(HTTP2PingData(), ack: false)) }
        #expect(!peer.isClosed)
        for _ in 0..<150 where !peer.isClosed { peer.send(.rootStream, .settings(.settings([]))) }
        #expect(peer.isClosed && peer.farewells.last?.code == .enhanceYourCalm)
    }

    @Test func windowUpdatesThatNoAnswerCallsForEndTheConnection() throws {
        let peer = try EmbeddedHTTP2()
        let id = peer.request("POST", "/fn/hello", body: "one")
        for _ in 0..<1100 where !peer.isClosed { peer.send(.rootStream, .windowUpdate(windowSizeIncrement: 1)) }
        #expect(peer.isClosed && peer.farewells.last == .init(last: .rootStream, code: .enhanceYourCalm) && !peer.hasEnded(id))
        #expect(peer.gateway.core.statistics.requestsInFlight == 0 && peer.gateway.core.statistics.streams == 0)
    }

    @Test func windowUpdatesOfALargeAnswerDoNot() throws {
        let peer = try EmbeddedHTTP2(window: 0)
        let id = peer.request("POST", "/fn/hello", body: "one")
        peer.gateway.invoker.answer("\"" + String(repeating: "a", count: 998_998) + "\"")
        for _ in 0..<999 {
            peer.send(id, .windowUpdate(windowSizeIncrement: 1000))
            peer.send(.rootStream, .windowUpdate(windowSizeIncrement: 1000))
        }
        peer.send(id, .windowUpdate(windowSizeIncrement: 1000))
        #expect(peer.body(id).utf8.count == 999_000 && peer.hasEnded(id) && !peer.isClosed)
    }

    @Test func oneForEachAnswerWithoutABodyDoesNot() throws {
        let peer = try EmbeddedHTTP2()
        for _ in 0..<1200 {
            let id = peer.request("HEAD", "/martlet/v1/health")
            peer.send(.rootStream, .windowUpdate(windowSizeIncrement: 1))
            guard peer.hasEnded(id) else { break }
        }
        #expect(!peer.isClosed)
    }

    @Test(arguments: [1, 7, 1000])
    func framesAreCountedHoweverTheyAreCut(_ size: Int) {
        func frame(_ type: UInt8, _ length: Int) -> [UInt8] { [0, UInt8(length >> 8), UInt8(length & 0xFF), type, 0, 0, 0, 0, 1] + [UInt8](repeating: 8, count: length) }
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        let bytes = preface + frame(4, 0) + frame(8, 4) + frame(0, 700) + frame(1, 20) + frame(7, 8) + frame(0x42, 3) + frame(6, 8) + frame(8, 4)
        var counter = FrameCounter()
        var count = 0
        for start in stride(from: 0, to: bytes.count, by: size) {
            count += bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { counter.feed($0) }
        }
        #expect(count == 4)
    }

    @Test func resetsEndTheConnection() throws {
        let peer = try EmbeddedHTTP2()
        for _ in 0..<220 where !peer.isClosed { peer.send(peer.request("POST", "/fn/hello", body: "one"), .rstStream(.cancel)) }
        #expect(peer.isClosed && peer.farewells.last?.code == .enhanceYourCalm)
        #expect(peer.gateway.core.statistics.requestsInFlight == 0 && peer.gateway.core.statistics.streams == 0)
    }
}
