internal import ArgumentParser
internal import JSONValues

struct CompletionsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "completions", abstract: "Print a script that completes martlet's verbs and flags in a shell.",
        discussion: """
            bash: martlet completions bash > ~/.local/share/bash-completion/completions/martlet
            zsh:  martlet completions zsh > a folder of $fpath/_martlet
            fish: martlet completions fish > ~/.config/fish/completions/martlet.fish
            """)

    enum Shell: String, CaseIterable, ExpressibleByArgument, Sendable { case bash, zsh, fish }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell
    @OptionGroup var output: OutputOptions

    func perform() async throws {
        let kind: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        let script = MartletCommand.completionScript(for: kind)
        guard output.json else { return Terminal.print(script) }
        output.print(json: .object([.init("shell", .string(shell.rawValue)), .init("script", .string(script))]))
    }
}
