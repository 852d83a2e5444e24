internal import ArgumentParser
internal import JSONValues

struct AsyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "async", abstract: "Asynchronous invocations that wait or were given up.",
        subcommands: [AsyncListCommand.self, AsyncRetryCommand.self, AsyncDiscardCommand.self])
}

struct AsyncListCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List events that wait for an attempt and those that were given up.",
        discussion: "With --request, one event with the failure and the log of each of its attempts.")

    @Argument(help: "Only this function's.")
    var function: String?
    @Option(help: ArgumentHelp("Only the event with this request ID.", valueName: "id"))
    var request: String?
    @Option(help: "How many, up to 1000.")
    var limit = 100
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        var query: [(name: String, value: String)] = [("limit", String(limit))]
        if let function { query.append(("function", function)) }
        if let request { query.append(("request", request)) }
        let answer = try await client.send(APIRequest("GET", MartletPaths.async, query: query)).json()
        if output.json { return output.print(json: answer) }
        let events = answer["events"]?.array ?? []
        guard !events.isEmpty else {
            return Terminal.printError(request == nil ? "no events wait, none was given up" : "no event with this request ID waits or was given up; it may be running or done")
        }
        var table = TextTable([
            .init("request"), .init("function"), .init("state"), .init("accepted"), .init("attempts", .right), .init("next"), .init("last failure"),
        ])
        for event in events {
            table.add([
                event["requestId"]?.plain ?? "", event["function"]?.plain ?? "", Self.state(event), timeText(event["sent"]),
                event["attempts"]?.plain ?? "", event["isFailed"]?.bool == true ? "" : timeText(event["due"]), lastFailure(event),
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
        guard request != nil, let event = events.first else { return }
        try await showAttempts(of: event, client)
    }

    static func state(_ event: JSON) -> String {
        if event["isFailed"]?.bool == true { return "given up" }
        switch event["state"]?.plain {
        case "inFlight": return "running"
        case "delayed": return "waiting"
        default: return "queued"
        }
    }

    private func showAttempts(of event: JSON, _ client: APIClient) async throws {
        let style = output.style
        for failure in event["failures"]?.array ?? [] {
            let text = oneLine("\(failure["kind"]?.plain ?? ""): \(failure["reason"]?.plain ?? "")", limit: 2_048)
            Terminal.print("\n\(style.bold("attempt \(failure["attempt"]?.plain ?? "?")"))  \(timeText(failure["time"]))  \(style.red(text))")
        }
        guard let function = event["function"]?.string, let id = event["requestId"]?.string else { return }
        Terminal.print("\n\(style.bold("log"))")
        var cursor: String?
        while true {
            let query = [("request", id)] + (cursor.map { [("after", $0)] } ?? [])
            let page = try await client.send(APIRequest("GET", MartletPaths.logs(function), query: query.map { (name: $0.0, value: $0.1) })).json()
            let lines = page["lines"]?.array ?? []
            for line in lines { Terminal.print(LogsCommand.text(line, style)) }
            let next = page["next"]?.plain
            if lines.isEmpty || next == nil || next == cursor { return }
            cursor = next
        }
    }
}

struct AsyncRetryCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Queue events that were given up once more: one, or all of a function.")

    @Argument(help: "The function's name.")
    var function: String
    @Argument(help: "The request ID; without it, --all.")
    var request: String?
    @Flag(help: "All that were given up.")
    var all = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try requireOne(request, all) }

    func perform() async throws {
        try await settle("retry", function, request, server, output) { "\($0["retried"]?.plain ?? "0") events are queued again" }
    }
}

struct AsyncDiscardCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "discard", abstract: "Delete an event that waits or was given up, or all of a function that were given up.")

    @Argument(help: "The function's name.")
    var function: String
    @Argument(help: "The request ID; without it, --all.")
    var request: String?
    @Flag(help: "All that were given up.")
    var all = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws { try requireOne(request, all) }

    func perform() async throws {
        try await settle("discard", function, request, server, output) { "\($0["discarded"]?.plain ?? "0") events are deleted" }
    }
}

private func requireOne(_ request: String?, _ all: Bool) throws {
    guard (request != nil) != all else { throw ValidationError("give one request ID, or --all") }
}

private func settle(
    _ action: String, _ function: String, _ request: String?, _ server: ServerOptions, _ output: OutputOptions, _ text: (JSON) -> String
) async throws {
    var call = APIRequest("POST", MartletPaths.async(function, action), query: request.map { [("request", $0)] } ?? [])
    call.timeout = 600
    let answer = try await server.client().send(call).json()
    if output.json { return output.print(json: answer) }
    Terminal.print(text(answer))
}
