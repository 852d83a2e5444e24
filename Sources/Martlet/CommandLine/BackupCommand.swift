internal import ArgumentParser
internal import Glibc
internal import JSONValues

struct BackupCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Put everything a server knows into one file, while it serves.",
        discussion: """
            Functions, packages, queues with their messages, usage, tenants and keys. The file holds secrets: it can be read
            by nobody else. Runs on the server's machine, as root or the server's user. With the ending .gz or .zst it is
            compressed.
            """)

    @Argument(help: "The file to make.")
    var file: String
    @Option(help: ArgumentHelp("The data directory. Default: as for serve.", valueName: "folder"))
    var data: String?
    @Flag(help: "Leave out the functions' logs and the log of management calls.")
    var withoutLogs = false
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let environment = processEnvironment()
        let folder = data ?? ConfigurationLoader.defaultDataDirectory(isRoot: geteuid() == 0, environment: environment)
        let isQuiet = output.json || !Terminal.errorIsTerminal
        let writer = BackupWriter(data: folder, target: file, hasLogs: !withoutLogs, environment: environment) { part in
            if !isQuiet { Terminal.printError("  \(part)") }
        }
        let bytes = try writer.write()
        if output.json { return output.print(json: .object([.init("file", .string(file)), .init("bytes", .integer(bytes))])) }
        Terminal.print("\(file) has \(bytes) bytes; martlet restore makes a data directory of it")
    }
}

struct RestoreCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a data directory of a backup.",
        discussion: "What is in the file is checked first; the folder must be new or empty. Then start martlet serve on it.")

    @Argument(help: "The file that martlet backup made.")
    var file: String
    @Option(help: ArgumentHelp("The data directory to make. Default: as for serve.", valueName: "folder"))
    var data: String?
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let environment = processEnvironment()
        var folder = data ?? ConfigurationLoader.defaultDataDirectory(isRoot: geteuid() == 0, environment: environment)
        while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
        let isQuiet = output.json || !Terminal.errorIsTerminal
        let reader = BackupReader(source: file, data: folder, environment: environment) { part in
            if !isQuiet { Terminal.printError("  \(part)") }
        }
        let manifest = try reader.restore()
        if output.json {
            return output.print(json: .object([.init("data", .string(folder)), .init("backup", manifest.json)]))
        }
        Terminal.print("\(folder) is as it was at \(TimeText.iso(manifest.time)); start martlet serve --data \(folder)")
    }
}
