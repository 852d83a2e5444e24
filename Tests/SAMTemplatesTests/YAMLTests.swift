import JSONValues
import SAMTemplates
import Testing

private func read(_ text: String) throws -> String { try YAMLReader.read(Array(text.utf8)).text() }

private func fault(_ text: String) -> String? {
    do { _ = try YAMLReader.read(Array(text.utf8)) } catch { return error.description }
    return nil
}

@Suite struct YAMLReaderTests {
    @Test(arguments: [
        ("a: 1\nb: two\n", #"{"a":1,"b":"two"}"#), ("- a\n- b: 1\n  c: 2\n-\n  - d\n", #"["a",{"b":1,"c":2},["d"]]"#),
        ("a:\n- 1\n- 2\nb:\n  - 3\n", #"{"a":[1,2],"b":[3]}"#), ("a:\nb: ~\nc: null\n", #"{"a":null,"b":null,"c":null}"#),
        ("- - 1\n  - 2\n- - 3\n", "[[1,2],[3]]"), ("---\na: b\n...\n", #"{"a":"b"}"#), ("# only\n\n  # comments\n", "null"),
        (" a: 1\n b: 2\n", #"{"a":1,"b":2}"#), ("a: b # c\nd: 'e # f'\ng: h#i\n", #"{"a":"b","d":"e # f","g":"h#i"}"#),
        ("\"a b\": 1\n'c:d': 2\n", #"{"a b":1,"c:d":2}"#), ("a:\r\n  b: 1\r\n", #"{"a":{"b":1}}"#), ("key with spaces: http://x/y:z\n", #"{"key with spaces":"http://x/y:z"}"#),
        ("- a: 1\n\n  b: 2\n# c\n- 3\n", #"[{"a":1,"b":2},3]"#),
    ])
    func blocksAreRead(_ text: String, _ json: String) throws { #expect(try read(text) == json) }

    @Test(arguments: [
        ("true", "true"), ("No", "false"), ("on", "true"), ("'yes'", #""yes""#), ("012345678901", #""012345678901""#), ("-7", "-7"), ("1.0", "1.0"),
        ("2010-09-09", #""2010-09-09""#), ("1e3", #""1e3""#), ("rate(5 minutes)", #""rate(5 minutes)""#), ("cron(0 3 * * ? *)", #""cron(0 3 * * ? *)""#),
        ("arn:aws:sqs:::x", #""arn:aws:sqs:::x""#), ("''", #""""#), ("'it''s'", #""it's""#), (#""a\tb\u00e9\x41\"""#, #""a\tbéA\"""#), ("0", "0"), (".5", #"".5""#), ("-", "[null]"),
        (#""\ud83d\ude00""#, "\"😀\""),
    ])
    func scalarsMeanWhatTheySay(_ text: String, _ json: String) throws { #expect(try read(text) == json) }

    @Test func linesOfAScalarAreFolded() throws {
        #expect(try read("a: one\n  two\n\n  three\nb: 1\n") == #"{"a":"one two\nthree","b":1}"#)
        #expect(try read("a: \"one\n  two\\\n  three\n\n  four\"\n") == #"{"a":"one twothree\nfour"}"#)
        #expect(try read("a: 'one\n\n\n  two'\n") == #"{"a":"one\n\ntwo"}"#)
    }

    @Test func blockScalarsKeepOrFoldTheirLines() throws {
        #expect(try read("a: |\n  def f():\n    return 1\n\nb: 2\n") == #"{"a":"def f():\n  return 1\n","b":2}"#)
        #expect(try read("a: |-\n  x\n  y\n\n\nb: >-\n  one\n  two\n\n  three\n") == #"{"a":"x\ny","b":"one two\nthree"}"#)
        #expect(try read("a: |+\n  x\n\nb: 1\n") == #"{"a":"x\n\n","b":1}"#)
        #expect(try read("a: |2\n    x\n  y\n") == #"{"a":"  x\ny\n"}"#)
        #expect(try read("a: >\n  one\n    code\n  two\n") == #"{"a":"one\n  code\ntwo\n"}"#)
        #expect(try read("- |\n  # no comment\n  a: b\n") == ##"["# no comment\na: b\n"]"##)
        #expect(try read("a: |\nb: 1\n") == #"{"a":"","b":1}"#)
    }

    @Test func flowCollectionsAreJSONAndMore() throws {
        #expect(try read(#"{"a": [1, {"b": null}], "c": "d"}"#) == #"{"a":[1,{"b":null}],"c":"d"}"#)
        #expect(try read("a: [x, 'y z',\n  {k: v, l: }, # c\n  w ]\nb: {}\n") == #"{"a":["x","y z",{"k":"v","l":null},"w"],"b":{}}"#)
        #expect(try read("{\n\t\"a\": 1,\n\t\"b\": [\n\t\t2\n\t]\n}\n") == #"{"a":1,"b":[2]}"#)
        #expect(try read("a: [http://x:80/y, b:c]\n") == #"{"a":["http://x:80/y","b:c"]}"#)
    }

    @Test func shortTagsBecomeLongForms() throws {
        #expect(try read("a: !Ref B\n") == #"{"a":{"Ref":"B"}}"#)
        #expect(try read("a: !GetAtt B.C.D\n") == #"{"a":{"Fn::GetAtt":["B","C.D"]}}"#)
        #expect(try read("a: !Sub '${B}-x'\nb: !Sub |\n  c\n") == #"{"a":{"Fn::Sub":"${B}-x"},"b":{"Fn::Sub":"c\n"}}"#)
        #expect(try read("a: !Join ['-', [!Ref A, b]]\n") == #"{"a":{"Fn::Join":["-",[{"Ref":"A"},"b"]]}}"#)
        #expect(try read("a: !If\n  - C\n  - !Ref D\n  - !Ref AWS::NoValue\nb: 1\n") == #"{"a":{"Fn::If":["C",{"Ref":"D"},{"Ref":"AWS::NoValue"}]},"b":1}"#)
        #expect(try read("a: !Equals [!Ref E, prod]\n- x\n".replacing("\n- x", with: "")) == #"{"a":{"Fn::Equals":[{"Ref":"E"},"prod"]}}"#)
        #expect(try read("- !Ref A\n- !Sub b\n") == #"[{"Ref":"A"},{"Fn::Sub":"b"}]"#)
        #expect(try read("a:\n  Fn::Sub:\n    - '${x}'\n    - x: !Ref Y\n") == #"{"a":{"Fn::Sub":["${x}",{"x":{"Ref":"Y"}}]}}"#)
    }

    @Test(arguments: [
        ("a: 1\na: 2\n", "line 2"), ("a:\n\tb: 1\n", "tabs"), ("a: &x 1\n", "anchors"), ("a: *x\n", "anchors"), ("a: !Unknown x\n", "!Unknown"), ("a: [1, 2\n", "does not end"),
        ("a: 'x\n", "does not end"), ("a: b: c\n", "key itself"), ("a: 1\n b: 2\n", "line 2"), ("a:\n  b: 1\n c: 2\n", "line 3"), ("- a\nb: 1\n", "line 2"),
        ("a: 1\n---\nb: 2\n", "one document"), ("a: {b: 1, b: 2}\n", "twice"), ("a: [1 2, [3] 4]\n", "missing"), ("a: \"\\q\"\n", "no escape"), ("? a\n: b\n", "scalars"),
        ("a: 'b' c\n", "behind"), ("a: {b}\n", "':' is missing"), ("<<: {a: 1}\n", "merge keys"), ("a: @x\n", "quoted"), ("%YAML 1.2\n---\na: 1\n", "directives"),
        ("a: !GetAtt B\n", "attribute"), ("a: |x\n  b\n", "behind |"), ("a: b\nplain\n", "':' are missing"),
    ])
    func mistakesAreToldWithTheirLine(_ text: String, _ words: String) throws {
        let told = try #require(fault(text), "\(text) was read")
        #expect(told.contains(words) && told.hasPrefix("line "), "\(told)")
    }

    @Test func sizesAndDepthsAreBounded() throws {
        #expect(fault(String(repeating: "[", count: 100) + String(repeating: "]", count: 100))?.contains("64 levels") == true)
        #expect(fault((0..<100).map { String(repeating: " ", count: $0) + "a:\n" }.joined())?.contains("64 levels") == true)
        #expect(fault(String(repeating: "a", count: YAMLReader.maximumBytes + 1))?.contains("bytes") == true)
        #expect(throws: YAMLFault.self) { try YAMLReader.read([0x61, 0xFF]) }
    }

    /// Whatever the bytes, there is an answer.
    @Test func randomTextsNeverCrash() {
        var dice = SystemRandomNumberGenerator()
        let parts = ["a", "b:", " ", "  ", "\n", "- ", "'", "\"", "[", "]", "{", "}", ",", "!Ref ", "!Sub", "|", ">-", "#", "\\", "\t", ": ", "---", "...", "&", "é", "1", "?"]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 1...24, using: &dice)).map { _ in parts[Int.random(in: 0..<parts.count, using: &dice)] }.joined()
            _ = try? YAMLReader.read(Array(text.utf8))
        }
    }
}
