import JSONValues
import Testing

@Suite struct JSONTests {
    @Test func orderAndDigitsSurvive() throws {
        let text = "{\"z\":0.0000000000001,\"a\":[1,true,null,\"é\\n\\u0001\"],\"m\":{}}"
        #expect(try JSON(parsing: text).text() == text)
    }

    @Test func escapesAreRead() throws {
        #expect(try JSON(parsing: "\"\\ud83d\\ude00\\/\\t\\u00e9\"") == .string("😀/\té"))
        #expect(try JSON(parsing: "\"\\ud83d\"") == .string("\u{FFFD}"))
    }

    @Test func indentedFormIsReadable() throws {
        #expect(try JSON(parsing: "{\"a\":[1,2],\"b\":[]}").text(indented: true) == "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}")
    }

    @Test(arguments: ["", "{", "[1,]", "{\"a\"}", "tru", "1 2", "\"x", "{\"a\":1,}", "nan", "\"\\x\""])
    func textThatIsNoneIsRefused(text: String) { #expect(throws: JSONFault.self) { try JSON(parsing: text) } }

    @Test func deepNestingIsRefusedInsteadOfFollowed() {
        #expect(throws: JSONFault.self) { try JSON(parsing: String(repeating: "[", count: 100_000)) }
    }
}
