internal import ArgumentParser
internal import JSONValues

/// Event buses over EventBridge's API.
struct BusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bus", abstract: "Event buses: put events, and send those that match a rule to functions and queues.",
        subcommands: [
            BusListCommand.self, BusCreateCommand.self, BusDeleteCommand.self, BusPutCommand.self, BusRulesCommand.self, BusRuleCommand.self,
        ])
}

extension APIClient {
    /// One of EventBridge's operations.
    func eventBridge(_ operation: String, _ members: [JSON.Member]) async throws -> JSON {
        var request = APIRequest("POST", [])
        request.body = Array(JSON.object(members).text().utf8)
        request.headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", "AWSEvents.\(operation)")]
        return try await send(request).json()
    }
}

struct BusListCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the event buses.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.buses)).json()
        if output.json { return output.print(json: answer) }
        var table = TextTable([.init("bus"), .init("rules", .right), .init("description")])
        for bus in answer["buses"]?.array ?? [] {
            table.add([bus["name"]?.plain ?? "", bus["rules"]?.plain ?? "", bus["description"]?.plain ?? ""])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct BusCreateCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Make an event bus; printed is its ARN.")

    @Argument(help: "The bus's name.")
    var name: String
    @Option(help: "What it is for.")
    var description: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var members = [JSON.Member("Name", .string(name))]
        if let description { members.append(.init("Description", .string(description))) }
        let answer = try await server.client().eventBridge("CreateEventBus", members)
        if output.json { return output.print(json: answer) }
        Terminal.print(answer["EventBusArn"]?.plain ?? name)
    }
}

struct BusDeleteCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Delete an event bus that has no rules.")

    @Argument(help: "The bus's name.")
    var name: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        _ = try await server.client().eventBridge("DeleteEventBus", [.init("Name", .string(name))])
        if output.json { output.print(json: .object([.init("deleted", .string(name))])) } else { Terminal.print("deleted \(name)") }
    }
}

struct BusPutCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Put an event on a bus; printed is its ID.",
        discussion: """
              martlet bus put --source shop.orders --type "Order placed" '{"total": 12}'
            """)

    @Argument(help: "The detail, a JSON object; without it, standard input.")
    var detail: String?
    @Option(help: "Where the event comes from.")
    var source: String
    @Option(help: "What kind of event it is.")
    var type: String
    @Option(help: "The bus's name.")
    var bus = "default"
    @Option(help: "What the event is about; may be given several times.")
    var resource: [String] = []
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let text = try detail ?? String(decoding: LocalFile.readStandardInput(), as: UTF8.self)
        let entry = JSON.object([
            .init("EventBusName", .string(bus)), .init("Source", .string(source)), .init("DetailType", .string(type)), .init("Detail", .string(text)),
            .init("Resources", .array(resource.map(JSON.string))),
        ])
        let answer = try await server.client().eventBridge("PutEvents", [.init("Entries", .array([entry]))])
        let result = answer["Entries"]?.array?.first
        if let code = result?["ErrorCode"]?.string {
            throw CommandFailure("the event was refused: \(code): \(result?["ErrorMessage"]?.string ?? "")")
        }
        if output.json { return output.print(json: result ?? answer) }
        Terminal.print(result?["EventId"]?.plain ?? "")
    }
}

struct BusRulesCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rules", abstract: "List a bus's rules and what has come of them since the server started.")

    @Argument(help: "The bus's name.")
    var bus = "default"
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.buses + [bus, "rules"])).json()
        if output.json { return output.print(json: answer) }
        let rules = answer["rules"]?.array ?? []
        guard !rules.isEmpty else {
            Terminal.printError("no rules on \(bus) yet; make one with: martlet bus rule create NAME --pattern PATTERN --target FUNCTION")
            return
        }
        var table = TextTable([
            .init("rule"), .init("state"), .init("when"), .init("matched", .right), .init("delivered", .right), .init("retried", .right),
            .init("failed", .right), .init("targets"), .init("last error"),
        ])
        for rule in rules {
            let when = [rule["schedule"]?.string, rule["pattern"]?.string].compactMap { $0 }.joined(separator: " ")
            let targets = (rule["targets"]?.array ?? []).map { BusTarget.short($0.plain) }.joined(separator: ", ")
            table.add([
                rule["name"]?.plain ?? "", rule["state"]?.plain ?? "", oneLine(when, limit: 60), rule["matched"]?.plain ?? "",
                rule["delivered"]?.plain ?? "", rule["retried"]?.plain ?? "", rule["failed"]?.plain ?? "", targets, rule["lastError"]?.plain ?? "",
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

// MARK: - Rules

struct BusRuleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rule", abstract: "Make, change, stop and delete a rule.",
        subcommands: [RuleCreateCommand.self, RuleEnableCommand.self, RuleDisableCommand.self, RuleDeleteCommand.self])
}

/// A rule's name and its bus.
struct RuleOptions: ParsableArguments {
    @Argument(help: "The rule's name.")
    var name: String
    @Option(help: "The bus's name.")
    var bus = "default"

    /// - Parameter member: what the operation calls the rule.
    func members(_ member: String = "Name") -> [JSON.Member] { [.init(member, .string(name)), .init("EventBusName", .string(bus))] }
}

/// What a person names as a target.
enum BusTarget {
    /// A function's name becomes its ARN, an ARN stays.
    static func arn(_ text: String, _ client: APIClient) async throws -> String {
        if text.hasPrefix("arn:") { return text }
        let function = try await client.send(APIRequest("GET", LambdaPaths.function(text))).json()
        return function["Configuration"]?["FunctionArn"]?.string ?? text
    }

    /// `function:hello`, `sqs:jobs`, `event-bus/audit`
    static func short(_ arn: String) -> String {
        let parts = arn.split(separator: ":", maxSplits: 5)
        guard parts.count == 6 else { return arn }
        return parts[2] == "sqs" ? "sqs:\(parts[5])" : String(parts[5])
    }
}

struct RuleCreateCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a rule, or change one that is there.",
        discussion: """
            Targets are functions by name, or ARNs of functions, queues and event buses; those of an earlier call stay unless given again.

              martlet bus rule create orders --pattern '{"source": ["shop.orders"]}' --target on-order
              martlet bus rule create hourly --schedule "rate(1 hour)" --target report --input '{"full": true}'
            """)

    @OptionGroup var rule: RuleOptions
    @Option(help: "The event pattern, JSON.")
    var pattern: String?
    @Option(help: "cron(…) or rate(…), on the default bus.")
    var schedule: String?
    @Option(help: "Who gets the events; may be given several times.")
    var target: [String] = []
    @Option(help: "What the targets get instead of the event, JSON.")
    var input: String?
    @Option(help: ArgumentHelp("The queue for events that a target did not take.", valueName: "queue-arn"))
    var deadLetters: String?
    @Option(help: "The messages' group in a FIFO queue.")
    var group: String?
    @Option(help: "What it is for.")
    var description: String?
    @Flag(help: "Keep it, but let it rest.")
    var disabled = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        var targets: [JSON] = []
        for text in target { targets.append(json(try await BusTarget.arn(text, client))) }
        var members = rule.members() + [.init("State", .string(disabled ? "DISABLED" : "ENABLED"))]
        for (name, value) in [("EventPattern", pattern), ("ScheduleExpression", schedule), ("Description", description)] {
            if let value { members.append(.init(name, .string(value))) }
        }
        let made = try await client.eventBridge("PutRule", members)
        if !targets.isEmpty { _ = try await client.eventBridge("PutTargets", rule.members("Rule") + [.init("Targets", .array(targets))]) }
        if output.json { return output.print(json: made) }
        Terminal.print(made["RuleArn"]?.plain ?? rule.name)
    }

    /// A target's own ARN makes its ID: the same again is a change.
    private func json(_ arn: String) -> JSON {
        let id = String(BusTarget.short(arn).map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "_" }.suffix(64))
        var members: [JSON.Member] = [.init("Id", .string(id)), .init("Arn", .string(arn))]
        if let input { members.append(.init("Input", .string(input))) }
        if let group { members.append(.init("SqsParameters", .object([.init("MessageGroupId", .string(group))]))) }
        if let deadLetters { members.append(.init("DeadLetterConfig", .object([.init("Arn", .string(deadLetters))]))) }
        return .object(members)
    }
}

struct RuleEnableCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "enable", abstract: "Let a rule match again.")

    @OptionGroup var rule: RuleOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        _ = try await server.client().eventBridge("EnableRule", rule.members())
        if output.json { output.print(json: .object([.init("enabled", .string(rule.name))])) } else { Terminal.print("enabled \(rule.name)") }
    }
}

struct RuleDisableCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "disable", abstract: "Keep a rule, but let it rest.")

    @OptionGroup var rule: RuleOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        _ = try await server.client().eventBridge("DisableRule", rule.members())
        if output.json { output.print(json: .object([.init("disabled", .string(rule.name))])) } else { Terminal.print("disabled \(rule.name)") }
    }
}

struct RuleDeleteCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Delete a rule and its targets.")

    @OptionGroup var rule: RuleOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        let targets = try await client.eventBridge("ListTargetsByRule", rule.members("Rule"))
        let ids = (targets["Targets"]?.array ?? []).compactMap { $0["Id"] }
        if !ids.isEmpty { _ = try await client.eventBridge("RemoveTargets", rule.members("Rule") + [.init("Ids", .array(ids))]) }
        _ = try await client.eventBridge("DeleteRule", rule.members())
        if output.json { output.print(json: .object([.init("deleted", .string(rule.name))])) } else { Terminal.print("deleted \(rule.name)") }
    }
}
