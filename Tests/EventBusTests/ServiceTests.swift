import DurableQueue
import EventBus
import JSONValues
import Testing

@Suite struct ServiceTests {
    private func kind(_ body: () async throws -> Void) async -> EventBusError.Kind? {
        do { try await body() } catch { return (error as? EventBusError)?.kind }
        return nil
    }

    @Test func rulesAndBusesAreThereAfterARestart() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        _ = try await bus.call("CreateEventBus", #"{"Name":"b","Description":"d","Tags":[{"Key":"k","Value":"v"}]}"#)
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: #"[{"Id":"1","Arn":"arn:aws:sqs:us-east-1:123456789012:q","Input":"{\"ä\":1}"}]"#, bus: "b")
        _ = try await bus.call("PutRule", #"{"Name":"clock","ScheduleExpression":"rate(1 hour)","State":"DISABLED"}"#)
        let other = try await TestBus(folder: bus.folder)
        try await other.service.start()
        for operation in ["DescribeRule", "ListTargetsByRule"] {
            let body = #"{"Name":"r","Rule":"r","EventBusName":"b"}"#
            #expect(try await other.call(operation, body) == (try await bus.call(operation, body)))
        }
        #expect(try await other.call("DescribeEventBus", #"{"Name":"b"}"#) == (try await bus.call("DescribeEventBus", #"{"Name":"b"}"#)))
        #expect(other.rules.expressions == ["clock": "off"])
    }

    @Test func aRulesScheduleFollowsIt() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        _ = try await bus.call("PutRule", #"{"Name":"r","ScheduleExpression":"rate(1 hour)"}"#)
        #expect(bus.rules.expressions == ["r": "rate(1 hour)"])
        _ = try await bus.call("DisableRule", #"{"Name":"r"}"#)
        #expect(bus.rules.expressions == ["r": "off"])
        _ = try await bus.call("PutRule", #"{"Name":"r","ScheduleExpression":"rate(2 hours)"}"#)
        #expect(bus.rules.expressions == ["r": "rate(2 hours)"])
        _ = try await bus.call("PutRule", #"{"Name":"r","EventPattern":"{\"a\":[1]}"}"#)
        #expect(bus.rules.expressions.isEmpty)
        _ = try await bus.call("PutRule", #"{"Name":"r","ScheduleExpression":"rate(2 hours)"}"#)
        _ = try await bus.call("DeleteRule", #"{"Name":"r"}"#)
        #expect(bus.rules.expressions.isEmpty)
        for expression in ["at(2030-01-01T00:00:00)", "rate(0 hours)", "x"] {
            #expect(await kind { _ = try await bus.call("PutRule", "{\"Name\":\"r\",\"ScheduleExpression\":\"\(expression)\"}") } == .validation)
        }
    }

    @Test func changesAtTheSameTimeAllCount() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.rule("r", #"{"source":["shop"]}"#)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<5 {
                group.addTask {
                    _ = try await bus.call("PutTargets", "{\"Rule\":\"r\",\"Targets\":[{\"Id\":\"t\(number)\",\"Arn\":\"arn:aws:sqs:us-east-1:123456789012:q\"}]}")
                }
                group.addTask { _ = try await bus.call("TagResource", "{\"ResourceARN\":\"arn:aws:events:us-east-1:123456789012:rule/r\",\"Tags\":[{\"Key\":\"k\(number)\",\"Value\":\"v\"}]}") }
            }
            try await group.waitForAll()
        }
        #expect(try await bus.call("ListTargetsByRule", #"{"Rule":"r"}"#)["Targets"]?.array?.count == 5)
        #expect(try await bus.call("ListTagsForResource", #"{"ResourceARN":"arn:aws:events:us-east-1:123456789012:rule/r"}"#)["Tags"]?.array?.count == 5)
    }

    @Test func theBoundsAreStated() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        for number in 0..<EventBusRegistry.maximumRules { try await bus.rule("r\(number)", #"{"source":["shop"]}"#) }
        #expect(await kind { try await bus.rule("more", #"{"source":["shop"]}"#) } == .limitExceeded)
        // One that is there can be changed.
        try await bus.rule("r0", #"{"source":["other"]}"#)
        for number in 1..<EventBusRegistry.maximumBuses { _ = try await bus.call("CreateEventBus", "{\"Name\":\"b\(number)\"}") }
        #expect(await kind { _ = try await bus.call("CreateEventBus", #"{"Name":"more"}"#) } == .limitExceeded)
    }

    @Test(arguments: [
        ("Nothing", "{}", EventBusError.Kind.unknownOperation), ("PutPermission", "{}", .unknownOperation), ("PutRule", "{}", .validation),
        ("PutRule", #"{"Name":5}"#, .serialization), ("PutRule", #"{"Name":"a b","EventPattern":"{}"}"#, .validation),
        ("PutRule", #"{"Name":"a"}"#, .validation), ("PutRule", #"{"Name":"a","EventPattern":"{}"}"#, .invalidEventPattern),
        ("PutRule", #"{"Name":"a","EventPattern":"{\"a\":[1]}","State":"ON"}"#, .validation),
        ("PutRule", #"{"Name":"a","EventPattern":"{\"a\":[1]}","EventBusName":"none"}"#, .resourceNotFound),
        ("PutRule", #"{"Name":"a","EventPattern":"{\"a\":[1]}","EventBusName":"arn:aws:events:us-east-1:999999999999:event-bus/b"}"#, .resourceNotFound),
        ("PutTargets", #"{"Rule":"none","Targets":[{"Id":"1","Arn":"arn:aws:sqs:us-east-1:123456789012:q"}]}"#, .resourceNotFound),
        ("PutTargets", #"{"Rule":"none","Targets":[]}"#, .validation), ("PutTargets", #"{"Rule":"none"}"#, .validation),
        ("PutEvents", "{}", .validation), ("PutEvents", #"{"Entries":{}}"#, .serialization), ("PutEvents", #"{"Entries":[]}"#, .validation),
        ("ListRules", #"{"Limit":0}"#, .validation), ("ListRules", #"{"Limit":"x"}"#, .serialization), ("DeleteEventBus", #"{"Name":"default"}"#, .validation),
        ("TagResource", #"{"ResourceARN":"arn:aws:sqs:us-east-1:123456789012:q","Tags":[]}"#, .resourceNotFound),
        ("TestEventPattern", #"{"EventPattern":"{\"a\":[1]}","Event":"[]"}"#, .validation),
    ])
    func faultsHaveEventBridgesNames(operation: String, body: String, expected: EventBusError.Kind) async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        #expect(await kind { _ = try await bus.call(operation, body) } == expected)
    }

    /// Members of the wrong kind are refused, whatever they are.
    @Test func randomRequestsGetAnAnswerThatIsNoFault() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        var dice = SystemRandomNumberGenerator()
        let operations = [
            "PutEvents", "PutRule", "DescribeRule", "ListRules", "DeleteRule", "EnableRule", "DisableRule", "PutTargets", "RemoveTargets", "ListTargetsByRule",
            "ListRuleNamesByTarget", "TestEventPattern", "CreateEventBus", "UpdateEventBus", "DeleteEventBus", "DescribeEventBus", "ListEventBuses",
            "TagResource", "UntagResource", "ListTagsForResource",
        ]
        let names = [
            "Name", "Rule", "EventBusName", "EventPattern", "Targets", "Entries", "Ids", "Limit", "NextToken", "Tags", "TagKeys", "ResourceARN", "Source", "Detail",
            "DetailType", "Time", "Resources", "Id", "Arn", "Input", "InputPath", "InputTransformer", "InputTemplate", "InputPathsMap", "RetryPolicy", "Event", "Force",
            "ScheduleExpression", "State", "TargetArn", "DeadLetterConfig", "SqsParameters", "Key", "Value",
        ]
        let texts = ["", "a", "r", "default", "{}", #"{"source":["shop"]}"#, "$.a", "<a>", "arn:aws:sqs:us-east-1:123456789012:q", "arn:aws:events:us-east-1:123456789012:rule/r",
            "arn:aws:events:us-east-1:123456789012:event-bus/default", "rate(1 hour)", "ENABLED"]
        func value(_ depth: Int) -> JSON {
            switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &dice) {
            case 0: .null
            case 1: .bool(.random(using: &dice))
            case 2: .number(["0", "-1", "1e99", "5", "3.7", "99999999999999999999"].randomElement(using: &dice) ?? "0")
            case 3, 4: .string(texts.randomElement(using: &dice) ?? "")
            case 5: .array((0..<Int.random(in: 0...3, using: &dice)).map { _ in value(depth - 1) })
            default: object(depth - 1)
            }
        }
        func object(_ depth: Int) -> JSON {
            .object((0..<Int.random(in: 0...8, using: &dice)).map { _ in .init(names.randomElement(using: &dice) ?? "", value(depth)) })
        }
        for _ in 0..<3_000 {
            let operation = operations.randomElement(using: &dice) ?? ""
            let body = object(3)
            do { _ = try await bus.service.perform(operation, body, TestBus.caller) } catch {
                let fault = error as? EventBusError
                #expect(fault != nil && fault?.kind.status == 400, "\(operation) \(body.text()): \(error)")
            }
        }
    }
}
