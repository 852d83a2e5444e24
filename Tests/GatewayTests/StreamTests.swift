import FunctionModel
import InvocationPipeline
import NIOCore
import Testing

@testable import Gateway

@Suite struct StreamTests {
    private static let httpType = "application/vnd.awslambda.http-integration-response"

    private func gateway() throws -> EmbeddedGateway {
        var streaming = record("streaming")
        streaming.url?.invokeMode = .responseStream
        return try EmbeddedGateway(functions: [record("hello"), streaming])
    }

    private func stream(_ gateway: EmbeddedGateway) throws -> ResponseStream { try #require(gateway.invoker.invocations.last?.stream) }

    private func begin(_ gateway: EmbeddedGateway, _ type: String) throws {
        try stream(gateway).begins(ResponseStream.Head(executedVersion: "$LATEST", contentType: type))
    }

    @Test func onlyWhoTakesAStreamGetsOne() throws {
        let gateway = try gateway()
        gateway.request("POST", "/2015-03-31/functions/hello/invocations")
        #expect(gateway.invoker.invocations.last?.stream == nil)
        gateway.invoker.answer("1")
        _ = gateway.response()
        gateway.request("GET", "/fn/hello")
        #expect(gateway.invoker.invocations.last?.stream == nil)
        gateway.invoker.answer("1")
        _ = gateway.response()
        gateway.request("GET", "/fn/streaming")
        #expect(gateway.invoker.invocations.last?.stream != nil)
    }

    @Test func aPreludeBecomesStatusAndHeaders() throws {
        let gateway = try gateway()
        gateway.request("GET", "/fn/streaming")
        try begin(gateway, Self.httpType)
        let stream = try stream(gateway)
        // Cut in the middle of the prelude and of what separates it from the body.
        stream.takes(ByteBuffer(string: #"{"statusCode":201,"headers":{"x-a":"b"},"cook"#))
        stream.takes(ByteBuffer(string: #"ies":["c=d"]}"# + "\0\0\0\0\0"))
        #expect(gateway.written().isEmpty)
        stream.takes(ByteBuffer(string: "\0\0\0body"))
        let text = gateway.written()
        #expect(text.hasPrefix("HTTP/1.1 201 ") && text.contains("x-a: b\r\n") && text.contains("Set-Cookie: c=d\r\n"))
        #expect(text.contains("Transfer-Encoding: chunked\r\n") && text.hasSuffix("\r\n\r\n4\r\nbody\r\n"))
        gateway.invoker.answer("")
        #expect(gateway.written().hasSuffix("4\r\nbody\r\n0\r\n\r\n") && !gateway.isClosed)
    }

    @Test func aStreamWithoutAPreludeIsTheBody() throws {
        let gateway = try gateway()
        gateway.request("GET", "/fn/streaming")
        try begin(gateway, "text/event-stream")
        try stream(gateway).takes(ByteBuffer(string: "data: 1\n\n"))
        let text = gateway.written()
        #expect(text.hasPrefix("HTTP/1.1 200 OK") && text.contains("Content-Type: text/event-stream\r\n") && text.contains("data: 1\n\n"))
    }

    @Test(arguments: ["no json\0\0\0\0\0\0\0\0", #"{"statusCode":99}"# + "\0\0\0\0\0\0\0\0", String(repeating: "x", count: 200_000)])
    func aBadPreludeIsABadGateway(_ prelude: String) throws {
        let gateway = try gateway()
        gateway.request("GET", "/fn/streaming")
        try begin(gateway, Self.httpType)
        try stream(gateway).takes(ByteBuffer(string: prelude))
        #expect(gateway.response()?.status == 502)
        gateway.invoker.answer("")
        #expect(gateway.written().isEmpty)
    }

    @Test func anErrorInTheMiddleLeavesTheAnswerWithoutItsEnd() throws {
        let gateway = try gateway()
        gateway.request("GET", "/fn/streaming")
        try begin(gateway, "text/plain")
        try stream(gateway).takes(ByteBuffer(string: "half"))
        gateway.invoker.answer(#"{"errorType":"E"}"#, outcome: .functionError)
        #expect(gateway.written().hasSuffix("4\r\nhalf\r\n") && gateway.isClosed)
    }

    @Test func anAnswerThatComesWholeIsReadAsAlways() throws {
        let gateway = try gateway()
        gateway.request("GET", "/fn/streaming")
        gateway.invoker.answer(#"{"statusCode":202,"body":"whole"}"#)
        let response = try #require(gateway.response())
        #expect(response.status == 202 && response.text == "whole")
        gateway.request("GET", "/fn/streaming")
        gateway.invoker.answer("{}", outcome: .timeout)
        #expect(gateway.response()?.status == 502)
    }

    @Test func olderClientsReadToTheEndOfTheConnection() throws {
        let gateway = try gateway()
        gateway.send("GET /fn/streaming HTTP/1.0\r\nHost: localhost:9000\r\n\r\n")
        try begin(gateway, "text/plain")
        try stream(gateway).takes(ByteBuffer(string: "all"))
        gateway.invoker.answer("")
        let text = gateway.written()
        #expect(text.hasSuffix("\r\n\r\nall") && !text.contains("Transfer-Encoding"))
    }

    @Test func theNextRequestIsAnsweredAfterAStream() throws {
        let gateway = try gateway()
        gateway.request("POST", "/2021-11-15/functions/hello/response-streaming-invocations")
        try begin(gateway, "application/octet-stream")
        gateway.request("GET", "/martlet/v1/health")
        #expect(!gateway.written().contains("ready"))
        gateway.invoker.answer("")
        #expect(gateway.written().contains("InvokeComplete") && gateway.written().contains("ready"))
        #expect(gateway.core.statistics.requestsInFlight == 0)
    }

    @Test func aRefusalBeforeTheFirstPartIsLambdas() throws {
        let gateway = try gateway()
        gateway.request("POST", "/2021-11-15/functions/hello/response-streaming-invocations")
        let (_, completion) = gateway.invoker.pending.removeFirst()
        completion(.failure(ServiceError(.tooManyRequests, "Rate Exceeded", retryAfter: 1)))
        let response = try #require(gateway.response())
        #expect(response.status == 429 && response.fields["x-amzn-errortype"] == "TooManyRequestsException")
    }

    @Test func aClientThatGoesCancelsItsStream() throws {
        let gateway = try gateway()
        gateway.request("GET", "/fn/streaming")
        try begin(gateway, "text/plain")
        gateway.channel.close(promise: nil)
        gateway.loop.run()
        #expect(gateway.invoker.cancelled.count == 1)
        // What still comes goes nowhere.
        try stream(gateway).takes(ByteBuffer(string: "late"))
        gateway.invoker.answer("")
    }
}
