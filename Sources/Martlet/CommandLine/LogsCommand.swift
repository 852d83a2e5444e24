internal import ArgumentParser
internal import JSONValues

struct LogsCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "logs", abstract: "Print what a function wrote to stdout and stderr.")

    @Argument(help: "The function's name.")
    var name: String
    @Flag(name: [.short, .long], help: "Go on printing what comes, until interrupted.")
    var follow = false
    @Option(help: "Only lines since then: 10m, 24h, 7d, or a date such as 2026-11-21T10:00:00Z.")
    var since: String?
    @Option(help: ArgumentHelp("Only lines of this invocation.", valueName: "id"))
    var request: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        let style = output.style
        let start = try since.map { try TimeText.moment($0, now: currentMilliseconds()) }
        var cursor: String?
        while true {
            var query: [(name: String, value: String)] = []
            if let start { query.append(("since", String(start))) }
            if let request { query.append(("request", request)) }
            if let cursor { query.append(("after", cursor)) }
            if follow { query.append(("wait", "20")) }
            let page = try await client.send(APIRequest("GET", MartletPaths.logs(name), query: query)).json()
            let lines = page["lines"]?.array ?? []
            for line in lines { Terminal.print(output.json ? line.text() : Self.text(line, style)) }
            let next = page["next"]?.plain
            if !follow, lines.isEmpty || next == nil || next == cursor { return }
            if let next, !next.isEmpty { cursor = next }
        }
    }

    static func text(_ line: JSON, _ style: Style) -> String {
        let time = line["time"]?.integer.map { TimeText.iso(Int64($0)) } ?? ""
        let request = line["requestId"]?.string ?? ""
        return "\(style.dim(time)) \(style.cyan(request.isEmpty ? "init" : String(request.prefix(8)))) \(line["text"]?.plain ?? "")"
    }
}
