import EventBus
import JSONValues
import Testing

/// What a target gets of an event, by way of a queue.
@Suite struct InputTests {
    private let detail = #"{"text":"a \"b\" \\ c","n":1.50,"list":[{"k":"x"},{"k":"y"},{}],"none":null,"a.b":{"c":true}}"#

    private func delivered(_ input: String) async throws -> String {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.make("q")
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"arn:aws:sqs:us-east-1:123456789012:q\",\(input)}]")
        try await bus.put(detail)
        return String(decoding: try #require(try await bus.messages("q").first).body, as: UTF8.self)
    }

    @Test(arguments: [
        ("$.detail.text", #""a \"b\" \\ c""#), ("$.detail.n", "1.50"), ("$.detail.list[1].k", #""y""#), ("$.detail.list[*].k", #"["x","y"]"#),
        ("$['detail']['a.b'].c", "true"), ("$.detail.list[9]", "null"), ("$.detail.none", "null"), ("$.nothing.at.all", "null"), ("$.source", #""shop""#),
        ("$.detail.list.*", #"[{"k":"x"},{"k":"y"},{}]"#), ("$.detail-type", #""order""#),
    ])
    func pathsFindWhatIsThere(path: String, expected: String) async throws {
        #expect(try await delivered("\"InputPath\":\(JSON.string(path).text())") == expected)
    }

    @Test(arguments: [
        // JSON: whole values keep their kind, text inside quotes is escaped.
        (#"{"t":<t>,"n":<n>,"l":<l>,"x":<missing>}"#, #"{"t":"a \"b\" \\ c","n":1.50,"l":[{"k":"x"},{"k":"y"},{}],"x":""}"#),
        (#"{"in":"<t> <n> <missing>!"}"#, #"{"in":"a \"b\" \\ c 1.50 !"}"#),
        (#"{"in":"<l>"}"#, #"{"in":"[{\"k\":\"x\"},{\"k\":\"y\"},{}]"}"#),
        // An escaped quote does not end the text.
        (#"{"in":"say \"<n>\""}"#, #"{"in":"say \"1.50\""}"#),
        (#""<n>""#, #""1.50""#), ("<t>", #""a \"b\" \\ c""#), ("<n>", "1.50"), (#"{"a":"1 < 2 > 0"}"#, #"{"a":"1 < 2 > 0"}"#),
        // A JSON value on each line.
        ("\"one <n>\"\n\"two <t>\"", "\"one 1.50\"\n\"two a \\\"b\\\" \\\\ c\""),
        // Text for a queue, as it is.
        ("n is <n>, t is <t>", #"n is 1.50, t is a "b" \ c"#),
        ("<aws.events.rule-name>", #""r""#), ("\"<aws.events.rule-arn>\"", #""arn:aws:events:us-east-1:123456789012:rule/r""#),
        (#"{"at":<aws.events.event.ingestion-time>}"#, #"{"at":"2026-11-21T15:00:00Z"}"#),
    ])
    func templatesArePutTogether(template: String, expected: String) async throws {
        let paths = #"{"t":"$.detail.text","n":"$.detail.n","l":"$.detail.list","missing":"$.detail.missing"}"#
        let input = "\"InputTransformer\":{\"InputPathsMap\":\(paths),\"InputTemplate\":\(JSON.string(template).text())}"
        #expect(try await delivered(input) == expected)
    }

    @Test func anyTextInATemplateThatIsJSONComesOutAsJSON() async throws {
        let bus = try await TestBus()
        defer { bus.end() }
        try await bus.make("q")
        let template = #"{"raw":<v>,"in":"<v>","all":<aws.events.event.json>,"rest":<aws.events.event>}"#
        let input = "\"InputTransformer\":{\"InputPathsMap\":{\"v\":\"$.detail.v\"},\"InputTemplate\":\(JSON.string(template).text())}"
        try await bus.rule("r", #"{"source":["shop"]}"#, targets: "[{\"Id\":\"1\",\"Arn\":\"arn:aws:sqs:us-east-1:123456789012:q\",\(input)}]")
        var dice = SystemRandomNumberGenerator()
        let pieces = ["\"", "\\", "<v>", "\n", "\u{0}", "é", "😀", "{", "}", "<aws.events.rule-arn>", "a", "\u{2028}"]
        var texts: [String] = []
        for _ in 0..<60 {
            texts.append((0..<Int.random(in: 0...8, using: &dice)).map { _ in pieces.randomElement(using: &dice) ?? "" }.joined())
            try await bus.put(JSON.object([.init("v", .string(texts.last ?? ""))]).text())
        }
        let messages = try await bus.messages("q")
        #expect(messages.count == 60)
        for (text, message) in zip(texts, messages) {
            let json = try JSON(parsing: message.body)
            #expect(json["raw"]?.string == text && json["in"]?.string == text && json["all"]?["detail"]?["v"]?.string == text)
            #expect(json["rest"]?["detailType"]?.string == "order" && json["rest"]?["detail"] == nil)
        }
    }

    @Test(arguments: [
        #""Input":"{""#, #""InputPath":"detail""#, #""InputPath":"$.""#, #""InputPath":"$.a[""#, #""InputPath":"$.a[x]""#, #""InputPath":"$a""#,
        #""InputTransformer":{}"#, #""InputTransformer":{"InputTemplate":""}"#, #""InputTransformer":{"InputTemplate":"<v>"}"#,
        #""InputTransformer":{"InputTemplate":"1","InputPathsMap":{"aws.events.x":"$"}}"#, #""InputTransformer":{"InputTemplate":"1","InputPathsMap":{"a b":"$"}}"#,
        #""Input":"1","InputPath":"$""#,
    ])
    func inputsThatCannotWorkAreRefused(input: String) async throws {
        await #expect(throws: EventBusError.self) { try await delivered(input) }
    }
}
