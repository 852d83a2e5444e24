import Testing

@testable import LogsAPI

@Suite struct FilterPatternTests {
    private func matches(_ pattern: String, _ message: String) throws -> Bool { try FilterPattern(pattern).matches(message) }

    @Test(arguments: [
        ("", "anything", true), ("ERROR", "an ERROR here", true), ("ERROR", "an error here", false),
        ("ERROR timeout", "timeout: ERROR", true), ("ERROR timeout", "ERROR", false),
        ("\"exact phrase\"", "the exact phrase.", true), ("\"exact phrase\"", "exact other phrase", false),
        ("?WARN ?ERROR", "WARN it", true), ("?WARN ?ERROR", "INFO it", false),
        ("ERROR -health", "ERROR in health", false), ("ERROR -health", "ERROR in disk", true), ("-\"a b\"", "a c", true),
        ("?WARN disk", "disk", true), ("\"say \\\"hi\\\"\"", "I say \"hi\"", true),
    ])
    func terms(_ pattern: String, _ message: String, _ expected: Bool) throws { #expect(try matches(pattern, message) == expected) }

    private static let line =
        #"{"level":"ERROR","size":12.5,"user":{"name":"Ada Lovelace","admin":true,"gone":null},"list":[{"id":1},{"id":2}],"code":"404"}"#

    @Test(arguments: [
        (#"{ $.level = "ERROR" }"#, true), ("{ $.level = ERROR }", true), ("{ $.level != ERROR }", false), (#"{ $.level = "E*R" }"#, true),
        ("{ $.level = *RR* }", true), ("{ $.level = *X* }", false), ("{ $.size > 12 }", true), ("{ $.size <= 12.5 }", true), ("{ $.size < 1e1 }", false),
        (#"{ $.code = "404" }"#, true), ("{ $.code = 404 }", false), ("{ $.user.admin IS TRUE }", true), ("{ $.user.gone IS NULL }", true),
        ("{ $.user.gone NOT EXISTS }", false), ("{ $.user.none NOT EXISTS }", true), ("{ $.list[1].id = 2 }", true), ("{ $.list[*].id = 1 }", true),
        ("{ $.list[2].id = 3 }", false), (#"{ $['user']['name'] = "Ada*" }"#, true), ("{ $.level = ERROR && $.size > 20 }", false),
        ("{ $.level = INFO || $.size > 12 }", true), ("{ ($.level = INFO || $.size > 12) && $.user.admin IS TRUE }", true),
    ])
    func conditions(_ pattern: String, _ expected: Bool) throws { #expect(try matches(pattern, Self.line) == expected) }

    @Test func aLineThatIsNoObjectMeetsNoCondition() throws {
        #expect(try !matches("{ $.none NOT EXISTS }", "START RequestId: 1"))
        #expect(try !matches("{ $.none NOT EXISTS }", "{broken"))
    }

    @Test(arguments: [
        "{ $.a = }", "{ $.a = 1", "{ a = 1 }", "{ $.a ~ 1 }", "{ $.a < word }", "{ $. = 1 }", "{ $.a[x] = 1 }", "\"open", "?", "%a.b%", "[ip, user]",
        "{ $.a = %x% }", "{ ($.a = 1 }", "{ $.a = 1 } more", "{ " + String(repeating: "(", count: 100) + "$.a = 1" + String(repeating: ")", count: 100) + " }",
    ])
    func whatCannotBeReadIsSaid(_ pattern: String) {
        #expect { _ = try FilterPattern(pattern) } throws: { error in
            (error as? LogsError)?.kind == .invalidParameter && ((error as? LogsError)?.message.hasPrefix("Invalid filter pattern") ?? false)
        }
    }

    @Test func manyStarsTakeNoMoreThanTheTextIsLong() {
        let text = String(repeating: "a", count: 20_000)
        #expect(!JSONCondition.matches(text + "c", Array(repeating: "a", count: 400) + ["b"]))
    }
}
