internal import ArgumentParser
internal import JSONValues

struct RoleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "role", abstract: "What functions may do that call back with an AWS SDK: the policy documents of their roles.",
        discussion: """
            A function's role is the last part of the ARN in its Role. Without a document it may invoke functions and use queues of its tenant.
            """,
        subcommands: [PutRole.self, ListRoles.self, ShowRole.self, DeleteRole.self])
}

struct PutRole: Verb {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Give a role its policy document, in place of the one it has; it counts at once.",
        discussion: """
            The document is IAM's, with Effect, Action, NotAction, Resource and NotResource:

              {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:*:*:orders"}]}

              martlet role put worker policy.json
            """)

    @Argument(help: "The role's name.")
    var role: String
    @Argument(help: ArgumentHelp("The document's file, - for standard input.", valueName: "file"))
    var document: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let bytes = document == "-" ? try LocalFile.readStandardInput() : try LocalFile.read(document, limit: 1 << 20)
        var request = APIRequest("PUT", MartletPaths.role(role))
        request.body = bytes
        let answer = try await server.client().send(request).json()
        if output.json { return output.print(json: answer) }
        Terminal.print("the role \(role) has this policy from now on")
    }
}

struct ListRoles: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the roles that have a policy document.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.roles)).json()
        if output.json { return output.print(json: answer) }
        let roles = answer["roles"]?.array ?? []
        guard !roles.isEmpty else { return Terminal.printError("no role has a document; give one with: martlet role put ROLE FILE") }
        var table = TextTable([.init("role"), .init("statements", .right)])
        for role in roles {
            let statements = role["policy"]?["Statement"]
            table.add([role["role"]?.plain ?? "", "\(statements?.array?.count ?? 1)"])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct ShowRole: Verb {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Print a role's policy document.")

    @Argument(help: "The role's name.")
    var role: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.role(role))).json()
        output.print(json: output.json ? answer : answer["policy"] ?? .null)
    }
}

struct DeleteRole: Verb {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Take a role's policy document away: it is as one that never had one.")

    @Argument(help: "The role's name.")
    var role: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        try await server.client().send(APIRequest("DELETE", MartletPaths.role(role)))
        if output.json { output.print(json: .object([.init("deleted", .string(role))])) } else { Terminal.print("deleted the policy of \(role)") }
    }
}
