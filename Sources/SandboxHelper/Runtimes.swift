import Glibc
import LinuxPrimitives
import Sandbox

/// Finds the CPythons of this host by looking, never by running them: a root process does not execute what a user may have
/// written.
enum RuntimeDiscovery {
    /// Folders that hold `bin/python3.N`, the host's own first: of one version the first found is offered.
    static func candidates(configured: [String]) -> [String] {
        var prefixes = ["/usr", "/usr/local"] + configured
        var homes = ["/root"] + entries(of: "/home").map { "/home/\($0)" }
        if let home = getenv("HOME").map({ String(cString: $0) }), !homes.contains(home) { homes.append(home) }
        for home in homes {
            for versions in ["/.pyenv/versions", "/.local/share/uv/python"] {
                prefixes += entries(of: home + versions).map { home + versions + "/" + $0 }
            }
        }
        prefixes += entries(of: "/opt").map { "/opt/\($0)" }
        return prefixes
    }

    static func discover(configured: [String]) -> [RuntimeOffer] {
        var found: [Int: RuntimeOffer] = [:]
        for prefix in candidates(configured: configured) {
            for name in entries(of: prefix + "/bin") {
                guard name.hasPrefix("python3."), let minor = Int(name.dropFirst(8)), minor >= 9, found[minor] == nil,
                    let offer = offer(prefix: prefix, name: name)
                else { continue }
                found[minor] = offer
            }
        }
        let pythons = found.sorted { $0.key < $1.key }.map(\.value)
        return pythons + [RuntimeOffer(name: "provided", interpreter: "", prefix: "")]
    }

    private static func offer(prefix: String, name: String) -> RuntimeOffer? {
        // A virtual environment is not an interpreter of its own, and links lead to the real prefix.
        guard fileKind(prefix + "/pyvenv.cfg") == nil, let binary = realPath("\(prefix)/bin/\(name)"),
            access(binary, X_OK) == 0, fileKind(binary) == .file
        else { return nil }
        let folder = binary[..<(binary.lastIndex(of: "/") ?? binary.startIndex)]
        guard folder.hasSuffix("/bin"), binary.hasSuffix("/" + name) else { return nil }
        let real = String(folder.dropLast(4))
        guard fileKind("\(real)/lib/\(name)/os.py") == .file, access("\(real)/lib/\(name)/os.py", R_OK) == 0 else { return nil }
        // The message is tab-separated lines.
        guard !binary.utf8.contains(where: { $0 < 0x20 }) else { return nil }
        return RuntimeOffer(name: name, interpreter: binary, prefix: real == "/usr" || real == "/usr/local" ? "" : real)
    }
}
