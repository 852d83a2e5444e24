import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

/// One sandbox as the helper knows it.
struct Live {
    let pid: pid_t
    let pidfd: Int32
    /// To init; end of file when it is gone.
    let socket: Int32
    /// The build's result, until init says it is up.
    var sync: Int32?
    let uid: UInt32
    var memoryMB: UInt64
    let storageMB: UInt64
    /// Without a function yet.
    var isSpare: Bool
    /// Its function has egress: its namespaces may be given a way out.
    var isConnected: Bool
    /// The number its cgroups are named by.
    let cgroup: UInt32
}

/// The privileged half of a node: builds sandboxes, holds every PID 1, and tears all down when the server or the
/// supervisor is gone. Single-threaded, so that no lock is ever held across a clone.
final class Helper {
    private let arguments: Arguments
    private let rootless: Bool
    private let cgroups: Cgroups
    private let skeletons: Skeletons
    let rootOrder: [String]
    private let spec: UnsafePointer<csb_spec>
    var embryo: Embryo?
    private var nextCgroup: UInt32 = 0
    var live: [UInt32: Live] = [:]
    var uids: UIDRange
    private let poller: Int32
    /// Sandboxes whose cgroups could not be removed yet.
    private var cgroupsToRemove: [UInt32] = []
    /// Interpreters whose byte code is still to be made, and the one that is at it.
    var byteCodeWanted: [RuntimeOffer]
    var byteCode: ByteCode?
    let runtimeFiles: RuntimeFiles
    private let dataFolder: Int32
    private let dataPath: String
    /// nil where this host cannot give functions a network.
    private let egress: Egress?
    let facts: NodeFacts

    init(_ arguments: Arguments) throws {
        self.arguments = arguments
        rootless = geteuid() != 0
        raiseOpenFiles()
        if let names = getenv("MARTLET_SANDBOX_DISABLE").map({ String(cString: $0) }), !names.isEmpty {
            let result = csb_disable(names)
            if result != 0 { throw LinuxError("MARTLET_SANDBOX_DISABLE=\(names)", -result) }
        }
        dataFolder = try check("opening the data directory \(arguments.data)") { open(arguments.data, Int32(CSB_O_PATH) | O_DIRECTORY | O_CLOEXEC) }
        guard let real = realPath(arguments.data) else { throw LinuxError("resolving the data directory \(arguments.data)") }
        dataPath = real
        let base = try Self.makeBase(arguments, rootless: rootless)
        let offers = RuntimeDiscovery.discover(configured: arguments.pythonPrefixes)
        runtimeFiles = try RuntimeFiles(base: base, home: arguments.home)
        byteCodeWanted = offers.filter { $0.name.hasPrefix("python") }
        skeletons = try Skeletons(base: base, offers: offers, runtimeFiles: runtimeFiles)
        cgroups = rootless ? Cgroups.nothing : Cgroups.discover(instance: arguments.instance)
        cgroups.limitAll()
        let hasFastMoves = arguments.fastCgroupMoves && cgroups.version != .none && Cgroups.favourMoves(in: base)
        var (templateFilter, childFilter) = (sock_fprog(), sock_fprog())
        let result = csb_build_filters(&templateFilter, &childFilter)
        if result != 0 { throw LinuxError("building the seccomp filters", -result) }
        rootOrder = skeletons.roots.keys.sorted()
        spec = Self.makeSpec(
            arguments, data: dataPath, skeletons: skeletons, order: rootOrder, rootless: rootless,
            hasPids: cgroups.controllers.contains("pids"), hasMemory: cgroups.controllers.contains("memory"), template: templateFilter, child: childFilter)
        uids = UIDRange(arguments, folder: dataFolder, rootless: rootless)
        poller = try check("making an epoll descriptor") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        var facts = Self.facts(arguments, rootless: rootless, cgroups: cgroups, hasFastMoves: hasFastMoves, filter: childFilter, offers: offers)
        egress = Self.makeEgress(arguments, rootless: rootless, etc: base + "/etc", facts: &facts)
        self.facts = facts
        // The server may be compromised: half a message, or answers it does not read, must not keep us from noticing that the
        // supervisor is gone.
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(HelperDescriptor.server, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        try watch(HelperDescriptor.server, 0)
        try watch(HelperDescriptor.lifetime, 1)
        for fd in egress?.events ?? [] { try watch(fd, 2) }
    }

    private static func makeEgress(_ arguments: Arguments, rootless: Bool, etc: String, facts: inout NodeFacts) -> Egress? {
        guard !rootless else {
            facts.gaps.append("Not started as root: functions have no network but their own loopback.")
            return nil
        }
        do {
            let egress = try Egress(arguments.egress, instance: arguments.instance, etc: etc)
            facts.egress = egress.description
            facts.gaps += egress.gaps
            return egress
        } catch {
            facts.gaps.append("Functions have no network but their own loopback: \(error).")
            return nil
        }
    }

    /// A place of our own for the roots: as root a tmpfs in a private mount namespace, which nobody else can touch and
    /// which is gone when we are; else a folder of the data directory.
    private static func makeBase(_ arguments: Arguments, rootless: Bool) throws -> String {
        if rootless {
            let base = arguments.data + "/rootfs"
            removeTree(base)
            try makeFolders(base)
            return realPath(base) ?? base
        }
        let base = "/run/martlet-sandbox"
        try check("making a mount namespace") { csb_new_mount_namespace() }
        try check("making mounts private") { mount(nil, "/", nil, UInt(MS_REC | MS_PRIVATE), nil) }
        try makeFolders(base, mode: 0o700)
        try check("mounting a tmpfs on \(base)") { mount("tmpfs", base, "tmpfs", UInt(MS_NOSUID), "size=128m,mode=755") }
        return base
    }

    private static func removeTree(_ folder: String) {
        for name in entries(of: folder) {
            let path = "\(folder)/\(name)"
            if fileKind(path, followLinks: false) == .folder { removeTree(path) } else { unlink(path) }
        }
        rmdir(folder)
    }

    func watch(_ fd: Int32, _ tag: UInt64) throws {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = tag
        try check("watching descriptor \(fd)") { epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) }
    }

    // Tags: 0 server, 1 lifetime, 2 the kernel about networks; above, the sandbox ID shifted by two with 1 for its pidfd, 2 for its socket, 3 for the
    // output of a byte code maker.
    func run() throws {
        try send(mc_message(.ready), payload: facts.encoded, to: HelperDescriptor.server)
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        while true {
            // Between requests there is time to have the next sandbox's PID 1 at hand.
            let isMaking = byteCode != nil || !byteCodeWanted.isEmpty
            let n = epoll_wait(poller, &events, 64, embryo == nil || egress?.wantsToBeReady == true ? 5 : !cgroupsToRemove.isEmpty ? 20 : isMaking ? 50 : egress?.patience ?? -1)
            if n < 0 && errno != EINTR { throw LinuxError("waiting for events") }
            cgroupsToRemove.removeAll { cgroups.removeSandbox($0) }
            if isMaking && (n == 0 || byteCode != nil) { makeByteCode() }
            if n == 0 && embryo == nil { try? makeEmbryo() }
            if n == 0, let egress, egress.wantsToBeReady { egress.prepareAhead() }
            egress?.keepUp()
            for event in events.prefix(Int(max(0, n))) {
                switch event.data.u64 {
                case 0: if try !fromServer() { return }
                case 1: return
                case 2: egress?.takeEvents()
                case let tag where tag & 3 == 1: sandboxEnded(UInt32(truncatingIfNeeded: tag >> 2))
                case let tag where tag & 3 == 3: fromByteCode(UInt32(truncatingIfNeeded: tag >> 2))
                case let tag: fromSandbox(UInt32(truncatingIfNeeded: tag >> 2))
                }
            }
        }
    }

    /// Ends every sandbox and removes what they leave. Killing PID 1 ends all processes of its PID namespace.
    func tearDown() {
        if let body = embryo { end(body.pid, closing: [], cgroup: body.cgroup) }
        for sandbox in live.values { kill(sandbox.pid, SIGKILL) }
        for sandbox in live.values {
            var status: Int32 = 0
            while waitpid(sandbox.pid, &status, 0) < 0 && errno == EINTR {}
        }
        cgroups.removeAll()
        egress?.tearDown()
    }

    private func fromServer() throws -> Bool {
        guard let message = try receive(from: HelperDescriptor.server, capacity: 4096) else { return false }
        defer { for fd in message.descriptors { close(fd) } }
        let head = message.head
        switch HelperOperation(rawValue: head.op) {
        case .create: try create(message)
        case .addSlot: try addSlot(head.slot, sandbox: UInt32(bitPattern: head.value))
        case .assign: try assign(message)
        case .destroy: if let sandbox = live[head.slot] { kill(sandbox.pid, SIGKILL) }
        default: break
        }
        return true
    }

    private func refuse(_ id: UInt32, _ number: Int32, _ sentence: String) throws {
        try send(mc_message(.created, slot: id, value: number == 0 ? EINVAL : number), payload: Array(sentence.utf8), to: HelperDescriptor.server)
    }

    private func create(_ message: ReceivedMessage) throws {
        let id = message.head.slot
        let words = String(decoding: message.payload, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 2, words[0].isEmpty || Self.isDigest(words[0]) || Self.isDigestPair(words[0]),
            let root = rootOrder.firstIndex(of: words[1]), message.descriptors.count == 3, live[id] == nil, live.count < 4096, id < 1 << 30,
            (64...65_536).contains(message.head.a), (16...65_536).contains(message.head.b)
        else { return try refuse(id, EINVAL, "malformed request for a sandbox") }
        guard let uid = uids.take(except: Set(live.values.map(\.uid))) else { return try refuse(id, EAGAIN, "every uid of the configured range is in use") }

        do {
            if embryo == nil { try makeEmbryo() }
            guard let body = embryo else { return try refuse(id, EAGAIN, "no process for a sandbox could be made") }
            embryo = nil
            try become(
                body, id: id, uid: uid, root: root, memory: message.head.a, storage: message.head.b, digest: words[0],
                isSpare: words[0].isEmpty, isConnected: message.head.value == 1, descriptors: message.descriptors)
        } catch {
            let failure = error as? LinuxError
            try refuse(id, failure?.number ?? EIO, "\(error)")
        }
    }

    private static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    /// A function's package and its layers'.
    private static func isDigestPair(_ text: String) -> Bool {
        text.utf8.count == 128 && isDigest(String(text.prefix(64))) && isDigest(String(text.suffix(64)))
    }

    private func assign(_ message: ReceivedMessage) throws {
        let (id, memory) = (message.head.slot, message.head.a)
        do {
            let digest = String(decoding: message.payload, as: UTF8.self)
            guard var sandbox = live[id], sandbox.isSpare, sandbox.sync == nil, Self.isDigest(digest), (64...65_536).contains(memory) else {
                throw LinuxError("giving a sandbox its function: malformed request", EINVAL)
            }
            try cgroups.limitSandbox(sandbox.cgroup, memoryMB: memory, storageMB: sandbox.storageMB)
            let package = try check("mounting the package \(digest)") { csb_package_mount(dataPath, digest) }
            defer { close(package) }
            try send(mc_message(MC_PACKAGE, a: message.head.value == 1 ? 1 : 0), descriptors: [package], to: sandbox.socket)
            sandbox.memoryMB = memory
            sandbox.isSpare = false
            sandbox.isConnected = message.head.value == 1
            live[id] = sandbox
        } catch let error as LinuxError {
            try send(mc_message(.notAssigned, slot: id, value: error.number), payload: Array("\(error)".utf8), to: HelperDescriptor.server)
        }
    }

    /// A PID 1 that waits to become somebody's sandbox, already in its cgroups.
    struct Embryo {
        let pid: pid_t
        let pidfd: Int32
        let sync: Int32
        let socket: Int32
        let cgroup: UInt32
        let ownProcs: Int32?
    }

    private func makeEmbryo() throws {
        let (ours, theirs) = try socketPair()
        defer { close(theirs) }
        // One sandbox whose init is held up must not hold up the others'.
        _ = fcntl(ours, F_SETFL, O_NONBLOCK)
        var pidfd: Int32 = -1
        var sync: Int32 = -1
        let pid = csb_spawn(spec, theirs, &pidfd, &sync)
        guard pid > 0 else {
            close(ours)
            throw LinuxError("cloning a sandbox")
        }
        nextCgroup &+= 1
        do {
            let procs = try cgroups.makeSandbox(nextCgroup, initPID: pid)
            embryo = Embryo(pid: pid, pidfd: pidfd, sync: sync, socket: ours, cgroup: nextCgroup, ownProcs: procs)
        } catch {
            end(pid, closing: [pidfd, sync, ours], cgroup: nextCgroup)
            throw error
        }
    }

    private func end(_ pid: pid_t, closing descriptors: [Int32], cgroup: UInt32) {
        kill(pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        for fd in descriptors { close(fd) }
        if !cgroups.removeSandbox(cgroup) { cgroupsToRemove.append(cgroup) }
    }

    func become(_ body: Embryo, id: UInt32, uid: UInt32, root: Int, memory: UInt64, storage: UInt64, digest: String, isSpare: Bool = false,
        isConnected: Bool = false, descriptors: [Int32]
    ) throws {
        do {
            try cgroups.limitSandbox(body.cgroup, memoryMB: memory, storageMB: storage)
            try send(
                mc_message(MC_BECOME, slot: UInt32(root), a: storage, b: storage * 64, c: memory, d: (isSpare ? UInt64(MC_BECOME_SPARE) : 0) | (isConnected ? UInt64(MC_BECOME_CONNECTED) : 0)), payload: Array(digest.utf8),
                descriptors: descriptors + [body.ownProcs].compactMap { $0 }, to: body.socket)
            if let fd = body.ownProcs { close(fd) }
            var error = csb_error()
            if csb_await(body.sync, 5000, &error) != 0 {
                throw LinuxError("building the sandbox: \(String(cString: mc_stage(error.stage)))", error.error)
            }
            if rootless { try writeText("deny", to: "/proc/\(body.pid)/setgroups") }
            try writeText("993 \(rootless ? geteuid() : uid) 1", to: "/proc/\(body.pid)/uid_map")
            try writeText("990 \(rootless ? getegid() : uid) 1", to: "/proc/\(body.pid)/gid_map")
            try watch(body.pidfd, UInt64(id) << 2 | 1)
            try watch(body.socket, UInt64(id) << 2 | 2)
        } catch {
            end(body.pid, closing: [body.pidfd, body.sync, body.socket], cgroup: body.cgroup)
            throw error
        }
        live[id] = Live(
            pid: body.pid, pidfd: body.pidfd, socket: body.socket, sync: body.sync, uid: uid, memoryMB: memory, storageMB: storage,
            isSpare: isSpare, isConnected: isConnected, cgroup: body.cgroup)
        _ = csb_release(body.sync)
    }

    private func addSlot(_ index: UInt32, sandbox id: UInt32) throws {
        guard let sandbox = live[id], index < UInt32(MC_MAX_SLOTS) else { return }
        do {
            let slot = try makeSlot(index, of: sandbox)
            defer { slot.close() }
            let toServer = [slot.cpu, slot.peakRead, slot.memoryStatistics, slot.memoryNow]
            let present = toServer.enumerated().reduce(UInt64(0)) { $1.element == nil ? $0 : $0 | 1 << UInt64($1.offset) }
            try send(
                mc_message(.slotAdded, slot: index, value: Int32(bitPattern: id), a: present), descriptors: toServer.compactMap { $0 },
                to: HelperDescriptor.server)
        } catch let error as LinuxError {
            try send(mc_message(.slotAdded, slot: index, value: Int32(bitPattern: id), b: 1), payload: Array("\(error)".utf8), to: HelperDescriptor.server)
        }
    }

    func makeSlot(_ index: UInt32, of sandbox: Live) throws -> Cgroups.Slot {
        let slot = try cgroups.makeSlot(index, sandbox: sandbox.cgroup, memoryMB: sandbox.memoryMB, storageMB: sandbox.storageMB)
        do {
            try send(
                mc_message(MC_SLOT, slot: index, value: Int32(slot.procs.count), b: (slot.peak == nil ? 0 : 1) | (slot.oom == nil ? 0 : 2)),
                descriptors: slot.procs + [slot.peak, slot.oom].compactMap { $0 }, to: sandbox.socket)
        } catch {
            slot.close()
            throw error
        }
        return slot
    }

    private func fromSandbox(_ id: UInt32) {
        guard var sandbox = live[id] else { return }
        let message = try? receive(from: sandbox.socket, capacity: 64)
        if let message, message.head.op == MC_UP.rawValue, let sync = sandbox.sync {
            close(sync)
            sandbox.sync = nil
            live[id] = sandbox
            if byteCode?.id == id { return byteCodeSandboxIsUp(sandbox) }
            try? send(mc_message(.created, slot: id), to: HelperDescriptor.server)
        } else if let message, message.head.op == MC_CONNECT.rawValue {
            defer { for fd in message.descriptors { close(fd) } }
            let result = sandbox.isConnected ? message.descriptors.first.flatMap { egress?.connect($0) } ?? ENETDOWN : EPERM
            try? send(mc_message(MC_CONNECTED, slot: message.head.slot, value: result), to: sandbox.socket)
        } else if message == nil {
            // Its end is reported when it is reaped; until then this socket would only spin.
            _ = epoll_ctl(poller, EPOLL_CTL_DEL, sandbox.socket, nil)
        }
    }

    private func sandboxEnded(_ id: UInt32) {
        guard let sandbox = live[id] else { return }
        var status: Int32 = 0
        guard waitpid(sandbox.pid, &status, WNOHANG) == sandbox.pid else { return }
        live[id] = nil
        defer {
            close(sandbox.pidfd)
            close(sandbox.socket)
            if !cgroups.removeSandbox(sandbox.cgroup) { cgroupsToRemove.append(sandbox.cgroup) }
        }
        guard id < 1 << 30 else {
            if let sync = sandbox.sync { close(sync) }
            if byteCode?.id == id {
                if let job = byteCode { reportNoByteCode(job.offer, "its sandbox ended") }
                endByteCode()
            }
            return
        }
        if let sync = sandbox.sync {
            var error = csb_error()
            let told = csb_await(sync, 0, &error) != 0 && error.stage != 0
            let sentence = told ? "\(String(cString: mc_stage(error.stage))): \(String(cString: strerror(error.error)))" : "PID 1 of the sandbox ended while it was built"
            try? refuse(id, told ? error.error : ECHILD, "building the sandbox: " + sentence)
            close(sync)
        } else {
            try? send(mc_message(.gone, slot: id, value: status), to: HelperDescriptor.server)
        }
    }
}

private func raiseOpenFiles() {
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
