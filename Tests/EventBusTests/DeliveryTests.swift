import DurableQueue
import EventBus
import EventPatterns
import FunctionModel
import JSONValues
import Testing

/// What becomes of an event: at acceptance, and after its target was full.
@Suite struct DeliveryTests {
    private let queueARN = "arn:aws:sqs:us-east-1:123456789012"
    private let functionARN = "arn:aws:lambda:us-east-1:123456789012:function"

    @Test func acceptedIsOnTheDiskForEveryTargetAtOnce() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.make("q")
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: """
            [{"Id":"1","Arn":"\(queueARN):q"},{"Id":"2","Arn":"\(functionARN):f"},{"Id":"3","Arn":"\(functionARN):g:live","InputPath":"$.detail.n"}]
            """)
        let answer = try await bus.put(#"{"n":1.0}"#)
        let id = try #require(answer["Entries"]?.array?.first?["EventId"]?.string)
        // Another process sees it.
        let other = try await TestBus(folder: bus.folder)
        let queued = try #require(try await other.messages("q").first)
        #expect(try JSON(parsing: queued.body)["id"]?.string == id)
        #expect(String(decoding: queued.body, as: UTF8.self).contains(#""detail":{"n":1.0}"#))
        let first = try #require(try await other.messages("async:f").first)
        #expect(first.origin == "bus" && first.attributes == Array("-".utf8) && first.body == queued.body)
        let second = try #require(try await other.messages("async:g").first)
        #expect(second.attributes == Array("live".utf8) && second.body == Array("1.0".utf8) && second.id != first.id)
        #expect(bus.counted[.delivered] == 3)
    }

    @Test func aRuleWithoutTargetsMatchesAndLeadsToNothing() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.rule("r", #"{"source":["shop"]}"#)
        #expect(try await bus.put()["FailedEntryCount"]?.integer == 0)
        let counts = bus.registry.rules(of: EventBusKey(account: "123456789012", region: "us-east-1", name: "default"))[0].counts
        #expect(counts.activity.events == 1 && counts.delivered == 0)
        #expect(bus.counted[.delivered] + bus.counted[.dropped] == 0)
    }

    @Test func aFunctionThatMustBeToldItsTenantIsNoTarget() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.make("dead")
        let targets = "[{\"Id\":\"1\",\"Arn\":\"\(functionARN):f\",\"DeadLetterConfig\":{\"Arn\":\"\(queueARN):dead\"}}]"
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: targets)
        // As if it had been deleted, and made again with tenants.
        bus.tenanted.insert("f")
        let refusal = await #expect(throws: EventBusError.self) { try await bus.rule("r", #"{"source":["shop"]}"#, targets: targets) }
        #expect(refusal?.kind == .validation && refusal?.message.contains("f has tenants") == true)
        try await bus.put()
        let letter = try #require(try await bus.messages("dead").first)
        #expect(try JSON(parsing: letter.attributes)["ERROR_CODE"]?["StringValue"]?.string == "INVALID_PARAMETER")
        #expect(bus.counted[.deadLettered] == 1 && bus.counted[.delivered] == 0)
    }

    @Test func oneTargetThatIsGoneDoesNotHoldUpTheOthers() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.make("q")
        try await bus.make("dead")
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: """
            [{"Id":"1","Arn":"\(queueARN):gone","DeadLetterConfig":{"Arn":"\(queueARN):dead"}},{"Id":"2","Arn":"\(queueARN):q"},
             {"Id":"3","Arn":"\(functionARN):f:7","DeadLetterConfig":{"Arn":"\(queueARN):none"}}]
            """)
        #expect(try await bus.put()["FailedEntryCount"]?.integer == 0)
        #expect(try await bus.messages("q").count == 1)
        let letter = try #require(try await bus.messages("dead").first)
        let attributes = try JSON(parsing: letter.attributes)
        #expect(attributes["ERROR_CODE"]?["StringValue"]?.string == "NO_RESOURCE")
        #expect(attributes["RULE_ARN"]?["StringValue"]?.string == "arn:aws:events:us-east-1:123456789012:rule/r")
        #expect(bus.counted[.delivered] == 1 && bus.counted[.deadLettered] == 1 && bus.counted[.dropped] == 1)
        let counts = bus.registry.rules(of: EventBusKey(account: "123456789012", region: "us-east-1", name: "default"))[0].counts
        #expect(counts.activity.events == 1 && counts.delivered == 1 && counts.activity.faults == 2 && counts.activity.lastFault?.reason.hasPrefix("3:") == true)
    }

    @Test func aFullQueueGetsItsEventWhenItHasRoom() async throws {
        var limits = QueueLimits()
        limits.messagesPerQueue = 1
        let bus = try await TestBus(limits: limits)
        defer { bus.end() }
        try await bus.make("q")
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"\(queueARN):q\"}]")
        try await bus.put(#"{"n":1}"#)
        try await bus.put(#"{"n":2}"#)
        #expect(bus.counted[.retried] == 1)
        // The bus's own queue is full as well: what cannot be kept is refused, and nothing of it is there.
        let refused = try await bus.put(#"{"n":3}"#)
        #expect(refused["FailedEntryCount"]?.integer == 1 && refused["Entries"]?.array?.first?["ErrorCode"]?.string == "ThrottlingException")
        let running = Task { await bus.service.runner.run() }
        defer { running.cancel() }
        bus.clock.advance(2_000)
        _ = try await bus.queues.advance(now: bus.clock.time)
        try await until("the second attempt") { bus.counted[.retried] == 2 }
        for message in try await bus.queues.claim(from: bus.key("q"), limit: 1, lease: 1_000, now: bus.clock.time) {
            _ = try await bus.queues.settle([Settlement(message.receipt, .acknowledge)], of: bus.key("q"), now: bus.clock.time)
        }
        bus.clock.advance(10_000)
        _ = try await bus.queues.advance(now: bus.clock.time)
        try await until("the delivery") { bus.counted[.delivered] == 2 }
        #expect(try await bus.messages("bus:default").isEmpty)
        #expect(try JSON(parsing: try #require(try await bus.messages("q").first).body)["detail"]?["n"]?.integer == 2)
    }

    @Test(arguments: [(2, "MaximumRetryAttempts"), (185, "MaximumEventAgeInSeconds")])
    func anEventIsGivenUpByAttemptsOrByAge(retries: Int, condition: String) async throws {
        var limits = QueueLimits()
        limits.messagesPerQueue = 1
        let bus = try await TestBus(limits: limits)
        defer { bus.end() }
        try await bus.make("q")
        try await bus.make("dead")
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: """
            [{"Id":"1","Arn":"\(queueARN):q","DeadLetterConfig":{"Arn":"\(queueARN):dead"},
              "RetryPolicy":{"MaximumRetryAttempts":\(retries),"MaximumEventAgeInSeconds":60}}]
            """)
        try await bus.put(#"{"n":1}"#)
        try await bus.put(#"{"n":2}"#)
        let running = Task { await bus.service.runner.run() }
        defer { running.cancel() }
        var attempts = 0
        while try await bus.messages("dead").isEmpty, attempts < 40 {
            let before = bus.counted[.retried] + bus.counted[.deadLettered]
            bus.clock.advance(condition == "MaximumRetryAttempts" ? 5_000 : 30_000)
            _ = try await bus.queues.advance(now: bus.clock.time)
            try await until("an attempt") { bus.counted[.retried] + bus.counted[.deadLettered] > before }
            attempts += 1
        }
        let letter = try #require(try await bus.messages("dead").first)
        let attributes = try JSON(parsing: letter.attributes)
        #expect(attributes["EXHAUSTED_RETRY_CONDITION"]?["StringValue"]?.string == condition)
        #expect(attributes["ERROR_CODE"]?["StringValue"]?.string == "THROTTLING")
        #expect(try JSON(parsing: letter.body)["detail"]?["n"]?.integer == 2)
        #expect(try await bus.messages("bus:default").isEmpty)
    }

    @Test func whatOthersPutIntoABusesQueueIsMatchedThere() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.service.start()
        try await bus.make("q")
        try await bus.rule("r", #"{"source":["lambda"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"\(queueARN):q\"},{\"Id\":\"2\",\"Arn\":\"\(functionARN):f\"}]")
        _ = try await bus.call("PutRule", #"{"Name":"clock","ScheduleExpression":"rate(1 hour)"}"#)
        _ = try await bus.call("PutTargets", "{\"Rule\":\"clock\",\"Targets\":[{\"Id\":\"1\",\"Arn\":\"\(queueARN):q\",\"Input\":\"7\"}]}")
        let key = EventBusKey(account: "123456789012", region: "us-east-1", name: "default")
        try await bus.make(key.queue.name, .internal)
        let event = BusEvent(
            id: "e", detailType: "d", source: "lambda", bus: key, time: 0, resources: [], detail: .object([]), ingested: bus.clock.time,
            trace: "Root=1-2-3")
        let scheduled = NewMessage(
            body: Array(#"{"source":"aws.events","detail":{}}"#.utf8), attributes: BusMessage.attributes(ofSchedule: "clock"), origin: "schedule")
        let gone = NewMessage(body: Array("{}".utf8), attributes: BusMessage.attributes(ofSchedule: "gone"), origin: "schedule")
        let damaged = NewMessage(body: Array("{".utf8), origin: "bus")
        let results = try await bus.queues.enqueue([BusMessage.message(for: event), scheduled, gone, damaged], to: key.queue, now: bus.clock.time)
        for result in results { _ = try result.get() }
        let running = Task { await bus.service.runner.run() }
        defer { running.cancel() }
        try await until("three deliveries") { bus.counted[.delivered] == 3 }
        try await until("an empty queue") { try await bus.messages(key.queue.name).isEmpty }
        #expect(try await bus.messages("async:f").first?.trace == "Root=1-2-3")
        #expect(Set(try await bus.messages("q").map { String(decoding: $0.body, as: UTF8.self) }).contains("7"))
    }

    /// Rules are found by what they ask of source and detail-type; that must not show.
    @Test func everyRuleThatMatchesIsFoundAndNoOther() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.make("q")
        let patterns = [
            #"{"source":["shop"]}"#, #"{"source":["shop","stock"]}"#, #"{"source":[{"prefix":"s"}]}"#, #"{"source":["shop",{"suffix":"k"}]}"#,
            #"{"detail-type":["order"]}"#, #"{"detail-type":["order"],"source":["stock"]}"#, #"{"detail-type":[{"anything-but":"order"}]}"#,
            #"{"detail":{"n":[1]}}"#, #"{"$or":[{"source":["shop"]},{"detail":{"n":[2]}}]}"#, #"{"source":[{"exists":true}]}"#, #"{"source":[null]}"#,
            #"{"source":["shop"],"detail":{"n":[{"numeric":[">",1]}]}}"#, #"{"source":["\u0073hop"]}"#, #"{"source":["é"]}"#, #"{"source":["e\u0301"]}"#,
        ]
        for (number, pattern) in patterns.enumerated() {
            try await bus.rule("r\(number)", pattern, targets: "[{\"Id\":\"1\",\"Arn\":\"\(queueARN):q\",\"Input\":\"\(number)\"}]")
        }
        for source in ["shop", "stock", "other", "é", "e\u{301}"] {
            for type in ["order", "return"] {
                for number in 0...2 {
                    let entry = JSON.object([
                        .init("Source", .string(source)), .init("DetailType", .string(type)), .init("Detail", .string("{\"n\":\(number)}")),
                    ])
                    _ = try await bus.service.perform("PutEvents", .object([.init("Entries", .array([entry]))]), TestBus.caller)
                    let event = JSON.object([
                        .init("source", .string(source)), .init("detail-type", .string(type)), .init("detail", .object([.init("n", .integer(number))])),
                    ])
                    let expected = try patterns.enumerated().filter { try EventPattern(parsing: $0.element).matches(event) }.map(\.offset)
                    let claimed = try await bus.queues.claim(from: bus.key("q"), limit: 100, lease: 60_000, now: bus.clock.time)
                    #expect(claimed.compactMap { Int(String(decoding: $0.message.body, as: UTF8.self)) }.sorted() == expected, "\(event.text())")
                }
            }
        }
    }

    @Test func anEventGoesThroughFiveBusesAndEachOnce() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        for number in 1...7 { _ = try await bus.call("CreateEventBus", "{\"Name\":\"b\(number)\"}") }
        for number in 1...7 {
            try await bus.make("q\(number)")
            try await bus.rule("r", #"{"source":["shop"]}"#, targets: """
                [{"Id":"q","Arn":"\(queueARN):q\(number)"},{"Id":"next","Arn":"arn:aws:events:us-east-1:123456789012:event-bus/b\(number % 7 + 1)"}]
                """, bus: "b\(number)")
        }
        try await bus.put(bus: "b3")
        var reached: [Int] = []
        for number in 1...7 where try await bus.messages("q\(number)").count == 1 { reached.append(number) }
        #expect(reached == [3, 4, 5, 6, 7])
        #expect(bus.counted[.dropped] == 1)
    }
}

/// Polls until the condition holds, for 20 s at most.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(60)
    while try await !condition() {
        try #require(clock.now < end, "not within 60 s: \(what)")
        try await Task.sleep(for: .milliseconds(2))
    }
}
