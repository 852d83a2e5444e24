import FunctionModel
import InvocationPipeline
import NIOCore
import NIOEmbedded
import Testing

@testable import Gateway

@Suite struct SmugglingTests {
    /// Forms that two parsers can read differently: each is answered 400 and the connection ends.
    @Test(arguments: [
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\nabcd",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd",
        "POST /fn/hello HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "POST /fn/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
        "GET /fn/hello HTTP/1.1\nHost: a\n\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET /fn/hello HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
        "GET fn/hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /fn/he llo HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT localhost:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
        "hello\r\n\r\n",
    ])
    func ambiguousFormsAreRefused(_ text: String) throws {
        let gateway = try EmbeddedGateway()
        gateway.send(text)
        let response = try #require(gateway.response())
        #expect(response.status == 400 || response.status == 505)
        #expect(response.fields["connection"] == "close")
        #expect(gateway.invoker.invocations.isEmpty)
        gateway.send("GET /fn/hello HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(gateway.invoker.invocations.isEmpty, "nothing behind a refused form is a request")
    }
}

@Suite struct LimitTests {
    @Test func longTargetIs414() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/fn/hello?" + String(repeating: "a", count: 9000))
        #expect(gateway.response()?.status == 414)
    }

    @Test func endlessTargetIs414() throws {
        let gateway = try EmbeddedGateway()
        gateway.send("GET /" + String(repeating: "a", count: 20_000))
        #expect(gateway.response()?.status == 414)
    }

    @Test func largeFieldIs431() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/fn/hello", headers: [("X", String(repeating: "a", count: 17_000))])
        #expect(gateway.response()?.status == 431)
    }

    @Test func manyFieldsAre431() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/fn/hello", headers: (0..<200).map { ("X\($0)", "a") })
        #expect(gateway.response()?.status == 431)
    }

    @Test func largePayloadIsRefusedBeforeItIsSent() throws {
        let gateway = try EmbeddedGateway()
        gateway.send(
            "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6291457\r\nExpect: 100-continue\r\n\r\n")
        let response = try #require(gateway.response())
        #expect(response.status == 413)
        #expect(response.fields["x-amzn-errortype"] == "RequestTooLargeException")
        #expect(response.fields["connection"] == "close")
    }

    @Test func largeChunkedPayloadIsRefusedAtTheLimit() throws {
        let gateway = try EmbeddedGateway { $0.maximumPayload = 1000 }
        gateway.send("POST /fn/hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<10 { gateway.send("64\r\n" + String(repeating: "a", count: 100) + "\r\n") }
        #expect(gateway.response() == nil)
        gateway.send("1\r\na\r\n")
        #expect(gateway.response()?.status == 413)
        #expect(gateway.core.bytes.used == 0)
    }

    @Test func bytesInFlightAreBounded() throws {
        let gateway = try EmbeddedGateway { $0.maximumBytesInFlight = 1000 }
        gateway.send("POST /fn/hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n" + String(repeating: "a", count: 600))
        #expect(gateway.core.bytes.used == 600)
        let other = EmbeddedChannel(loop: gateway.loop)
        try GatewayServer.configure(other, core: gateway.core)
        try other.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 2)).wait()
        try other.writeInbound(ByteBuffer(string: "POST /fn/hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"))
        let refusal = try #require(try other.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: refusal).hasPrefix("HTTP/1.1 503 "))
        #expect(String(buffer: refusal).contains("Retry-After: 1\r\n"))
        gateway.send(String(repeating: "a", count: 300))
        gateway.invoker.answer("{}")
        #expect(gateway.response()?.status == 200)
        #expect(gateway.core.bytes.used == 0)
    }

    @Test func slowHeaderIs408() throws {
        let gateway = try EmbeddedGateway()
        gateway.send("GET /fn/hello HT")
        gateway.advance(5)
        gateway.send("TP/1.1\r\nHost: a\r\n")
        #expect(gateway.response() == nil)
        gateway.advance(6)
        #expect(gateway.response()?.status == 408)
    }

    @Test func slowBodyIs408AlthoughItGoesOn() throws {
        let gateway = try EmbeddedGateway()
        gateway.send("POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        for _ in 0..<19 {
            gateway.send("a")
            gateway.advance(1)
        }
        #expect(gateway.response() == nil)
        gateway.advance(3)
        #expect(gateway.response()?.status == 408)
        #expect(gateway.core.bytes.used == 0)
    }

    @Test func idleConnectionIsClosedWithoutAWord() throws {
        let gateway = try EmbeddedGateway()
        gateway.advance(74)
        #expect(!gateway.isClosed)
        gateway.advance(3)
        #expect(gateway.isClosed)
        #expect(gateway.written().isEmpty)
    }

    @Test func connectionsOverTheLimitAreRefused() throws {
        let gateway = try EmbeddedGateway { $0.maximumConnections = 1 }
        let other = EmbeddedChannel(loop: gateway.loop)
        try GatewayServer.configure(other, core: gateway.core)
        try? other.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 2)).wait()
        let refusal = try #require(try other.readOutbound(as: ByteBuffer.self))
        #expect(String(buffer: refusal).hasPrefix("HTTP/1.1 503 "))
        #expect(!other.isActive)
        #expect(gateway.core.statistics.refusedConnections == 1)
    }
}

@Suite struct ConnectionTests {
    private let get = "GET /fn/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

    @Test func pipelinedRequestsAreAnsweredInOrderOneAtATime() throws {
        let gateway = try EmbeddedGateway()
        gateway.send("GET /fn/hello/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /fn/hello/2 HTTP/1.1\r\nHost: a\r\n\r\nGET /fn/hello/3 HTTP/1.1\r\nHost: a\r\n\r\n")
        for number in 1...3 {
            #expect(gateway.invoker.invocations.count == number)
            gateway.invoker.answer("\(number)")
            #expect(gateway.response()?.text == "\(number)")
        }
        #expect(!gateway.isClosed)
    }

    @Test func pipelinedRequestsWithImmediateAnswersAllGetOne() throws {
        let gateway = try EmbeddedGateway()
        gateway.invoker.immediate = { .success(FakeInvoker.result($0, ByteBuffer(string: "1"))) }
        gateway.send(String(repeating: get, count: 10))
        for _ in 0..<10 { #expect(gateway.response()?.status == 200) }
    }

    @Test func tooManyPipelinedRequestsEndTheConnectionAfterTheFirstAnswer() throws {
        let gateway = try EmbeddedGateway()
        gateway.send(String(repeating: get, count: 40))
        gateway.invoker.answer("1")
        let response = gateway.response()
        #expect(response?.status == 200)
        #expect(response?.fields["connection"] == "close")
        #expect(gateway.invoker.invocations.count == 1)
    }

    @Test func garbageBehindARequestDoesNotHarmItsAnswer() throws {
        let gateway = try EmbeddedGateway()
        gateway.send(get + "garbage\r\n\r\n")
        gateway.invoker.answer("1")
        #expect(gateway.response()?.status == 200)
        let second = gateway.response()
        #expect(second?.status == 400)
        #expect(second?.fields["connection"] == "close")
    }

    @Test func halfClosedClientStillGetsItsAnswer() throws {
        let gateway = try EmbeddedGateway()
        gateway.send(get)
        gateway.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(gateway.invoker.cancelled.isEmpty)
        gateway.invoker.answer("1")
        let response = gateway.response()
        #expect(response?.status == 200)
        #expect(response?.fields["connection"] == "close")
        #expect(gateway.isClosed)
    }

    @Test func halfCloseBeforeTheBodyIsCompleteEndsTheConnection() throws {
        let gateway = try EmbeddedGateway()
        gateway.send("POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        gateway.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        gateway.loop.run()
        #expect(gateway.isClosed)
        #expect(gateway.invoker.invocations.isEmpty)
        #expect(gateway.core.bytes.used == 0)
    }

    @Test func disconnectCancelsTheInvocationAndGivesBackItsBytes() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", "/2015-03-31/functions/hello/invocations", body: Array("[1]".utf8))
        #expect(gateway.core.bytes.used == 3)
        try gateway.channel.close().wait()
        #expect(gateway.invoker.cancelled == [InvocationTicket(1)])
        gateway.invoker.answer("1")
        #expect(gateway.core.bytes.used == 0)
        #expect(gateway.core.statistics.requestsInFlight == 0)
    }

    @Test func expectContinueIsMetBeforeTheBody() throws {
        let gateway = try EmbeddedGateway()
        gateway.send("POST /fn/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        #expect(gateway.response()?.status == 100)
        gateway.send("{}")
        gateway.invoker.answer("1")
        #expect(gateway.response()?.status == 200)
        gateway.request("POST", "/fn/hello", headers: [("Expect", "magic")], body: [1])
        #expect(gateway.response()?.status == 417)
    }

    @Test func http10ClosesUnlessAskedToStay() throws {
        let gateway = try EmbeddedGateway()
        gateway.send("GET /fn/hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        gateway.invoker.answer("1")
        #expect(gateway.response()?.fields["connection"] == "keep-alive")
        gateway.send("GET /fn/hello HTTP/1.0\r\n\r\n")
        gateway.invoker.answer("1")
        #expect(gateway.response()?.fields["connection"] == "close")
    }

    @Test func refusedSmallBodyIsSkippedAndTheConnectionGoesOn() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", "/fn/nothing", body: [1, 2, 3])
        #expect(gateway.response()?.status == 404)
        gateway.send(get)
        gateway.invoker.answer("1")
        #expect(gateway.response()?.status == 200)
    }

    @Test func headGetsTheLengthAndNoBody() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("HEAD", "/fn/hello")
        gateway.invoker.answer("\"abc\"")
        let response = gateway.response(toHead: true)
        #expect(response?.fields["content-length"] == "5")
        #expect(gateway.written().isEmpty)
    }
}

@Suite struct DrainTests {
    @Test func healthTurnsAtOnceAndAnswersCloseTheirConnections() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/martlet/v1/health", host: "anything")
        #expect(gateway.response()?.text == #"{"status":"ready"}"#)
        gateway.request("GET", "/fn/hello")
        gateway.core.beginDrain()
        gateway.invoker.answer("1")
        #expect(gateway.response()?.fields["connection"] == "close")
    }

    @Test func healthIs503WhileDraining() throws {
        let gateway = try EmbeddedGateway()
        gateway.core.beginDrain()
        gateway.request("GET", "/martlet/v1/health")
        let response = gateway.response()
        #expect(response?.status == 503)
        #expect(response?.text == #"{"status":"draining"}"#)
    }

    @Test func idleServerEndsAtOnce() throws {
        let gateway = try EmbeddedGateway()
        let ended = gateway.core.closeConnections()
        gateway.loop.run()
        #expect(gateway.isClosed)
        try ended.wait()
    }

    @Test func whoHasJustComeMayStillAskWhereAnotherTakesOver() throws {
        let gateway = try EmbeddedGateway()
        let ended = gateway.core.closeConnections(awaitsFirst: true)
        gateway.loop.run()
        try #require(!gateway.isClosed)
        gateway.request("GET", "/martlet/v1/health")
        let response = gateway.response()
        #expect(response?.status == 503 && response?.fields["connection"] == "close")
        gateway.loop.run()
        try #require(gateway.isClosed)
        try ended.wait()
    }

    @Test func acceptedRequestIsFinishedFirst() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/fn/hello")
        let ended = gateway.core.closeConnections()
        gateway.loop.run()
        #expect(!gateway.isClosed)
        gateway.invoker.answer("1")
        #expect(gateway.response()?.status == 200)
        #expect(gateway.isClosed)
        try ended.wait()
    }

    @Test func atTheLimitTheRestGets503() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/fn/hello")
        let ended = gateway.core.closeConnections()
        gateway.core.abortConnections()
        #expect(gateway.response()?.status == 503)
        #expect(gateway.invoker.cancelled.count == 1)
        try ended.wait()
        gateway.invoker.answer("late")
    }
}
