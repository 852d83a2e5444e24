import ArgumentParser
import Testing

@testable import Martlet

@Suite struct ArgumentTests {
    @Test func deployTakesAllItsOptions() throws {
        let parsed = try MartletCommand.parseAsRoot([
            "deploy", "hello", "path", "--runtime", "python3", "--handler", "a.b", "--memory", "256", "--timeout", "10", "--env", "A=1",
            "--env", "B=x=y", "--isolation", "environment", "--concurrency", "3", "--url", "none", "--json", "--endpoint", "http://h:1",
        ])
        let command = try #require(parsed as? DeployCommand)
        #expect(command.memory == 256 && command.timeout == 10 && command.concurrency == 3)
        #expect(try DeployCommand.variables(command.env) == ["A": "1", "B": "x=y"])
        #expect(command.url == .open && command.isolation == .environment && command.output.json)
        #expect(command.server.endpoint == "http://h:1")
    }

    @Test(arguments: [
        ["deploy", "bad name", "p"], ["deploy", "a", "p", "--memory", "64"], ["deploy", "a", "p", "--timeout", "901"],
        ["deploy", "a", "p", "--env", "novalue"], ["deploy", "a", "p", "--env", "=x"], ["deploy", "a", "p", "--url", "maybe"], ["deploy"],
        ["invoke", "a", "b"], ["invoke", "a", "-", "--payload", "{}"], ["usage", "--by", "colour"], ["usage", "--json", "--csv"],
        ["usage", "--invocation", "x", "--since", "1h"], ["serve", "--unknown"], ["nothing"],
    ])
    func wrongArgumentsAreAUsageFailure(arguments: [String]) {
        do {
            _ = try MartletCommand.parseAsRoot(arguments)
            Issue.record("accepted")
        } catch {
            #expect(MartletCommand.exitCode(for: error).rawValue == 64)
        }
    }

    @Test func verbsAreAllThere() throws {
        for arguments in [
            ["serve", "--listen", "127.0.0.1:0", "--data", "d", "--config", "c", "--dev"], ["invoke", "f", "-", "--log", "--qualifier", "1"],
            ["list", "--json"], ["describe", "f"], ["delete", "f"], ["logs", "f", "--follow", "--since", "10m", "--request", "r"],
            ["usage", "--by", "invocation", "--since", "24h", "--until", "1h", "--function", "f", "--csv"], ["credentials", "--export"],
            ["config", "check", "--json"], ["invoke", "f", "--payload", "-1"], ["doctor", "--json"], ["version"],
        ] {
            _ = try MartletCommand.parseAsRoot(arguments)
        }
    }
}
