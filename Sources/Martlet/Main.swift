internal import ArgumentParser
internal import CChild
internal import Glibc

@main
enum Program {
    /// Not `async`: the main thread of an asynchronous program ends up waiting with every signal open and outside the C
    /// library's reach. It would take the signals that others wait for, and keep root's rights when the server gives
    /// them up in all threads.
    static func main() {
        if let verb = CommandLine.arguments.dropFirst().first, verb == "serve" || verb == "serve-process" {
            blockLifecycleSignals()
            // Also a property of each thread, inherited.
            if verb == "serve-process" { mc_lock_process() }
        }
        Task.detached {
            await MartletCommand.main()
            exit(0)
        }
        while true { pause() }
    }
}

/// Those that end a server, and the news of a child's end. Threads inherit the mask, so they are blocked before there is one.
let lifecycleSignals = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD]

private func blockLifecycleSignals() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signal in lifecycleSignals { sigaddset(&signals, signal) }
    pthread_sigmask(SIG_BLOCK, &signals, nil)
}

struct MartletCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet", abstract: "Serverless functions on one Linux machine: a fresh sandbox per invocation, metered.",
        version: martletVersion,
        subcommands: [
            ServeCommand.self, DeployCommand.self, InvokeCommand.self, ListCommand.self, DescribeCommand.self, DeleteCommand.self,
            LogsCommand.self, UsageCommand.self, ScheduleCommand.self, AsyncCommand.self, QueueCommand.self, SourceCommand.self, BusCommand.self, WebhookCommand.self, RouteCommand.self, WatchCommand.self, TriggersCommand.self, AuditCommand.self, BackupCommand.self, RestoreCommand.self, UpgradeCommand.self, CredentialsCommand.self, TenantCommand.self, KeyCommand.self, RoleCommand.self,
            ConfigCommand.self, DoctorCommand.self, VersionCommand.self, CompletionsCommand.self,
            ServerCommand.self,
        ])
}
