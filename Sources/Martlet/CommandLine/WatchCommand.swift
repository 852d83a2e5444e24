internal import ArgumentParser
internal import Glibc
internal import JSONValues

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Folders of the server's machine; each file that comes or goes runs a function, durably.",
        subcommands: [CreateWatch.self, ListWatches.self, DeleteWatch.self])
}

struct CreateWatch: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Watch a folder.",
        discussion: """
            The function gets S3's event: the bucket is the watch's name, the key the file's path below the folder. What is in the folder
            by now is no news; what changes while the server is down is. Links are not followed. The function cannot reach the folder:
            with --content the event has the content of files up to 512 KiB, as Records[].s3.object.contentBase64.

              martlet watch create /srv/incoming --function import --events created --suffix .csv --content
            """)

    @Argument(help: "The folder, readable by the server's user.")
    var folder: String
    @Option(help: "The function that runs for each change.")
    var function: String
    @Option(help: "A version of it.")
    var qualifier: String?
    @Option(help: "The watch's name. Without it, the folder's.")
    var name: String?
    @Option(help: "What counts: created (also for files that are written again), removed, or both.")
    var events = "created,removed"
    @Option(help: "Only files whose path below the folder begins so.")
    var prefix: String?
    @Option(help: "Only files whose path ends so.")
    var suffix: String?
    @Flag(help: "Folders in it, too.")
    var recursive = false
    @Flag(help: "Put the content of small files into their events.")
    var content = false
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        var names: [JSON] = []
        for event in events.split(separator: ",") {
            switch event {
            case "created": names.append(.string("s3:ObjectCreated:*"))
            case "removed": names.append(.string("s3:ObjectRemoved:*"))
            default: throw CommandFailure.usage("--events takes created, removed, or both with a comma between, not '\(event)'")
            }
        }
        var members: [JSON.Member] = [
            .init("path", .string(Self.absolute(folder))), .init("function", .string(function)), .init("events", .array(names)),
            .init("recursive", .bool(recursive)), .init("content", .bool(content)),
        ]
        for (name, value) in [("qualifier", qualifier), ("name", name), ("keyPrefix", prefix), ("keySuffix", suffix)] {
            if let value { members.append(.init(name, .string(value))) }
        }
        let made = try await server.client().send(APIRequest("POST", MartletPaths.watches, json: .object(members))).json()
        if output.json { return output.print(json: made) }
        Terminal.print("\(made["name"]?.plain ?? "") watches \(made["path"]?.plain ?? ""); the \(made["files"]?.plain ?? "0") files in it are no news")
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let here = getcwd(nil, 0) else { return path }
        defer { free(here) }
        return String(cString: here) + "/" + path
    }
}

struct ListWatches: Verb {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the watched folders and their state.")

    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let answer = try await server.client().send(APIRequest("GET", MartletPaths.watches)).json()
        if output.json { return output.print(json: answer) }
        let watches = answer["watches"]?.array ?? []
        guard !watches.isEmpty else {
            return Terminal.printError("no folders are watched yet; watch one with: martlet watch create FOLDER --function FUNCTION")
        }
        var table = TextTable([
            .init("watch"), .init("function"), .init("files", .right), .init("pending", .right), .init("folder"), .init("problem"),
        ])
        for watch in watches {
            table.add([
                watch["name"]?.plain ?? "", watch["function"]?.plain ?? "", watch["files"]?.plain ?? "", watch["pending"]?.plain ?? "",
                watch["path"]?.plain ?? "", oneLine(watch["problem"]?.string ?? "", limit: 200),
            ])
        }
        for line in table.lines(output.style, fitting: Terminal.outputIsTerminal ? Terminal.width : nil) { Terminal.print(line) }
    }
}

struct DeleteWatch: Verb {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Watch a folder no more; events it brought still run.")

    @Argument(help: "The watch's name.")
    var name: String
    @OptionGroup var server: ServerOptions
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        try await server.client().send(APIRequest("DELETE", MartletPaths.watches + [name]))
        if output.json { output.print(json: .object([.init("deleted", .string(name))])) } else { Terminal.print("\(name) is watched no more") }
    }
}
