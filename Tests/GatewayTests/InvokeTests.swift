import AccessControl
import FunctionModel
import InvocationPipeline
import NIOCore
import Testing

@testable import Gateway

private let path = "/2015-03-31/functions/hello/invocations"

@Suite struct InvokeTests {
    @Test func answerCarriesLambdasHeaders() throws {
        let gateway = try EmbeddedGateway()
        gateway.request(
            "POST", path, headers: [("X-Amz-Log-Type", "Tail"), ("X-Amzn-Trace-Id", "Root=1-2-3")], body: Array(#"{"a":1}"#.utf8))
        let invocation = try #require(gateway.invoker.invocations.first)
        #expect(invocation.function == functionKey("hello"))
        #expect(invocation.qualifier == nil)
        #expect(invocation.wantsLogTail)
        #expect(invocation.trigger == .invoke)
        #expect(String(buffer: invocation.event) == #"{"a":1}"#)
        #expect(invocation.arrivedMilliseconds == EmbeddedGateway.time)
        gateway.invoker.answer(#"{"b":2}"#, tail: "START\n")
        let response = try #require(gateway.response())
        #expect(response.status == 200)
        #expect(response.text == #"{"b":2}"#)
        #expect(response.fields["content-type"] == "application/json")
        #expect(response.fields["x-amz-executed-version"] == "$LATEST")
        #expect(response.fields["x-amz-log-result"] == "U1RBUlQK")
        #expect(response.fields["x-amz-function-error"] == nil)
        #expect(response.fields["x-amzn-requestid"] == invocation.requestID.description)
        #expect(response.fields["x-amzn-trace-id"] == "Root=1-2-3")
        #expect(response.fields["date"] == "Sat, 21 Nov 2026 08:20:57 GMT")
    }

    @Test func functionErrorIs200WithItsHeader() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path)
        gateway.invoker.answer(#"{"errorMessage":"x"}"#, outcome: .functionError)
        let response = try #require(gateway.response())
        #expect(response.status == 200)
        #expect(response.fields["x-amz-function-error"] == "Unhandled")
    }

    @Test func emptyPayloadIsAnEmptyObject() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path)
        #expect(gateway.invoker.invocations.first.map { String(buffer: $0.event) } == "{}")
    }

    @Test(arguments: ["{", "nope", "{\"a\":}", "\u{FEFF}{}", "[1,]", "1 2", "'a'"])
    func payloadThatIsNoJSONIsRefused(_ text: String) throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path, body: Array(text.utf8))
        let response = try #require(gateway.response())
        #expect(response.status == 400)
        #expect(response.fields["x-amzn-errortype"] == "InvalidRequestContentException")
        #expect(response.text.contains("Could not parse request body into json"))
        #expect(gateway.invoker.invocations.isEmpty)
    }

    @Test func qualifierComesFromNameArnOrQuery() throws {
        let gateway = try EmbeddedGateway()
        let targets = [
            "/2015-03-31/functions/hello:1/invocations", "/2015-03-31/functions/hello%3A1/invocations", path + "?Qualifier=1",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ahello%3A1/invocations",
        ]
        for target in targets {
            gateway.request("POST", target)
            #expect(gateway.invoker.invocations.last?.qualifier == "1")
            gateway.invoker.answer("1")
            #expect(gateway.response()?.fields["x-amz-executed-version"] == "1")
        }
    }

    @Test func unknownFunctionOrVersionIs404WithAHint() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", "/2015-03-31/functions/helo/invocations")
        let response = try #require(gateway.response())
        #expect(response.status == 404)
        #expect(response.fields["x-amzn-errortype"] == "ResourceNotFoundException")
        #expect(response.text.contains("did you mean 'hello'?"))
        gateway.request("POST", path + "?Qualifier=9")
        #expect(gateway.response()?.status == 404)
    }

    @Test func dryRunAsksAndDoesNotRun() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", "DryRun")])
        #expect(gateway.response()?.status == 204)
        gateway.invoker.refused = ServiceError(.tooManyRequestsFunction, "stopped")
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", "DryRun")])
        #expect(gateway.response()?.status == 429)
        #expect(gateway.invoker.invocations.isEmpty)
    }

    private final class FakeAcceptor: EventAcceptor {
        var accepted: [(invocation: Invocation, completion: (Result<RequestID, ServiceError>) -> Void)] = []
        func accept(_ invocation: Invocation, completion: @escaping (Result<RequestID, ServiceError>) -> Void) {
            accepted.append((invocation, completion))
        }
    }

    @Test(arguments: [path, "/2014-11-13/functions/hello/invoke-async", "/2014-11-13/functions/hello/invoke-async/"])
    func eventIsAnsweredWhenItIsKept(_ path: String) throws {
        let events = FakeAcceptor()
        let gateway = try EmbeddedGateway(events: events)
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", "Event")], body: Array("{\"a\":1}".utf8))
        #expect(gateway.response() == nil)
        let event = try #require(events.accepted.first)
        #expect(String(buffer: event.invocation.event) == "{\"a\":1}")
        event.completion(.success(event.invocation.requestID))
        let response = try #require(gateway.response())
        #expect(response.status == 202)
        #expect(response.body.isEmpty)
        #expect(response.fields["x-amzn-requestid"] == event.invocation.requestID.description)
        #expect(gateway.invoker.invocations.isEmpty)
    }

    @Test func eventThatCannotBeKeptIsRefused() throws {
        let events = FakeAcceptor()
        let gateway = try EmbeddedGateway(events: events, configure: { $0.maximumEvent = 10 })
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", "Event")])
        events.accepted.first?.completion(.failure(ServiceError(.tooManyRequests, "the queue is full", retryAfter: 1)))
        #expect(gateway.response()?.status == 429)
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", "Event")], body: Array("\"123456789\"".utf8))
        #expect(gateway.response()?.status == 413)
        #expect(events.accepted.count == 1)
    }

    @Test func repeatedEventIsAnsweredWithTheFirstOnesID() throws {
        let events = FakeAcceptor()
        let gateway = try EmbeddedGateway(events: events)
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", "Event"), ("X-Martlet-Idempotency-Key", "order-17")])
        let event = try #require(events.accepted.first)
        // No webhook's delivery can have the same.
        #expect(event.invocation.deduplicationKey == "client:order-17")
        let first = RequestID.random()
        event.completion(.success(first))
        #expect(gateway.response()?.fields["x-amzn-requestid"] == first.description)
    }

    @Test(arguments: [("Event", ""), ("Event", String(repeating: "k", count: 129)), ("Event", "two words"), ("RequestResponse", "order-17")])
    func faultyIdempotencyKeyIsRefused(_ type: String, _ key: String) throws {
        let events = FakeAcceptor()
        let gateway = try EmbeddedGateway(events: events)
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", type), ("X-Martlet-Idempotency-Key", key)])
        #expect(gateway.response()?.status == 400)
        #expect(events.accepted.isEmpty && gateway.invoker.invocations.isEmpty)
    }

    @Test(arguments: ["Event", "Later"])
    func otherInvocationTypesAreRefused(_ type: String) throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path, headers: [("X-Amz-Invocation-Type", type)])
        let response = try #require(gateway.response())
        #expect(response.status == 400)
        #expect(response.fields["x-amzn-errortype"] == "InvalidParameterValueException")
    }

    @Test func throttleIs429WithRetryAfterAndReason() throws {
        let gateway = try EmbeddedGateway()
        gateway.invoker.immediate = { _ in .failure(ServiceError(.tooManyRequests, "full", retryAfter: 3)) }
        gateway.request("POST", path)
        let response = try #require(gateway.response())
        #expect(response.status == 429)
        #expect(response.fields["retry-after"] == "3")
        #expect(response.text == #"{"Type":"User","message":"full","Reason":"ConcurrentInvocationLimitExceeded"}"#)
    }

    @Test func clientContextIsDecodedAndChecked() throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path, headers: [("X-Amz-Client-Context", "eyJhIjoxfQ==")])
        #expect(gateway.invoker.invocations.first?.clientContext == #"{"a":1}"#)
        gateway.invoker.answer("1")
        #expect(gateway.response()?.status == 200)
        for bad in ["%%%", "YWJj"] {
            gateway.request("POST", path, headers: [("X-Amz-Client-Context", bad)])
            #expect(gateway.response()?.status == 400)
        }
    }

    @Test func largeAnswerIsSentWhole() throws {
        let gateway = try EmbeddedGateway()
        let text = "\"" + String(repeating: "x", count: 200_000) + "\""
        gateway.request("POST", path)
        gateway.invoker.answer(text)
        #expect(gateway.response()?.text == text)
        #expect(gateway.core.bytes.used == 0)
    }
}

@Suite struct DevelopmentGuardTests {
    @Test(arguments: [
        ("Origin", "https://evil.example", "localhost:9000"), ("Origin", "null", "localhost:9000"),
        ("Sec-Fetch-Site", "cross-site", "localhost:9000"), ("Sec-Fetch-Site", "same-site", "localhost:9000"),
        ("X", "1", "evil.example"), ("X", "1", "evil.example:9000"), ("X", "1", "localhost:8000"), ("X", "1", "127.0.0.1.evil.example:9000"),
        ("X", "1", "localhost.evil.example"),
    ])
    func webPagesCannotManage(_ name: String, _ value: String, _ host: String) throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path, headers: [(name, value)], host: host)
        let response = try #require(gateway.response())
        #expect(response.status == 403)
        #expect(gateway.invoker.invocations.isEmpty)
        gateway.request("GET", "/fn/hello", headers: [(name, value)], host: host)
        #expect(gateway.invoker.invocations.count == 1, "function URLs are for web pages")
    }

    @Test(arguments: ["localhost:9000", "127.0.0.1:9000", "[::1]:9000", "LOCALHOST", "api.localhost:9000"])
    func localNamesPass(_ host: String) throws {
        let gateway = try EmbeddedGateway()
        gateway.request("POST", path, headers: [("Sec-Fetch-Site", "none")], host: host)
        #expect(gateway.invoker.invocations.count == 1)
    }

    @Test func regionComesFromTheCredentials() throws {
        let gateway = try EmbeddedGateway()
        gateway.request(
            "POST", path,
            headers: [
                (
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIA/20261121/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=\(String(repeating: "0", count: 64))"
                )
            ])
        #expect(gateway.response()?.text.contains("AWS_REGION=us-east-1") == true)
    }
}

@Suite struct AuthenticationTests {
    private static let keys = SigningKeys(accessKeyID: "AKIAMARTLETEXAMPLE01", secret: "secret")

    private func makeGateway() throws -> EmbeddedGateway {
        try EmbeddedGateway(keys: ["AKIAMARTLETEXAMPLE01": VerificationKey(secret: "secret", account: account)]) {
            $0.developmentMode = false
        }
    }

    private func sign(_ method: String, _ target: String, _ body: [UInt8], digest: Bool = true) -> [(String, String)] {
        let headers = SigV4Signer.sign(
            method: method, path: target, headers: [("Host", "localhost:9000")], body: body, keys: Self.keys, region: region,
            date: EmbeddedGateway.time / 1000)
        return headers.map { ($0.name, $0.value) }
    }

    @Test func signedInvokePasses() throws {
        let gateway = try makeGateway()
        gateway.request("POST", path, headers: sign("POST", path, [0x31]), body: [0x31])
        gateway.invoker.answer("1")
        #expect(gateway.response()?.status == 200)
    }

    @Test func unsignedAndForgedRequestsAreRefused() throws {
        let gateway = try makeGateway()
        gateway.request("POST", path, body: [0x31])
        #expect(gateway.response()?.fields["x-amzn-errortype"] == "MissingAuthenticationTokenException")
        gateway.request("POST", path, headers: sign("POST", path, [0x31]), body: [0x32])
        #expect(gateway.response()?.fields["x-amzn-errortype"] == "InvalidSignatureException")
        gateway.request("POST", path, headers: [("Authorization", "AWS4-HMAC-SHA256 x")], body: [0x31])
        let response = gateway.response()
        #expect(response?.status == 400)
        #expect(response?.fields["x-amzn-errortype"] == "IncompleteSignatureException")
        #expect(gateway.invoker.invocations.isEmpty)
    }

    @Test func unknownPathsTellStrangersNothing() throws {
        let gateway = try makeGateway()
        gateway.request("GET", "/something")
        #expect(gateway.response()?.status == 403)
        gateway.request("GET", "/something", headers: sign("GET", "/something", []))
        #expect(gateway.response()?.status == 404)
    }

    @Test func healthAndOpenURLsNeedNoSignature() throws {
        let gateway = try makeGateway()
        gateway.request("GET", "/martlet/v1/health")
        #expect(gateway.response()?.status == 200)
        gateway.request("GET", "/fn/hello")
        #expect(gateway.invoker.invocations.count == 1)
    }

    @Test func iamURLNeedsASignatureAndNamesItsSender() throws {
        let gateway = try makeGateway()
        gateway.request("GET", "/fn/private")
        let refusal = gateway.response()
        #expect(refusal?.status == 403)
        #expect(refusal?.text == #"{"Type":"User","Message":"Forbidden"}"#)
        gateway.request("GET", "/fn/private", headers: sign("GET", "/fn/other", []))
        #expect(gateway.response()?.status == 403)
        gateway.request("GET", "/fn/private", headers: sign("GET", "/fn/private", []))
        let event = try #require(gateway.invoker.invocations.first.map { String(buffer: $0.event) })
        #expect(event.contains(#""authorizer":{"iam":{"accessKey":"AKIAMARTLETEXAMPLE01","accountId":"123456789012""#))
    }
}
