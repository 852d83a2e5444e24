import EventPatterns
import JSONValues
import Testing

private func matches(_ pattern: String, _ event: String) throws -> Bool {
    try EventPattern(parsing: pattern).matches(JSON(parsing: event))
}

@Suite struct EventPatternTests {
    private static let event = #"""
        {"version":"0","source":"shop.orders","detail-type":"Order Placed","account":"123456789012","time":"2026-11-21T15:00:00Z",
         "resources":["order/17","customer/4"],
         "detail":{"state":"Paid","total":99.5,"count":3,"express":false,"coupon":null,"note":"","file":"inbox/2026/scan.PNG",
          "from":"10.0.0.255","from6":"2001:db8::17","lines":[{"sku":"a","n":1},{"sku":"b","n":20}],"empty":[],"nested":{"deep":{"x":1}}}}
        """#

    @Test(arguments: [
        // Exact values, of every kind.
        (#"{"source":["shop.orders"]}"#, true), (#"{"source":["shop"]}"#, false), (#"{"source":["Shop.orders"]}"#, false),
        (#"{"source":["a","shop.orders"],"account":["123456789012"]}"#, true),
        (#"{"source":["shop.orders"],"account":["1"]}"#, false), (#"{"missing":["x"]}"#, false),
        (#"{"detail":{"count":[3]}}"#, true), (#"{"detail":{"count":["3"]}}"#, false), (#"{"detail":{"count":[3.0]}}"#, true),
        (#"{"detail":{"express":[false]}}"#, true), (#"{"detail":{"express":[true]}}"#, false),
        (#"{"detail":{"coupon":[null]}}"#, true), (#"{"detail":{"coupon":[""]}}"#, false),
        (#"{"detail":{"note":[""]}}"#, true), (#"{"detail":{"note":[null]}}"#, false),
        // Arrays: any element.
        (#"{"resources":["customer/4"]}"#, true), (#"{"resources":["x","order/17"]}"#, true), (#"{"resources":["customer"]}"#, false),
        // Arrays of objects: one element meets all.
        (#"{"detail":{"lines":{"sku":["b"],"n":[20]}}}"#, true), (#"{"detail":{"lines":{"sku":["a"],"n":[20]}}}"#, false),
        // Prefix and suffix.
        (#"{"time":[{"prefix":"2026-11-21"}]}"#, true), (#"{"time":[{"prefix":"2027"}]}"#, false),
        (#"{"detail":{"file":[{"suffix":".png"}]}}"#, false), (#"{"detail":{"file":[{"suffix":{"equals-ignore-case":".png"}}]}}"#, true),
        (#"{"source":[{"prefix":{"equals-ignore-case":"SHOP."}}]}"#, true), (#"{"detail":{"count":[{"prefix":"3"}]}}"#, false),
        // Ignoring case.
        (#"{"detail":{"state":[{"equals-ignore-case":"PAID"}]}}"#, true), (#"{"detail":{"state":[{"equals-ignore-case":"PAI"}]}}"#, false),
        // Anything but.
        (#"{"detail":{"state":[{"anything-but":"Open"}]}}"#, true), (#"{"detail":{"state":[{"anything-but":"Paid"}]}}"#, false),
        (#"{"detail":{"state":[{"anything-but":["Open","Paid"]}]}}"#, false), (#"{"detail":{"count":[{"anything-but":3}]}}"#, false),
        (#"{"detail":{"count":[{"anything-but":[1,2]}]}}"#, true), (#"{"detail":{"coupon":[{"anything-but":"x"}]}}"#, true),
        (#"{"detail":{"gone":[{"anything-but":"x"}]}}"#, false), (#"{"resources":[{"anything-but":"order/17"}]}"#, true),
        (#"{"detail":{"state":[{"anything-but":{"prefix":"Pa"}}]}}"#, false), (#"{"detail":{"state":[{"anything-but":{"prefix":["x","Pa"]}}]}}"#, false),
        (#"{"detail":{"state":[{"anything-but":{"suffix":"x"}}]}}"#, true), (#"{"detail":{"state":[{"anything-but":{"suffix":["x","d"]}}]}}"#, false),
        (#"{"detail":{"state":[{"anything-but":{"equals-ignore-case":"pAID"}}]}}"#, false),
        (#"{"detail":{"state":[{"anything-but":{"equals-ignore-case":["open","pAID"]}}]}}"#, false),
        (#"{"detail":{"file":[{"anything-but":{"wildcard":"*/2026/*"}}]}}"#, false),
        (#"{"detail":{"file":[{"anything-but":{"wildcard":["*/2025/*","out*"]}}]}}"#, true),
        // Numbers.
        (#"{"detail":{"total":[{"numeric":["=",99.50]}]}}"#, true), (#"{"detail":{"total":[{"numeric":["=",9.95e1]}]}}"#, true),
        (#"{"detail":{"total":[{"numeric":[">",99.5]}]}}"#, false), (#"{"detail":{"total":[{"numeric":[">=",99.5]}]}}"#, true),
        (#"{"detail":{"total":[{"numeric":["<",99.5]}]}}"#, false), (#"{"detail":{"total":[{"numeric":["<=",99.5]}]}}"#, true),
        (#"{"detail":{"total":[{"numeric":[">",0,"<=",99.5]}]}}"#, true), (#"{"detail":{"total":[{"numeric":[">",0,"<",99.5]}]}}"#, false),
        (#"{"detail":{"note":[{"numeric":["<",1]}]}}"#, false), (#"{"detail":{"lines":{"n":[{"numeric":[">",10]}]}}}"#, true),
        // Existence, of leaves only.
        (#"{"detail":{"state":[{"exists":true}]}}"#, true), (#"{"detail":{"gone":[{"exists":true}]}}"#, false),
        (#"{"detail":{"gone":[{"exists":false}]}}"#, true), (#"{"detail":{"state":[{"exists":false}]}}"#, false),
        (#"{"detail":{"coupon":[{"exists":true}]}}"#, true), (#"{"detail":{"nested":[{"exists":true}]}}"#, false),
        (#"{"detail":{"nested":[{"exists":false}]}}"#, true), (#"{"detail":{"empty":[{"exists":false}]}}"#, true),
        (#"{"gone":{"below":[{"exists":false}]}}"#, true), (#"{"source":{"below":[{"exists":false}]}}"#, true),
        (#"{"detail":{"state":["Open",{"exists":false}]}}"#, false), (#"{"detail":{"gone":["Open",{"exists":false}]}}"#, true),
        // Addresses.
        (#"{"detail":{"from":[{"cidr":"10.0.0.0/24"}]}}"#, true), (#"{"detail":{"from":[{"cidr":"10.0.1.0/24"}]}}"#, false),
        (#"{"detail":{"from":[{"cidr":"10.0.0.128/25"}]}}"#, true), (#"{"detail":{"from":[{"cidr":"0.0.0.0/0"}]}}"#, true),
        (#"{"detail":{"from":[{"cidr":"10.0.0.255/32"}]}}"#, true), (#"{"detail":{"from6":[{"cidr":"2001:db8::/32"}]}}"#, true),
        (#"{"detail":{"from6":[{"cidr":"2001:db9::/32"}]}}"#, false), (#"{"detail":{"from6":[{"cidr":"0.0.0.0/0"}]}}"#, false),
        (#"{"detail":{"from6":[{"cidr":"2001:db8::10/125"}]}}"#, true), (#"{"detail":{"state":[{"cidr":"0.0.0.0/0"}]}}"#, false),
        // Wildcards.
        (#"{"detail":{"file":[{"wildcard":"inbox/*/scan.*"}]}}"#, true), (#"{"detail":{"file":[{"wildcard":"inbox/*"}]}}"#, true),
        (#"{"detail":{"file":[{"wildcard":"*.png"}]}}"#, false), (#"{"detail":{"file":[{"wildcard":"inbox"}]}}"#, false),
        (#"{"detail":{"file":[{"wildcard":"*"}]}}"#, true), (#"{"detail":{"note":[{"wildcard":"*"}]}}"#, true),
        // Alternatives.
        (#"{"$or":[{"source":["x"]},{"account":["123456789012"]}]}"#, true), (#"{"$or":[{"source":["x"]},{"account":["1"]}]}"#, false),
        (#"{"source":["x"],"$or":[{"account":["123456789012"]},{"version":["0"]}]}"#, false),
        (#"{"detail":{"$or":[{"total":[{"numeric":[">",1000]}]},{"count":[{"numeric":["<",5]}]}]}}"#, true),
        (#"{"$or":[{"source":["x"]},{"$or":[{"version":["1"]},{"detail":{"state":["Paid"]}}]}]}"#, true),
        (#"{"detail":{"lines":{"sku":["a"],"$or":[{"n":[20]},{"n":[30]}]}}}"#, false),
    ])
    func eventIsJudged(_ pattern: String, _ expected: Bool) throws {
        #expect(try matches(pattern, Self.event) == expected)
    }

    @Test func stringsAreComparedByteByByte() throws {
        // Composed and decomposed: the same text to a reader, two texts to EventBridge.
        #expect(try matches(#"{"a":["\u00e9"]}"#, #"{"a":"é"}"#))
        #expect(try !matches(#"{"a":["\u00e9"]}"#, #"{"a":"e\u0301"}"#))
        #expect(try !matches(#"{"\u00e9":[1]}"#, #"{"e\u0301":1}"#))
        #expect(try matches(#"{"a":[{"equals-ignore-case":"ÄÖ"}]}"#, #"{"a":"äö"}"#))
    }

    @Test func numbersBeyondTheRangeAreComparedAsText() throws {
        #expect(try matches(#"{"a":[123456789012]}"#, #"{"a":123456789012}"#))
        #expect(try !matches(#"{"a":[123456789012]}"#, #"{"a":123456789012.0}"#))
        #expect(try !matches(#"{"a":[{"numeric":[">",0]}]}"#, #"{"a":5000000001}"#))
        #expect(try matches(#"{"a":[{"numeric":["<=",5.0e9]}]}"#, #"{"a":5000000000}"#))
        #expect(try !matches(#"{"a":[{"numeric":[">=",0]}]}"#, #"{"a":1"# + String(repeating: "0", count: 100) + "}"))
    }

    @Test(arguments: [
        ("a*c", "abc", true), ("a*c", "ac", true), ("a*c", "acb", false), ("*a*a*", "a", false), ("*a*a*", "aa", true), ("a*a", "a", false),
        ("*ab*ab*", "abab", true), ("*aab*", "aaab", true), ("*abac*", "ababac", true), (#"\*x\\"#, #"*x\"#, true), (#"\*x"#, "ax", false),
        ("", "", true), ("", "a", false), ("a*b*c", "a-b-b-c", true), ("a*b*c", "a-c-b", false),
    ])
    func wildcardCoversRuns(_ pattern: String, _ text: String, _ expected: Bool) throws {
        let pattern = JSON.object([.init("a", .array([.object([.init("wildcard", .string(pattern))])]))])
        #expect(try EventPattern(pattern).matches(.object([.init("a", .string(text))])) == expected)
    }

    @Test(arguments: [
        ("", "", "not JSON"), ("[]", "", "must be an object"), ("{}", "", "empty objects"), (#"{"a":{}}"#, "a", "empty objects"),
        (#"{"a":[]}"#, "a", "empty arrays"), (#"{"detail":{"a":"x"}}"#, "detail.a", "must be an object or an array"),
        (#"{"a":[["x"]]}"#, "a[0]", "must be a string"), (#"{"a":[1,{}]}"#, "a[1]", "exactly one key"),
        (#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "a[0]", "exactly one key"), (#"{"a":[{"pre":"x"}]}"#, "a[0].pre", "unknown match type 'pre'"),
        (#"{"a":[{"prefix":1}]}"#, "a[0].prefix", "must be a string"), (#"{"a":[{"prefix":{"suffix":"x"}}]}"#, "a[0].prefix", "equals-ignore-case"),
        (#"{"a":[{"exists":"yes"}]}"#, "a[0].exists", "true or false"), (#"{"a":[{"cidr":"10.0.0.0"}]}"#, "a[0].cidr", "no CIDR block"),
        (#"{"a":[{"cidr":"10.0.0.0/33"}]}"#, "a[0].cidr", "no CIDR block"), (#"{"a":[{"cidr":"::/129"}]}"#, "a[0].cidr", "no CIDR block"),
        (#"{"a":[{"cidr":"1.2.3.4\u0000/8"}]}"#, "a[0].cidr", "no CIDR block"),
        (#"{"a":[{"numeric":5}]}"#, "a[0].numeric", "must be an array"), (#"{"a":[{"numeric":["=","5"]}]}"#, "a[0].numeric", "must be a number"),
        (#"{"a":[{"numeric":["!=",5]}]}"#, "a[0].numeric", "unknown numeric operator"),
        (#"{"a":[{"numeric":["<",5,">",1]}]}"#, "a[0].numeric", "then < or <="), (#"{"a":[{"numeric":[">",5,"<",5]}]}"#, "a[0].numeric", "less than its top"),
        (#"{"a":[{"numeric":["=",5000000001]}]}"#, "a[0].numeric", "5.0e9"), (#"{"a":[{"anything-but":[]}]}"#, "a[0].anything-but", "list of strings"),
        (#"{"a":[{"anything-but":["x",1]}]}"#, "a[0].anything-but", "list of strings"), (#"{"a":[{"anything-but":null}]}"#, "a[0].anything-but", "takes a string"),
        (#"{"a":[{"anything-but":{"cidr":"::/0"}}]}"#, "a[0].anything-but", "takes one of"),
        (#"{"a":[{"anything-but":{"prefix":""}}]}"#, "a[0].anything-but.prefix", "empty prefix"),
        (#"{"a":[{"wildcard":"a**b"}]}"#, "a[0].wildcard", "two stars"), (#"{"a":[{"wildcard":"a\\b"}]}"#, "a[0].wildcard", "backslash"),
        (#"{"$or":{"a":["x"]}}"#, "$or", "array of objects"), (#"{"$or":[{"a":["x"]}]}"#, "$or", "at least 2"),
        (#"{"$or":[{"a":["x"]},"y"]}"#, "$or[1]", "only objects"), (#"{"d":{"$or":[{"a":["x"]},{"prefix":["y"]}]}}"#, "d.$or[1].prefix", "inside $or"),
        (#"{"a":["x"],"a":["y"]}"#, "a", "there twice"), (#"{"a":[1}"#, "", "at byte 7"),
    ])
    func faultNamesItsPlace(_ pattern: String, _ place: String, _ reason: String) {
        do {
            _ = try EventPattern(parsing: pattern)
            Issue.record("accepted")
        } catch {
            #expect(error.place == place)
            #expect(error.reason.contains(reason), "\(error)")
            #expect(error.description.hasPrefix("Event pattern is not valid. Reason: "))
        }
    }

    @Test func sizeDepthAndWildcardsAreBounded() throws {
        let long = #"{"a":["\#(String(repeating: "x", count: 4096))"]}"#
        #expect(throws: EventPatternError.self) { try EventPattern(parsing: long) }
        let deep = String(repeating: #"{"a":"#, count: 100) + "[1]" + String(repeating: "}", count: 100)
        #expect(throws: EventPatternError.self) { try EventPattern(parsing: deep) }
        func wild(_ count: Int) -> String { #"{"a":[\#((0..<count).map { #"{"wildcard":"*\#($0)*"}"# }.joined(separator: ","))]}"# }
        _ = try EventPattern(parsing: wild(32))
        #expect(throws: EventPatternError.self) { try EventPattern(parsing: wild(33)) }
    }

    /// What makes a backtracking matcher take hours: the time must grow as the string does, not as its square.
    @Test func hostileWildcardTakesLinearTime() throws {
        let piece = String(repeating: "a", count: 100) + "b"
        let pattern = try EventPattern(parsing: #"{"a":[{"wildcard":"*\#(Array(repeating: piece, count: 20).joined(separator: "*"))*"}]}"#)
        func time(_ count: Int) -> Duration {
            let event = JSON.object([.init("a", .string(String(repeating: "a", count: count)))])
            return (0..<3).map { _ in ContinuousClock().measure { #expect(!pattern.matches(event)) } }.min() ?? .zero
        }
        let short = time(100_000)
        #expect(time(1_600_000) < short * 64 + .milliseconds(50))
    }

    @Test func deepEventIsWalkedOnlyWhereThePatternLeads() throws {
        let event = String(repeating: #"{"a":["#, count: 100) + "1" + String(repeating: "]}", count: 100)
        #expect(try matches(#"{"b":[{"exists":false}]}"#, event))
        #expect(try !matches(#"{"a":{"a":{"b":[1]}}}"#, event))
    }
}

@Suite struct RecordFilterTests {
    private func passes(_ patterns: [String], _ body: String) throws -> Bool {
        try RecordFilter(patterns: patterns).passes(
            body: body, record: [.init("messageId", .string("m")), .init("attributes", .object([.init("SenderId", .string("me"))]))])
    }

    @Test(arguments: [
        (#"{"body":{"kind":["a"]}}"#, #"{"kind":"a"}"#, true), (#"{"body":{"kind":["a"]}}"#, #"{"kind":"b"}"#, false),
        (#"{"body":{"kind":["a"]}}"#, "kind a", false), (#"{"body":{"kind":[{"exists":false}]}}"#, "plain", false),
        (#"{"body":["plain"]}"#, "plain", true), (#"{"body":[{"prefix":"pl"}]}"#, "plain", true), (#"{"body":["plain"]}"#, "other", false),
        (#"{"body":[{"exists":true}]}"#, #"{"kind":"a"}"#, false), (#"{"attributes":{"SenderId":["me"]}}"#, #"{"kind":"a"}"#, true),
        (#"{"attributes":{"SenderId":["you"]}}"#, "plain", false), (#"{"body":{"kind":["a"]}}"#, #" {"kind":"a"} "#, true),
        (#"{"body":{"kind":["a"]}}"#, #"{"kind":"a""#, false), (#"{"body":["17"]}"#, "17", true),
        (#"{"$or":[{"body":{"kind":["a"]}},{"body":["plain"]}]}"#, "plain", true),
        (#"{"$or":[{"body":{"kind":["a"]}},{"body":["plain"]}]}"#, #"{"kind":"a"}"#, true),
    ])
    func bodyIsReadAsThePatternMeansIt(_ pattern: String, _ body: String, _ expected: Bool) throws {
        #expect(try passes([pattern], body) == expected)
    }

    @Test func onePatternIsEnough() throws {
        #expect(try passes([#"{"body":["x"]}"#, #"{"body":{"kind":["a"]}}"#], #"{"kind":"a"}"#))
        #expect(throws: EventPatternError.self) { try passes([], "x") }
        #expect(throws: EventPatternError.self) { try passes(Array(repeating: #"{"body":["x"]}"#, count: 11), "x") }
        #expect(throws: EventPatternError.self) { try passes([#"{"body":"x"}"#], "x") }
    }
}
