import Testing

@testable import MartletRuntime

@Suite struct JSONTests {
    private func parse(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

    @Test func everyKindOfValueIsRead() throws {
        let text = #" {"a" : [1, -2.5e2, true, false, null, "x"], "b": {}, "c": [], "d": 123456789012345678901} "#
        #expect(
            try parse(text) == [
                "a": [1, -250.0, true, false, nil, "x"], "b": [:], "c": [], "d": 123456789012345678901.0,
            ])
    }

    @Test func escapesAndSurrogatePairsBecomeCharacters() throws {
        #expect(try parse(#""\"\\\/\b\f\n\r\t\u00fc\ud83c\udf0D""#).string == "\"\\/\u{8}\u{c}\n\r\tü🌍")
        #expect(try parse(#""\ud800x\udc00""#).string == "\u{FFFD}x\u{FFFD}")
        #expect(try parse(#""\ud800\u0041""#).string == "\u{FFFD}A")
    }

    @Test func valuesComeBackFromTheirText() throws {
        let value: JSON = ["text": "a\"\\\n\r\t\u{1}ü🌍", "list": [0, 1.5, nil, true], "inner": ["b": 1, "a": 2]]
        #expect(try JSON(parsing: value.serialized()) == value)
        #expect(String(decoding: JSON.object(["b": 1, "a": 2]).serialized(), as: UTF8.self) == #"{"a":2,"b":1}"#)
        #expect(String(decoding: JSON.number(.nan).serialized(), as: UTF8.self) == "null")
    }

    @Test(arguments: [
        "", " ", "{", "}", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "tru", "nul",
        "\"", "\"\\x\"", "\"\\u12\"", "\"\n\"", "1 1", "-", "NaN", "'a'",
    ])
    func textThatIsNotJSONIsRefused(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test func bytesThatAreNotTextAreRefused() {
        #expect(throws: JSONError.self) { try JSON(parsing: [34, 0xFF, 34]) }
    }

    @Test func depthIsBounded() throws {
        #expect(throws: Never.self) { try parse(String(repeating: "[", count: 512) + String(repeating: "]", count: 512)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 100_000)) }
    }

    @Test func fieldsAreReadByNameAndIndex() throws {
        let value = try parse(#"{"name":"Ada","list":[1,2.5],"on":true}"#)
        #expect(value["name"]?.string == "Ada")
        #expect(value["list"]?[0]?.integer == 1)
        #expect(value["list"]?[1]?.double == 2.5)
        #expect(value["list"]?[2] == nil)
        #expect(value["on"]?.bool == true)
        #expect(value["missing"] == nil)
    }
}
