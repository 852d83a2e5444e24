internal import ArgumentParser

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Work with the server's configuration.", subcommands: [ConfigCheckCommand.self])
}

struct ConfigCheckCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "List every effective value and where it comes from, or everything that is wrong.")

    @Option(help: ArgumentHelp("The configuration file. Default: /etc/martlet/martlet.json as root, where it exists.", valueName: "file"))
    var config: String?
    @Option(help: ArgumentHelp("As `martlet serve` would get it.", valueName: "host:port"))
    var listen: String?
    @Option(help: ArgumentHelp("As `martlet serve` would get it.", valueName: "folder"))
    var data: String?
    @Flag(help: "As `martlet serve` would get it.")
    var dev = false
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let loaded: LoadedConfiguration
        do {
            loaded = try ServeOptions(listen: listen, data: data, config: config, dev: dev).load()
        } catch let fault as ConfigurationFault where output.json {
            output.print(json: .object([.init("faults", .array(fault.faults.map { .string($0) }))]))
            throw ExitCode(1)
        }
        if output.json {
            output.print(
                json: .object([
                    .init(
                        "settings",
                        .array(
                            loaded.settings.map {
                                .object([
                                    .init("name", .string($0.name)), .init("value", $0.value), .init("origin", .string("\($0.origin)")),
                                ])
                            }))
                ]))
            return
        }
        for line in Self.table(loaded.settings).lines(output.style) { Terminal.print(line) }
    }

    static func table(_ settings: [EffectiveSetting]) -> TextTable {
        var table = TextTable([.init("setting"), .init("value"), .init("origin"), .init("variable")])
        for setting in settings {
            let variable = Setting.all.first { $0.name == setting.name }?.variable ?? ""
            table.add([setting.name, setting.value.text(), "\(setting.origin)", variable])
        }
        return table
    }
}

struct CredentialsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "credentials", abstract: "Show the access key pair that the server made on its first start.",
        discussion: "For a shell: eval \"$(martlet credentials --export)\"")

    @Flag(help: "Print export lines for a shell: keys, region and endpoint in the usual AWS_* variables.")
    var export = false
    @Option(help: ArgumentHelp("The server's data directory. Default: as for `martlet serve`.", valueName: "folder"))
    var data: String?
    @Option(help: ArgumentHelp("The address for AWS_ENDPOINT_URL_LAMBDA and those of the other services. Default: as for every verb.", valueName: "url"))
    var endpoint: String?
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let environment = processEnvironment()
        let directory = try data ?? ServeOptions(dev: false).load().configuration.data
        let endpoint = try Endpoint.resolve(flag: endpoint, environment: environment)
        let pair: Credentials
        do {
            pair = try Credentials.load(path: directory)
        } catch let failure as Credentials.Failure {
            let hint = failure.isAbsent ? "; `martlet serve` makes them on its first start, and --data names another data directory" : ""
            throw CommandFailure("no credentials in \(directory): \(failure)\(hint)")
        }
        if output.json {
            output.print(
                json: .object([
                    .init("accessKeyId", .string(pair.accessKeyId)), .init("secretAccessKey", .string(pair.secretAccessKey)),
                    .init("account", .string(pair.account)), .init("region", .string(pair.region)),
                    .init("endpoint", .string("\(endpoint)")),
                ]))
        } else if export {
            for line in pair.exportLines(endpoint: "\(endpoint)") { Terminal.print(line) }
        } else {
            Terminal.print("access key ID      \(pair.accessKeyId)")
            Terminal.print("secret access key  \(pair.secretAccessKey)")
            Terminal.print("account            \(pair.account)")
            Terminal.print("region             \(pair.region)")
        }
    }
}
