internal import Glibc
internal import LinuxPrimitives
internal import Sandbox
internal import WorkerNode
internal import NIOCore
internal import NIOPosix

/// `martlet doctor`: starts a helper of its own, asks what this host gives, and ends it. Needs no server.
func runDoctor(json: Bool) async throws {
    let facts = try hostFacts()
    if json {
        var line = JSONLine()
        line.member("kernel", facts.kernel)
        line.member("cgroups", facts.cgroups.rawValue)
        line.raw("controllers", JSONLine.array(facts.controllers.map(JSONLine.quoted)))
        line.raw("fastCgroupMoves", "\(facts.hasFastCgroupMoves)")
        line.raw("landlock", "\(facts.landlockABI)")
        line.raw("seccompInstructions", "\(facts.seccompInstructions)")
        line.raw("rootless", "\(facts.rootless)")
        line.member("egress", facts.egress)
        if let range = facts.uidRange { line.raw("uids", "[\(range.lowerBound),\(range.upperBound)]") }
        line.raw("runtimes", JSONLine.array(facts.runtimes.map { offer in
            var entry = JSONLine()
            entry.member("name", offer.name)
            if !offer.interpreter.isEmpty { entry.member("interpreter", offer.interpreter) }
            return entry.text
        }))
        line.raw("gaps", JSONLine.array(facts.gaps.map(JSONLine.quoted)))
        Terminal.print(line.text)
        return
    }
    let style = Style(isTerminal: Terminal.outputIsTerminal, environment: processEnvironment())
    func row(_ name: String, _ value: String) { Terminal.print("\(style.bold(name.padded(to: 12)))\(value)") }
    row("kernel", facts.kernel)
    row("started as", facts.rootless ? "an ordinary user" : "root")
    row("cgroups", facts.cgroups == .none ? "none usable" : "\(facts.cgroups.rawValue) (\(facts.controllers.joined(separator: ", ")))")
    if facts.cgroups != .none { row("moves", facts.hasFastCgroupMoves ? "between cgroups are favoured (favordynmods)" : "between cgroups wait for the kernel's grace period") }
    row("Landlock", facts.landlockABI == 0 ? "none" : "ABI \(facts.landlockABI)")
    row("seccomp", "\(facts.seccompInstructions) instructions")
    if let range = facts.uidRange { row("uids", "\(range.lowerBound) to \(range.upperBound)") }
    row("network", facts.egress.isEmpty ? "none for functions" : "egress: \(facts.egress)")
    for (index, offer) in facts.runtimes.enumerated() {
        row(index == 0 ? "runtimes" : "", "\(offer.name.padded(to: 12))\(offer.interpreter)")
    }
    if facts.gaps.isEmpty { Terminal.print("nothing is missing") }
    for gap in facts.gaps { Terminal.print("\(style.red("missing:")) \(gap)") }
}

private func hostFacts() throws -> NodeFacts {
    let loaded = try ServeOptions(listen: nil, data: nil, config: nil, dev: false).load()
    guard let own = realPath("/proc/self/exe"), let slash = own.lastIndex(of: "/") else { throw CommandFailure("finding the program's own folder failed") }
    let home = String(own[..<slash])
    var template = Array("/tmp/martlet-doctor-XXXXXX\0".utf8CString)
    guard let made = mkdtemp(&template) else { throw CommandFailure("making a temporary folder failed: \(String(cString: strerror(errno)))") }
    let data = String(cString: made)
    defer { removeFolder(data) }
    let (ours, theirs) = try socketPair()
    let (lifetime, lifetimeEnd) = try socketPair()
    let arguments = loaded.configuration.helperArguments(data: data, home: home, instance: "doctor-\(getpid())", makesNetwork: false)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let lifted = [fcntl(theirs, F_DUPFD_CLOEXEC, 32), fcntl(lifetimeEnd, F_DUPFD_CLOEXEC, 32)]
    posix_spawn_file_actions_adddup2(&actions, lifted[0], 3)
    posix_spawn_file_actions_adddup2(&actions, lifted[1], 4)
    var pid: pid_t = 0
    let words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    let result = posix_spawn(&pid, home + "/martlet-sandbox", &actions, nil, words, environ)
    for fd in lifted + [theirs, lifetimeEnd] { close(fd) }
    guard result == 0 else { throw CommandFailure("starting \(home)/martlet-sandbox failed: \(String(cString: strerror(result)))") }
    defer {
        close(ours)
        close(lifetime)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
    }
    guard let message = try receive(from: ours), message.head.op == HelperOperation.ready.rawValue else {
        throw CommandFailure("the sandbox helper cannot run here; it has said why above")
    }
    return NodeFacts(encoded: message.payload)
}

private func removeFolder(_ path: String) {
    for name in entries(of: path) {
        let child = "\(path)/\(name)"
        if fileKind(child, followLinks: false) == .folder { removeFolder(child) } else { unlink(child) }
    }
    rmdir(path)
}

extension String {
    fileprivate func padded(to width: Int) -> String { count >= width ? self + " " : self + String(repeating: " ", count: width - count) }
}
