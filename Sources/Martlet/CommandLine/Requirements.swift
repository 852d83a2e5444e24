internal import DeploymentPackages
internal import Glibc

/// Installs what a `requirements.txt` names into a folder that is kept for the next time.
struct Requirements {
    let environment: [String: String]
    let progress: Progress

    /// Below `XDG_CACHE_HOME` or the home folder; what is in it can be removed at any time.
    static func cacheFolder(_ environment: [String: String]) -> String {
        if let base = environment["XDG_CACHE_HOME"], base.hasPrefix("/") { return "\(base)/martlet" }
        return "\(environment["HOME"] ?? "/tmp")/.cache/martlet"
    }

    /// A folder with the installed packages.
    ///
    /// - Parameters:
    ///   - runtime: the resolved name: `python3.11`.
    ///   - interpreter: the server's interpreter, used where it is this machine's too.
    ///   - again: install although the same requirements were installed before.
    /// - Throws: `CommandFailure` with pip's own words, or one that says how to get pip.
    func install(_ text: [UInt8], in folder: String, runtime: String, interpreter: String?, again: Bool) throws -> String {
        let version = String(runtime.dropFirst("python".count))
        var digest = RunningDigest()
        digest.update("martlet requirements 1")
        digest.update(runtime)
        digest.update(Self.machine)
        digest.update(text)
        let kept = "\(Self.cacheFolder(environment))/requirements/\(digest.finish())"
        // Files beside requirements.txt may change while it stays the same.
        let isSelfContained = Self.isSelfContained(text)
        if !again, isSelfContained, LocalFile.info(kept)?.kind == .directory { return kept }

        let pip = try findPip(version: version, interpreter: interpreter)
        let building = "\(kept).\(UInt64.random(in: 0...UInt64.max))"
        try LocalFile.makeFolders(building)
        var arguments = [
            pip.interpreter, "-m", "pip", "install", "-r", "\(folder)/requirements.txt", "-t", building, "--no-compile",
            "--disable-pip-version-check", "--no-input", "--no-warn-conflicts", "--root-user-action=ignore", "--progress-bar=off",
        ]
        if !pip.isExact { arguments += ["--python-version", version, "--implementation", "cp", "--only-binary=:all:"] }
        progress.show("installing requirements for \(runtime)")
        let result = ChildProcess.run(arguments, environment: environment) { progress.show("installing requirements for \(runtime): \($0)") }
        progress.clear()
        guard result.status == 0 else {
            LocalFile.removeTree(building)
            let words = result.output.split(separator: "\n").suffix(15).joined(separator: "\n")
            throw CommandFailure("pip could not install \(folder)/requirements.txt for \(runtime):\n\(words)")
        }
        if pip.isExact { compile(building, with: pip.interpreter) }
        // Scripts of packages are for a shell's PATH, which a function does not have.
        LocalFile.removeTree("\(building)/bin")
        LocalFile.removeTree(kept)
        guard rename(building, kept) == 0 || LocalFile.info(kept) != nil else {
            throw CommandFailure("failed to keep the installed requirements in \(kept): \(String(cString: strerror(errno)))")
        }
        return kept
    }

    /// Compiled modules that hold whatever their time stamp says: packages are unpacked with new ones, and the function's
    /// own folder is read-only, so Python could not keep what it compiles.
    private func compile(_ folder: String, with interpreter: String) {
        progress.show("compiling the installed modules")
        _ = ChildProcess.run(
            [interpreter, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", folder, "-p", "/var/task", folder],
            environment: environment)
        progress.clear()
    }

    /// The interpreter of that version with pip, else any with pip, which then fetches wheels for that version.
    private func findPip(version: String, interpreter: String?) throws -> (interpreter: String, isExact: Bool) {
        let check = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
        var tried: [String] = []
        var other: String?
        for name in [interpreter, "python\(version)", "python3", "python", "/usr/bin/python3"].compactMap({ $0 }) {
            guard let path = ChildProcess.find(name, environment: environment), !tried.contains(path) else { continue }
            tried.append(path)
            let result = ChildProcess.run([path, "-c", check], environment: environment)
            guard result.status == 0 else { continue }
            let answer = result.output.split(separator: "\n").last.map(String.init)
            if answer == version { return (path, true) }
            if other == nil { other = path }
        }
        if let other { return (other, false) }
        let looked = tried.isEmpty ? "no python3 is in PATH" : "\(tried.joined(separator: ", ")) cannot import it"
        throw CommandFailure(
            "the package has a requirements.txt, and pip is not here (\(looked)): install it (Debian: apt install python3-pip, or a "
                + "virtual environment first in PATH), or install the requirements into the folder yourself and remove the file")
    }

    /// Whether the text names nothing of this machine.
    static func isSelfContained(_ text: [UInt8]) -> Bool {
        text.split(separator: 0x0A).allSatisfy { line in
            let words = String(decoding: line, as: UTF8.self).split { $0 == " " || $0 == "\t" || $0 == "\r" || $0 == "=" }
            guard let first = words.first else { return true }
            return !["-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-f", "--find-links"].contains(first)
                && !first.hasPrefix(".") && !first.hasPrefix("/") && !first.hasPrefix("-r") && !first.hasPrefix("-c") && !first.hasPrefix("-e")
                && !words.contains { $0.hasPrefix("file:") }
        }
    }

    private static var machine: String {
        #if arch(arm64)
            "aarch64"
        #else
            "x86_64"
        #endif
    }
}
