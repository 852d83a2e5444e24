internal import ArgumentParser
internal import JSONValues

struct WebhookCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook", abstract: "Addresses that services outside send signed events to; each runs a function, durably.",
        subcommands: [CreateWebhook.self, ListWebhooks.self, RotateWebhook.self, DeleteWebhook.self])
}

/// The sender's secret: from a file or standard input, since arguments are seen by every process on the machine.
struct SecretOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file with the secret, - for standard input. Without it the server makes one.", valueName: "file"))
    var secretFile: String?

    func member() throws -> [JSON.Member] {
        guard let secretFile else { return [] }
        var bytes = secretFile == "-" ? try LocalFile.readStandardInput() : try LocalFile.read(secretFile, limit: 4096)
        while bytes.last == 10 || bytes.last == 13 { bytes.removeLast() }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw CommandFailure("the secret in \(secretFile) is not UTF-8 text") }
        return [.init("secret", .string(text))]
    }
}

struct CreateWebhook: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make an address for a sender.",
        discussion: """
            The sender's deliveries are verified, kept, answered with 202, and then handed to the function as the event of a function URL.

              martlet webhook create pushes --function on-push --scheme github
              martlet webhook create orders --function on-order --scheme hmac --header X-Shop-Signature --encoding base64
              martlet webhook create uploads --function on-upload --scheme minio --events "s3:ObjectCreated:*" --key-suffix .csv
            """)

    @Argument(help: "The webhook's name.")
    var name: String
    @Option(help: "The function that runs for each delivery.")
    var function: String
    @Option(help: "A version of it.")
    var qualifier: String?
    @Option(help: "How the sender signs: github, stripe, slack, minio, or hmac for an HMAC of the body in a header.")
    var scheme: String
    @Option(help: "For hmac: the header that has the signature.")
    var header: String?
    @Option(help: "For hmac: sha1, sha256 (default) or sha512.")
    var hash: String?
    @Option(help: "For hmac: hex (default) or base64.")
    var encoding: String?
    @Option(help: "For hmac: what stands before the signature in the header, such as sha256=.")
    var prefix: String?
    @Option(help: "For minio: which events, separated by commas, such as s3:ObjectCreated:*,s3:ObjectRemoved:*. Without it, all.")
    var events: String?
    @Option(help: "For minio: only objects whose key begins so.")
    var keyPrefix: String?
    @Option(help: "For minio: only objects whose key ends so.")
    var keySuffix: String?
    @OptionGroup var secret: SecretOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var members: [JSON.Member] = [.init("name", .string(name)), .init("function", .string(function)), .init("scheme", .string(scheme))]
        for (name, value) in [("qualifier", qualifier), ("header", header), ("hash", hash), ("encoding", encoding), ("prefix", prefix)] {
            if let value { members.append(.init(name, .string(value))) }
        }
        for (name, value) in [("keyPrefix", keyPrefix), ("keySuffix", keySuffix)] { if let value { members.append(.init(name, .string(value))) } }
        if let events { members.append(.init("events", .array(events.split(separator: ",").map { .string(String($0)) }))) }
        members += try secret.member()
        let made = try await server.client().send(APIRequest("POST", MartletPaths.webhooks, json: .object(members))).json()
        show(made, output, isNew: secret.secretFile == nil)
    }
}

struct RotateWebhook: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Give a webhook a new secret; those before it are believed until they are revoked.")

    @Argument(help: "The webhook's name.")
    var name: String
    @Flag(help: "Believe no other secret from now on.")
    var revokeOld = false
    @OptionGroup var secret: SecretOptions
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let members = [JSON.Member("revokeOld", .bool(revokeOld))] + (try secret.member())
        let changed = try await server.client().send(APIRequest("POST", MartletPaths.webhooks + [name, "secret"], json: .object(members))).json()
        show(changed, output, isNew: secret.secretFile == nil)
    }
}

struct ListWebhooks: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the webhooks and what came to them since the server started.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.webhooks)).json()
        if output.json { return output.print(json: answer) }
        let webhooks = answer["webhooks"]?.array ?? []
        guard !webhooks.isEmpty else {
            Terminal.printError("no webhooks yet; make one with: martlet webhook create NAME --function FUNCTION --scheme github")
            return
        }
        var table = TextTable([
            .init("webhook"), .init("function"), .init("scheme"), .init("accepted", .right), .init("refused", .right), .init("url"), .init("last refusal"),
        ])
        for webhook in webhooks {
            let function = webhook["function"]?.plain ?? ""
            table.add([
                webhook["name"]?.plain ?? "", webhook["qualifier"]?.string.map { "\(function):\($0)" } ?? function, webhook["scheme"]?.plain ?? "",
                webhook["accepted"]?.plain ?? "", webhook["refused"]?.plain ?? "", webhook["url"]?.plain ?? "", webhook["lastRefusal"]?.plain ?? "",
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct DeleteWebhook: Verb {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Close a webhook's address; what it accepted still runs.")

    @Argument(help: "The webhook's name.")
    var name: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        try await server.client().send(APIRequest("DELETE", MartletPaths.webhooks + [name]))
        if output.json { output.print(json: .object([.init("deleted", .string(name))])) } else { Terminal.print("deleted \(name)") }
    }
}

/// - Parameter isNew: the server made the secret, and shows it this once.
private func show(_ webhook: JSON, _ output: OutputOptions, isNew: Bool) {
    if output.json { return output.print(json: webhook) }
    Terminal.print("\(webhook["name"]?.plain ?? "") takes deliveries at \(webhook["url"]?.plain ?? "")")
    if isNew {
        Terminal.print("  secret \(webhook["secret"]?.plain ?? "")")
        Terminal.print("  give both to the sender; the secret is not shown again")
    }
}
