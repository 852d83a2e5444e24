internal import ArgumentParser
internal import JSONValues

struct AuditCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Show who changed what: the management calls that were answered, newest last.",
        discussion: "The operator's key sees every account's, other keys see their own. Reading, messages and invocations are not kept.")

    @Option(help: "At most so many, the newest.")
    var limit = 50
    @Option(help: ArgumentHelp("From then on: 10m, 24h, 7d or a date.", valueName: "time"))
    var since: String?
    @Option(help: "Only this account's, 12 digits.")
    var account: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var query = [(name: "limit", value: String(limit))]
        if let since { query.append(("since", String(try TimeText.moment(since, now: currentMilliseconds())))) }
        if let account { query.append(("account", account)) }
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.audit, query: query)).json()
        if output.json { return output.print(json: answer) }
        let entries = answer["entries"]?.array ?? []
        guard !entries.isEmpty else { return Terminal.printError("no management call is in the log yet") }
        var table = TextTable([
            .init("time"), .init("account"), .init("key"), .init("from"), .init("operation"), .init("status", .right), .init("what"), .init("error"),
        ])
        for entry in entries {
            table.add([
                entry["time"]?.integer.map { TimeText.iso(Int64($0)) } ?? "", entry["account"]?.plain ?? "", entry["accessKeyId"]?.plain ?? "",
                entry["sourceIp"]?.plain ?? "", entry["operation"]?.plain ?? "", entry["status"]?.plain ?? "",
                oneLine(entry["resource"]?.plain ?? "", limit: 80), entry["error"]?.plain ?? "",
            ])
        }
        for line in table.lines(output.style, fitting: Terminal.outputIsTerminal ? Terminal.width : nil) { Terminal.print(line) }
    }
}
