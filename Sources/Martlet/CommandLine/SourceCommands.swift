internal import ArgumentParser
internal import ExternalSources
internal import JSONValues

/// Event source mappings over Lambda's API.
struct SourceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "source", abstract: "Feed functions from queues, and from brokers outside that this build knows.",
        subcommands: [CreateSource.self, ListSources.self, EnableSource.self, DisableSource.self, DeleteSource.self])
}

struct CreateSource: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Let a function have a source's records, in batches.",
        discussion: """
            SOURCE is a queue's ARN, or KIND://HOST:PORT[,HOST:PORT…]/NAME, where KIND is kafka (NAME is a topic), rabbitmq (a queue),
            redis (a stream), nats (a subject) or mqtt (a topic filter).
              martlet source create redis://127.0.0.1:6379/orders book-orders --batch-size 100 --retries 3
            """)

    @Argument(help: "Where the records come from.")
    var source: String
    @Argument(help: "The function that gets them.")
    var function: String
    @Option(help: "Records of one batch at most.")
    var batchSize: Int?
    @Option(help: "Seconds that a batch may wait to become full.")
    var window: Int?
    @Option(help: "An event pattern that a record has to match.")
    var filter: [String] = []
    @Option(help: "Consumer group, durable consumer or client ID. Without it, one of the mapping's own.")
    var group: String?
    @Option(help: "Where a new group begins: trim_horizon or latest.")
    var start: String?
    @Option(help: ArgumentHelp("The secret with user name and password, a file secrets/ACCOUNT/NAME in the data directory.", valueName: "name"))
    var secret: String?
    @Option(help: ArgumentHelp("The secret with the certificates to trust, in PEM form. With it the connection is TLS.", valueName: "name"))
    var certificate: String?
    @Option(help: "RabbitMQ's virtual host.")
    var virtualHost: String?
    @Option(help: "Attempts after the first, -1 for no end.")
    var retries: Int?
    @Option(help: "Seconds after which a record is given up.")
    var maximumAge: Int?
    @Flag(help: "Try a batch that failed again in two halves.")
    var bisect = false
    @Flag(help: "The function names the records that it could not process.")
    var partialFailures = false
    @Option(help: ArgumentHelp("The ARN of the queue or function that gets what was given up.", valueName: "arn"))
    var onFailure: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var members: [JSON.Member] = [.init("FunctionName", .string(function))]
        members += source.hasPrefix("arn:") ? [.init("EventSourceArn", .string(source))] : try outside()
        for (name, number) in [("BatchSize", batchSize), ("MaximumBatchingWindowInSeconds", window), ("MaximumRetryAttempts", retries), ("MaximumRecordAgeInSeconds", maximumAge)] {
            if let number { members.append(.init(name, .integer(number))) }
        }
        if bisect { members.append(.init("BisectBatchOnFunctionError", .bool(true))) }
        if partialFailures { members.append(.init("FunctionResponseTypes", .array([.string("ReportBatchItemFailures")]))) }
        if !filter.isEmpty {
            members.append(.init("FilterCriteria", .object([.init("Filters", .array(filter.map { .object([.init("Pattern", .string($0))]) }))])))
        }
        if let onFailure { members.append(.init("DestinationConfig", .object([.init("OnFailure", .object([.init("Destination", .string(onFailure))]))]))) }
        let made = try await server.client().send(APIRequest("POST", LambdaPaths.eventSourceMappings, json: .object(members))).json()
        if output.json { return output.print(json: made) }
        Terminal.print("\(function) gets the records of \(source)")
        Terminal.print("  mapping \(made["UUID"]?.plain ?? "")")
    }

    private func outside() throws -> [JSON.Member] {
        let (kind, rest) = try split()
        guard let slash = rest.firstIndex(of: "/") else { throw CommandFailure("\(source) has no name: write \(kind.rawValue)://HOST:PORT/NAME") }
        let name = String(rest[rest.index(after: slash)...])
        let addresses = rest[..<slash].split(separator: ",").map { JSON.string(String($0)) }
        var members: [JSON.Member] = [
            .init("SelfManagedEventSource", .object([.init("Endpoints", .object([.init(kind.endpointType, .array(addresses))]))])),
            .init(kind == .rabbitmq ? "Queues" : "Topics", .array([.string(name)])),
        ]
        if let group { members.append(.init("SelfManagedKafkaEventSourceConfig", .object([.init("ConsumerGroupId", .string(group))]))) }
        if start != nil || kind == .kafka { members.append(.init("StartingPosition", .string((start ?? "trim_horizon").uppercased()))) }
        let accesses = [("BASIC_AUTH", secret.map { "secret:\($0)" }), ("SERVER_ROOT_CA_CERTIFICATE", certificate.map { "secret:\($0)" }), ("VIRTUAL_HOST", virtualHost)]
            .compactMap { type, uri in uri.map { JSON.object([.init("Type", .string(type)), .init("URI", .string($0))]) } }
        if !accesses.isEmpty { members.append(.init("SourceAccessConfigurations", .array(accesses))) }
        return members
    }

    private func split() throws -> (ExternalSource.Kind, Substring) {
        guard let mark = source.firstIndex(of: ":"), source[mark...].hasPrefix("://"), let kind = ExternalSource.Kind(rawValue: String(source[..<mark])) else {
            let kinds = ExternalSource.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure("\(source) is neither a queue's ARN nor KIND://HOST:PORT/NAME with one of the kinds \(kinds)")
        }
        return (kind, source[source.index(mark, offsetBy: 3)...])
    }
}

struct ListSources: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List what feeds functions in batches, and how it goes.")

    @Argument(help: "Only those of this function.")
    var function: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        var mappings: [JSON] = []
        var marker: String?
        repeat {
            let query = [("FunctionName", function), ("Marker", marker)].compactMap { name, value in value.map { (name: name, value: $0) } }
            let page = try await client.send(APIRequest("GET", LambdaPaths.eventSourceMappings, query: query)).json()
            mappings += page["EventSourceMappings"]?.array ?? []
            marker = page["NextMarker"]?.string
        } while marker != nil
        if output.json { return output.print(json: .object([.init("sources", .array(mappings))])) }
        guard !mappings.isEmpty else {
            Terminal.printError("nothing feeds functions yet; connect a queue or a broker with: martlet source create SOURCE FUNCTION")
            return
        }
        var table = TextTable([.init("mapping"), .init("source"), .init("function"), .init("state"), .init("batch", .right), .init("last result")])
        for mapping in mappings {
            table.add([
                mapping["UUID"]?.plain ?? "", Self.source(mapping), mapping["FunctionArn"]?.string?.split(separator: ":").dropFirst(6).joined(separator: ":") ?? "",
                mapping["State"]?.plain ?? "", mapping["BatchSize"]?.plain ?? "", mapping["LastProcessingResult"]?.plain ?? "",
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }

    private static func source(_ mapping: JSON) -> String {
        guard let endpoint = mapping["SelfManagedEventSource"]?["Endpoints"]?.members.first else { return mapping["EventSourceArn"]?.plain ?? "" }
        let kind = ExternalSource.Kind.allCases.first { $0.endpointType == endpoint.name }?.rawValue ?? endpoint.name
        let addresses = (endpoint.value.array ?? []).compactMap(\.string).joined(separator: ",")
        return "\(kind)://\(addresses)/\((mapping["Topics"] ?? mapping["Queues"])?.array?.first?.plain ?? "")"
    }
}

/// The ID of a mapping, as `martlet source list` shows it.
struct SourceOptions: ParsableArguments {
    @Argument(help: "The mapping's ID.")
    var mapping: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    var path: [String] { LambdaPaths.eventSourceMappings + [mapping] }

    func turn(_ isEnabled: Bool) async throws {
        let changed = try await server.client().send(APIRequest("PUT", path, json: .object([.init("Enabled", .bool(isEnabled))]))).json()
        if output.json { output.print(json: changed) } else { Terminal.print("\(isEnabled ? "enabled" : "disabled") \(mapping)") }
    }
}

struct EnableSource: Verb {
    static let configuration = CommandConfiguration(commandName: "enable", abstract: "Let a source that rests go on where it was.")
    @OptionGroup var options: SourceOptions
    func perform() async throws { try await options.turn(true) }
}

struct DisableSource: Verb {
    static let configuration = CommandConfiguration(commandName: "disable", abstract: "Let a source rest; nothing is lost where its broker keeps records.")
    @OptionGroup var options: SourceOptions
    func perform() async throws { try await options.turn(false) }
}

struct DeleteSource: Verb {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Feed the function no longer. Its consumer group or session stays at the broker.")
    @OptionGroup var options: SourceOptions

    func perform() async throws {
        let gone = try await options.server.client().send(APIRequest("DELETE", options.path)).json()
        if options.output.json { options.output.print(json: gone) } else { Terminal.print("deleted \(options.mapping)") }
    }
}
