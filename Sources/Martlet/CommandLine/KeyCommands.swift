internal import ArgumentParser
internal import JSONValues

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Access keys of tenants. For the server's operator.",
        subcommands: [CreateKey.self, ListKeys.self, RotateKey.self, RevokeKey.self])
}

/// How a new key is shown: its secret is told this once.
struct NewKeyOptions: ParsableArguments {
    @Flag(help: "Print export lines for a shell, in the usual AWS_* variables.")
    var export = false
    @OptionGroup var output: OutputOptions

    func show(_ key: JSON) {
        if output.json { return output.print(json: key) }
        let values = [
            ("AWS_ACCESS_KEY_ID", "access key ID", key["accessKeyId"]), ("AWS_SECRET_ACCESS_KEY", "secret access key", key["secretAccessKey"]),
            ("AWS_SESSION_TOKEN", "session token", key["sessionToken"]),
        ]
        for (variable, title, value) in values {
            guard let text = value?.string else { continue }
            Terminal.print(export ? "export \(variable)=\(text)" : title + String(repeating: " ", count: 19 - title.count) + text)
        }
        if !export { Terminal.print("the secret is not shown again") }
    }
}

struct CreateKey: Verb {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Make an access key for a tenant; its secret is shown once.")

    @Argument(help: "The tenant's name or account.")
    var tenant: String
    @Option(help: ArgumentHelp("Make a temporary key with a session token, for at most 12h.", valueName: "time"))
    var expiresIn: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: NewKeyOptions

    func perform() async throws {
        let members: [JSON.Member] = try expiresIn.map { [.init("expiresInSeconds", .integer(try seconds($0, of: "--expires-in")))] } ?? []
        output.show(try await server.client().send(APIRequest("POST", MartletPaths.tenants + [tenant, "keys"], json: .object(members))).json())
    }
}

struct ListKeys: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the access keys, without the operator's own.")

    @Argument(help: "A tenant's name or account. Without it: of all tenants.")
    var tenant: String?
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let query = tenant.map { [(name: "tenant", value: $0)] } ?? []
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.keys, query: query)).json()
        if output.json { return output.print(json: answer) }
        let keys = answer["keys"]?.array ?? []
        guard !keys.isEmpty else { return Terminal.printError("no keys yet; make one with: martlet key create TENANT") }
        var table = TextTable([.init("key"), .init("tenant"), .init("account"), .init("since"), .init("until")])
        for key in keys {
            table.add([
                key["accessKeyId"]?.plain ?? "", key["tenant"]?.plain ?? "", key["account"]?.plain ?? "",
                key["created"]?.integer.map { TimeText.iso(Int64($0)) } ?? "", key["expires"]?.integer.map { TimeText.iso(Int64($0)) } ?? "",
            ])
        }
        for line in table.lines(output.style) { Terminal.print(line) }
    }
}

struct RotateKey: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rotate", abstract: "Make another key for the same tenant; the old one holds for a while longer.")

    @Argument(help: "The ID of the key that is to end.")
    var key: String
    @Option(help: ArgumentHelp("How long both hold, at most 7d; 0s ends the old one at once.", valueName: "time"))
    var overlap = "1h"
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: NewKeyOptions

    func perform() async throws {
        let members: [JSON.Member] = [.init("overlapSeconds", .integer(try seconds(overlap, of: "--overlap")))]
        output.show(try await server.client().send(APIRequest("POST", MartletPaths.keys + [key, "rotate"], json: .object(members))).json())
    }
}

struct RevokeKey: Verb {
    static let configuration = CommandConfiguration(commandName: "revoke", abstract: "End a key: it is refused from now on.")

    @Argument(help: "The key's ID.")
    var key: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        try await server.client().send(APIRequest("DELETE", MartletPaths.keys + [key]))
        if output.json { output.print(json: .object([.init("revoked", .string(key))])) } else { Terminal.print("revoked \(key)") }
    }
}

private func seconds(_ text: String, of option: String) throws -> Int {
    guard let milliseconds = TimeText.duration(text) else { throw CommandFailure.usage("\(option) \(text) is no time: write 90s, 10m, 12h or 7d") }
    return Int(milliseconds / 1_000)
}
