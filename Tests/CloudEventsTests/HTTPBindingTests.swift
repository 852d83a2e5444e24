import CloudEvents
import JSONValues
import Testing

@Suite struct HTTPBindingTests {
    private let usual: [(name: String, value: String)] = [("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t"), ("ce-specversion", "1.0")]

    private func binary(_ more: [(name: String, value: String)] = [], type: String? = nil, body: String = "") throws(CloudEventFault) -> CloudEvent {
        let headers = usual.filter { header in !more.contains { $0.name == header.name } } + more + (type.map { [("Content-Type", $0)] } ?? [])
        return try HTTPBinding.events(headers: headers, body: body.utf8)[0]
    }

    private func structured(_ body: String, type: String = "application/cloudevents+json") throws(CloudEventFault) -> [CloudEvent] {
        try HTTPBinding.events(headers: [("content-type", type)], body: body.utf8)
    }

    @Test func headersAreDecodedOnceAndUnquotedFirst() throws {
        for (value, expected) in [
            ("plain", "plain"), ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"), ("%2541", "%41"), ("100%", "100%"), ("%4", "%4"), ("%zz", "%zz"),
            (#""a \"q\" %41""#, #"a "q" A"#), ("  spaces  ", "spaces"),
        ] {
            #expect(try binary([("ce-subject", value)]).subject == expected, "\(value)")
        }
        for value in ["%FF", "%C3%28", "", "%0A"] {
            #expect(throws: CloudEventFault.self) { try binary([("ce-subject", value)]) }
        }
    }

    @Test func bodiesAreWhatTheirTypeSays() throws {
        #expect(try binary(type: "application/json", body: "[1]").data == .json(.array([.number("1")])))
        #expect(try binary(body: #"{"a":1.50}"#).data == .json(.object([.init("a", .number("1.50"))])))
        #expect(try binary(type: "application/problem+json; charset=utf-8", body: "1").data == .json(.number("1")))
        #expect(try binary(type: "text/plain", body: "hä").data == .text("hä"))
        #expect(try binary(type: "image/png", body: "x").data == .binary([0x78]))
        #expect(try binary(type: "image/png").data == nil)
        #expect(throws: CloudEventFault.self) { try binary(type: "application/json", body: "{") }
        #expect(throws: CloudEventFault.self) { try binary(type: "nonsense", body: "{}") }
    }

    @Test func timesAreReadAsRFC3339() throws {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-21T15:00:00.999Z", 1_795_273_200), ("2026-11-21T16:00:00+01:00", 1_795_273_200),
            ("2000-02-29T23:59:59-00:30", 951_870_599), ("1969-12-31t23:59:59z", -1), ("2016-12-31T23:59:60Z", 1_483_228_799),
        ] as [(String, Int64)] {
            #expect(try binary([("ce-time", text)]).time == seconds, "\(text)")
        }
        for text in ["2026-11-21", "2026-11-21T15:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T15:00:00",
            "2026-11-21T15:00:00.Z", "2026-11-21T15:00:00+1:00", "2026-11-21T15:00:00Zjunk"] {
            #expect(throws: CloudEventFault.self, "\(text)") { try binary([("ce-time", text)]) }
        }
    }

    @Test func namesAndRequiredAttributesAreChecked() throws {
        for missing in ["ce-id", "ce-source", "ce-type", "ce-specversion"] {
            #expect(throws: CloudEventFault.self) { try HTTPBinding.events(headers: usual.filter { $0.name != missing }, body: []) }
            #expect(throws: CloudEventFault.self) { try binary([(missing, "")]) }
        }
        for name in ["ce-with_line", "ce-", "ce-a.b", "ce-\(String(repeating: "a", count: 65))", "ce-datacontenttype"] {
            #expect(throws: CloudEventFault.self, "\(name)") { try binary([(name, "x")]) }
        }
        // Header names have no case of their own.
        #expect(try binary([("CE-Shop", "berlin")]).attributes.contains(.init("shop", .string("berlin"))))
        #expect(throws: CloudEventFault.self) { try HTTPBinding.events(headers: usual + [("ce-id", "2")], body: []) }
        #expect(throws: CloudEventFault.self) { try HTTPBinding.events(headers: usual + (0..<70).map { ("ce-x\($0)", "x") }, body: []) }
    }

    @Test func extensionsKeepTheirTypes() throws {
        let event = try structured(#"{"specversion":"1.0","id":"1","source":"s","type":"t","number":-7,"flag":true,"none":null}"#)[0]
        #expect(event.attributes.map(\.name) == ["flag", "id", "number", "source", "specversion", "type"])
        #expect(event.attributes.contains(.init("number", .number("-7"))) && event.attributes.contains(.init("flag", .bool(true))))
        for member in [#""number":1.5"#, #""number":2147483648"#, #""list":[]"#, #""id":1"#] {
            #expect(throws: CloudEventFault.self, "\(member)") { try structured("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\(member)}") }
        }
    }

    @Test func aBatchNamesTheEventThatIsWrong() throws {
        let type = "application/cloudevents-batch+json"
        let good = #"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#
        #expect(try structured("[\(good),\(good)]", type: type).count == 2)
        #expect(try structured("[]", type: type).isEmpty)
        do {
            _ = try structured("[\(good),{}]", type: type)
            Issue.record("an empty event was taken")
        } catch {
            #expect(error.description.hasPrefix("event 1 of the batch:"))
        }
    }

    @Test func otherFormatsAreNotGuessed() {
        for type in ["application/cloudevents+avro", "application/cloudevents-batch+xml", "application/cloudevents"] {
            do {
                _ = try structured("{}", type: type)
                Issue.record("\(type) was taken")
            } catch {
                #expect(error.isUnknownFormat, "\(type)")
            }
        }
    }

    /// No bytes are worth more than a refusal.
    @Test func randomMessagesNeverTrap() {
        var dice = SystemRandomNumberGenerator()
        let words = ["ce-id", "ce-", "ce-time", "%", "\"", "1.0", "content-type", "application/cloudevents+json", "{", "}", "\\u0000", "a", "é", ":", ","]
        for _ in 0..<2_000 {
            func text() -> String { (0..<Int.random(in: 0...6, using: &dice)).map { _ in words.randomElement(using: &dice) ?? "" }.joined() }
            let headers = (0..<Int.random(in: 0...6, using: &dice)).map { _ in (name: text(), value: text()) }
            _ = try? HTTPBinding.events(headers: headers, body: Array(text().utf8))
            _ = try? HTTPBinding.events(headers: [("content-type", "application/cloudevents-batch+json")] + headers, body: Array("[{\(text())}]".utf8))
        }
    }
}
