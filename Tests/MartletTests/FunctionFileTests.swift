import JSONValues
import Testing

@testable import Martlet

@Suite struct FunctionFileTests {
    private func file(_ text: String) throws -> FunctionFile { try FunctionFile(parsing: Array(text.utf8), path: "f/function.toml") }

    private static let text = """
        # what deploy needs
        name = "report"   # of the function
        runtime = 'python3'
        handler = "app.handler"
        memory = 1_024
        timeout = 30
        ephemeral_storage = 2048
        layers = [
            "arn:one",  # first
            'arn:two',
        ]
        isolation = "environment"
        network = "none"
        concurrency = 0
        url = "off"

        [env]
        "WITH SPACE" = "a=b # no comment\\n\\"\\u00e4\\""
        NUMBER = -7
        FLAG = true
        EMPTY = ""
        RAW = 'C:\\raw'
        [tags]
        team = "birds"
        """

    @Test(arguments: ["\n", "\r\n"])
    func everySettingIsRead(lineEnd: String) throws {
        let found = try file(Self.text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: lineEnd))
        var expected = FunctionFile()
        (expected.name, expected.runtime, expected.handler, expected.memory, expected.timeout) = ("report", "python3", "app.handler", 1_024, 30)
        (expected.ephemeralStorage, expected.layers, expected.isolation) = (2_048, ["arn:one", "arn:two"], .environment)
        (expected.network, expected.concurrency, expected.url) = (DeployCommand.NetworkWish.none, 0, .off)
        expected.env = ["WITH SPACE": "a=b # no comment\n\"ä\"", "NUMBER": "-7", "FLAG": "true", "EMPTY": "", "RAW": "C:\\raw"]
        expected.tags = ["team": "birds"]
        #expect(found == expected)
        #expect(try file("") == FunctionFile() && file("layers = []").layers == [])
    }

    @Test(arguments: [
        ("nam = \"x\"", "line 1: unknown setting nam; did you mean name?"), ("\n[environment]\nA = 1", "line 2: unknown table [environment]"),
        ("[environment]", "line 1: unknown table [environment]"), ("memory = 1\n[environment]", "line 1: memory must be"),
        ("\r\n\r\nmemory = \"128\"", "line 3: memory must be a whole number from 128 to 10240 (MB)"), ("memory = 1", "128 to 10240"),
        ("name = 5", "name must be a text"), ("name = \"a b\"", "no function name"), ("url = \"open\"", "url must be one of none, iam, off"),
        ("layers = \"arn\"", "layers must be an array of texts"), ("layers = [1]", "texts in quotes, not '1]'"), ("layers = [\n\"a\"", "line 2: the array has no closing ]"),
        ("[env]\nA = [\"b\"]", "line 2: A must be one text"), ("name = \"x", "no closing"), ("name = \"x\ny\"", "line 1: the text has no closing"),
        ("name", "'=' is expected at the end"), ("name = ", "a value is expected"), ("name = x", "'x' is no text"), ("memory = 007", "'007' is no text"),
        ("memory = 1__0", "no text"), ("memory = +-1", "no text"), ("name = \"x\" y", "'y' is more"),
        ("name = \"a\"\nname = \"b\"", "line 2: name is there already"), ("[env]\n[env]", "line 2: the table [env] is there already"),
        ("[[env]]", "arrays of tables"), ("name = \"\"\"x", "several lines"), ("name = \"\\q\"", "escape"), ("name = \"\\ud800\"", "no character"),
        ("[env", "']' is expected"), ("env.A = 1", "names with dots"), ("env = {A = 1}", "tables in one line"),
    ])
    func whatIsWrongIsNamedWithItsLine(text: String, reason: String) {
        let failure = #expect(throws: CommandFailure.self) { _ = try file(text) }
        #expect(failure?.description.contains(reason) == true && failure?.description.hasPrefix("f/function.toml") == true, "\(failure?.description ?? "")")
    }

    @Test func anEmptyTableSaysThatThereIsNothing() throws {
        let found = try file("[env]\n\n[tags]")
        #expect(found.env == [:] && found.tags == [:])
        var function = DeployedFunction(function: .object([]))
        (function.runtime, function.handler, function.environment, function.codeSha256) = ("python3.11", "a.b", ["A": "1"], "sha")
        let wishes = DeployWishes(runtime: "python3.11", handler: "a.b", environment: found.env, tags: found.tags)
        let none = JSON.object([.init("Variables", .object([]))])
        #expect(DeployPlan(wishes, codeSha256: "sha", existing: function).configuration == [.init("Environment", none)])
    }

    @Test func bytesThatAreNoTextAreRefused() {
        let failure = #expect(throws: CommandFailure.self) { _ = try FunctionFile(parsing: [0xFF, 0xFE], path: "f") }
        #expect(failure?.description.contains("not UTF-8") == true)
    }

    @Test func theCommandLineComesFirst() throws {
        var flags = FunctionFile()
        (flags.memory, flags.env) = (256, ["ONLY": "this"])
        let settings = try file(Self.text).overridden(by: flags)
        #expect(settings.memory == 256 && settings.env == ["ONLY": "this"] && settings.timeout == 30 && settings.tags == ["team": "birds"])
    }
}
