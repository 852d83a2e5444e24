internal import ArgumentParser
internal import JSONValues

/// Schedules over EventBridge Scheduler's API.
struct ScheduleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule", abstract: "Run functions, or send messages to queues, by the clock.",
        subcommands: [
            ScheduleSetCommand.self, ScheduleListCommand.self, ScheduleShowCommand.self, ScheduleRunsCommand.self, ScheduleDeleteCommand.self,
        ])
}

/// A schedule's name and its group.
struct ScheduleOptions: ParsableArguments {
    @Argument(help: "The schedule's name.")
    var name: String
    @Option(help: "Its group.")
    var group = "default"

    var path: [String] { ["schedules", name] }
    var query: [(name: String, value: String)] { [("groupName", group)] }
}

struct ScheduleSetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Make a schedule, or change one that is there.",
        discussion: """
            EXPRESSION is cron(minutes hours day-of-month month day-of-week year), rate(5 minutes) or at(2026-12-24T18:00:00).
              martlet schedule set nightly "cron(0 3 * * ? *)" report --time-zone Europe/Berlin
            """)

    @OptionGroup var schedule: ScheduleOptions
    @Argument(help: "When.")
    var expression: String
    @Argument(help: "The function to invoke, or the ARN of a function or a queue.")
    var target: String
    @Option(help: "The event. Without it, Scheduler's usual one.")
    var input: String?
    @Option(help: "Of the expression.")
    var timeZone = "UTC"
    @Option(help: "Minutes within which a run may begin; 0 for at once.")
    var window = 0
    @Option(help: "Further attempts after the function's error, 0 to 185. Without it, as the function has it.")
    var retries: Int?
    @Option(help: "Seconds for which a run is attempted, 60 to 86400. Without it, as the function has it.")
    var maximumAge: Int?
    @Option(help: ArgumentHelp("The ARN of the queue that gets runs which were given up.", valueName: "arn"))
    var deadLetters: String?
    @Option(help: "What becomes of due times that passed while the server was down: skip, last or all.")
    var catchUp = "last"
    @Flag(help: "Keep it, but let it rest.")
    var disabled = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        var target: [JSON.Member] = [.init("Arn", .string(try await arn(client))), .init("RoleArn", .string("arn:aws:iam::000000000000:role/none"))]
        if let input { target.append(.init("Input", .string(input))) }
        if let deadLetters { target.append(.init("DeadLetterConfig", .object([.init("Arn", .string(deadLetters))]))) }
        let retry = [("MaximumRetryAttempts", retries), ("MaximumEventAgeInSeconds", maximumAge)].compactMap { name, value in
            value.map { JSON.Member(name, .integer($0)) }
        }
        if !retry.isEmpty { target.append(.init("RetryPolicy", .object(retry))) }
        let flexible: [JSON.Member] =
            window == 0
            ? [.init("Mode", .string("OFF"))] : [.init("Mode", .string("FLEXIBLE")), .init("MaximumWindowInMinutes", .integer(window))]
        let body = JSON.object([
            .init("GroupName", .string(schedule.group)), .init("ScheduleExpression", .string(expression)),
            .init("ScheduleExpressionTimezone", .string(timeZone)), .init("FlexibleTimeWindow", .object(flexible)), .init("Target", .object(target)),
            .init("State", .string(disabled ? "DISABLED" : "ENABLED")), .init("MartletCatchUp", .string(catchUp)),
        ])
        let exists = try await client.find(APIRequest("GET", schedule.path, query: schedule.query)) != nil
        try await client.send(APIRequest(exists ? "PUT" : "POST", schedule.path, json: body))
        let shown = try await client.send(APIRequest("GET", schedule.path, query: schedule.query)).json()
        if output.json {
            output.print(json: shown)
        } else {
            let next = shown["MartletNextRuns"]?.array?.first?.string
            Terminal.print("\(schedule.name) \(exists ? "changed" : "made"); \(next.map { "next run \($0)" } ?? "it rests")")
        }
    }

    private func arn(_ client: APIClient) async throws -> String {
        if target.hasPrefix("arn:") { return target }
        let function = try await client.send(APIRequest("GET", LambdaPaths.function(target))).json()
        return function["Configuration"]?["FunctionArn"]?.string ?? target
    }
}

struct ScheduleListCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the schedules.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        var schedules: [JSON] = []
        var token: String?
        repeat {
            let page = try await client.send(APIRequest("GET", ["schedules"], query: token.map { [("NextToken", $0)] } ?? [])).json()
            schedules += page["Schedules"]?.array ?? []
            token = page["NextToken"]?.string
        } while token != nil
        if output.json {
            output.print(json: .object([.init("schedules", .array(schedules))]))
            return
        }
        guard !schedules.isEmpty else {
            Terminal.printError("no schedules yet; make one with: martlet schedule set NAME EXPRESSION FUNCTION")
            return
        }
        var table = TextTable([.init("schedule"), .init("group"), .init("state"), .init("target")])
        for schedule in schedules {
            table.add([
                schedule["Name"]?.plain ?? "", schedule["GroupName"]?.plain ?? "", schedule["State"]?.plain.lowercased() ?? "",
                schedule["Target"]?["Arn"]?.plain ?? "",
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct ScheduleShowCommand: Verb {
    /// Of the last runs.
    private static let shownRuns = 5

    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a schedule, its next runs and its last ones.", aliases: ["describe"])

    @OptionGroup var schedule: ScheduleOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        let shown = try await client.send(APIRequest("GET", schedule.path, query: schedule.query)).json()
        let runs = try await ScheduleRuns.load(schedule, limit: Self.shownRuns, client)
        if output.json {
            output.print(json: .object(shown.members + [.init("MartletLastRuns", runs["runs"] ?? .array([]))]))
            return
        }
        let lines = [
            ("when", shown["ScheduleExpression"]?.plain), ("time zone", shown["ScheduleExpressionTimezone"]?.plain),
            ("window", shown["FlexibleTimeWindow"]?["MaximumWindowInMinutes"].map { "\($0.plain) minutes" }),
            ("state", shown["State"]?.plain.lowercased()), ("missed runs", shown["MartletCatchUp"]?.plain), ("target", shown["Target"]?["Arn"]?.plain),
            ("next runs", shown["MartletNextRuns"]?.plain),
        ]
        for (name, value) in lines {
            guard let value, !value.isEmpty else { continue }
            Terminal.print(name + String(repeating: " ", count: 13 - name.count) + value)
        }
        guard runs["runs"]?.array?.isEmpty == false else { return }
        Terminal.print("")
        for line in ScheduleRuns.lines(runs, output.style) { Terminal.print(line) }
    }
}

struct ScheduleDeleteCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Delete a schedule.")

    @OptionGroup var schedule: ScheduleOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        try await server.client().send(APIRequest("DELETE", schedule.path, query: schedule.query))
        if output.json {
            output.print(json: .object([.init("deleted", .string(schedule.name))]))
        } else {
            Terminal.print("deleted \(schedule.name)")
        }
    }
}
