import AccessControl
import FunctionModel
import HTTPRoutes
import InvocationPipeline
import JSONValues
import NIOCore
import Testing

@testable import Gateway

private func gateway(
    _ routes: [(String, PayloadFormat)], kind: RouteDomain.Kind = .http, stage: String = "$default", variables: [String: String] = [:],
    cors: CORSPolicy? = nil, answer: String = #"{"statusCode":200}"#, outcome: Outcome = .success
) throws -> EmbeddedGateway {
    let gateway = try EmbeddedGateway()
    let definition = RouteDomain.Definition(
        kind: kind, stage: stage, stageVariables: variables, cors: cors,
        routes: try routes.map { Route(key: try RouteKey($0.0), function: $0.0.hasSuffix("/gone") ? "gone" : "hello", payloadFormat: $0.1) })
    gateway.core.apply(RouteSnapshot(generation: 1, domains: [
        RouteDomain(name: "shop.api.localhost", id: "abcdefghij", account: account, region: region, definition: definition, created: 0, modified: 0)
    ]))
    gateway.invoker.immediate = { .success(FakeInvoker.result($0, ByteBuffer(string: answer), outcome)) }
    return gateway
}

private func event(_ gateway: EmbeddedGateway) throws -> JSON {
    let invocation = try #require(gateway.invoker.invocations.last)
    #expect(invocation.trigger == .route)
    return try JSON(parsing: invocation.event.readableBytesView)
}

extension EmbeddedGateway {
    fileprivate func ask(_ method: String, _ target: String, headers: [(String, String)] = [], body: [UInt8] = []) -> ParsedResponse? {
        request(method, target, headers: headers, body: body, host: "Shop.api.localhost:9000")
        return response()
    }
}

@Suite struct RouteEventTests {
    @Test func format2IsAnHTTPApis() throws {
        let gateway = try gateway([("POST /o/{id}/{rest+}", .v2)], variables: ["table": "orders"])
        let answer = gateway.ask(
            "POST", "/o/a%20b/c/d?x=1&x=2&y=%C3%A9",
            headers: [("X-Dup", "a"), ("x-dup", "b"), ("Cookie", "k=v; l=w"), ("User-Agent", "te\"st"), ("Content-Type", "text/plain")], body: Array("hé".utf8))
        #expect(answer?.status == 200)
        let event = try event(gateway)
        #expect(event["version"]?.string == "2.0" && event["routeKey"]?.string == "POST /o/{id}/{rest+}")
        #expect(event["rawPath"]?.string == "/o/a%20b/c/d" && event["rawQueryString"]?.string == "x=1&x=2&y=%C3%A9")
        #expect(event["queryStringParameters"] == .object([.init("x", .string("1,2")), .init("y", .string("é"))]))
        #expect(event["pathParameters"] == .object([.init("id", .string("a b")), .init("rest", .string("c/d"))]))
        #expect(event["stageVariables"] == .object([.init("table", .string("orders"))]))
        #expect(event["cookies"] == .array([.string("k=v"), .string("l=w")]))
        #expect(event["headers"]?["x-dup"]?.string == "a,b" && event["headers"]?["cookie"] == nil)
        #expect(event["body"]?.string == "hé" && event["isBase64Encoded"]?.bool == false)
        let context = try #require(event["requestContext"])
        #expect(context["accountId"]?.string == account && context["apiId"]?.string == "abcdefghij")
        #expect(context["domainName"]?.string == "shop.api.localhost" && context["domainPrefix"]?.string == "shop")
        #expect(context["http"]?["method"]?.string == "POST" && context["http"]?["path"]?.string == "/o/a%20b/c/d")
        #expect(context["http"]?["userAgent"]?.string == "te\"st" && context["stage"]?.string == "$default")
        #expect(context["routeKey"] == event["routeKey"] && context["time"]?.string == "21/Nov/2026:08:20:57 +0000")
        #expect(context["timeEpoch"]?.integer == Int(EmbeddedGateway.time))
    }

    @Test func whatIsMissingIsLeftOutOfFormat2AndNullInFormat1() throws {
        let two = try gateway([("$default", .v2)])
        _ = two.ask("GET", "/")
        let event2 = try event(two)
        #expect(event2["routeKey"]?.string == "$default")
        for member in ["cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"] { #expect(event2[member] == nil) }
        let one = try gateway([("GET /", .v1)])
        _ = one.ask("GET", "/")
        let event1 = try event(one)
        for member in ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body"] {
            #expect(event1[member] == .null)
        }
        #expect(event1["isBase64Encoded"]?.bool == false)
    }

    @Test(arguments: [RouteDomain.Kind.rest, .http])
    func format1HasAllValues(_ kind: RouteDomain.Kind) throws {
        let gateway = try gateway([("ANY /o/{proxy+}", .v1)], kind: kind, stage: "Prod")
        _ = gateway.ask("PUT", "/o/x/y?a=1&b=2&a=3", headers: [("X-Two", "a"), ("X-Two", "b"), ("Cookie", "k=v")], body: [0xFF, 0])
        let event = try event(gateway)
        let name = kind == .rest ? "X-Two" : "x-two"
        #expect(event["version"]?.string == (kind == .rest ? nil : "1.0"))
        #expect(event["resource"]?.string == "/o/{proxy+}" && event["path"]?.string == "/o/x/y" && event["httpMethod"]?.string == "PUT")
        #expect(event["headers"]?[name]?.string == "b")
        #expect(event["multiValueHeaders"]?[name] == .array([.string("a"), .string("b")]))
        #expect(event["headers"]?[kind == .rest ? "Cookie" : "cookie"]?.string == "k=v")
        #expect(event["queryStringParameters"] == .object([.init("a", .string("3")), .init("b", .string("2"))]))
        #expect(event["multiValueQueryStringParameters"]?["a"] == .array([.string("1"), .string("3")]))
        #expect(event["pathParameters"] == .object([.init("proxy", .string("x/y"))]))
        #expect(event["body"]?.string == "/wA=" && event["isBase64Encoded"]?.bool == true)
        let context = try #require(event["requestContext"])
        #expect(context["resourcePath"]?.string == "/o/{proxy+}" && context["stage"]?.string == "Prod" && context["httpMethod"]?.string == "PUT")
        #expect(context["identity"]?["sourceIp"]?.string == "127.0.0.1" && context["identity"]?["userArn"] == .null)
        #expect(context["requestTimeEpoch"]?.integer == Int(EmbeddedGateway.time) && context["accountId"]?.string == account)
    }
}

@Suite struct RouteAnswerTests {
    @Test func format1MergesItsHeaders() throws {
        let gateway = try gateway([("GET /", .v1)], answer: #"""
            {"statusCode":201,"headers":{"X-A":"1","set-cookie":"a=1","Content-Type":"text/plain"},"multiValueHeaders":{"Set-Cookie":["a=1","b=2"],"x-n":null},
             "body":"aGk=","isBase64Encoded":true}
            """#)
        let answer = try #require(gateway.ask("GET", "/"))
        #expect(answer.status == 201 && answer.text == "hi" && answer.cookies == ["a=1", "b=2"])
        #expect(answer.fields["x-a"] == "1" && answer.fields["content-type"] == "text/plain" && answer.fields["x-n"] == nil)
    }

    @Test func format2InfersAndSetsCookies() throws {
        #expect(try gateway([("GET /", .v2)], answer: #"{"hello":"world"}"#).ask("GET", "/")?.text == #"{"hello":"world"}"#)
        let told = try gateway([("GET /", .v2)], answer: #"{"statusCode":200,"cookies":["a=1"],"body":"x"}"#)
        #expect(try #require(told.ask("GET", "/")).cookies == ["a=1"])
    }

    @Test(arguments: [
        #"{"hello":"world"}"#, #""text""#, "null", #"{"statusCode":"x"}"#, #"{"statusCode":200,"body":{}}"#, #"{"statusCode":200,"headers":[]}"#,
        #"{"statusCode":200,"multiValueHeaders":{"a":"b"}}"#, #"{"statusCode":200,"headers":{"a b":"c"}}"#, "no JSON",
    ])
    func aMalformedAnswerIsABadGateway(_ text: String) throws {
        let answer = try #require(try gateway([("GET /", .v1)], answer: text).ask("GET", "/"))
        #expect(answer.status == 502 && answer.text == #"{"message":"Internal server error"}"#)
        #expect(answer.fields["x-martlet-reason"]?.isEmpty == false)
    }

    @Test(arguments: [Outcome.functionError, .timeout, .crash, .initError])
    func aFunctionThatFailsIsABadGateway(_ outcome: Outcome) throws {
        #expect(try gateway([("GET /", .v2)], outcome: outcome).ask("GET", "/")?.status == 502)
    }

    @Test func refusalsAreApiGateways() throws {
        let http = try gateway([("GET /a", .v2), ("GET /gone", .v2)])
        let missing = try #require(http.ask("GET", "/b"))
        #expect(missing.status == 404 && missing.text == #"{"message":"Not Found"}"#)
        #expect(http.ask("POST", "/a", body: [1])?.status == 404)
        #expect(http.ask("GET", "/gone")?.status == 500)
        #expect(http.invoker.invocations.isEmpty)
        http.invoker.immediate = { _ in .failure(ServiceError(.tooManyRequests, "Rate Exceeded.")) }
        #expect(try #require(http.ask("GET", "/a")).text == #"{"message":"Too Many Requests"}"#)
        let rest = try #require(try gateway([("GET /a", .v1)], kind: .rest).ask("GET", "/b"))
        #expect(rest.status == 403 && rest.text == #"{"message":"Missing Authentication Token"}"#)
        let large = try gateway([("ANY /a", .v2)])
        large.request("POST", "/a", headers: [("Content-Length", "99999999")], host: "shop.api.localhost")
        #expect(large.response()?.status == 413)
    }

    @Test func aSuspendedTenantsDomainIsClosed() throws {
        let gateway = try gateway([("GET /", .v2)])
        gateway.core.apply(AccessSnapshot(generation: 9, keys: [:], suspendedAccounts: [account]))
        #expect(gateway.ask("GET", "/")?.status == 403)
        #expect(gateway.invoker.invocations.isEmpty)
    }

    @Test func preflightsAreAnsweredWithoutTheFunction() throws {
        let cors = CORSPolicy(allowOrigins: ["https://shop.example"], allowMethods: ["GET"])
        let gateway = try gateway([("ANY /{proxy+}", .v2)], cors: cors)
        let headers = [("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET")]
        let asked = try #require(gateway.ask("OPTIONS", "/x", headers: headers))
        #expect(asked.status == 204 && asked.fields["access-control-allow-origin"] == "https://shop.example")
        #expect(gateway.invoker.invocations.isEmpty)
        #expect(gateway.ask("GET", "/x", headers: headers)?.fields["access-control-allow-origin"] == "https://shop.example")
        #expect(gateway.invoker.invocations.count == 1)
    }

    @Test func otherHostsAreTheServersOwn() throws {
        let gateway = try gateway([("$default", .v2)])
        for host in ["localhost:9000", "127.0.0.1:9000", "api.localhost", "hello.fn.localhost"] {
            gateway.request("GET", "/martlet/v1/health", host: host)
            #expect(gateway.response()?.fields["content-type"] == "application/json")
        }
        #expect(gateway.invoker.invocations.allSatisfy { $0.trigger == .functionURL })
        // Lambda's own paths are a domain's where the host is.
        #expect(gateway.ask("POST", "/2015-03-31/functions/hello/invocations", body: Array("{}".utf8))?.status == 200)
        #expect(gateway.invoker.invocations.last?.trigger == .route)
    }
}
