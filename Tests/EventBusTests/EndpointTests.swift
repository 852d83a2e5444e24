import DurableQueue
import EventBus
import JSONValues
import Synchronization
import Testing

/// Events on their way to HTTP endpoints.
@Suite struct EndpointTests {
    private func bus(rate: Int = 300, auth: String = #""AuthorizationType":"API_KEY","AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"X-Key","ApiKeyValue":"s"}}"#)
        async throws -> (TestBus, arn: String)
    {
        let bus = try await TestBus()
        let connection = try await bus.call("CreateConnection", "{\"Name\":\"c\",\(auth)}")
        let made = try await bus.call(
            "CreateApiDestination",
            """
            {"Name":"d","ConnectionArn":"\(connection["ConnectionArn"]?.string ?? "")","InvocationEndpoint":"http://host:81/in?x=1","HttpMethod":"POST",
             "InvocationRateLimitPerSecond":\(rate)}
            """)
        return (bus, try #require(made["ApiDestinationArn"]?.string))
    }

    @Test func anEventIsSentAsACloudEventWithTheConnectionsKey() async throws {
        let (bus, arn) = try await bus()
        defer { bus.end() }
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"\(arn)\",\"InputPath\":\"$.detail\"}]")
        let sending = Task { await bus.service.sender.run() }
        defer { sending.cancel() }
        let id = try await bus.put(#"{"n":1}"#)["Entries"]?.array?.first?["EventId"]?.string
        try await until("the request") { bus.counted[.delivered] == 1 }
        let request = try #require(bus.client.requests.first)
        let headers = Dictionary(request.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        #expect(request.url.host == "host" && request.url.port == 81 && request.url.target == "/in?x=1" && request.method == "POST")
        #expect(headers["ce-id"] == id && headers["ce-specversion"] == "1.0" && headers["ce-source"] == "shop" && headers["ce-type"] == "order")
        #expect(headers["x-key"] == "s" && request.body == Array(#"{"n":1}"#.utf8))
        #expect(try await bus.messages("http:d").isEmpty)
    }

    private func target(_ arn: String, _ type: String, more: String = "") -> String {
        "[{\"Id\":\"1\",\"Arn\":\"\(arn)\",\"InputPath\":\"$.detail\",\"HttpParameters\":{\"HeaderParameters\":{\"Content-Type\":\"\(type)\",\"X-Shop\":\"b\"}}\(more)}]"
    }

    @Test func aContentTypeAsksForTheEventAsOneDocument() async throws {
        let (bus, arn) = try await bus()
        defer { bus.end() }
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: target(arn, "application/cloudevents+json; charset=utf-8"))
        let sending = Task { await bus.service.sender.run() }
        defer { sending.cancel() }
        let id = try await bus.put(#"{"n":1}"#)["Entries"]?.array?.first?["EventId"]?.string
        try await until("the request") { bus.counted[.delivered] == 1 }
        let request = try #require(bus.client.requests.first)
        let headers = Dictionary(request.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        #expect(headers["content-type"] == "application/cloudevents+json; charset=utf-8" && headers["x-shop"] == "b" && headers["x-key"] == "s" && headers["ce-id"] == nil)
        let document = try JSON(parsing: request.body)
        #expect(document["id"]?.string == id && document["specversion"]?.string == "1.0" && document["type"]?.string == "order")
        #expect(document["datacontenttype"]?.string == "application/json" && document["data"] == .object([.init("n", .integer(1))]))
    }

    @Test func whatWaitsForATargetInBatchModeGoesInOneRequestAndIsJudgedAloneIfItIsRefused() async throws {
        let (bus, arn) = try await bus()
        defer { bus.end() }
        try await bus.make("dead")
        try await bus.rule(
            "r", #"{"source":["shop"]}"#,
            targets: target(arn, "application/cloudevents-batch+json", more: #","DeadLetterConfig":{"Arn":"arn:aws:sqs:us-east-1:123456789012:dead"}"#))
        for number in 0..<3 { try await bus.put("{\"n\":\(number)}") }
        bus.client.answers = [.status(503), .status(400), .status(200), .status(400), .status(200)]
        let sending = Task { await bus.service.sender.run() }
        defer { sending.cancel() }
        try await until("the end") {
            bus.clock.advance(10_000)
            _ = try await bus.queues.advance(now: bus.clock.time)
            return bus.counted[.delivered] == 2 && bus.counted[.deadLettered] == 1
        }
        let sizes = try bus.client.requests.map { try JSON(parsing: $0.body).array?.count }
        #expect(sizes == [3, 3, 1, 1, 1])
        let first = try JSON(parsing: try #require(bus.client.requests.first).body)
        #expect(first.array?.compactMap { $0["data"]?["n"]?.integer } == [0, 1, 2])
        #expect(try await bus.messages("dead").count == 1)
    }

    @Test(arguments: [
        #"{"HeaderParameters":{"Host":"a"}}"#, #"{"HeaderParameters":{"ce-id":"a"}}"#, #"{"HeaderParameters":{"a b":"c"}}"#, #"{"HeaderParameters":{"a":"b\r\nc"}}"#,
        #"{"HeaderParameters":{"a":1}}"#, #"{"QueryStringParameters":{"a":"b"}}"#,
    ])
    func parametersThatCannotWorkAreRefused(parameters: String) async throws {
        let (bus, arn) = try await bus()
        defer { bus.end() }
        await #expect(throws: EventBusError.self) {
            try await bus.rule("r", #"{"source":["shop"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"\(arn)\",\"HttpParameters\":\(parameters)}]")
        }
    }

    @Test(arguments: [(503, 4, "delivered"), (429, 4, "delivered"), (404, 1, "INVALID_PARAMETER"), (301, 1, "INVALID_PARAMETER"), (0, 4, "delivered"), (-1, 1, "NO_PERMISSIONS")])
    func whatAnEndpointSaysDecidesOnFurtherAttempts(status: Int, attempts: Int, end: String) async throws {
        let (bus, arn) = try await bus()
        defer { bus.end() }
        try await bus.make("dead")
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: """
            [{"Id":"1","Arn":"\(arn)","DeadLetterConfig":{"Arn":"arn:aws:sqs:us-east-1:123456789012:dead"}}]
            """)
        let bad: OutgoingResult = status == 0 ? .failed("no") : status < 0 ? .forbidden("no") : .status(status)
        bus.client.answers = [bad, bad, bad, .status(204)]
        let sending = Task { await bus.service.sender.run() }
        defer { sending.cancel() }
        try await bus.put()
        try await until("the end") {
            bus.clock.advance(10_000)
            _ = try await bus.queues.advance(now: bus.clock.time)
            return bus.counted[.delivered] + bus.counted[.deadLettered] == 1
        }
        #expect(bus.client.requests.count == attempts)
        let letter = try await bus.messages("dead").first
        let code = try letter.map { try JSON(parsing: $0.attributes)["ERROR_CODE"]?["StringValue"]?.string } ?? "delivered"
        #expect(code == end)
    }

    @Test func retriesAreCountedAsTheTargetSays() async throws {
        let (bus, arn) = try await bus()
        defer { bus.end() }
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"\(arn)\",\"RetryPolicy\":{\"MaximumRetryAttempts\":2}}]")
        bus.client.answers = [OutgoingResult](repeating: .status(500), count: 9)
        let sending = Task { await bus.service.sender.run() }
        defer { sending.cancel() }
        try await bus.put()
        try await until("the end") {
            bus.clock.advance(10_000)
            _ = try await bus.queues.advance(now: bus.clock.time)
            return bus.counted[.dropped] == 1
        }
        #expect(bus.client.requests.count == 3)
    }

    @Test func whatWaitsForADestinationThatIsGoneIsGivenUp() async throws {
        let (bus, arn) = try await bus()
        defer { bus.end() }
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"\(arn)\"}]")
        try await bus.put()
        #expect(try await bus.messages("http:d").count == 1)
        _ = try await bus.call("DeleteApiDestination", #"{"Name":"d"}"#)
        try await bus.put()
        #expect(bus.counted[.dropped] == 1)
        let sending = Task { await bus.service.sender.run() }
        defer { sending.cancel() }
        try await until("the end") { bus.counted[.dropped] == 2 }
        #expect(bus.client.requests.isEmpty)
    }

    @Test func endpointsAreShownWithoutTheirSecrets() async throws {
        let (bus, arn) = try await bus(auth: #""AuthorizationType":"BASIC","AuthParameters":{"BasicAuthParameters":{"Username":"u","Password":"secret-p"}}"#)
        defer { bus.end() }
        for (operation, body) in [("DescribeConnection", #"{"Name":"c"}"#), ("ListConnections", "{}"), ("DescribeApiDestination", #"{"Name":"d"}"#), ("ListApiDestinations", "{}")] {
            let text = try await bus.call(operation, body).text()
            #expect(!text.contains("secret-p"), "\(operation)")
        }
        let again = try await TestBus(folder: bus.folder)
        #expect(try await again.call("DescribeApiDestination", #"{"Name":"d"}"#)["ApiDestinationArn"]?.string == arn)
        _ = try await bus.call("UpdateApiDestination", #"{"Name":"d","HttpMethod":"PUT"}"#)
        let shown = try await bus.call("DescribeApiDestination", #"{"Name":"d"}"#)
        #expect(shown["HttpMethod"]?.string == "PUT" && shown["InvocationEndpoint"]?.string == "http://host:81/in?x=1")
    }

    @Test(arguments: [
        "https://host/", "ftp://host/", "http://", "http://:80/", "http://u:p@host/", "http://host:0/", "http://host:70000/", "http://host/a b", "http://host/*", "http://host/#x",
        "http://[::1/",
    ])
    func addressesThatCannotWorkAreRefused(url: String) async throws {
        let (bus, _) = try await bus()
        defer { bus.end() }
        await #expect(throws: EventBusError.self) { try await bus.call("UpdateApiDestination", "{\"Name\":\"d\",\"InvocationEndpoint\":\"\(url)\"}") }
    }

    @Test(arguments: [
        #""AuthorizationType":"OAUTH_CLIENT_CREDENTIALS","AuthParameters":{}"#, #""AuthorizationType":"API_KEY","AuthParameters":{}"#, #""AuthorizationType":"API_KEY""#,
        #""AuthorizationType":"API_KEY","AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"a b","ApiKeyValue":"v"}}"#,
        #""AuthorizationType":"API_KEY","AuthParameters":{"ApiKeyAuthParameters":{"ApiKeyName":"a","ApiKeyValue":"v\r\nX: y"}}"#,
        #""AuthorizationType":"BASIC","AuthParameters":{"BasicAuthParameters":{"Username":"u","Password":"p"},"InvocationHttpParameters":{"HeaderParameters":[]}}"#,
    ])
    func connectionsThatCannotWorkAreRefused(auth: String) async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        await #expect(throws: EventBusError.self) { try await bus.call("CreateConnection", "{\"Name\":\"c\",\(auth)}") }
    }
}

/// Answers requests as it was told, then with 200.
final class TestEndpoint: EndpointClient {
    private let state = Mutex<(requests: [OutgoingRequest], answers: [OutgoingResult])>(([], []))

    var requests: [OutgoingRequest] { state.withLock { $0.requests } }
    var answers: [OutgoingResult] {
        get { state.withLock { $0.answers } }
        set { state.withLock { $0.answers = newValue } }
    }

    func send(_ request: OutgoingRequest) async -> OutgoingResult {
        state.withLock { state in
            state.requests.append(request)
            return state.answers.isEmpty ? .status(200) : state.answers.removeFirst()
        }
    }
}
