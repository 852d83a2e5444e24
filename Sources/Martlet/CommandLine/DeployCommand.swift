internal import ArgumentParser
internal import DeploymentPackages
internal import FoundationEssentials
internal import FunctionModel
internal import Glibc
internal import JSONValues
internal import LambdaAPI

struct DeployCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "deploy", abstract: "Make or update a function from a folder, a zip archive or a single file, or everything that a SAM template names.",
        usage: """
            martlet deploy [<name>] <path> [<options>]
            martlet deploy --template <file> [--stack-name <name>] [--parameter-overrides <K=V> ...] [--dry-run] [--yes] [--delete]
            """,
        discussion: "A function.toml in the folder says what no option says: name, runtime, handler, memory, timeout, ephemeral_storage, layers, "
            + "isolation, network, concurrency, url, and the tables [env] and [tags]. Runtime and handler are read from the files where those make them "
            + "plain. A requirements.txt in a folder is installed "
            + "into the package with pip. What did not change is not sent again. Ends when the function can answer. With a template, what "
            + "differs from the server is shown first, and on a terminal asked for.")

    enum URLWish: String, CaseIterable, ExpressibleByArgument, Sendable {
        case open = "none"
        case iam, off
    }
    enum IsolationWish: String, CaseIterable, ExpressibleByArgument, Sendable { case invocation, environment }
    enum NetworkWish: String, CaseIterable, ExpressibleByArgument, Sendable { case none, egress }

    @Argument(help: ArgumentHelp("The function's name: letters, digits, - and _. May be left out where function.toml has it.", valueName: "name"))
    var functionName: String?
    @Argument(help: ArgumentHelp("A folder, a zip archive, a .py, .js or .mjs file, or an executable.", valueName: "path"))
    var codePath: String?
    @OptionGroup(title: "Templates") var stack: StackOptions
    @Option(help: "python3 or nodejs (the newest on the server), python3.11, nodejs20.x, …, or provided.")
    var runtime: String?
    @Option(help: "What to call, for example app.handler.")
    var handler: String?
    @Option(help: ArgumentHelp("Memory size, 128 to 10240.", valueName: "MB"))
    var memory: Int?
    @Option(help: ArgumentHelp("Time limit of one invocation, 1 to 900.", valueName: "seconds"))
    var timeout: Int?
    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp("An environment variable; repeat it for more. Those given replace all the function had.", valueName: "K=V"))
    var env: [String] = []
    @Option(help: "invocation: a fresh sandbox every time (default). environment: one serves many invocations in turn.")
    var isolation: IsolationWish?
    @Option(help: "egress: the function reaches other hosts, as far as the server's configuration lets it. none: nothing but the server. Default: the server's network.default.")
    var network: NetworkWish?
    @Option(help: ArgumentHelp("Most invocations at the same time; 0 stops the function.", valueName: "n"))
    var concurrency: Int?
    @Option(help: "Who may call the function's URL: anyone (none), signed requests (iam), or no URL (off). Default for a new function: none on a server that only this machine reaches, else off.")
    var url: URLWish?
    @Flag(help: "Install requirements.txt again although it did not change.")
    var reinstall = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if stack.isWanted {
            if let functionName { throw ValidationError("a template names its functions itself: leave \(functionName) out") }
            return
        }
        guard let functionName else { throw ValidationError("name a function and its code, or a template with --template") }
        if codePath != nil, !Self.isName(functionName) {
            throw ValidationError("\(functionName) is no function name: use 1 to 64 letters, digits, - and _")
        }
        if let memory, !(128...10_240).contains(memory) { throw ValidationError("--memory must be 128 to 10240 (MB), not \(memory)") }
        if let timeout, !(1...900).contains(timeout) { throw ValidationError("--timeout must be 1 to 900 (seconds), not \(timeout)") }
        if let concurrency, concurrency < 0 { throw ValidationError("--concurrency must be 0 or more, not \(concurrency)") }
        _ = try Self.variables(env)
    }

    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x5F
            }
    }

    /// What is deployed, and as what: options of the command line come before the file's.
    private func target() throws -> (name: String, path: String, settings: FunctionFile) {
        var flags = FunctionFile()
        (flags.runtime, flags.handler, flags.memory, flags.timeout) = (runtime, handler, memory, timeout)
        (flags.isolation, flags.network, flags.concurrency) = (isolation, network, concurrency)
        (flags.url, flags.env) = (url, try Self.variables(env))
        let first = functionName ?? ""
        if let codePath { return (first, codePath, try FunctionFile.load(codePath).overridden(by: flags)) }
        let file = try FunctionFile.load(first)
        guard let name = file.name else {
            throw ValidationError("name the function and its code: martlet deploy NAME \(first), or give \(first) a \(FunctionFile.name) with a name")
        }
        return (name, first, file.overridden(by: flags))
    }

    /// - Throws: `ValidationError` for anything that is not `K=V`.
    static func variables(_ arguments: [String], of option: String = "--env") throws -> [String: String]? {
        guard !arguments.isEmpty else { return nil }
        var variables: [String: String] = [:]
        for argument in arguments {
            guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
                throw ValidationError("\(option) takes NAME=VALUE, not \(argument)")
            }
            variables[String(argument[..<equals])] = String(argument[argument.index(after: equals)...])
        }
        return variables
    }

    func perform() async throws {
        if stack.isWanted { return try await stack.deployment(output).run(try server.client()) }
        let (name, path, settings) = try target()
        var timings = Timings()
        let progress = Progress(isOn: Terminal.errorIsTerminal && !output.json)
        defer { progress.clear() }
        let client = try server.client()
        progress.show("looking at \(path)")
        var source = try PackageSource(path)
        let node = ServerFacts(try await client.send(APIRequest("GET", MartletPaths.runtimes)).json())
        let existing = try await client.find(APIRequest("GET", LambdaPaths.function(name))).map { DeployedFunction(function: try $0.json()) }
        let choice = try source.choice(runtime: settings.runtime, handler: settings.handler, existing: existing)
        let offered = try node.resolve(choice.runtime)

        if source.archive == nil, offered.name.hasPrefix("python"), let text = try source.content(of: "requirements.txt") {
            let requirements = Requirements(environment: processEnvironment(), progress: progress)
            try source.merge(
                folder: requirements.install(text, in: path, runtime: offered.name, interpreter: offered.interpreter, again: reinstall))
        }
        progress.show("packing \(path)")
        var package = try DeployPackage(source, environment: processEnvironment())
        timings.packaged()

        let wishes = DeployWishes(
            runtime: offered.name, handler: choice.handler, memory: settings.memory, timeout: settings.timeout, environment: settings.env,
            isolation: settings.isolation?.rawValue, network: settings.network?.rawValue, concurrency: settings.concurrency,
            ephemeralStorage: settings.ephemeralStorage, layers: settings.layers, tags: settings.tags)
        let plan = DeployPlan(wishes, codeSha256: CodeDigest.base64(hexadecimal: package.sha256), existing: existing)
        let applied = try await apply(plan, to: name, arn: existing?.arn, package: &package, client, progress)
        timings.uploaded()
        let address = try await setURL(settings.url, of: name, isNew: existing == nil, node, client)

        progress.show("starting \(name)")
        var ready = APIRequest("POST", MartletPaths.ready(name))
        ready.timeout = 120
        let state = try await client.send(ready).json()
        timings.ended()
        progress.clear()
        let summary = Summary(
            name: name, choice: wishes, package: package, plan: plan, applied: applied, url: address, state: state, timings: timings)
        if let failure = summary.initFailure {
            throw CommandFailure("\(name) was deployed, but cannot start: \(failure)")
        }
        if output.json { output.print(json: summary.json) } else { summary.lines(output.style).forEach(Terminal.print) }
    }

    struct Applied {
        var version: String?
        var uploaded = false
    }

    private func apply(
        _ plan: DeployPlan, to name: String, arn: String?, package: inout DeployPackage, _ client: APIClient, _ progress: Progress
    ) async throws -> Applied {
        var applied = Applied()
        func codeMembers() async throws -> [JSON.Member] {
            if try await client.find(APIRequest("GET", MartletPaths.package(package.sha256))) != nil {
                return [.init("MartletSha256", .string(package.sha256))]
            }
            let archive = try package.archive()
            progress.show("uploading \(byteText(archive.count))")
            applied.uploaded = true
            return [.init("ZipFile", .string(Data(archive).base64EncodedString()))]
        }
        var answer: JSON?
        if let create = plan.create {
            var request = APIRequest(
                "POST", LambdaPaths.functions,
                json: .object(
                    [.init("FunctionName", .string(name)), .init("Publish", .bool(true)), .init("Role", .string(Self.role)),
                        .init("Code", .object(try await codeMembers()))] + create))
            request.timeout = 300
            answer = try await client.send(request).json()
        } else if plan.updatesCode {
            // One request: between two, an invocation would meet the new handler with the old code.
            var request = APIRequest(
                "PUT", LambdaPaths.code(name),
                json: .object(try await codeMembers() + [.init("Publish", .bool(true))] + (plan.configuration ?? [])))
            request.timeout = 300
            answer = try await client.send(request).json()
        }
        applied.version = answer?["Version"]?.string
        if let concurrency = plan.concurrency {
            try await client.send(
                APIRequest("PUT", LambdaPaths.concurrency(name), json: .object([.init("ReservedConcurrentExecutions", .integer(concurrency))])))
        }
        if !plan.tags.isEmpty, let arn {
            let tags = plan.tags.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
            try await client.send(APIRequest("POST", LambdaPaths.tags(arn), json: .object([.init("Tags", .object(tags))])))
        }
        return applied
    }

    /// Lambda's API requires a role; Martlet gives functions none.
    static let role = "arn:aws:iam::123456789012:role/martlet"

    /// The function's address, if it has one after this.
    private func setURL(_ url: URLWish?, of name: String, isNew: Bool, _ node: ServerFacts, _ client: APIClient) async throws -> String? {
        let path = LambdaPaths.url(name)
        let present = isNew ? nil : try await client.find(APIRequest("GET", path))?.json()
        let address = "\(client.endpoint)/fn/\(name)"
        let wish = url ?? (isNew ? (node.isLoopbackOnly ? .open : .off) : nil)
        switch wish {
        case nil: return present == nil ? nil : address
        case .off:
            if present != nil { try await client.send(APIRequest("DELETE", path)) }
            return nil
        case .open, .iam:
            let type = wish == .iam ? "AWS_IAM" : "NONE"
            if present?["AuthType"]?.string != type {
                try await client.send(
                    APIRequest(present == nil ? "POST" : "PUT", path, json: .object([.init("AuthType", .string(type))])))
            }
            return address
        }
    }
}

/// What `deploy` takes for a template.
struct StackOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A SAM template. Paths in it are relative to it.", valueName: "file"))
    var template: String?
    @Option(help: "The stack's name. Default: that of the template's folder.")
    var stackName: String?
    @Option(parsing: .upToNextOption, help: ArgumentHelp("Values of the template's parameters.", valueName: "K=V"))
    var parameterOverrides: [String] = []
    @Flag(help: "Show what would be changed, and change nothing.")
    var dryRun = false
    @Flag(name: [.customShort("y"), .long], help: "Do not ask.")
    var yes = false
    @Flag(help: "Delete everything that the stack has.")
    var delete = false

    var isWanted: Bool { template != nil || delete || stackName != nil }

    func deployment(_ output: OutputOptions) -> TemplateDeployment {
        TemplateDeployment(
            template: template, stackName: stackName, parameters: parameterOverrides, isDryRun: dryRun, isDeletion: delete, isAgreed: yes, output: output)
    }
}

struct Timings {
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var marks: [ContinuousClock.Instant] = []

    init() { start = clock.now }

    mutating func packaged() { marks.append(clock.now) }
    mutating func uploaded() { marks.append(clock.now) }
    mutating func ended() { marks.append(clock.now) }

    /// Microseconds of packing, of storing and registering, of starting, and of all.
    var microseconds: [Int] {
        var previous = start
        var result: [Int] = []
        for mark in marks {
            result.append(Self.microseconds(mark - previous))
            previous = mark
        }
        return result + [Self.microseconds(previous - start)]
    }

    private static func microseconds(_ length: Duration) -> Int {
        Int(length.components.seconds) * 1_000_000 + Int(length.components.attoseconds / 1_000_000_000_000)
    }
}

private struct Summary {
    let name: String
    let choice: DeployWishes
    let package: DeployPackage
    let plan: DeployPlan
    let applied: DeployCommand.Applied
    let url: String?
    let state: JSON
    let timings: Timings

    /// What the code did instead of starting; nil if it is ready.
    var initFailure: String? {
        guard let error = state["error"] ?? state["initError"], error != .null else {
            return state["state"]?.string == "failed" ? state["reason"]?.plain ?? "see martlet logs \(name)" : nil
        }
        return error["errorMessage"].map { message in
            (error["errorType"]?.string.map { "\($0): " } ?? "") + message.plain
        } ?? error.plain
    }

    var json: JSON {
        let times = timings.microseconds.map { JSON.number(ExactDecimal(String($0)).map { $0.dividedBy1000.text } ?? "0") }
        return .object([
            .init("function", .string(name)), .init("version", .optional(applied.version ?? state["version"]?.string)),
            .init("url", .optional(url)), .init("runtime", .string(choice.runtime)), .init("handler", .string(choice.handler)),
            .init("sha256", .string(package.sha256)), .init("size", .integer(package.size)), .init("changed", .bool(plan.changesAnything)),
            .init("uploaded", .bool(applied.uploaded)), .init("forkable", state["forkable"] ?? .null),
            .init("reason", state["reason"] ?? .null),
            .init(
                "timings",
                .object([.init("packageMs", times[0]), .init("storeMs", times[1]), .init("readyMs", times[2]), .init("totalMs", times[3])])),
        ])
    }

    func lines(_ style: Style) -> [String] {
        let times = timings.microseconds.map { TimeText.length(microseconds: $0) }
        var lines = [style.green(style.bold("\(name) is ready")) + (url.map { " at \(style.cyan($0))" } ?? "")]
        let version = applied.version ?? state["version"]?.string
        var facts: [String] = []
        if let version { facts.append(version == "$LATEST" ? version : "version \(version)") }
        facts += [choice.runtime, choice.handler]
        if !plan.changesAnything { facts.append("unchanged") }
        lines.append("  \(facts.joined(separator: ", "))")
        let sent = applied.uploaded ? "uploaded" : "already on the server"
        lines.append("  package \(byteText(package.size)) (\(sent)), sha256 \(package.sha256.prefix(12))…")
        if state["forkable"]?.bool == false {
            let reason = state["reason"]?.plain ?? ""
            lines.append("  started anew for each invocation instead of copied from a template" + (reason.isEmpty ? "" : ": \(reason)"))
        }
        lines.append("  \(style.dim("packing \(times[0]), storing \(times[1]), starting \(times[2]), in all \(times[3])"))")
        if url == nil { lines.append("  run it: martlet invoke \(name)") }
        return lines
    }
}
