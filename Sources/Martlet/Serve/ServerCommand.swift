internal import ArgumentParser
internal import CChild
internal import Glibc
internal import LinuxPrimitives

/// The network-facing process. Started by the supervisor only, with its descriptors in place.
struct ServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve-process", shouldDisplay: false)

    @Option var listen: String?
    @Option var data: String
    @Option var config: String?
    @Flag var dev = false
    @Option var uid: UInt32?
    @Option var gid: UInt32?

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        do {
            let loaded = try ServeOptions(listen: listen, data: data, config: config, dev: dev).load()
            try enterData()
            try dropPrivileges()
            try await Server(loaded.configuration).run()
        } catch let end as Exit {
            throw ExitCode(end.status)
        } catch let fault as ConfigurationFault {
            Terminal.printError("martlet: the configuration is not usable:\n\(fault)")
            throw ExitCode(Supervisor.startFailure)
        } catch {
            Terminal.printError("martlet: \(error)")
            throw ExitCode(Supervisor.startFailure)
        }
    }

    /// From here on every path is relative to the data directory: the folders above it may be closed to our user.
    private func enterData() throws {
        guard chdir(data) == 0 else { throw CommandFailure("entering the data directory \(data) failed: \(String(cString: strerror(errno)))") }
        umask(0o077)
    }

    private func dropPrivileges() throws {
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        if let uid, let gid {
            guard mc_become(uid, gid) == 0 else {
                throw CommandFailure("becoming uid \(uid) failed: \(String(cString: strerror(errno)))")
            }
        }
        mc_lock_process() // again: a change of uid may make a process dumpable
    }
}
