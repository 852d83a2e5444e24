internal import ArgumentParser
internal import JSONValues

struct ListCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the functions.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        var functions: [JSON] = []
        var marker: String?
        repeat {
            let query = marker.map { [(name: "Marker", value: $0)] } ?? []
            let page = try await client.send(APIRequest("GET", LambdaPaths.functions, query: query)).json()
            functions += page["Functions"]?.array ?? []
            let next = page["NextMarker"]?.string
            marker = next == marker ? nil : next
        } while marker?.isEmpty == false
        if output.json {
            output.print(json: .object([.init("functions", .array(functions.map(Self.summary)))]))
            return
        }
        guard !functions.isEmpty else {
            Terminal.printError("no functions yet; deploy one with: martlet deploy NAME PATH")
            return
        }
        var table = TextTable([
            .init("function"), .init("runtime"), .init("handler"), .init("memory", .right), .init("timeout", .right), .init("code", .right),
            .init("modified"),
        ])
        for function in functions {
            table.add([
                function["FunctionName"]?.plain ?? "", function["Runtime"]?.plain ?? "", function["Handler"]?.plain ?? "",
                "\(function["MemorySize"]?.plain ?? "?") MB", "\(function["Timeout"]?.plain ?? "?") s",
                function["CodeSize"]?.integer.map(byteText) ?? "", String((function["LastModified"]?.plain ?? "").prefix(19)),
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }

    /// The members a script needs, in the naming of Martlet's own reports.
    static func summary(_ function: JSON) -> JSON {
        let names = [
            ("function", "FunctionName"), ("runtime", "Runtime"), ("handler", "Handler"), ("memorySize", "MemorySize"),
            ("timeout", "Timeout"), ("codeSize", "CodeSize"), ("codeSha256", "CodeSha256"), ("version", "Version"),
            ("lastModified", "LastModified"), ("arn", "FunctionArn"),
        ]
        return .object(names.compactMap { name, theirs in function[theirs].map { JSON.Member(name, $0) } })
    }
}

struct DescribeCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show a function: its settings, its state, and what it keeps in memory.")

    @Argument(help: "The function's name.")
    var name: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        let function = try await client.send(APIRequest("GET", LambdaPaths.function(name))).json()
        let state = try await client.send(APIRequest("GET", MartletPaths.function(name))).json()
        let url = try await client.find(APIRequest("GET", LambdaPaths.url(name)))?.json()
        if output.json {
            var members = state.members
            for (name, value) in [
                ("configuration", function["Configuration"]), ("concurrency", function["Concurrency"]), ("url", url),
            ] where state[name] == nil {
                if let value { members.append(JSON.Member(name, value)) }
            }
            output.print(json: .object(members))
            return
        }
        let style = output.style
        let lines = Self.lines(function: function, state: state, url: url, endpoint: client.endpoint)
        let width = lines.map(\.0.count).max() ?? 0
        for (title, value) in lines {
            Terminal.print(style.bold(title) + String(repeating: " ", count: width - title.count + 2) + value)
        }
    }

    /// The known facts first and in words; whatever else the server says follows under its own name.
    static func lines(function: JSON, state: JSON, url: JSON?, endpoint: Endpoint) -> [(String, String)] {
        let configuration = function["Configuration"] ?? .object([])
        let name = configuration["FunctionName"]?.plain ?? state["function"]?.plain ?? state["name"]?.plain ?? ""
        var lines: [(String, String)] = [("function", name)]
        func add(_ title: String, _ value: String?) { if let value, !value.isEmpty { lines.append((title, value)) } }
        add("state", state["state"]?.plain)
        if let forkable = state["forkable"]?.bool {
            let reason = state["reason"]?.plain ?? ""
            add("forkable", forkable ? "yes" : "no" + (reason.isEmpty ? "" : ": \(reason)"))
        } else {
            add("reason", state["reason"]?.plain)
        }
        add("runtime", configuration["Runtime"]?.plain)
        add("handler", configuration["Handler"]?.plain)
        add("memory", configuration["MemorySize"].map { "\($0.plain) MB" })
        add("timeout", configuration["Timeout"].map { "\($0.plain) s" })
        add("isolation", state["isolation"]?.plain ?? configuration["MartletIsolation"]?.plain)
        add("network", state["network"]?.plain ?? configuration["MartletNetwork"]?.plain)
        add("concurrency", function["Concurrency"]?["ReservedConcurrentExecutions"].map { "\($0.plain) reserved" })
        add(
            "environment", configuration["Environment"]?["Variables"]?.members.map { "\($0.name)=\($0.value.plain)" }.joined(separator: " "))
        add("url", url.map { "\(endpoint)/fn/\(name) (\($0["AuthType"]?.plain ?? "?"))" })
        add("package", configuration["CodeSize"]?.integer.map { "\(byteText($0)), sha256 \(configuration["CodeSha256"]?.plain ?? "?")" })
        add("modified", configuration["LastModified"]?.plain)
        add("arn", configuration["FunctionArn"]?.plain)
        let shown: Set<String> = ["function", "name", "state", "forkable", "reason", "isolation", "network", "configuration", "concurrency", "url"]
        for member in state.members where !shown.contains(member.name) {
            if member.value.members.isEmpty {
                add(member.name, member.value.plain)
            } else {
                add(member.name, member.value.members.map { "\($0.name) \($0.value.plain)" }.joined(separator: ", "))
            }
        }
        return lines
    }
}

struct DeleteCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a function and its versions; what it cost stays in the usage reports.")

    @Argument(help: "The function's name.")
    var name: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        try await server.client().send(APIRequest("DELETE", LambdaPaths.function(name)))
        if output.json {
            output.print(json: .object([.init("deleted", .string(name))]))
        } else {
            Terminal.print("deleted \(name)")
        }
    }
}

/// `812 B`, `12.3 kB`, `4.0 MB` (powers of 1,000).
func byteText(_ bytes: Int) -> String {
    func tenths(_ unit: Int) -> String { "\(bytes / unit).\(bytes % unit * 10 / unit)" }
    return switch bytes {
    case ..<1_000: "\(bytes) B"
    case ..<1_000_000: "\(tenths(1_000)) kB"
    case ..<1_000_000_000: "\(tenths(1_000_000)) MB"
    default: "\(tenths(1_000_000_000)) GB"
    }
}
