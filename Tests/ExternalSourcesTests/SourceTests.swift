import JSONValues
import Testing

@testable import ExternalSources

@Suite struct SourceEndpointTests {
    @Test func hostAndPortAreRead() {
        #expect(SourceEndpoint("broker-1.example.com:9092")?.host == "broker-1.example.com")
        #expect(SourceEndpoint("127.0.0.1:6379")?.port == 6379)
    }

    @Test(arguments: ["", ":1", "host", "host:", "host:0", "host:65536", "host:-1", "host:+1", "a b:1", "-o:1", ".a:1", "a/b:1", "a@b:1", "a\n:1", "[::1]:1"])
    func anythingElseIsRefused(text: String) {
        #expect(SourceEndpoint(text) == nil)
    }
}

@Suite struct ReconnectDelayTests {
    @Test func itDoublesUpToABoundAndBeginsAnewAfterSuccess() {
        var delay = ReconnectDelay()
        #expect((0..<9).map { _ in delay.next(random: 0) } == [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
        delay.succeeded()
        #expect(delay.next(random: 0.999) == 499)
    }
}

@Suite struct SourceFaultTests {
    @Test func whatABrokerSaysIsCutAndCannotSteerATerminal() {
        let fault = SourceFault("refused: \u{1B}[2J\nnew line" + String(repeating: "x", count: 1_000))
        #expect(fault.description.hasPrefix("refused:  [2J new line"))
        #expect(fault.description.unicodeScalars.count == 300)
    }
}

@Suite struct SourceEventTests {
    private func source(_ kind: ExternalSource.Kind) -> ExternalSource {
        ExternalSource(kind: kind, endpoints: ["a:1", "b:2"], name: "orders", consumerGroup: "g")
    }

    @Test(arguments: ExternalSource.Kind.allCases) func itIsJSONAndAsLargeAsItSays(kind: ExternalSource.Kind) throws {
        let event = SourceEvent(of: source(kind), lane: "orders-0", arn: "arn:x")
        let text = event.text(["{}", "{\"a\":1}"])
        _ = try JSON(parsing: text)
        #expect(text.utf8.count == event.overhead + 2 + 1 + 7)
    }

    @Test func kafkaHasLambdasForm() throws {
        let event = try JSON(parsing: SourceEvent(of: source(.kafka), lane: "orders-0", arn: "").text(["{\"offset\":7}"]))
        #expect(event["eventSource"]?.string == "SelfManagedKafka" && event["bootstrapServers"]?.string == "a:1,b:2")
        #expect(event["records"]?["orders-0"]?.array?.first?["offset"]?.integer == 7)
    }

    @Test func rabbitMQHasLambdasForm() throws {
        var rabbit = source(.rabbitmq)
        rabbit.virtualHost = "shop"
        let event = try JSON(parsing: SourceEvent(of: rabbit, lane: "", arn: "arn:x").text(["{}"]))
        #expect(event["eventSource"]?.string == "aws:rmq" && event["eventSourceArn"]?.string == "arn:x")
        #expect(event["rmqMessagesByQueue"]?["orders::shop"]?.array?.count == 1)
    }
}
