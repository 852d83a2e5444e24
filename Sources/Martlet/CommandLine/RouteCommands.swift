internal import ArgumentParser
internal import JSONValues

struct RouteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "route", abstract: "Routes of HTTP requests to functions, as API Gateway has them, under domains of their own.",
        subcommands: [AddRoute.self, ListRoutes.self, RemoveRoute.self, SetDomain.self])
}

private let usualDomain = "api.localhost"

struct AddRoute: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Give requests of one kind to a function.",
        discussion: """
            ROUTE is METHOD /path/{variable}, ANY /path/{rest+} or $default. The domain is made with its first route.

              martlet route add "GET /orders/{id}" show-order
              martlet route add "ANY /{proxy+}" shop --domain shop.api.localhost --payload 1.0
            """)

    @Argument(help: "Which requests.")
    var route: String
    @Argument(help: "The function that answers them.")
    var function: String
    @Option(help: "A version or alias of it.")
    var qualifier: String?
    @Option(help: "The host name that the requests are for.")
    var domain = usualDomain
    @Option(help: "The event's and the answer's format: 2.0 or 1.0. Default: 2.0, and 1.0 in a rest domain.")
    var payload: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var members: [JSON.Member] = [.init("route", .string(route)), .init("function", .string(function))]
        for (name, value) in [("qualifier", qualifier), ("payloadFormat", payload)] { if let value { members.append(.init(name, .string(value))) } }
        let made = try await server.client().send(APIRequest("PUT", MartletPaths.routes(domain), json: .object(members))).json()
        if output.json { return output.print(json: made) }
        Terminal.print("\(route) runs \(function)\(qualifier.map { ":\($0)" } ?? "") at \(made["url"]?.plain ?? "")")
    }
}

struct ListRoutes: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the domains and their routes.")

    @Option(help: "Only this one's.")
    var domain: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let client = try server.client()
        let answer: JSON
        if let domain {
            answer = .object([.init("domains", .array([try await client.send(APIRequest("GET", MartletPaths.domains + [domain])).json()]))])
        } else {
            answer = try await client.send(APIRequest("GET", MartletPaths.domains)).json()
        }
        if output.json { return output.print(json: answer) }
        let domains = answer["domains"]?.array ?? []
        guard !domains.isEmpty else {
            return Terminal.printError("no routes yet; make one with: martlet route add \"GET /path\" FUNCTION")
        }
        var table = TextTable([.init("domain"), .init("route"), .init("function"), .init("payload"), .init("url")])
        for domain in domains {
            let (name, url) = (domain["domain"]?.plain ?? "", domain["url"]?.plain ?? "")
            let routes = domain["routes"]?.array ?? []
            if routes.isEmpty { table.add([name, "(none)", "", "", url]) }
            for route in routes {
                let function = route["function"]?.plain ?? ""
                table.add([
                    name, route["route"]?.plain ?? "", route["qualifier"]?.string.map { "\(function):\($0)" } ?? function,
                    route["payloadFormat"]?.plain ?? "", url,
                ])
            }
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct RemoveRoute: Verb {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Take a route away, or with --all a domain with everything in it.")

    @Argument(help: "The route, as it was added.")
    var route: String?
    @Option(help: "The domain that it is in.")
    var domain = usualDomain
    @Flag(help: "The whole domain.")
    var all = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if all == (route != nil) { throw ValidationError("name the route to remove, or --all for the whole domain") }
    }

    func perform() async throws {
        let client = try server.client()
        if let route {
            try await client.send(APIRequest("DELETE", MartletPaths.routes(domain), query: [("route", route)]))
        } else {
            try await client.send(APIRequest("DELETE", MartletPaths.domains + [domain]))
        }
        let removed = route ?? domain
        if output.json { output.print(json: .object([.init("removed", .string(removed))])) } else { Terminal.print("removed \(removed)") }
    }
}

struct SetDomain: Verb {
    static let configuration = CommandConfiguration(
        commandName: "domain", abstract: "Make a domain or set how it answers; its routes stay.",
        discussion: "What is not given goes back to its default.")

    enum Kind: String, CaseIterable, ExpressibleByArgument, Sendable { case http, rest }

    @Argument(help: "The host name.")
    var name: String
    @Option(help: "http: as API Gateway's HTTP APIs. rest: as its REST APIs, with payload format 1.0.")
    var kind: Kind?
    @Option(help: "What events call the stage. Default: $default, and Prod for rest.")
    var stage: String?
    @Option(parsing: .unconditionalSingleValue, help: ArgumentHelp("A stage variable; repeat it for more.", valueName: "K=V"))
    var variable: [String] = []
    @Option(help: "Web pages of these origins may read answers, separated by commas; * for any. Martlet answers their browsers itself.")
    var corsOrigins: String?
    @Option(help: "Methods that these pages may use, separated by commas.")
    var corsMethods: String?
    @Option(help: "Header fields that these pages may send, separated by commas.")
    var corsHeaders: String?
    @Option(help: ArgumentHelp("The account that the domain belongs to; for the operator.", valueName: "account"))
    var tenant: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var members: [JSON.Member] = []
        for (name, value) in [("kind", kind?.rawValue), ("stage", stage), ("account", tenant)] { if let value { members.append(.init(name, .string(value))) } }
        let variables = try DeployCommand.variables(variable, of: "--variable") ?? [:]
        members.append(.init("stageVariables", .object(variables.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })))
        func texts(_ list: String) -> JSON { .array(list.split(separator: ",").map { .string(String($0)) }) }
        if let corsOrigins {
            var cors: [JSON.Member] = [.init("allowOrigins", texts(corsOrigins))]
            if let corsMethods { cors.append(.init("allowMethods", texts(corsMethods))) }
            if let corsHeaders { cors.append(.init("allowHeaders", texts(corsHeaders))) }
            members.append(.init("cors", .object(cors)))
        }
        let made = try await server.client().send(APIRequest("PUT", MartletPaths.domains + [name], json: .object(members))).json()
        if output.json { return output.print(json: made) }
        Terminal.print("\(made["domain"]?.plain ?? "") answers at \(made["url"]?.plain ?? "")")
    }
}
