import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

/// The network of functions that may reach others: one table of rules for all, and a virtual Ethernet pair for each of
/// their network namespaces.
///
/// Nothing of the host is changed before the first function needs it, and all of it is undone at the end.
final class Egress {
    struct Settings {
        var range = "198.18.0.0/15"
        var nameServers: [String] = []
        var refused: [String] = []
        var allowed: [String] = []
        /// Empty: those of the default routes.
        var uplinks: [String] = []
        /// Functions have it unless they say otherwise: it is made before the first asks.
        var isAhead = false
    }

    private let settings: Settings
    private let range: IPv4Block
    private let refused: [IPv4Block]
    private let allowed: [IPv4Block]
    private let instance: String
    private let resolvConf: String
    private let ownNamespace: Int32
    private let route: Int32
    /// Messages of the kernel: links that are gone, forwarding that begins.
    let events: Int32
    private var ring: AddressRing
    /// What the host was told; nil before the first time.
    private var applied: EgressRules?
    /// Interfaces that we let forward.
    private var opened: Set<String>
    private var lastSweep: UInt64 = 0
    private var lastLook: UInt64 = 0
    private var lastAdmission: UInt64 = 0
    private var hasTried = false

    /// Attached at one time, all functions together.
    private static let maximumLinks = 16_384
    /// Connections of addresses whose owners are gone are forgotten at least this often, milliseconds.
    static let sweepMilliseconds: Int32 = 5_000
    private static let lookMilliseconds: UInt64 = 2_000
    /// Docker, or another firewall, may have begun meanwhile.
    private static let admissionMilliseconds: UInt64 = 60_000

    /// - Parameter etc: the folder that is /etc of every sandbox.
    /// - Throws: why this host cannot give functions a network.
    init(_ settings: Settings, instance: String, etc: String) throws {
        func blocks(_ texts: [String]) throws -> [IPv4Block] {
            try texts.map { text in
                guard let block = IPv4Block(text) else { throw LinuxError("reading the addresses \(text)", EINVAL) }
                return block
            }
        }
        self.settings = settings
        guard let range = IPv4Block(settings.range), (8...28).contains(range.prefix) else { throw LinuxError("reading the range \(settings.range)", EINVAL) }
        self.range = range
        refused = try blocks(settings.refused)
        allowed = try blocks(settings.allowed)
        // Enough to tell servers of one host apart; who meets another's name takes the next number.
        let hash = instance.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        let digits = String(hash >> 16 ^ hash & 0xFFFF, radix: 16)
        self.instance = String(repeating: "0", count: 4 - digits.count) + digits
        resolvConf = etc + "/resolv.conf"
        guard HostNetwork.nft != nil else { throw LinuxError("finding the program nft (package nftables)", ENOENT) }
        ownNamespace = try check("opening the host's network namespace") { open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) }
        let probe = csb_link_probe(ownNamespace)
        if probe != 0 { throw LinuxError("making a virtual Ethernet pair", -probe) }
        route = try check("opening a line to the kernel's routes") { csb_route_socket(0) }
        events = try check("listening to the kernel's routes") { csb_route_socket(UInt32(CSB_GROUP_LINKS | CSB_GROUP_NETCONF)) }
        ring = AddressRing(count: range.count, limit: Self.maximumLinks, start: hash)
        opened = Self.recorded(self.instance)
        let connections = csb_connections_forget(range.first, 0, nil)
        if connections < 0 { throw LinuxError("reading the kernel's table of connections", -connections) }
        try HostNetwork.loadRules(wanted().text, check: true)
        writeNameServers()
    }

    // MARK: What doctor says

    var description: String {
        let names = wanted().nameServers.map(IPv4Block.text)
        let uplinks = self.uplinks()
        return "IPv4 through \(uplinks.isEmpty ? "no interface" : uplinks.joined(separator: ", ")), name servers \(names.isEmpty ? "none" : names.joined(separator: ", "))"
    }

    /// What is missing for all of it to work, one sentence each.
    var gaps: [String] {
        var gaps: [String] = []
        if uplinks().isEmpty { gaps.append("The host has no default route: functions with egress reach nobody before it has one, or network.interfaces names the interfaces to use.") }
        let servers = wanted().nameServers
        if servers.isEmpty { gaps.append("No name server that functions could reach: those of /etc/resolv.conf are on loopback. Set network.nameServers.") }
        let own = Self.ownAddresses()
        for server in servers where own.contains(server) {
            gaps.append("Functions cannot reach the name server \(IPv4Block.text(server)): it is this host, whose addresses they do not reach. Set network.nameServers.")
        }
        return gaps
    }

    private static func ownAddresses() -> Set<UInt32> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: Set<UInt32> = []
        var entry = list
        while let one = entry {
            if let address = one.pointee.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET) {
                found.insert(address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt32(bigEndian: $0.pointee.sin_addr.s_addr) })
            }
            entry = one.pointee.ifa_next
        }
        return found
    }

    // MARK: The host's side

    private func uplinks() -> [String] { settings.uplinks.isEmpty ? HostNetwork.uplinks() : settings.uplinks }

    private func wanted() -> EgressRules {
        let servers = settings.nameServers.isEmpty ? HostNetwork.nameServers() : settings.nameServers.compactMap { IPv4Block.address($0) }
        return EgressRules(instance: instance, range: range, nameServers: servers, refused: refused, allowed: allowed, opened: opened.sorted())
    }

    private var prefix: String { "\(EgressRules.everyPrefix)\(instance)-" }

    /// Before the first function comes, where most will want it.
    var wantsToBeReady: Bool { settings.isAhead && !hasTried }

    func prepareAhead() {
        do { try prepare() } catch { Self.report("\(error)") }
    }

    /// Brings the host's rules to what they are to be: name servers and default routes change while a server runs.
    private func prepare() throws {
        hasTried = true
        let now = Self.milliseconds()
        guard applied == nil || now - lastLook >= Self.lookMilliseconds else { return }
        lastLook = now
        // Where the host forwards by itself, others' packets are none of our business.
        let closed = HostNetwork.forwardsAll ? [] : uplinks().filter { !HostNetwork.forwards($0) }
        if HostNetwork.forwardsAll { opened = [] } else { opened.formUnion(closed) }
        let rules = wanted()
        if rules != applied {
            if applied == nil { csb_links_remove(route, group) }
            record()
            // The rules come first: nothing is forwarded that they do not know of.
            try HostNetwork.loadRules(rules.text)
            writeNameServers()
            applied = rules
            lastAdmission = 0
        }
        if lastAdmission == 0 || now - lastAdmission >= Self.admissionMilliseconds {
            lastAdmission = now
            HostNetwork.admit(prefix)
        }
        for interface in closed { try? HostNetwork.setForwarding(interface, true) }
    }

    func tearDown() {
        guard applied != nil else { return }
        csb_links_remove(route, group)
        for interface in opened { try? HostNetwork.setForwarding(interface, false) }
        HostNetwork.dismiss(prefix)
        try? HostNetwork.loadRules(wanted().removal)
        ring.retire(except: [])
        sweep()
        unlink(Self.recordPath(instance))
        applied = nil
    }

    private var group: UInt32 { 0x6D74_0000 | (UInt32(instance, radix: 16) ?? 0) }

    /// In place: it is one file in all sandboxes' roots.
    private func writeNameServers() {
        let text = wanted().nameServers.map { "nameserver \(IPv4Block.text($0))\n" }.joined()
        try? Skeletons.write(text, to: resolvConf)
    }

    // Which interfaces we let forward outlives a kill, but no restart of the host: as the setting itself.
    private static func recordPath(_ instance: String) -> String { "/run/martlet-egress-\(instance)" }

    private static func recorded(_ instance: String) -> Set<String> {
        Set((readText(recordPath(instance)) ?? "").split(separator: "\n").filter(HostNetwork.isInterface).map(String.init))
    }

    private func record() {
        let path = Self.recordPath(instance)
        unlink(path)
        if !opened.isEmpty { try? Skeletons.write(opened.sorted().joined(separator: "\n") + "\n", to: path, mode: 0o600) }
    }

    // MARK: Sandboxes

    /// Gives the namespace a way out.
    /// - Returns: 0 or an error number.
    func connect(_ namespace: Int32) -> Int32 {
        do { try prepare() } catch {
            Self.report("\(error)")
            return (error as? LinuxError)?.number ?? EIO
        }
        if ring.takenCount + ring.retiredCount >= Int(range.count) - 3 { sweep() }
        // Some may be another server's.
        for _ in 0..<256 {
            guard let number = ring.take() else { return EAGAIN }
            var link = csb_link()
            let name = prefix + String(number, radix: 16)
            withUnsafeMutableBytes(of: &link.name) { $0.copyBytes(from: Array(name.utf8)) }
            link.address = (range.first + number).bigEndian
            link.gateway = (range.first + 1).bigEndian
            link.group = group
            let result = csb_link_make(route, ownNamespace, namespace, &link)
            if result == 0 { return 0 }
            ring.retire(number)
            if result != -EEXIST {
                Self.report("giving a function its network: \(String(cString: strerror(-result)))")
                return -result
            }
        }
        return EADDRINUSE
    }

    /// Reads what the kernel says.
    func takeEvents() {
        var numbers = [UInt32](repeating: 0, count: 1024)
        var forwards: Int32 = 0
        let count = csb_link_events(events, prefix, &numbers, Int32(numbers.count), &forwards)
        if count < 0 { ring.retire(except: HostNetwork.sandboxLinks(prefix: prefix).own) }
        for number in numbers.prefix(Int(max(0, count))) { ring.retire(number) }
        // Somebody made this host a router: what we kept from being forwarded is theirs to decide now.
        if forwards != 0, applied != nil, !opened.isEmpty {
            lastLook = 0
            prepareAhead()
        }
    }

    /// Milliseconds until there is something to do; -1 for never.
    var patience: Int32 { applied != nil && ring.retiredCount > 0 ? Self.sweepMilliseconds : -1 }

    func sweepIfDue() {
        if patience >= 0, Self.milliseconds() - lastSweep >= UInt64(Self.sweepMilliseconds) { sweep() }
    }

    /// Forgets the connections of addresses whose owners are gone, so that no answer to one of them reaches the next.
    private func sweep() {
        lastSweep = Self.milliseconds()
        var retired = ring.retired
        // Another server's have the same range, but not the same owners.
        for number in HostNetwork.sandboxLinks(prefix: "").all where number < range.count { retired[Int(number)] = 0 }
        let result = csb_connections_forget(range.first, range.count, &retired)
        if result < 0 { return Self.report("forgetting connections of functions: \(String(cString: strerror(-result)))") }
        ring.release()
    }

    private static func milliseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    private static func report(_ text: String) {
        let line = Array("martlet-sandbox: \(text)\n".utf8)
        _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    }
}
