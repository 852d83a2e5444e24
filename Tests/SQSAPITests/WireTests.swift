import DurableQueue
import JSONValues
import Testing

@testable import SQSAPI

@Suite struct MessageAttributeTests {
    private func read(_ json: String) throws -> MessageAttributes { try MessageAttributes(JSON(parsing: json).members) }

    /// The digest was computed by another program after the developer guide's description.
    @Test func digestIsTheDocumentedOne() throws {
        let attributes = try read(
            #"{"b":{"DataType":"Number.int","StringValue":"42"},"a":{"DataType":"String","StringValue":"é"},"c":{"DataType":"Binary","BinaryValue":"AAH/"}}"#)
        #expect(attributes.md5 == "0568df1a1ff86fec678921fd395c329a")
        #expect(MessageAttributes(stored: attributes.stored) == attributes)
        #expect(attributes.size == 1 + 6 + 2 + 1 + 10 + 2 + 1 + 6 + 3)
        #expect(try read("{}").md5 == nil)
        #expect(MessageBody.md5(Array("hello".utf8)) == "5d41402abc4b2a76b9719d911017c592")
    }

    @Test(arguments: [
        #"{"a":{"StringValue":"x"}}"#, #"{"a":{"DataType":"String"}}"#, #"{"a":{"DataType":"String","StringValue":""}}"#,
        #"{"a":{"DataType":"Text","StringValue":"x"}}"#, #"{"a":{"DataType":"Number","StringValue":"ten"}}"#,
        #"{"a":{"DataType":"Number","StringValue":"nan"}}"#, #"{"a":{"DataType":"Binary","BinaryValue":"%"}}"#,
        #"{"a":{"DataType":"String","StringListValues":["x"]}}"#, #"{"aws.x":{"DataType":"String","StringValue":"x"}}"#,
        #"{"a..b":{"DataType":"String","StringValue":"x"}}"#, #"{".a":{"DataType":"String","StringValue":"x"}}"#,
        #"{"a b":{"DataType":"String","StringValue":"x"}}"#, #"{"":{"DataType":"String","StringValue":"x"}}"#, #"{"a":"x"}"#,
        #"{"a":{"DataType":"String","StringValue":"\u0001"}}"#,
        #"{"a":{"DataType":"String","StringValue":"x"},"a":{"DataType":"String","StringValue":"y"}}"#,
    ])
    func badAttributeIsRefused(_ json: String) { #expect(throws: SQSError.self) { try read(json) } }

    @Test func elevenAreTooMany() {
        let json = "{" + (0..<11).map { "\"a\($0)\":{\"DataType\":\"String\",\"StringValue\":\"x\"}" }.joined(separator: ",") + "}"
        #expect(throws: SQSError.self) { try read(json) }
    }

    @Test(arguments: [
        (["All"], ["a", "foo.x", "foo.y"]), ([".*"], ["a", "foo.x", "foo.y"]), (["foo.*"], ["foo.x", "foo.y"]), (["a", "b"], ["a"]), ([], []),
    ])
    func namesChoose(_ names: [String], _ expected: [String]) throws {
        let one = #"{"DataType":"String","StringValue":"x"}"#
        #expect(try read("{\"foo.y\":\(one),\"a\":\(one),\"foo.x\":\(one)}").chosen(names).attributes.map(\.name) == expected)
    }

    @Test(arguments: [
        ("a\tb\r\n", true), ("😀é\u{FFFD}\u{E000}", true), ("\u{0}", false), ("\u{1F}", false), ("\u{FFFE}", false), ("x\u{FFFF}", false),
        ("\u{FFBE}\u{1FFFF}", true),
    ])
    func contentsAreWhatXMLCanCarry(_ text: String, _ expected: Bool) { #expect(MessageBody.isAllowed(text) == expected) }
}

@Suite struct QueueAttributeTests {
    private func set(_ values: [String: String], isFIFO: Bool = false) throws -> QueueAttributes {
        var attributes = QueueAttributes(isFIFO: isFIFO)
        try attributes.set(values, creating: true)
        return attributes
    }

    @Test(arguments: [
        ("DelaySeconds", "901"), ("DelaySeconds", "-1"), ("DelaySeconds", "x"), ("MaximumMessageSize", "1023"), ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"), ("MessageRetentionPeriod", "1209601"), ("ReceiveMessageWaitTimeSeconds", "21"), ("VisibilityTimeout", "43201"),
        ("FifoQueue", "false"), ("SqsManagedSseEnabled", "yes"), ("KmsMasterKeyId", "alias/x"), ("Policy", "x"), ("RedrivePolicy", "{"), ("RedrivePolicy", "[]"),
        ("RedrivePolicy", #"{"deadLetterTargetArn":"x","maxReceiveCount":3}"#),
        ("RedrivePolicy", #"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:d","maxReceiveCount":0}"#),
        ("RedrivePolicy", #"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:d","maxReceiveCount":1001}"#),
        ("RedrivePolicy", #"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:d","maxReceiveCount":"x"}"#),
        ("RedriveAllowPolicy", #"{"redrivePermission":"some"}"#), ("RedriveAllowPolicy", #"{"redrivePermission":"byQueue"}"#),
        ("RedriveAllowPolicy", #"{"redrivePermission":"denyAll","sourceQueueArns":["arn:aws:sqs:us-east-1:123456789012:d"]}"#),
    ])
    func badValueIsRefused(_ name: String, _ value: String) {
        #expect { try set([name: value]) } throws: { ($0 as? SQSError)?.kind == .invalidAttributeValue }
    }

    @Test func unknownNamesAndThoseOfFIFOQueuesAreRefused() {
        for name in ["Color", "ContentBasedDeduplication", "DeduplicationScope", "QueueArn"] {
            #expect { try set([name: "true"]) } throws: { ($0 as? SQSError)?.kind == .invalidAttributeName }
        }
    }

    @Test func settingsFollowTheAttributes() throws {
        let attributes = try set([
            "MessageRetentionPeriod": "60", "RedrivePolicy": #"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:d","maxReceiveCount":"3"}"#,
        ])
        #expect(
            attributes.settings
                == QueueSettings(
                    retention: 60_000, maximumReceives: 3, deadLetters: QueueKey(account: "123456789012", region: "us-east-1", name: "d")))
        #expect(try set([:]).settings.retention == 345_600_000)
        #expect(try set(["RedrivePolicy": ""]).settings.deadLetters == nil)
    }

    @Test func sameQueueIsOneThatDiffersInNothingNamed() throws {
        let existing = try set(["VisibilityTimeout": "10"])
        #expect(try set(["VisibilityTimeout": "10", "DelaySeconds": "0"]).difference(to: existing) == nil)
        #expect(try set([:]).difference(to: existing) == nil)
        #expect(try set(["VisibilityTimeout": "30"]).difference(to: existing) == "VisibilityTimeout")
    }
}

@Suite struct QueryProtocolTests {
    private func parse(_ form: String) throws -> (action: String, members: JSON) {
        try QueryProtocol.request(
            form.split(separator: "&").map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), String(parts[1]))
            })
    }

    @Test func numberedParametersBecomeTheJSONShape() throws {
        let (action, members) = try parse(
            "Action=SendMessageBatch&QueueUrl=u&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=B&SendMessageBatchRequestEntry.10.Id=c&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=v")
        #expect(action == "SendMessageBatch")
        #expect(members["QueueUrl"]?.string == "u")
        #expect(
            members["Entries"]?.text()
                == #"[{"Id":"a","MessageAttributes":{"n":{"DataType":"String","StringValue":"v"}}},{"Id":"b","MessageBody":"B"},{"Id":"c"}]"#)
        #expect(
            try parse("Action=CreateQueue&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Tag.1.Key=k&Tag.1.Value=v&AttributeName.1=All").members.text()
                == #"{"Action":"CreateQueue","Attributes":{"DelaySeconds":"5"},"Tags":{"k":"v"},"AttributeNames":["All"]}"#)
    }

    @Test func hostileFormsAreRefused() {
        #expect(throws: SQSError.self) { try parse("QueueUrl=u") }
        #expect(throws: SQSError.self) { try parse("Action=X&" + String(repeating: "a.", count: 1_000) + "=1") }
        #expect(throws: SQSError.self) { try parse((0..<6_000).map { "a\($0)=1" }.joined(separator: "&")) }
    }

    @Test func answersAreXML() throws {
        let result = try JSON(
            parsing: #"{"Messages":[{"MessageId":"1","Body":"<a> & \"b\"\r","Attributes":{"SenderId":"me"},"MessageAttributes":{"n":{"StringValue":"v","DataType":"String"}}}]}"#)
        #expect(
            QueryProtocol.answer(result, action: "ReceiveMessage", requestID: "r")
                == "<?xml version=\"1.0\"?><ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult><Message><MessageId>1</MessageId><Body>&lt;a&gt; &amp; &quot;b&quot;&#xD;</Body><Attribute><Name>SenderId</Name><Value>me</Value></Attribute><MessageAttribute><Name>n</Name><Value><StringValue>v</StringValue><DataType>String</DataType></Value></MessageAttribute></Message></ReceiveMessageResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></ReceiveMessageResponse>")
        #expect(
            QueryProtocol.answer(.object([]), action: "DeleteMessage", requestID: "r")
                == "<?xml version=\"1.0\"?><DeleteMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DeleteMessageResponse>")
        #expect(QueryProtocol.answer(.noQueue, requestID: "r").contains("<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"))
    }
}
