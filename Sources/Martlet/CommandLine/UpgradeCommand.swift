internal import ArgumentParser
internal import Glibc
internal import JSONValues
internal import LinuxPrimitives

struct UpgradeCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "upgrade", abstract: "Let the running server go on as the program that now lies in its place.",
        discussion: """
            Put the new martlet and martlet-sandbox where the old ones are (rename them into place), then run this on the
            server's machine. What was accepted is answered by the old program, what comes meanwhile waits for the new one.
            A program that does not start is left alone.
            """)

    @Option(help: ArgumentHelp("The data directory. Default: as for serve.", valueName: "folder"))
    var data: String?
    @Option(help: "Seconds to wait for the new program.")
    var wait = 60
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let folder = data ?? ConfigurationLoader.defaultDataDirectory(isRoot: geteuid() == 0, environment: processEnvironment())
        guard let text = readText("\(folder)/lock"), let process = pid_t(text.split(separator: "\n").first ?? ""),
            readText("/proc/\(process)/comm")?.hasPrefix("martlet") == true
        else { throw CommandFailure("no server runs on \(folder)") }
        guard let before = try generation(process) else { throw CommandFailure("the server (process \(process)) is ending, or being replaced already; try again") }
        guard kill(process, SIGUSR1) == 0 else {
            throw CommandFailure("telling the server (process \(process)) failed: \(String(cString: strerror(errno)))")
        }
        var unseen = 0
        for _ in 0..<max(1, wait) * 10 {
            try await Task.sleep(for: .milliseconds(100))
            let now = try generation(process)
            unseen = now == nil ? unseen + 1 : 0
            guard unseen < 10, readText("/proc/\(process)/comm") != nil else {
                throw CommandFailure("the server (process \(process)) has ended; its output says why")
            }
            guard let now else { continue }
            if now.children.count >= 2, now.children.isDisjoint(with: before.children) {
                if output.json { return output.print(json: .object([.init("process", .integer(process)), .init("replaced", .bool(now.program != before.program))])) }
                return Terminal.print(now.program == before.program ? "the server has started again, as the same program" : "the new program serves")
            }
        }
        throw CommandFailure("the server (process \(process)) has not changed within \(wait) s: the new program does not start; the server's output says why")
    }

    /// Which file the supervisor runs, and its two processes. nil while it runs none: for a moment of execve, and as a zombie.
    private func generation(_ process: pid_t) throws -> (program: [UInt64], children: Set<String>)? {
        var info = stat()
        guard stat("/proc/\(process)/exe", &info) == 0 else {
            if errno == ENOENT { return nil }
            throw CommandFailure("looking at the server (process \(process)) failed: \(String(cString: strerror(errno))); run this as the server's user or as root")
        }
        let children = LinuxPrimitives.entries(of: "/proc").filter { entry in
            guard entry.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let stat = readText("/proc/\(entry)/stat"),
                let end = stat.lastIndex(of: ")")
            else { return false }
            // After the name: the state, then the parent. A zombie serves nobody.
            let fields = stat[stat.index(after: end)...].split(separator: " ")
            return fields.count > 1 && fields[0] != "Z" && fields[1] == "\(process)"
        }
        return ([UInt64(info.st_dev), UInt64(info.st_ino)], Set(children))
    }
}
