internal import ArgumentParser
internal import JSONValues

struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Tenants: each has an account, keys, functions and queues of its own. For the server's operator.",
        subcommands: [CreateTenant.self, ListTenants.self, SuspendTenant.self, ResumeTenant.self])
}

struct CreateTenant: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a tenant.",
        discussion: """
            Give it a key, and the two lines that a client needs:

              martlet tenant create shop
              martlet key create shop --export
            """)

    @Argument(help: "The tenant's name.")
    var name: String
    @Option(help: "Its account, 12 digits. Without it the server chooses one.")
    var account: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var members: [JSON.Member] = [.init("name", .string(name))]
        if let account { members.append(.init("account", .string(account))) }
        let made = try await server.client().send(APIRequest("POST", MartletPaths.tenants, json: .object(members))).json()
        if output.json { return output.print(json: made) }
        Terminal.print("\(made["name"]?.plain ?? "") has the account \(made["account"]?.plain ?? "")")
    }
}

struct ListTenants: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the tenants.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.tenants)).json()
        if output.json { return output.print(json: answer) }
        var table = TextTable([.init("tenant"), .init("account"), .init("state"), .init("keys", .right), .init("since")])
        for tenant in answer["tenants"]?.array ?? [] {
            table.add([
                tenant["name"]?.plain ?? "", tenant["account"]?.plain ?? "", tenant["state"]?.plain ?? "", tenant["keys"]?.plain ?? "",
                tenant["created"]?.integer.map { TimeText.iso(Int64($0)) } ?? "",
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct SuspendTenant: Verb {
    static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Refuse a tenant's keys, function URLs and webhooks from now on; what it has stays.")

    @Argument(help: "The tenant's name or account.")
    var tenant: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws { try await change(tenant, "suspend", server, output) }
}

struct ResumeTenant: Verb {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Let a suspended tenant in again.")

    @Argument(help: "The tenant's name or account.")
    var tenant: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws { try await change(tenant, "resume", server, output) }
}

private func change(_ tenant: String, _ action: String, _ server: ServerOptions, _ output: OutputOptions) async throws {
    let changed = try await server.client().send(APIRequest("POST", MartletPaths.tenants + [tenant, action])).json()
    if output.json { return output.print(json: changed) }
    Terminal.print("\(changed["name"]?.plain ?? tenant) is \(changed["state"]?.plain ?? "")")
}
