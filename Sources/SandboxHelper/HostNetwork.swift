import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

/// What the helper reads of the host's network, and the programs it changes it with.
enum HostNetwork {
    // MARK: Looking

    /// Interfaces of default routes, by name.
    static func uplinks() -> [String] {
        var names: Set<String> = []
        for line in (readText("/proc/net/route") ?? "").split(separator: "\n").dropFirst() {
            let field = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard field.count > 7, field[1] == "00000000", field[7] == "00000000", isInterface(field[0]) else { continue }
            names.insert(String(field[0]))
        }
        return names.sorted()
    }

    /// Names that may stand in a rule as they are.
    static func isInterface(_ name: some StringProtocol) -> Bool {
        (1...15).contains(name.utf8.count) && !name.utf8.contains { $0 <= 32 || $0 >= 127 || $0 == 34 || $0 == 42 || $0 == 47 || $0 == 92 }
    }

    /// The host's real name servers: behind systemd's and other caches on loopback are those that they ask.
    static func nameServers() -> [UInt32] {
        for path in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
            let found = (readText(path) ?? "").split(separator: "\n").compactMap { line -> UInt32? in
                let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
                return words.count > 1 && words[0] == "nameserver" ? IPv4Block.address(words[1]) : nil
            }.filter { $0 >> 24 != 127 }
            if !found.isEmpty { return Array(found.prefix(3)) }
        }
        return []
    }

    /// Living interfaces of every server's sandboxes: the server's number and the address, as their names say.
    static func sandboxLinks() -> [(server: UInt16, address: UInt32)] {
        (readText("/proc/net/dev") ?? "").split(separator: "\n").compactMap { line in
            guard let name = line.split(separator: ":").first?.split(separator: " ").first, name.hasPrefix(EgressRules.everyPrefix)
            else { return nil }
            let parts = name.dropFirst(EgressRules.everyPrefix.count).split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2, let server = UInt16(parts[0], radix: 16), let address = UInt32(parts[1], radix: 16) else { return nil }
            return (server, address)
        }
    }

    // MARK: Forwarding

    static var forwardsAll: Bool { forwards("all") }

    static func forwards(_ interface: String) -> Bool { readText(settingPath(interface))?.first == "1" }

    static func setForwarding(_ interface: String, _ isOn: Bool) throws { try writeText(isOn ? "1" : "0", to: settingPath(interface)) }

    private static func settingPath(_ interface: String) -> String { "/proc/sys/net/ipv4/conf/\(interface)/forwarding" }

    // MARK: Packet filters

    static var nft: String? { program("nft") }

    static func program(_ name: String) -> String? {
        ["/usr/sbin/", "/sbin/", "/usr/bin/", "/usr/local/sbin/"].map { $0 + name }.first { access($0, X_OK) == 0 }
    }

    /// - Parameter check: only asks the kernel whether it would take them.
    static func loadRules(_ text: String, check isCheck: Bool = false) throws {
        guard let nft else { throw LinuxError("finding nft (Debian's package nftables)", ENOENT) }
        let result = try run([nft] + (isCheck ? ["-c"] : []) + ["-f", "-"], input: text)
        guard result.status == 0 else {
            let line = result.output.split(separator: "\n").first { $0.contains("Error") } ?? "nft ended with \(result.status)"
            throw LinuxError("loading the rules of the functions' network (\(line.prefix(160)))", ENETDOWN)
        }
    }

    /// Where a filter of iptables' own kind refuses what no rule of it accepts, as Docker has it made, a table of ours
    /// cannot overrule it: the interfaces of sandboxes get two rules there.
    static func admit(_ prefix: String) {
        for (tool, chain) in forwardChains() {
            for direction in ["-i", "-o"] {
                let rule = [chain, direction, prefix + "+", "-j", "ACCEPT"]
                if (try? run([tool, "-w", "5", "-C"] + rule).status) != 0 { _ = try? run([tool, "-w", "5", "-I"] + rule) }
            }
        }
    }

    static func dismiss(_ prefix: String) {
        for (tool, _) in forwardChains(all: true) {
            for chain in ["DOCKER-USER", "FORWARD"] {
                for direction in ["-i", "-o"] {
                    // As often as it is there: a server that was killed left its own.
                    for _ in 0..<4 where (try? run([tool, "-w", "5", "-D", chain, direction, prefix + "+", "-j", "ACCEPT"]).status) != 0 { break }
                }
            }
        }
    }

    /// Those that there are already: asking iptables makes the tables it is asked about.
    /// - Parameter all: also one that refuses nothing.
    private static func forwardChains(all: Bool = false) -> [(tool: String, chain: String)] {
        var tools: [String] = []
        if let nft, let tables = try? run([nft, "list", "tables", "ip"]).output, tables.contains("table ip filter"),
            let tool = program("iptables-nft") ?? program("iptables")
        {
            tools.append(tool)
        }
        if readText("/proc/net/ip_tables_names")?.contains("filter") == true, let tool = program("iptables-legacy") ?? program("iptables") {
            tools.append(tool)
        }
        return tools.compactMap { tool in
            guard let rules = try? run([tool, "-w", "5", "-S", "FORWARD"]), rules.status == 0 else { return nil }
            if let chain = try? run([tool, "-w", "5", "-S", "DOCKER-USER"]), chain.status == 0 { return (tool, "DOCKER-USER") }
            let refusesNothing = rules.output.split(separator: "\n").allSatisfy { $0 == "-P FORWARD ACCEPT" }
            return refusesNothing && !all ? nil : (tool, "FORWARD")
        }
    }

    /// Blocks until it has ended.
    static func run(_ words: [String], input: String = "") throws -> (status: Int32, output: String) {
        var arguments = words.map { strdup($0) } + [nil]
        defer { for word in arguments { free(word) } }
        var status: Int32 = 0
        let output = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 16) { buffer in
            status = csb_run(&arguments, input, buffer.baseAddress, buffer.count)
            return buffer.baseAddress.map { String(cString: $0) } ?? ""
        }
        if status < 0 { throw LinuxError("running \(words[0])", -status) }
        return (status, output)
    }
}
