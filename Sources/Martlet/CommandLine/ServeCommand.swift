internal import ArgumentParser
internal import Glibc

/// What `martlet serve` was asked for, before the configuration is read.
struct ServeOptions: Hashable, Sendable {
    var listen: String?
    var data: String?
    var config: String?
    var dev: Bool

    /// The effective configuration of this process: defaults, file, environment, these flags.
    ///
    /// - Throws: `ConfigurationFault` with every fault, `CommandFailure` if the file cannot be read.
    func load() throws -> LoadedConfiguration {
        var sources = try ConfigurationSources.ofThisProcess(config: config)
        sources.flags["listen"] = listen
        sources.flags["data"] = data
        if dev { sources.flags["dev"] = "true" }
        return try ConfigurationLoader.load(sources)
    }
}

struct ServeCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "serve", abstract: "Run the server, in the foreground.")

    @Option(help: ArgumentHelp("Where to accept connections. Default: 127.0.0.1:9000.", valueName: "host:port"))
    var listen: String?
    @Option(help: ArgumentHelp("The data directory. Default: /var/lib/martlet as root, else ~/.local/share/martlet.", valueName: "folder"))
    var data: String?
    @Option(help: ArgumentHelp("The configuration file. Default: /etc/martlet/martlet.json as root, where it exists.", valueName: "file"))
    var config: String?
    @Flag(help: "Accept any credentials; only on a loopback address.")
    var dev = false

    func perform() async throws { try await runServe(ServeOptions(listen: listen, data: data, config: config, dev: dev)) }
}

extension ConfigurationSources {
    /// - Throws: `CommandFailure` if the named file cannot be read.
    static func ofThisProcess(config: String?) throws -> ConfigurationSources {
        var sources = ConfigurationSources()
        sources.environment = processEnvironment()
        sources.isRoot = geteuid() == 0
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        if pages > 0 { sources.hostMemoryMB = pages / 1_024 * sysconf(Int32(_SC_PAGESIZE)) / 1_024 }
        let standard = "/etc/martlet/martlet.json"
        if let path = config ?? (sources.isRoot && LocalFile.info(standard) != nil ? standard : nil) {
            sources.file = (path, try LocalFile.read(path, limit: 1_048_576))
        }
        return sources
    }
}

struct DoctorCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Show what this machine offers for sandboxes, what is missing, and what that costs.")

    @OptionGroup var output: OutputOptions

    func perform() async throws { try await runDoctor(json: output.json) }
}

struct VersionCommand: Verb {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the program's version.")

    @OptionGroup var output: OutputOptions

    func perform() async throws {
        if output.json {
            let sources = SourceConnectors.builtIn.keys.map(\.rawValue).sorted()
            output.print(json: .object([.init("version", .string(martletVersion)), .init("sources", .array(sources.map { .string($0) }))]))
        } else {
            Terminal.print("martlet \(martletVersion)")
        }
    }
}
