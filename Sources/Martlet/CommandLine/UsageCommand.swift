internal import ArgumentParser
internal import JSONValues

struct UsageCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "usage", abstract: "Report what functions used and what it costs.",
        discussion: "Sums come from hourly roll-ups, so --since and --until are widened to whole hours (not with --by invocation).")

    enum Grouping: String, CaseIterable, ExpressibleByArgument, Sendable {
        case function, version, tenant, hour, day, invocation
    }

    @Option(help: "One row per function, version, tenant, hour, day or invocation.")
    var by: Grouping = .function
    @Option(help: "Only what started since then: 30m, 24h, 7d, or a date such as 2026-11-21.")
    var since: String?
    @Option(help: "Only what started before then.")
    var until: String?
    @Option(help: "Only this function.")
    var function: String?
    @Option(help: ArgumentHelp("Show the record of one invocation with its phases.", valueName: "request-id"))
    var invocation: String?
    @Flag(help: "Print comma-separated values.")
    var csv = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if csv, output.json { throw ValidationError("Only one of --json and --csv can be printed") }
        if invocation != nil, since != nil || until != nil || function != nil {
            throw ValidationError("--invocation shows one record; --since, --until and --function do not go with it")
        }
    }

    func perform() async throws {
        let client = try server.client()
        if let invocation {
            try await showInvocation(invocation, client)
        } else {
            try await report(client)
        }
    }

    // MARK: - Reports

    private func report(_ client: APIClient) async throws {
        let now = currentMilliseconds()
        var query: [(name: String, value: String)] = [("by", by.rawValue)]
        if let since { query.append(("since", String(try TimeText.moment(since, now: now)))) }
        if let until { query.append(("until", String(try TimeText.moment(until, now: now)))) }
        if let function { query.append(("function", function)) }
        var request = APIRequest("GET", MartletPaths.usage, query: query)
        request.timeout = 120
        let first = try await client.send(request).json()
        var rows = first["rows"]?.array ?? []
        var total = UsageSums(first["total"] ?? .object([]))
        var next = first["next"]?.plain
        while let cursor = next, !cursor.isEmpty {
            request.query = query + [("after", cursor)]
            let page = try await client.send(request).json()
            rows += page["rows"]?.array ?? []
            total.add(UsageSums(page["total"] ?? .object([])))
            next = page["next"]?.plain == cursor ? nil : page["next"]?.plain
        }
        if output.json {
            let sums = first["next"] == nil ? first["total"] ?? .object([]) : total.json
            var members: [JSON.Member] = [.init("rows", .array(rows)), .init("total", sums)]
            if let currency = first["currency"] { members.append(.init("currency", currency)) }
            output.print(json: .object(members))
        } else if csv {
            for line in Self.csv(rows) { Terminal.print(line) }
        } else {
            let table = by == .invocation ? Self.recordTable(rows) : Self.sumTable(rows, total: total, by: by)
            for line in table.lines(output.style) { Terminal.print(line) }
            if let currency = first["currency"]?.string { Terminal.print(output.style.dim("cost in \(currency)")) }
        }
    }

    static func sumTable(_ rows: [JSON], total: UsageSums, by: Grouping) -> TextTable {
        var columns: [TextTable.Column] = by == .version ? [.init("function"), .init("version")] : [.init(by.rawValue)]
        let labels = columns.count
        columns += ["invocations", "errors", "inits", "billed ms", "GB-s", "CPU-s", "cost"].map { .init($0, .right) }
        var table = TextTable(columns)
        func cells(_ sums: UsageSums) -> [String] {
            [
                String(sums.invocations), String(sums.errors), String(sums.initializations), String(sums.billedMs),
                sums.gbSeconds.rounded(6), sums.cpuMs.dividedBy1000.rounded(3), sums.cost.rounded(12).trimmed(atLeast: 6),
            ]
        }
        for row in rows {
            let names = by == .version ? [row["function"]?.plain ?? "", row["version"]?.plain ?? ""] : [row[by.rawValue]?.plain ?? ""]
            table.add(names + cells(UsageSums(row)))
        }
        table.total = ["total"] + Array(repeating: "", count: labels - 1) + cells(total)
        return table
    }

    static func recordTable(_ rows: [JSON]) -> TextTable {
        var table = TextTable([
            .init("requestId"), .init("attempt", .right), .init("start"), .init("function"), .init("version"), .init("trigger"), .init("outcome"),
            .init("startKind"), .init("age ms", .right), .init("queue ms", .right), .init("total ms", .right), .init("billed ms", .right), .init("CPU ms", .right), .init("cost", .right),
        ])
        for row in rows {
            let names = [
                "requestId", "attempt", "start", "function", "version", "trigger", "outcome", "startKind", "ageMs", "queueMs", "totalMs", "billedMs", "cpuMs",
                "cost",
            ]
            table.add(names.map { row[$0]?.plain ?? "" })
        }
        return table
    }

    /// The first row's members are the columns.
    static func csv(_ rows: [JSON]) -> [String] {
        guard let names = rows.first?.members.map(\.name) else { return [] }
        return [csvLine(names)] + rows.map { row in csvLine(names.map { row[$0]?.plain ?? "" }) }
    }

    // MARK: - One invocation

    private func showInvocation(_ id: String, _ client: APIClient) async throws {
        guard let answer = try await client.find(APIRequest("GET", MartletPaths.usage(invocation: id)))?.json(),
            let records = answer["rows"]?.array ?? answer["records"]?.array ?? (answer["requestId"] == nil ? nil : [answer]),
            !records.isEmpty
        else { throw CommandFailure("no usage record of invocation \(id): records are written when an invocation ends") }
        if output.json {
            output.print(json: answer)
        } else if csv {
            for line in Self.csv(records) { Terminal.print(line) }
        } else {
            for record in records {
                for line in Self.phases(record, width: min(60, Terminal.width - 30), output.style) { Terminal.print(line) }
            }
        }
    }

    /// A record as text: its facts, then one bar per phase, drawn to scale.
    static func phases(_ record: JSON, width: Int, _ style: Style) -> [String] {
        func text(_ name: String) -> String { record[name]?.plain ?? "" }
        var lines = [
            "\(style.bold(text("function")))\(record["version"].map { ":\($0.plain)" } ?? "") \(text("requestId")) attempt \(text("attempt"))",
            "\(text("start")), \(text("trigger")), start kind \(text("startKind")), outcome \(text("outcome"))",
        ]
        // Of an event: how long before this attempt it was accepted.
        if let age = record["ageMs"]?.integer, age > 0 { lines[1] += ", \(ageText(milliseconds: age)) after its acceptance" }
        let phases = [("queue", "queueMs"), ("sandbox", "sandboxMs"), ("init", "initMs"), ("handler", "handlerMs")].map {
            (title: $0.0, microseconds: microseconds(record[$0.1]))
        }
        let total = max(microseconds(record["totalMs"]), phases.map(\.microseconds).reduce(0, +), 1)
        var begin = 0
        for phase in phases {
            let start = begin * width / total
            begin += phase.microseconds
            let length = phase.microseconds == 0 ? 0 : max(1, begin * width / total - start)
            let bar = String(repeating: " ", count: min(start, width - 1)) + String(repeating: "█", count: length)
            let padded = bar + String(repeating: " ", count: max(0, width - bar.count))
            let title = phase.title + String(repeating: " ", count: 8 - phase.title.count)
            lines.append("  \(title)\(style.cyan(padded)) \(TimeText.length(microseconds: phase.microseconds))")
        }
        lines.append("  total   " + String(repeating: " ", count: width) + " \(TimeText.length(microseconds: microseconds(record["totalMs"])))")
        lines.append(
            "  billed \(text("billedMs")) ms at \(text("memorySize")) MB, CPU \(text("cpuMs")) ms, peak memory \(text("peakMemoryKiB")) KiB, "
                + "in \(text("bytesIn")) B, out \(text("bytesOut")) B, cost \(text("cost"))")
        return lines
    }

    /// From milliseconds with decimals.
    private static func microseconds(_ value: JSON?) -> Int {
        guard let text = value?.numberText, let number = ExactDecimal(text) else { return 0 }
        return number.scaled(by: 3)
    }
}

/// The sums of a report, exact.
struct UsageSums {
    var invocations = 0
    var initializations = 0
    var errors = 0
    var billedMs = 0
    var gbSeconds = ExactDecimal.zero
    var cpuMs = ExactDecimal.zero
    var bytesIn = 0
    var bytesOut = 0
    var cost = ExactDecimal.zero

    init(_ json: JSON) {
        func integer(_ name: String) -> Int { json[name]?.integer ?? 0 }
        func decimal(_ name: String) -> ExactDecimal { json[name]?.numberText.flatMap { ExactDecimal($0) } ?? .zero }
        invocations = integer("invocations")
        initializations = integer("initializations")
        errors = integer("errors")
        billedMs = integer("billedMs")
        gbSeconds = decimal("gbSeconds")
        cpuMs = decimal("cpuMs")
        bytesIn = integer("bytesIn")
        bytesOut = integer("bytesOut")
        cost = decimal("cost")
    }

    mutating func add(_ other: UsageSums) {
        invocations += other.invocations
        initializations += other.initializations
        errors += other.errors
        billedMs += other.billedMs
        gbSeconds = gbSeconds + other.gbSeconds
        cpuMs = cpuMs + other.cpuMs
        bytesIn += other.bytesIn
        bytesOut += other.bytesOut
        cost = cost + other.cost
    }

    var json: JSON {
        .object([
            .init("invocations", .integer(invocations)), .init("initializations", .integer(initializations)),
            .init("errors", .integer(errors)), .init("billedMs", .integer(billedMs)), .init("gbSeconds", .number(gbSeconds.text)),
            .init("cpuMs", .number(cpuMs.text)), .init("bytesIn", .integer(bytesIn)), .init("bytesOut", .integer(bytesOut)),
            .init("cost", .number(cost.text)),
        ])
    }
}
