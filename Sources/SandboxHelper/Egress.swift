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
    private let claim: EgressClaim
    private let resolvConf: String
    private let ownNamespace: Int32
    private let route: Int32
    /// Messages of the kernel: links that are gone, forwarding that begins or ends.
    private let linkEvents: Int32
    /// Transactions that change a table.
    private let ruleEvents: Int32
    private var ruleChanges = csb_rule_changes()
    private var ring: AddressRing
    /// The rules that are in force; nil before the first time, and where somebody else changed them.
    private var applied: EgressRules?
    /// Interfaces that we let forward.
    private var opened: Set<String>
    /// The host was changed: from now on it is kept as it is to be.
    private var hasBegun = false
    /// The interfaces of sandboxes are down, because there are no rules.
    private var isShut = false
    private var isLookWanted = false
    private var isAdmissionWanted = false
    private var lastSweep: UInt64 = 0
    private var lastLook: UInt64 = 0
    private var lastAdmission: UInt64 = 0
    private var hasTried = false
    // Who never ends to change what is ours, or what we look at, does not keep us from all else.
    private var loads = Allowance(burst: 8, interval: 2_000)
    private var looks = Allowance(burst: 8, interval: 2_000)

    /// Attached at one time, all functions together.
    private static let maximumLinks = 16_384
    /// Connections of addresses whose owners are gone are forgotten at least this often, milliseconds.
    static let sweepMilliseconds: Int32 = 5_000
    private static let lookMilliseconds: UInt64 = 2_000
    /// Docker, or another firewall, may have begun meanwhile; what changes through nftables is told.
    private static let admissionMilliseconds: UInt64 = 60_000, toldAdmissionMilliseconds: UInt64 = 1_000

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
        resolvConf = etc + "/resolv.conf"
        guard HostNetwork.nft != nil else { throw LinuxError("finding the program nft (package nftables)", ENOENT) }
        let ownNamespace = try check("opening the host's network namespace") { open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) }
        self.ownNamespace = ownNamespace
        let probe = csb_link_probe(ownNamespace)
        if probe != 0 { throw LinuxError("making a virtual Ethernet pair", -probe) }
        let route = try check("opening a line to the kernel's routes") { csb_route_socket(0) }
        self.route = route
        linkEvents = try check("listening to the kernel's routes") { csb_route_socket(UInt32(CSB_GROUP_LINKS | CSB_GROUP_NETCONF)) }
        ruleEvents = try check("listening to changes of nftables") { csb_rules_socket() }
        var namespace = stat()
        try check("looking at the host's network namespace") { fstat(ownNamespace, &namespace) }
        EgressClaim.clean(namespace: UInt64(namespace.st_ino)) { try Self.undo($0, opened: $1.opened, route: route) }
        claim = try EgressClaim(instance: instance, namespace: UInt64(namespace.st_ino))
        opened = claim.record?.opened ?? []
        ring = AddressRing(count: range.count, limit: Self.maximumLinks, start: EgressClaim.hash(instance))
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
        return EgressRules(
            instance: EgressClaim.digits(claim.number), range: range, nameServers: servers, refused: refused, allowed: allowed, opened: opened.sorted())
    }

    private var prefix: String { EgressRules.prefix(of: EgressClaim.digits(claim.number)) }

    /// Before the first function comes, where most will want it.
    var wantsToBeReady: Bool { settings.isAhead && !hasTried }

    func prepareAhead() { _ = isPrepared() }

    private func isPrepared() -> Bool {
        do { try prepare() } catch {
            // Rules that are in force stay in force where others could not be loaded.
            if applied == nil { shut("\(error)") } else { Self.report("\(error)") }
        }
        return applied != nil
    }

    /// Brings the host's rules to what they are to be: name servers and default routes change while a server runs, and
    /// others change what is ours.
    private func prepare() throws {
        hasTried = true
        let now = Self.milliseconds()
        if applied == nil {
            guard loads.take(at: now) else { throw LinuxError("loading the rules of the functions' network more often", ENETDOWN) }
        } else if isLookWanted || isAdmissionDue(now) {
            guard looks.take(at: now) else { return }
        } else if now - lastLook < Self.lookMilliseconds {
            return
        }
        (lastLook, isLookWanted) = (now, false)
        // Where the host forwards by itself, others' packets are none of our business.
        let closed = HostNetwork.forwardsAll ? [] : uplinks().filter { !HostNetwork.forwards($0) }
        if HostNetwork.forwardsAll { opened = [] } else { opened.formUnion(closed) }
        let rules = wanted()
        if rules != applied {
            try claim.note(opened)
            hasBegun = true
            // The rules come first: nothing is forwarded that they do not know of.
            try load(rules)
            if isShut { raise() }
        }
        if lastAdmission == 0 || now - lastAdmission >= Self.admissionMilliseconds || isAdmissionDue(now) {
            (lastAdmission, isAdmissionWanted) = (now, false)
            HostNetwork.admit(prefix)
        }
        for interface in closed { try? HostNetwork.setForwarding(interface, true) }
    }

    private func load(_ rules: EgressRules) throws {
        takeRuleEvents()
        try HostNetwork.loadRules(rules.text)
        applied = rules
        lastAdmission = 0
        // Any other may have come after ours.
        takeRuleEvents(ours: 1)
        writeNameServers()
    }

    private func isAdmissionDue(_ now: UInt64) -> Bool { isAdmissionWanted && now - lastAdmission >= Self.toldAdmissionMilliseconds }

    /// Without rules a sandbox would reach the host and all others.
    private func shut(_ reason: String) {
        guard !isShut else { return }
        isShut = true
        csb_links_down(route, group)
        Self.report("functions have no network until its rules can be loaded: \(reason)")
    }

    private func raise() {
        for link in HostNetwork.sandboxLinks() where link.server == claim.number {
            var link = self.link(link.address)
            if csb_link_raise(route, &link) != 0 { csb_link_remove(route, Self.name(of: link)) }
        }
        isShut = false
        Self.report("functions have their network again")
    }

    func tearDown() {
        defer { applied = nil }
        guard claim.record != nil else { return claim.end() }
        do {
            try Self.undo(claim.number, opened: opened, route: route)
            claim.end()
        } catch {
            Self.report("undoing the functions' network: \(error)")
        }
        ring.retire(except: [])
        sweep()
    }

    private static func undo(_ number: UInt16, opened: Set<String>, route: Int32) throws {
        let instance = EgressClaim.digits(number)
        csb_links_remove(route, group(number))
        // Where all forward by now, somebody else wants it.
        if !HostNetwork.forwardsAll {
            for interface in opened where HostNetwork.isInterface(interface) { try? HostNetwork.setForwarding(interface, false) }
        }
        HostNetwork.dismiss(EgressRules.prefix(of: instance))
        try HostNetwork.loadRules(EgressRules.removal(of: instance))
    }

    private static func group(_ number: UInt16) -> UInt32 { 0x6D74_0000 | UInt32(number) }
    private var group: UInt32 { Self.group(claim.number) }

    /// In place: it is one file in all sandboxes' roots.
    private func writeNameServers() {
        let text = wanted().nameServers.map { "nameserver \(IPv4Block.text($0))\n" }.joined()
        try? Skeletons.write(text, to: resolvConf)
    }

    // MARK: Sandboxes

    /// Gives the namespace a way out.
    /// - Returns: 0 or an error number; EALREADY where it has one.
    func connect(_ namespace: Int32) -> Int32 {
        guard isPrepared() else { return ENETDOWN }
        if ring.takenCount + ring.retiredCount >= Int(range.count) - 3 { sweep() }
        // Some may be another server's.
        for _ in 0..<256 {
            guard let number = ring.take() else { return EAGAIN }
            var link = self.link(range.first + number)
            let result = csb_link_make(route, ownNamespace, namespace, &link)
            if result == 0 {
                // Connections of another server's sandbox that ended a moment ago are not forgotten yet.
                if !takeLinkEvents().contains(number) { return 0 }
                csb_link_remove(route, Self.name(of: link))
            }
            ring.retire(number)
            if result != 0 && result != -EEXIST {
                Self.report("giving a function its network: \(String(cString: strerror(-result)))")
                // To who waits for a package, this would say that packages cannot be mounted.
                return result == -EPERM || result == -ENOSYS ? ENETDOWN : -result
            }
        }
        return EADDRINUSE
    }

    private func link(_ address: UInt32) -> csb_link {
        var link = csb_link()
        let digits = String(address, radix: 16)
        let name = prefix + String(repeating: "0", count: 8 - digits.count) + digits
        withUnsafeMutableBytes(of: &link.name) { $0.copyBytes(from: Array(name.utf8)) }
        link.address = address.bigEndian
        link.gateway = (range.first + 1).bigEndian
        link.group = group
        return link
    }

    private static func name(of link: csb_link) -> String {
        withUnsafeBytes(of: link.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    // MARK: What others do

    /// What tells of it, for whoever waits.
    var events: [Int32] { [linkEvents, ruleEvents] }

    /// Reads what the kernel says.
    func takeEvents() {
        takeLinkEvents()
        takeRuleEvents()
        keepUp()
    }

    /// - Returns: numbers of addresses that another server's sandboxes had until now.
    @discardableResult private func takeLinkEvents() -> Set<UInt32> {
        var gone = [csb_gone](repeating: csb_gone(), count: 1024)
        var forwarding: Int32 = 0
        var others: Set<UInt32> = []
        var count = 0
        repeat {
            count = Int(csb_link_events(linkEvents, &gone, Int32(gone.count), &forwarding))
            for one in gone.prefix(max(0, count)) {
                let number = one.address &- range.first
                if one.server == UInt32(claim.number) {
                    ring.retire(number)
                } else {
                    ring.suspect(number)
                    others.insert(number)
                }
            }
        } while count > gone.count / 2
        if count < 0 {
            ring.retire(except: Set(HostNetwork.sandboxLinks().filter { $0.server == claim.number }.map { $0.address &- range.first }))
            ring.suspectAll()
            forwarding = Int32(CSB_FORWARDING_CHANGED | CSB_FORWARDING_NONE)
        }
        guard hasBegun else { return others }
        // It was switched off for every interface, also for sandboxes' own.
        if forwarding & Int32(CSB_FORWARDING_NONE) != 0 { csb_links_forward(route, group) }
        // Who let an interface forward, or let it no more, may be another server that we forwarded beside.
        if forwarding != 0 { isLookWanted = true }
        return others
    }

    /// - Parameter ours: how many transactions of our own are among what has come.
    private func takeRuleEvents(ours: UInt32 = 0) {
        let result = csb_rule_events(ruleEvents, EgressRules.table(of: EgressClaim.digits(claim.number)), &ruleChanges)
        if result < 0 || ruleChanges.own > ours { applied = nil }
        if result < 0 || ruleChanges.filter != 0 { isAdmissionWanted = true }
        (ruleChanges.own, ruleChanges.filter) = (0, 0)
    }

    // MARK: Upkeep

    /// Milliseconds until there is something to do; -1 for never.
    var patience: Int32 {
        let now = Self.milliseconds()
        guard hasBegun else { return -1 }
        if applied == nil { return Int32(loads.wait(at: now)) }
        if isLookWanted { return Int32(looks.wait(at: now)) }
        if isAdmissionWanted {
            let due = lastAdmission + Self.toldAdmissionMilliseconds
            return Int32(max(looks.wait(at: now), due > now ? due - now : 0))
        }
        return ring.retiredCount > 0 ? Self.sweepMilliseconds : -1
    }

    /// Does what is due.
    func keepUp() {
        guard hasBegun else { return }
        let now = Self.milliseconds()
        if applied == nil || isLookWanted || isAdmissionDue(now) { _ = isPrepared() }
        if ring.retiredCount > 0, now - lastSweep >= UInt64(Self.sweepMilliseconds) { sweep() }
    }

    /// Forgets the connections of addresses whose owners are gone, so that no answer to one of them reaches the next. Those
    /// of another server's sandboxes, which have the same range, wait until they are gone.
    private func sweep() {
        lastSweep = Self.milliseconds()
        // What is said of an owner that is gone must not be taken for the next.
        takeLinkEvents()
        let living = Set(HostNetwork.sandboxLinks().map { $0.address &- range.first })
        var retired = ring.retired
        for number in living where number < range.count { retired[Int(number)] = 0 }
        guard retired.contains(1) else { return }
        let result = csb_connections_forget(range.first, range.count, &retired)
        if result < 0 { return Self.report("forgetting connections of functions: \(String(cString: strerror(-result)))") }
        ring.release(except: living)
    }

    private static func milliseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    static func report(_ text: String) {
        let line = Array("martlet-sandbox: \(text)\n".utf8)
        _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    }
}
