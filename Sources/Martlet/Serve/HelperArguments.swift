/// The helper's command line, the same for a server and for `martlet doctor`.
extension ServerConfiguration {
    /// - Parameters:
    ///   - data: the data directory as the helper is to open it.
    ///   - instance: tells the helper's cgroups and interfaces from those of other servers.
    ///   - makesNetwork: whether the functions' network is made before the first of them needs it.
    func helperArguments(data: String, home: String, instance: String, makesNetwork: Bool) -> [String] {
        var arguments = [
            "martlet-sandbox", "--data", data, "--home", home, "--instance", instance, "--uid-first", "\(uidRange.first)", "--uid-count", "\(uidRange.count)",
            "--egress-range", network.range, "--egress-ahead", makesNetwork && network.standard == .egress ? "yes" : "no",
        ]
        for (option, values) in [
            ("--python", runtimes.pythonPrefixes), ("--name-server", network.nameServers), ("--refuse", network.refused), ("--allow", network.allowed),
            ("--uplink", network.interfaces),
        ] {
            for value in values { arguments += [option, value] }
        }
        if cgroups.fastMoves { arguments += ["--fast-cgroup-moves", "yes"] }
        return arguments
    }
}
