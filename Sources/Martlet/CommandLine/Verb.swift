internal import ArgumentParser
internal import Glibc
internal import JSONValues

/// The program's own version.
let martletVersion = "0.1.0"

/// A command that speaks to a server, or at least fails like one: what went wrong on stderr, status 1 for a failure, 64
/// for a wrong request.
protocol Verb: AsyncParsableCommand {
    func perform() async throws
}

extension Verb {
    func run() async throws {
        // A reader that goes away shows as a failed write.
        signal(SIGPIPE, SIG_IGN)
        do {
            try await perform()
        } catch let failure as CommandFailure {
            try Self.end(failure)
        } catch let end as Exit {
            throw ExitCode(end.status)
        } catch let fault as ConfigurationFault {
            try Self.end(CommandFailure("the configuration is not usable:\n\(fault)"))
        }
    }

    private static func end(_ failure: CommandFailure) throws {
        let style = Style(isTerminal: Terminal.errorIsTerminal, environment: processEnvironment())
        Terminal.printError("\(style.red("martlet:")) \(failure)")
        throw ExitCode(failure.exitCode)
    }
}

/// Where the server is, for every verb but `serve`.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server's address. Default: MARTLET_ENDPOINT, else http://127.0.0.1:9000.", valueName: "url"))
    var endpoint: String?

    func client() throws -> APIClient {
        let environment = processEnvironment()
        let endpoint = try Endpoint.resolve(flag: endpoint, environment: environment)
        let signer = SigV4RequestSigner.resolve(environment: environment) {
            try? Credentials.load(
                path: ConfigurationLoader.defaultDataDirectory(isRoot: geteuid() == 0, environment: environment))
        }
        return APIClient(endpoint: endpoint, signer: signer)
    }
}

struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false

    var style: Style { Style(isTerminal: Terminal.outputIsTerminal, environment: processEnvironment()) }

    func print(json value: JSON) { Terminal.print(value.text(indented: true)) }
}

func processEnvironment() -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let pointer = entry.pointee {
        let text = String(cString: pointer)
        if let equals = text.firstIndex(of: "="), equals != text.startIndex {
            result[String(text[..<equals])] = String(text[text.index(after: equals)...])
        }
        entry += 1
    }
    return result
}

/// Milliseconds since 1970.
func currentMilliseconds() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
}
