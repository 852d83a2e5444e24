import CSandbox
import Glibc
import LinuxPrimitives
import Sandbox

struct Arguments {
    var data = "."
    var uidFirst: UInt32 = 200_000
    var uidCount: UInt32 = 65_536
    var pythonPrefixes: [String] = []
    var instance = "default"
    /// Folder of the executables and of the fork library.
    var home = ""
    var openFiles: UInt32 = 1024
    var fileSizeMB: UInt64 = 10_240
    var fastCgroupMoves = false
    var egress = Egress.Settings()

    init(_ words: [String]) throws {
        var words = words.dropFirst()
        func number<N: FixedWidthInteger>(_ text: String, _ option: String) throws -> N {
            guard let value = N(text) else { throw LinuxError("\(option) \(text) is not a number", EINVAL) }
            return value
        }
        while let option = words.popFirst() {
            guard let value = words.popFirst() else { throw LinuxError("\(option) lacks its value", EINVAL) }
            switch option {
            case "--data": data = value
            case "--uid-first": uidFirst = try number(value, option)
            case "--uid-count": uidCount = try number(value, option)
            case "--python": pythonPrefixes.append(value)
            case "--instance": instance = value
            case "--home": home = value
            case "--fast-cgroup-moves": fastCgroupMoves = value == "yes"
            case "--egress-range": egress.range = value
            case "--egress-ahead": egress.isAhead = value == "yes"
            case "--name-server": egress.nameServers.append(value)
            case "--refuse": egress.refused.append(value)
            case "--allow": egress.allowed.append(value)
            case "--uplink": egress.uplinks.append(value)
            case "--open-files": openFiles = try number(value, option)
            case "--file-size-mb": fileSizeMB = try number(value, option)
            default: throw LinuxError("unknown option \(option)", EINVAL)
            }
        }
        guard uidFirst >= 1000, uidCount >= 64, uidFirst &+ uidCount > uidFirst else { throw LinuxError("the uid range is unusable", EINVAL) }
    }
}

/// One sandbox as the helper knows it.
private struct Live {
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
    private let rootOrder: [String]
    private let spec: UnsafePointer<csb_spec>
    private var embryo: Embryo?
    private var nextCgroup: UInt32 = 0
    private var live: [UInt32: Live] = [:]
    private var uids: UIDRange
    private let poller: Int32
    /// Sandboxes whose cgroups could not be removed yet.
    private var cgroupsToRemove: [UInt32] = []
    /// Interpreters whose byte code is still to be made, and the one that is at it.
    private var byteCodeWanted: [RuntimeOffer]
    private var byteCode: ByteCode?
    private let runtimeFiles: RuntimeFiles
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

    private static func facts(_ arguments: Arguments, rootless: Bool, cgroups: Cgroups, hasFastMoves: Bool, filter: sock_fprog, offers: [RuntimeOffer]) -> NodeFacts {
        var facts = NodeFacts()
        var name = utsname()
        uname(&name)
        facts.kernel = withUnsafePointer(to: &name.release) { $0.withMemoryRebound(to: CChar.self, capacity: 65) { String(cString: $0) } }
        facts.landlockABI = Int(csb_landlock_abi())
        facts.cgroups = switch cgroups.version { case .v1: .v1; case .v2: .v2; case .none: .none }
        facts.controllers = cgroups.controllers
        facts.hasFastCgroupMoves = hasFastMoves
        facts.rootless = rootless
        facts.seccompInstructions = Int(filter.len)
        facts.runtimes = offers
        if !rootless { facts.uidRange = arguments.uidFirst...(arguments.uidFirst + arguments.uidCount - 1) }
        if rootless {
            facts.gaps.append("Not started as root: no cgroups, so a function's memory is limited for each of its processes only (an rlimit on data), its CPU time is not measured, its peak memory is what its process says, and its processes are bounded by an rlimit only; sandboxes share the server's uid.")
        } else if cgroups.version == .none {
            facts.gaps.append("No usable cgroup controllers: memory is limited for each process only (an rlimit on data), CPU time is not measured, peak memory is what the process says, and processes are bounded by an rlimit only.")
        } else {
            let missing = ["memory", "cpu", "pids"].filter { !cgroups.controllers.contains($0) }
            if !missing.isEmpty { facts.gaps.append("cgroup controllers missing: \(missing.joined(separator: ", ")); their limits are not enforced.") }
        }
        if !cgroups.canResetPeak {
            facts.gaps.append("The kernel cannot set a cgroup's peak memory back (Linux 6.12 can): an invocation's peak is exact only if it is the highest its slot has seen, else it is the memory in use at its end.")
        }
        if facts.landlockABI == 0 { facts.gaps.append("The kernel has no Landlock: one layer fewer behind the namespaces and the seccomp filter.") }
        if !offers.contains(where: { $0.name.hasPrefix("python") }) { facts.gaps.append("No CPython 3.9 or newer was found: no Python runtime is offered.") }
        return facts
    }

    private func watch(_ fd: Int32, _ tag: UInt64) throws {
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
    private struct Embryo {
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

    private func become(_ body: Embryo, id: UInt32, uid: UInt32, root: Int, memory: UInt64, storage: UInt64, digest: String, isSpare: Bool = false,
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

    /// The part of every sandbox that is the same, in C memory that lives as long as the helper.
    private static func makeSpec(
        _ arguments: Arguments, data: String, skeletons: Skeletons, order: [String], rootless: Bool, hasPids: Bool, hasMemory: Bool,
        template: sock_fprog, child: sock_fprog
    ) -> UnsafePointer<csb_spec> {
        func c(_ text: String?) -> UnsafePointer<CChar>? { text.flatMap { strdup($0) }.map { UnsafePointer($0) } }
        let roots = UnsafeMutablePointer<csb_root>.allocate(capacity: max(1, order.count))
        for (index, name) in order.enumerated() {
            guard let root = skeletons.roots[name] else { continue }
            let steps = root.steps + [.package(target: "var/task"), .layers(target: "opt"), .storage(target: "tmp"), .dev("dev"), .proc("proc")]
            let ops = UnsafeMutablePointer<csb_op>.allocate(capacity: steps.count)
            for (place, step) in steps.enumerated() {
                let op = switch step {
                case .bind(let source, let target): csb_op(kind: Int32(CSB_BIND.rawValue), source: c(source), target: c(target))
                case .layers(let target): csb_op(kind: Int32(CSB_LAYERS.rawValue), source: nil, target: c(target))
                case .package(let target): csb_op(kind: Int32(CSB_PACKAGE.rawValue), source: nil, target: c(target))
                case .storage(let target): csb_op(kind: Int32(CSB_TMPFS.rawValue), source: nil, target: c(target))
                case .dev(let target): csb_op(kind: Int32(CSB_DEV.rawValue), source: nil, target: c(target))
                case .proc(let target): csb_op(kind: Int32(CSB_PROC.rawValue), source: nil, target: c(target))
                }
                (ops + place).initialize(to: op)
            }
            (roots + index).initialize(to: csb_root(skeleton: c(root.folder), ops: ops, op_count: Int32(steps.count)))
        }
        let spec = UnsafeMutablePointer<csb_spec>.allocate(capacity: 1)
        var value = csb_spec()
        value.roots = UnsafePointer(roots)
        value.root_count = Int32(order.count)
        value.mount_point = c(skeletons.base + "/mount")
        value.data = c(data)
        value.template_filter = template
        value.child_filter = child
        value.inner_uid = 993
        value.inner_gid = 990
        value.file_size_limit = arguments.fileSizeMB << 20
        value.open_files_limit = arguments.openFiles
        value.process_limit = hasPids ? 0 : 1024
        value.memory_by_rlimit = hasMemory ? 0 : 1
        value.rootless = rootless ? 1 : 0
        withUnsafeMutableBytes(of: &value.hostname) { $0.copyBytes(from: Array("martlet\0".utf8)) }
        spec.initialize(to: value)
        return UnsafePointer(spec)
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

    private func makeSlot(_ index: UInt32, of sandbox: Live) throws -> Cgroups.Slot {
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

    // MARK: Byte code

    /// While nothing else is to be done: one interpreter after another makes its byte code.
    private func makeByteCode() {
        if let job = byteCode {
            if ByteCode.now() > job.deadline { endByteCode() }
            return
        }
        guard let body = embryo, let offer = byteCodeWanted.popLast() else { return }
        guard let root = rootOrder.firstIndex(of: offer.name), let uid = uids.take(except: Set(live.values.map(\.uid))) else { return }
        embryo = nil
        // Past the numbers that the server may use.
        let id = 1 << 30 | UInt32(byteCodeWanted.count)
        do {
            let job = try ByteCode(offer, id: id) {
                try become(
                    body, id: id, uid: uid, root: root, memory: ByteCode.memoryMB, storage: ByteCode.storageMB, digest: "", descriptors: $0)
            }
            byteCode = job
            try watch(job.output, UInt64(id) << 2 | 3)
        } catch {
            reportNoByteCode(offer, "\(error)")
            endByteCode()
        }
    }

    private func fromByteCode(_ id: UInt32) {
        guard byteCode?.id == id, byteCode?.read() == true else { return }
        do {
            if let job = byteCode, try job.install(in: runtimeFiles.python) == 0 { reportNoByteCode(job.offer, "the interpreter gave none") }
        } catch {
            if let job = byteCode { reportNoByteCode(job.offer, "\(error)") }
        }
        endByteCode()
    }

    private func byteCodeSandboxIsUp(_ sandbox: Live) {
        do {
            try makeSlot(0, of: sandbox).close()
            try byteCode?.run()
        } catch {
            if let job = byteCode { reportNoByteCode(job.offer, "\(error)") }
            endByteCode()
        }
    }

    private func endByteCode() {
        guard let job = byteCode else { return }
        byteCode = nil
        job.close()
        if let sandbox = live[job.id] { kill(sandbox.pid, SIGKILL) }
    }

    /// Nobody's error: cold starts take a few milliseconds longer.
    private func reportNoByteCode(_ offer: RuntimeOffer, _ reason: String) {
        let text = Array("martlet-sandbox: no byte code for \(offer.name): \(reason)\n".utf8)
        _ = text.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
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

/// Hands out host uids, each new sandbox another, and remembers across restarts how far it came: a uid comes round again
/// only after all the others.
struct UIDRange {
    private let first: UInt32
    private let count: UInt32
    private var next: UInt32 = 0
    private var reserved: UInt32 = 0
    private let folder: Int32
    private let rootless: Bool
    private static let block: UInt32 = 64

    init(_ arguments: Arguments, folder: Int32, rootless: Bool) {
        first = arguments.uidFirst
        count = arguments.uidCount
        self.folder = folder
        self.rootless = rootless
        let fd = Self.open(folder, O_RDONLY)
        if fd >= 0 {
            let text = readAll(fd, limit: 32).map { String(decoding: $0, as: UTF8.self) } ?? ""
            next = (UInt32(text.split(separator: "\n").first ?? "") ?? 0) % count
            close(fd)
        }
        reserved = next
    }

    /// The folder belongs to the server: what it may have put there instead (a FIFO to wait at, a second name of a file of
    /// root's to overwrite) is removed.
    private static func open(_ folder: Int32, _ flags: Int32) -> Int32 {
        let fd = openat(folder, "uids", flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        var info = stat()
        if fd >= 0, fstat(fd, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_nlink == 1, info.st_uid == geteuid() { return fd }
        if fd >= 0 { close(fd) }
        unlinkat(folder, "uids", 0)
        return -1
    }

    mutating func take(except live: Set<UInt32>) -> UInt32? {
        if rootless { return geteuid() }
        for _ in 0..<count {
            if next == reserved { reserve() }
            let uid = first + next
            next = (next + 1) % count
            if !live.contains(uid) { return uid }
        }
        return nil
    }

    /// Written ahead in blocks, so that a crash skips some instead of giving one out twice.
    private mutating func reserve() {
        reserved = (next + Self.block) % count
        let fd = openat(folder, "uids", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard fd >= 0 else { return }
        // A fixed width, so that nothing is ever truncated.
        let number = "\(reserved)"
        let text = Array((String(repeating: "0", count: 10 - number.count) + number + "\n").utf8)
        _ = text.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        close(fd)
    }
}
