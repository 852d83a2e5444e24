import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

/// Finds the CPythons and Nodes of this host by looking, never by running them: a root process does not execute what a user may have
/// written.
enum RuntimeDiscovery {
    /// Folders that hold `bin/python3.N`, the host's own first: of one version the first found is offered.
    static func candidates(configured: [String]) -> [String] {
        var prefixes = ["/usr", "/usr/local"] + configured
        for home in homes() {
            for versions in ["/.pyenv/versions", "/.local/share/uv/python"] {
                prefixes += entries(of: home + versions).map { home + versions + "/" + $0 }
            }
        }
        prefixes += entries(of: "/opt").map { "/opt/\($0)" }
        return prefixes
    }

    private static func homes() -> [String] {
        var homes = ["/root"] + entries(of: "/home").map { "/home/\($0)" }
        if let home = getenv("HOME").map({ String(cString: $0) }), !homes.contains(home) { homes.append(home) }
        return homes
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
        return pythons + discoverNodes() + [RuntimeOffer(name: "provided", interpreter: "", prefix: "")]
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

    // MARK: Node

    /// The host's own first, then what version managers keep; of one major version the host's own or the newest.
    private static func discoverNodes() -> [RuntimeOffer] {
        var found: [Int: String] = [:]
        func take(_ path: String, _ version: [Int]?) {
            guard let major = version?.first, major >= 20, found[major] == nil, let binary = realPath(path), fileKind(binary) == .file,
                access(binary, X_OK) == 0, !binary.utf8.contains(where: { $0 < 0x20 })
            else { return }
            found[major] = binary
        }
        for prefix in ["/usr", "/usr/local"] where fileKind(prefix + "/bin/node") == .file { take(prefix + "/bin/node", nodeVersion(prefix)) }
        for home in homes() {
            for versions in ["/.nvm/versions/node", "/.nodenv/versions"] {
                let named = entries(of: home + versions).compactMap { name in version(of: name).map { (name: name, version: $0) } }
                for one in named.sorted(by: { $1.version.lexicographicallyPrecedes($0.version) }) {
                    take("\(home)\(versions)/\(one.name)/bin/node", one.version)
                }
            }
        }
        return found.sorted { $0.key < $1.key }.map { RuntimeOffer(name: "nodejs\($0.key).x", interpreter: $0.value, prefix: "") }
    }

    /// `v20.11.1` or `20.11.1`.
    private static func version(of name: String) -> [Int]? {
        let parts = name.drop { $0 == "v" }.split(separator: ".").map { Int($0) }
        return parts.count == 3 && !parts.contains(nil) ? parts.compactMap { $0 } : nil
    }

    /// The version of `bin/node`: from the headers that come with it, else from the address of its release in the executable.
    private static func nodeVersion(_ prefix: String) -> [Int]? {
        let headers = open(prefix + "/include/node/node_version.h", O_RDONLY | O_CLOEXEC)
        if headers >= 0 {
            defer { close(headers) }
            let text = String(decoding: readAll(headers, limit: 65_536) ?? [], as: UTF8.self)
            let line = text.split(separator: "\n").first { $0.hasPrefix("#define NODE_MAJOR_VERSION") }
            if let major = line?.split(separator: " ").last.flatMap({ Int($0) }) { return [major] }
        }
        return releaseAddress(prefix + "/bin/node").flatMap(version(of:))
    }

    private static func releaseAddress(_ path: String) -> String? {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var info = stat()
        guard fstat(fd, &info) == 0, info.st_size > 0, info.st_size < 512 << 20,
            let bytes = mmap(nil, Int(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0), bytes != MAP_FAILED
        else { return nil }
        defer { munmap(bytes, Int(info.st_size)) }
        let mark = Array("nodejs.org/download/release/v".utf8)
        guard let start = csb_find(bytes, Int(info.st_size), mark, mark.count) else { return nil }
        let from = UnsafeRawPointer(bytes).distance(to: start) + mark.count
        let rest = UnsafeRawBufferPointer(start: bytes + from, count: min(24, Int(info.st_size) - from))
        let digits = rest.prefix { byte in byte == 0x2E || (0x30...0x39).contains(byte) }
        return String(decoding: digits, as: UTF8.self)
    }
}
