internal import ArgumentParser
internal import JSONValues

struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Durable queues: make, fill, look into, empty.",
        subcommands: [
            QueueListCommand.self, QueueCreateCommand.self, QueueSendCommand.self, QueuePeekCommand.self, QueuePurgeCommand.self,
            QueueRedriveCommand.self, QueueDeleteCommand.self,
        ])
}

struct QueueListCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the queues and what they hold.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.queues)).json()
        if output.json { return output.print(json: answer) }
        let queues = answer["queues"]?.array ?? []
        guard !queues.isEmpty else { return Terminal.printError("no queues yet; make one with: martlet queue create NAME") }
        var table = TextTable([
            .init("queue"), .init("kind"), .init("visible", .right), .init("in flight", .right), .init("delayed", .right), .init("bytes", .right),
            .init("oldest", .right),
        ])
        for queue in queues {
            table.add([
                queue["queue"]?.plain ?? "", queue["kind"]?.plain ?? "", queue["visible"]?.plain ?? "", queue["inFlight"]?.plain ?? "",
                queue["delayed"]?.plain ?? "", queue["bytes"]?.integer.map(byteText) ?? "",
                queue["oldestMs"]?.integer.map { ageText(milliseconds: $0) } ?? "",
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct QueueCreateCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a queue; a name that ends in .fifo makes a FIFO queue. One that is there stays as it is.")

    @Argument(help: "The queue's name.")
    var name: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("PUT", MartletPaths.queue(name))).json()
        if output.json { return output.print(json: answer) }
        Terminal.print(answer["arn"]?.plain ?? name)
    }
}

struct QueueSendCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "send", abstract: "Put a message into a queue; printed is its ID.")

    @Argument(help: "The queue's name.")
    var name: String
    @Argument(help: "The message; without it, standard input.")
    var message: String?
    @Option(help: ArgumentHelp("Seconds before it can be received, up to 900.", valueName: "seconds"))
    var delay: Int?
    @Option(help: "The group: keeps its order in a FIFO queue.")
    var group: String?
    @Option(help: ArgumentHelp("A second message with this key within five minutes is dropped.", valueName: "key"))
    var dedup: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var query: [(name: String, value: String)] = []
        if let delay { query.append(("delay", String(delay))) }
        if let group { query.append(("group", group)) }
        if let dedup { query.append(("dedup", dedup)) }
        var request = APIRequest("POST", MartletPaths.queue(name) + ["messages"], query: query)
        request.body = try message.map { Array($0.utf8) } ?? LocalFile.readStandardInput()
        let answer = try await server.client().send(request).json()
        if output.json { return output.print(json: answer) }
        Terminal.print(answer["messageId"]?.plain ?? "")
    }
}

struct QueuePeekCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "peek", abstract: "Show the oldest messages without receiving them.")

    @Argument(help: "The queue's name.")
    var name: String
    @Option(help: "How many, up to 100.")
    var limit = 10
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let request = APIRequest("GET", MartletPaths.queue(name) + ["messages"], query: [("limit", String(limit))])
        let answer = try await server.client().send(request).json()
        if output.json { return output.print(json: answer) }
        var table = TextTable([
            .init("message"), .init("state"), .init("sent"), .init("received", .right), .init("from"), .init("last failure"), .init("body"),
        ])
        for message in answer["messages"]?.array ?? [] {
            table.add([
                message["messageId"]?.plain ?? "", message["state"]?.plain ?? "", timeText(message["sent"]), message["attempts"]?.plain ?? "",
                message["source"]?.plain ?? "", lastFailure(message), oneLine(message["body"]?.plain ?? "(binary)", limit: 60),
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct QueuePurgeCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "purge", abstract: "Delete every message of a queue.")

    @Argument(help: "The queue's name.")
    var name: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var request = APIRequest("POST", MartletPaths.queue(name) + ["purge"])
        request.timeout = 600
        let answer = try await server.client().send(request).json()
        if output.json { return output.print(json: answer) }
        Terminal.print("\(answer["purged"]?.plain ?? "0") messages deleted")
    }
}

struct QueueRedriveCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "redrive", abstract: "Move the messages of a dead-letter queue back to where they came from.")

    @Argument(help: "The dead-letter queue's name.")
    var name: String
    @Option(help: ArgumentHelp("To this queue instead.", valueName: "queue"))
    var to: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var request = APIRequest("POST", MartletPaths.queue(name) + ["redrive"], query: to.map { [("to", $0)] } ?? [])
        request.timeout = 600
        let answer = try await server.client().send(request).json()
        if output.json { return output.print(json: answer) }
        Terminal.print("\(answer["moved"]?.plain ?? "0") messages moved")
    }
}

struct QueueDeleteCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Delete a queue with all its messages.")

    @Argument(help: "The queue's name.")
    var name: String
    @OptionGroup var server: ServerOptions

    func perform() async throws {
        try await server.client().send(APIRequest("DELETE", MartletPaths.queue(name)))
    }
}

/// `850 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
func ageText(milliseconds: Int) -> String {
    switch milliseconds {
    case ..<1_000: "\(milliseconds) ms"
    case ..<120_000: "\(milliseconds / 1_000) s"
    case ..<7_200_000: "\(milliseconds / 60_000) min"
    case ..<172_800_000: "\(milliseconds / 3_600_000) h"
    default: "\(milliseconds / 86_400_000) d"
    }
}

func timeText(_ milliseconds: JSON?) -> String {
    milliseconds?.integer.map { TimeText.iso(Int64($0)) } ?? ""
}

func lastFailure(_ message: JSON) -> String {
    guard let failure = message["failures"]?.array?.last else { return "" }
    let reason = failure["reason"]?.plain ?? ""
    return oneLine("\(failure["kind"]?.plain ?? "")\(reason.isEmpty ? "" : ": \(reason)")", limit: 60)
}

/// Without anything that would move a terminal's cursor, and cut.
func oneLine(_ text: String, limit: Int) -> String {
    let clean = String(text.unicodeScalars.prefix(limit + 1).map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : Character($0) })
    return clean.unicodeScalars.count > limit ? String(clean.prefix(limit - 1)) + "…" : clean
}
