import JSONValues
import Testing

@Suite struct JSONScannerTests {
    private func fault(_ text: [UInt8], depth: Int = 512) -> JSONFault? {
        text.withUnsafeBytes { bytes in
            do throws(JSONFault) {
                try JSONScanner.validate(bytes, maximumDepth: depth)
                return nil
            } catch {
                return error
            }
        }
    }

    @Test(arguments: [
        "{}", "[]", " [ ] ", "null", "true", "false", "0", "-0", "-1.5e+10", "1E5", "\"\"", #""\u00e9\n\/\"""#, #"{"a":[1,{"b":null}],"c":""}"#,
        "[[[[]]]]", "\"é😀\"", #""\ud800""#,
    ])
    func validTextsPass(_ text: String) { #expect(fault(Array(text.utf8)) == nil) }

    @Test(arguments: [
        "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}", "{1:1}", "[}", "{]", "01", "-", "1.", ".5", "1e",
        "+1", "tru", "nul", "True", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "1 1", "{}}", "NaN", "'a'", "[1 2]", "{\"a\" 1}",
    ])
    func invalidTextsAreRefused(_ text: String) { #expect(fault(Array(text.utf8)) != nil) }

    @Test(arguments: [
        [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22], [0x22, 0xE2, 0x82, 0x22],
        [0x22, 0xE2], [0x22, 0xF0, 0x80, 0x80, 0x80, 0x22], [0x22, 0x80, 0x22], [0x22, 0xC3, 0x22],
    ] as [[UInt8]])
    func invalidUTF8IsRefused(_ bytes: [UInt8]) { #expect(fault(bytes)?.reason == .badUTF8) }

    @Test func depthIsBounded() {
        func nested(_ depth: Int) -> [UInt8] { Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8) }
        #expect(fault(nested(512)) == nil)
        #expect(fault(nested(513))?.reason == .tooDeep)
        #expect(fault(nested(4), depth: 3)?.reason == .tooDeep)
        #expect(fault([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000))?.reason == .tooDeep)
    }

    /// Every cut of a valid text is invalid, and never read past its end.
    @Test func everyPrefixIsRefused() {
        let text = Array(#"{"a":[1.5e3,true,null,"\u00e9\\é"],"b":{}}"#.utf8)
        for count in 0..<text.count { #expect(fault(Array(text[..<count])) != nil, "\(count)") }
        #expect(fault(text) == nil)
    }
}
