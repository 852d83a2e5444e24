internal import ArgumentParser
internal import JSONValues

struct ScheduleRunsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "Show what a schedule has run: the last 50 runs of the last 90 days, the newest first.")

    @OptionGroup var schedule: ScheduleOptions
    @Option(help: "How many, up to 50.")
    var limit = 50
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await ScheduleRuns.load(schedule, limit: limit, server.client())
        if output.json { return output.print(json: answer) }
        guard answer["runs"]?.array?.isEmpty == false else { return Terminal.printError("\(schedule.name) has not run yet") }
        for line in ScheduleRuns.lines(answer, output.style) { Terminal.print(line) }
    }
}

/// The history of a schedule, as the server tells it.
enum ScheduleRuns {
    static func load(_ schedule: ScheduleOptions, limit: Int, _ client: APIClient) async throws -> JSON {
        let query = schedule.query + [(name: "limit", value: String(limit))]
        return try await client.send(APIRequest("GET", MartletPaths.scheduleRuns(schedule.name), query: query)).json()
    }

    static func lines(_ answer: JSON, _ style: Style) -> [String] {
        var table = TextTable([
            .init("scheduled"), .init("fired"), .init("late", .right), .init("status"), .init("attempts", .right), .init("request"), .init("error"),
        ])
        for run in answer["runs"]?.array ?? [] {
            table.add([
                run["scheduled"]?.plain ?? "", timeText(run["fired"]), run["latenessMs"]?.integer.map { ageText(milliseconds: $0) } ?? "",
                run["status"]?.plain ?? "", run["attempts"]?.plain ?? "", (run["requestId"] ?? run["messageId"])?.string ?? "",
                oneLine(run["error"]?.string ?? "", limit: 60),
            ])
        }
        return table.lines(style)
    }
}
