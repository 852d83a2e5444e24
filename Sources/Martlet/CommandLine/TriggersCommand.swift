internal import ArgumentParser
internal import JSONValues

struct TriggersCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "triggers", abstract: "List what runs functions: every webhook, schedule, queue, rule, folder and address, and how it does.")

    @Argument(help: "Only this function's.")
    var function: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let query = function.map { [(name: "function", value: $0)] } ?? []
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.triggers, query: query)).json()
        if output.json { return output.print(json: answer) }
        let triggers = answer["triggers"]?.array ?? []
        guard !triggers.isEmpty else {
            return Terminal.printError("nothing triggers \(function ?? "any function") yet; begin with martlet schedule, martlet webhook or martlet watch")
        }
        let now = currentMilliseconds()
        var table = TextTable([
            .init("kind"), .init("name"), .init("target"), .init("state"), .init("events", .right), .init("/min", .right), .init("last", .right),
            .init("waiting", .right), .init("oldest", .right), .init("source"), .init("last error"),
        ])
        for trigger in triggers {
            table.add([
                trigger["kind"]?.plain ?? "", trigger["name"]?.plain ?? "", trigger["function"]?.string ?? trigger["target"]?.plain ?? "",
                trigger["state"]?.plain ?? "", trigger["events"]?.plain ?? "", trigger["perMinute"]?.plain ?? "", Self.age(trigger["lastEvent"], now),
                trigger["depth"]?.plain ?? "", trigger["oldestMs"]?.integer.map { ageText(milliseconds: $0) } ?? "", trigger["source"]?.plain ?? "",
                Self.fault(trigger, now),
            ])
        }
        for line in table.lines(output.style, fitting: Terminal.outputIsTerminal ? Terminal.width : nil) { Terminal.print(line) }
    }

    private static func age(_ time: JSON?, _ now: Int64) -> String {
        time?.integer.map { ageText(milliseconds: max(0, Int(now) - $0)) } ?? ""
    }

    private static func fault(_ trigger: JSON, _ now: Int64) -> String {
        guard let reason = trigger["lastError"]?.string else { return "" }
        return "\(age(trigger["lastErrorTime"], now)) ago: \(oneLine(reason, limit: 200))"
    }
}
