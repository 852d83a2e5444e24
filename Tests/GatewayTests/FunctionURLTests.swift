import FoundationEssentials
import FunctionModel
import InvocationPipeline
import NIOCore
import Testing

@testable import Gateway

private struct Event: Decodable {
    struct Context: Decodable {
        struct HTTP: Decodable {
            let method: String
            let path: String
            let `protocol`: String
            let sourceIp: String
            let userAgent: String
        }
        let accountId: String
        let apiId: String
        let domainName: String
        let domainPrefix: String
        let http: HTTP
        let requestId: String
        let routeKey: String
        let stage: String
        let time: String
        let timeEpoch: Int64
    }
    let version: String
    let routeKey: String
    let rawPath: String
    let rawQueryString: String
    let cookies: [String]?
    let headers: [String: String]
    let queryStringParameters: [String: String]?
    let requestContext: Context
    let body: String?
    let isBase64Encoded: Bool
}

private func event(_ gateway: EmbeddedGateway) throws -> Event {
    let invocation = try #require(gateway.invoker.invocations.last)
    #expect(invocation.trigger == .functionURL)
    return try JSONDecoder().decode(Event.self, from: Data(invocation.event.readableBytesView))
}

@Suite struct FunctionURLEventTests {
    @Test func requestBecomesTheEvent() throws {
        let gateway = try EmbeddedGateway()
        gateway.request(
            "PUT", "/fn/hello/a%20b/c?x=1&x=2&y=%C3%A9+z&flag",
            headers: [
                ("User-Agent", "te\"st"), ("Accept", "a"), ("accept", "b"), ("Cookie", "k=v; l=w"), ("Content-Type", "text/plain"),
            ], body: Array("line\n\"é\"".utf8))
        let event = try event(gateway)
        #expect(event.version == "2.0")
        #expect(event.routeKey == "$default")
        #expect(event.rawPath == "/a%20b/c")
        #expect(event.rawQueryString == "x=1&x=2&y=%C3%A9+z&flag")
        #expect(event.queryStringParameters == ["x": "1,2", "y": "é z", "flag": ""])
        #expect(event.cookies == ["k=v", "l=w"])
        #expect(event.headers["accept"] == "a,b")
        #expect(event.headers["host"] == "localhost:9000")
        #expect(event.headers["x-forwarded-for"] == event.requestContext.http.sourceIp)
        #expect(event.body == "line\n\"é\"")
        #expect(!event.isBase64Encoded)
        let context = event.requestContext
        #expect(context.accountId == "anonymous")
        #expect(context.apiId == "idhello")
        #expect(context.domainName == "localhost")
        #expect(context.domainPrefix == "hello")
        #expect(context.http.method == "PUT")
        #expect(context.http.path == "/a%20b/c")
        #expect(context.http.protocol == "HTTP/1.1")
        #expect(context.http.userAgent == "te\"st")
        #expect(context.stage == "$default")
        #expect(context.time == "21/Nov/2026:08:20:57 +0000")
        #expect(context.timeEpoch == EmbeddedGateway.time)
        #expect(context.requestId == gateway.invoker.invocations.last?.requestID.description)
    }

    @Test(arguments: [("/fn/hello", "/"), ("/fn/hello/", "/"), ("/fn/hello?a=1", "/"), ("/fn/hello//b", "//b"), ("/fn/idhello/x", "/x")])
    func pathBeginsBehindTheName(_ target: String, _ rawPath: String) throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", target)
        #expect(try event(gateway).rawPath == rawPath)
        #expect(gateway.written().isEmpty, "no redirect")
    }

    @Test func hostNameSelectsTheFunction() throws {
        let gateway = try EmbeddedGateway(functions: [record("Hello")])
        gateway.request("GET", "/fn/x?a=1", host: "hello.fn.localhost:9000")
        let event = try event(gateway)
        #expect(event.rawPath == "/fn/x")
        #expect(event.requestContext.domainName == "hello.fn.localhost")
        #expect(event.requestContext.domainPrefix == "hello")
    }

    @Test func qualifierSelectsTheVersion() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/fn/hello:1/x")
        #expect(gateway.invoker.invocations.last?.qualifier == "1")
        gateway.invoker.answer("1")
        _ = gateway.response()
        gateway.request("GET", "/fn/hello:7/x")
        #expect(gateway.response()?.status == 404)
    }

    @Test func absentPartsAreLeftOut() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", "/fn/hello")
        let event = try event(gateway)
        #expect(event.cookies == nil)
        #expect(event.queryStringParameters == nil)
        #expect(event.body == nil)
        #expect(!event.isBase64Encoded)
    }

    @Test(arguments: [
        ("image/png", [UInt8(0x89), 0x50], true), ("application/octet-stream", Array("text".utf8), true), ("text/plain", [0xFF], true),
        ("application/json; charset=utf-8", Array("{}".utf8), false), ("application/vnd.api+json", Array("{}".utf8), false),
        ("application/x-www-form-urlencoded", Array("a=1".utf8), false), (nil, Array("{}".utf8), false), (nil, [0xC3], true),
    ])
    func bodyIsTextOrBase64(_ type: String?, _ body: [UInt8], _ isBase64: Bool) throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", "/fn/hello", headers: type.map { [("Content-Type", $0)] } ?? [], body: body)
        let event = try event(gateway)
        #expect(event.isBase64Encoded == isBase64)
        let text = event.body ?? ""
        #expect(isBase64 ? Data(base64Encoded: text) == Data(body) : Array(text.utf8) == body)
    }

    @Test func eventOverTheLimitIs413() throws {
        let gateway = try EmbeddedGateway { $0.maximumPayload = 10_000 }
        gateway.request("POST", "/fn/hello", headers: [("Content-Type", "image/png")], body: [UInt8](repeating: 0, count: 9_000))
        #expect(gateway.response()?.status == 413)
    }

    @Test(arguments: ["/fn/off", "/fn/nothing", "/fn/", "/fn"])
    func withoutAURLThereIsNothing(_ target: String) throws {
        let gateway = try EmbeddedGateway()
        gateway.request("GET", target)
        #expect(gateway.response()?.status == 404)
    }
}

@Suite struct FunctionURLResponseTests {
    private func answer(_ payload: String, method: String = "GET", outcome: Outcome = .success) throws -> ParsedResponse {
        let gateway = try EmbeddedGateway()
        gateway.request(method, "/fn/hello")
        gateway.invoker.answer(payload, outcome: outcome)
        return try #require(gateway.response())
    }

    @Test func fullFormIsMapped() throws {
        let response = try answer(
            #"{"statusCode":201,"headers":{"Content-Type":"text/html","X-Number":5,"X-None":null},"cookies":["a=1; Path=/","b=2"],"body":"<b>\u00e9\ud83d\ude00\n</b>"}"#)
        #expect(response.status == 201)
        #expect(response.fields["content-type"] == "text/html")
        #expect(response.fields["x-number"] == "5")
        #expect(response.fields["x-none"] == nil)
        #expect(response.cookies == ["a=1; Path=/", "b=2"])
        #expect(response.text == "<b>é😀\n</b>")
    }

    @Test func base64BodyIsDecoded() throws {
        let response = try answer(#"{"statusCode":200,"headers":{"content-type":"image/png"},"body":"iVBORw==","isBase64Encoded":true}"#)
        #expect(response.body == [0x89, 0x50, 0x4E, 0x47])
    }

    /// The page's own examples: a string is answered with its quotes.
    @Test(arguments: [#""Hello, world!""#, #"{"message":"Hello"}"#, "[1,2]", "null", "5", #"{"body":"x"}"#])
    func answerWithoutStatusIsTheBody(_ payload: String) throws {
        let response = try answer(payload)
        #expect(response.status == 200)
        #expect(response.fields["content-type"] == "application/json")
        #expect(response.text == payload)
    }

    @Test func contentTypeIsJSONUnlessSaid() throws {
        #expect(try answer(#"{"statusCode":200,"body":"{}"}"#).fields["content-type"] == "application/json")
    }

    @Test func framingAndConnectionFieldsAreDropped() throws {
        let response = try answer(
            #"{"statusCode":200,"headers":{"Content-Length":"999","Transfer-Encoding":"chunked","Connection":"close","Keep-Alive":"x","Upgrade":"h2c","X-A":"b"},"body":"ok"}"#)
        #expect(response.fields["content-length"] == "2")
        #expect(response.fields["transfer-encoding"] == nil)
        #expect(response.fields["connection"] == nil)
        #expect(response.fields["upgrade"] == nil)
        #expect(response.fields["x-a"] == "b")
    }

    @Test func emptyStatusesHaveNoBody() throws {
        let response = try answer(#"{"statusCode":204,"body":"x"}"#)
        #expect(response.status == 204)
        #expect(response.fields["content-length"] == nil)
        #expect(response.body.isEmpty)
    }

    @Test(arguments: [
        #"{"statusCode":99}"#, #"{"statusCode":101}"#, #"{"statusCode":600}"#, #"{"statusCode":"abc"}"#, #"{"statusCode":200.5}"#,
        #"{"statusCode":null}"#, #"{"statusCode":200,"body":{"a":1}}"#, #"{"statusCode":200,"body":5}"#,
        #"{"statusCode":200,"headers":{"X":"a\r\nSet-Cookie: b=1"}}"#, #"{"statusCode":200,"headers":{"X\r\nY":"a"}}"#,
        #"{"statusCode":200,"headers":{"X":"a\u0000"}}"#, #"{"statusCode":200,"headers":{"":"a"}}"#, #"{"statusCode":200,"headers":{"a b":"a"}}"#,
        #"{"statusCode":200,"headers":[]}"#, #"{"statusCode":200,"headers":{"X":{}}}"#, #"{"statusCode":200,"cookies":["a\nb"]}"#,
        #"{"statusCode":200,"cookies":"a"}"#, #"{"statusCode":200,"isBase64Encoded":true,"body":"%%"}"#,
        #"{"statusCode":200,"isBase64Encoded":1}"#, "not json", "", #"{"statusCode":200"#,
    ])
    func unusableAnswersAre502(_ payload: String) throws {
        let response = try answer(payload)
        #expect(response.status == 502)
        #expect(response.text == "Internal Server Error")
        #expect(response.fields["x-martlet-reason"]?.isEmpty == false)
    }

    @Test(arguments: Outcome.allCases.filter { $0 != .success })
    func functionErrorsAre502(_ outcome: Outcome) throws {
        let response = try answer(#"{"errorMessage":"secret"}"#, outcome: outcome)
        #expect(response.status == 502)
        #expect(response.text == "Internal Server Error")
    }

    @Test func throttleIs429AndDrainIs503() throws {
        let gateway = try EmbeddedGateway()
        gateway.invoker.immediate = { _ in .failure(ServiceError(.tooManyRequestsFunction, "full", retryAfter: 1)) }
        gateway.request("GET", "/fn/hello")
        let response = gateway.response()
        #expect(response?.status == 429)
        #expect(response?.fields["retry-after"] == "1")
        gateway.invoker.immediate = { _ in .failure(ServiceError(.unavailable, "draining", retryAfter: 1)) }
        gateway.request("GET", "/fn/hello")
        #expect(gateway.response()?.status == 503)
    }
}
