import CChild
public import FunctionModel
import Glibc
public import LinuxPrimitives
public import NIOCore
import NIOPosix
public import Sandbox

/// All sandboxes of this node, seen from the event loop. Confined to it.
public final class SandboxNode {
    public let loop: any EventLoop
    public let facts: NodeFacts
    /// Of functions that do not say which they want.
    public let defaultNetwork: NetworkAccess
    private let link: HelperLink
    private var nextID: UInt32 = 1
    private var sandboxes: [UInt32: SandboxHandle] = [:]
    let telemetryBudget = TelemetryBudget(limit: SandboxNode.telemetryBytes)
    /// nil where the host gives no thread for it: then functions find no server.
    private var acceptor: CallbackAcceptor?
    /// The helper has ended; everything it held is gone.
    public private(set) var isLost = false

    /// Of all environments' records that their extensions have not taken yet.
    private static let telemetryBytes = 64 << 20

    public init(link: HelperLink, facts: NodeFacts, defaultNetwork: NetworkAccess, loop: any EventLoop) {
        self.link = link
        self.defaultNetwork = defaultNetwork
        self.facts = facts
        self.loop = loop
        let me = NIOLoopBound(self, eventLoop: loop)
        acceptor = try? CallbackAcceptor(loop: loop) { tag in
            me.value.sandboxes[UInt32(truncatingIfNeeded: tag >> 32)]?.called(in: UInt32(truncatingIfNeeded: tag))
        }
    }

    /// False when nobody will hear of its connections.
    func watch(_ listener: Int32, of sandbox: UInt32, namespace: UInt32) -> Bool {
        acceptor?.watch(listener, tag: UInt64(sandbox) << 32 | UInt64(namespace)) ?? false
    }

    public var sandboxCount: Int { sandboxes.count }

    public func offer(runtime: String) -> RuntimeOffer? { facts.runtimes.first { $0.name == runtime } }

    /// What the function reaches here: none of it where the host cannot.
    public func network(of configuration: FunctionConfiguration) -> NetworkAccess {
        facts.egress.isEmpty ? .none : configuration.network ?? defaultNetwork
    }

    /// Asks for a sandbox of this version. It is usable at once: what is sent to it waits until it is up.
    public func makeSandbox(for version: FunctionVersion) throws -> SandboxHandle {
        let configuration = version.configuration
        let layers = configuration.layers.merged
        if !layers.isEmpty, let prefix = offer(runtime: configuration.runtime)?.prefix, prefix.hasPrefix("/opt/") {
            throw LinuxError("giving \(version.key.name) its layers under /opt: \(configuration.runtime) itself lies in \(prefix) on this host", EBUSY)
        }
        return try makeSandbox(
            runtime: configuration.runtime, memoryMB: configuration.memorySize, storageMB: configuration.ephemeralStorage,
            digest: version.code.sha256 + layers, network: network(of: configuration))
    }

    /// Asks for a sandbox with this runtime and without a function; `assign` gives it one.
    public func makeSpare(runtime: String, storageMB: Int) throws -> SandboxHandle {
        try makeSandbox(runtime: runtime, memoryMB: Self.spareMemoryMB, storageMB: storageMB, digest: "", network: .none)
    }

    /// The least that a function can have.
    private static let spareMemoryMB = 128

    private func makeSandbox(runtime: String, memoryMB: Int, storageMB: Int, digest: String, network: NetworkAccess) throws -> SandboxHandle {
        guard !isLost else { throw LinuxError("making a sandbox: the helper has ended", ECHILD) }
        let id = nextID
        nextID = nextID &+ 1 & 0x3FFF_FFFF
        let handle = try SandboxHandle(id: id, node: self, link: link)
        try handle.open(runtime: runtime, memoryMB: memoryMB, storageMB: storageMB, digest: digest, network: network)
        sandboxes[id] = handle
        return handle
    }

    /// Delivers a message of the helper.
    public func take(_ message: ReceivedMessage) {
        let head = message.head
        switch HelperOperation(rawValue: head.op) {
        case .created:
            if head.value != 0 { sandboxes[head.slot]?.couldNotBeMade(String(decoding: message.payload, as: UTF8.self)) }
        case .slotAdded:
            if let handle = sandboxes[UInt32(bitPattern: head.value)] {
                handle.slotAdded(head.slot, present: head.a, failed: head.b != 0, descriptors: message.descriptors, text: message.payload)
            } else {
                for fd in message.descriptors { Glibc.close(fd) }
            }
        case .notAssigned:
            sandboxes[head.slot]?.assignment(LinuxError(String(decoding: message.payload, as: UTF8.self), head.value))
        case .gone:
            sandboxes.removeValue(forKey: head.slot)?.gone()
        default:
            for fd in message.descriptors { Glibc.close(fd) }
        }
    }

    public func helperLost() {
        isLost = true
        let all = sandboxes.values
        sandboxes = [:]
        for handle in all { handle.gone() }
    }

    func forget(_ id: UInt32) { sandboxes[id] = nil }
}

/// One sandbox: its PID 1, its slots, and who waits for them. Confined to the loop.
public final class SandboxHandle {
    public struct Exit: Sendable {
        /// As from wait(2).
        public let status: Int32
        /// Of the process and the descendants it waited for.
        public let cpuMicroseconds: UInt64
        public let maxResidentKiB: UInt64
        public let outOfMemory: Bool
        /// Why the program could not be executed; 0 when it was.
        public let executionError: Int32

        public init(status: Int32, cpuMicroseconds: UInt64, maxResidentKiB: UInt64, outOfMemory: Bool, executionError: Int32 = 0) {
            self.executionError = executionError
            self.status = status
            self.cpuMicroseconds = cpuMicroseconds
            self.maxResidentKiB = maxResidentKiB
            self.outOfMemory = outOfMemory
        }

        public var signal: Int32 { status & 0x7F }
        public var code: Int32 { status >> 8 & 0xFF }
        /// A whole sentence, in Lambda's words.
        public var reason: String { status == 0 ? "Runtime exited without providing a reason" : "Runtime exited with error: \(cause)" }
        /// `exit status 1`, `signal: killed`: Lambda's words for it.
        public var cause: String {
            guard signal != 0 else { return "exit status \(code)" }
            return switch signal {
            case SIGHUP: "signal: hangup"
            case SIGINT: "signal: interrupt"
            case SIGQUIT: "signal: quit"
            case SIGILL: "signal: illegal instruction"
            case SIGTRAP: "signal: trace/breakpoint trap"
            case SIGABRT: "signal: aborted"
            case SIGBUS: "signal: bus error"
            case SIGFPE: "signal: floating point exception"
            case SIGKILL: "signal: killed"
            case SIGUSR1: "signal: user defined signal 1"
            case SIGSEGV: "signal: segmentation fault"
            case SIGUSR2: "signal: user defined signal 2"
            case SIGPIPE: "signal: broken pipe"
            case SIGALRM: "signal: alarm clock"
            case SIGTERM: "signal: terminated"
            case SIGXCPU: "signal: CPU time limit exceeded"
            case SIGXFSZ: "signal: file size limit exceeded"
            case SIGSYS: "signal: bad system call"
            default: "signal: \(signal)"
            }
        }
    }

    public struct Audit: Sendable {
        public let isForkable: Bool
        /// It could not be looked at, because it ended meanwhile: this says nothing about the function.
        public let isInconclusive: Bool
        /// What was found, for people.
        public let findings: String
        /// Of the template and what it waited for, since its start.
        public let cpuMicroseconds: UInt64
        /// What a copy has from the template without being charged for it.
        public let anonymousBytes: UInt64
    }

    public let id: UInt32
    private unowned let node: SandboxNode
    private let link: HelperLink
    /// Our ends.
    private var control: Int32 = -1
    private var descriptors: Int32 = -1
    private var log: Int32 = -1
    /// Our copy of the write end, handed to templates as their output.
    private var logWriter: Int32 = -1
    private var channel: (any Channel)?
    private var isGone = false

    private var free: [Slot] = []
    private var known: [UInt32: Slot] = [:]
    private var waiting: [(Result<Slot, LinuxError>) -> Void] = []
    private var nextSlot: UInt32 = 0
    private var asked = 0

    private struct Unsent {
        let message: mc_message
        let payload: [UInt8]
        /// Copies of our own.
        let descriptors: [Int32]
    }
    /// Commands for which init's line had no room, in order.
    private var unsent: [Unsent] = []

    /// Who waits for sockets, in the order of asking.
    private var sockets: [(slot: UInt32, completion: (Int32) -> Void)] = []
    /// Who runs in a slot.
    private var occupants: [UInt32: any SlotOccupant] = [:]
    private var templateEnded: ((Exit) -> Void)?
    private var templateStarted: (() -> Void)?
    private var audited: ((Audit) -> Void)?
    private var assigned: ((LinuxError?) -> Void)?
    private var callbacks = CallbackListeners()
    /// Takes a connection that the template made to the server.
    public var templateCalled: ((Int32) -> Void)?
    /// Its function asks for the Runtime API, which a template has not.
    public var templateRegisters: (() -> Void)?
    private var runtimeListener: Int32 = -1
    /// Called once, when nothing of the sandbox is left.
    public var whenGone: ((_ failure: String?) -> Void)?
    private var failure: String?

    init(id: UInt32, node: SandboxNode, link: HelperLink) throws {
        self.id = id
        self.node = node
        self.link = link
    }

    func open(runtime: String, memoryMB: Int, storageMB: Int, digest: String, network: NetworkAccess) throws {
        let (ours, theirs) = try socketPair()
        let (oursDescriptors, theirsDescriptors) = try socketPair()
        let pipe = try logPipe()
        (control, descriptors, log, logWriter) = (ours, oursDescriptors, pipe.read, pipe.write)
        defer {
            Glibc.close(theirs)
            Glibc.close(theirsDescriptors)
        }
        try link.send(
            .create, slot: id, value: network == .egress ? 1 : 0, a: UInt64(memoryMB), b: UInt64(storageMB), payload: Array("\(digest)\n\(runtime)".utf8),
            descriptors: [theirs, theirsDescriptors, pipe.write])
        // The channel only reads; messages to init are written past it, because they carry descriptors.
        let readEnd = try check("duplicating a descriptor") { fcntl(control, F_DUPFD_CLOEXEC, 3) }
        let me = NIOLoopBound(self, eventLoop: node.loop)
        ClientBootstrap(group: node.loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(MessageReader { me.value.take($0, payload: $1) })
                }
            }
            .withConnectedSocket(readEnd)
            .whenComplete { result in
                switch result {
                case .success(let channel):
                    if me.value.isGone { channel.close(promise: nil) } else { me.value.channel = channel }
                case .failure: me.value.destroy()
                }
            }
    }

    /// Mounts the version's package in a spare and sets its limits. The template's INIT frame may be sent on success.
    public func assign(_ version: FunctionVersion, _ completion: @escaping (LinuxError?) -> Void) throws {
        guard !isGone else { throw LinuxError("giving a sandbox its function: it has ended", ECHILD) }
        assigned = completion
        let isConnected = node.network(of: version.configuration) == .egress
        try link.send(
            .assign, slot: id, value: isConnected ? 1 : 0, a: UInt64(version.configuration.memorySize), payload: Array(version.code.sha256.utf8))
    }

    func assignment(_ error: LinuxError?) {
        let completion = assigned
        assigned = nil
        completion?(error)
    }

    // MARK: Slots

    /// A slot for one worker, now or when the helper has made one.
    func takeSlot(_ completion: @escaping (Result<Slot, LinuxError>) -> Void) {
        if isGone { return completion(.failure(LinuxError("taking a slot: the sandbox has ended", ECHILD))) }
        if let slot = free.popLast() { return completion(.success(slot)) }
        guard nextSlot < UInt32(MC_MAX_SLOTS) else {
            return completion(.failure(LinuxError("taking a slot: all \(MC_MAX_SLOTS) of the sandbox are in use", EAGAIN)))
        }
        waiting.append(completion)
        do {
            try link.send(.addSlot, slot: nextSlot, value: Int32(bitPattern: id))
            nextSlot += 1
        } catch {
            waiting.removeLast()
            completion(.failure((error as? LinuxError) ?? LinuxError("asking for a slot", EIO)))
        }
    }

    /// Has a slot made while the template runs init.
    public func prepareSlot() {
        guard !isGone, nextSlot == 0, (try? link.send(.addSlot, slot: nextSlot, value: Int32(bitPattern: id))) != nil else { return }
        nextSlot += 1
    }

    func giveBack(_ slot: Slot) {
        guard !isGone else { return }
        if waiting.isEmpty { free.append(slot) } else { waiting.removeFirst()(.success(slot)) }
    }

    func slotAdded(_ index: UInt32, present: UInt64, failed: Bool, descriptors: [Int32], text: [UInt8]) {
        if failed || isGone {
            for fd in descriptors { Glibc.close(fd) }
            if !waiting.isEmpty { waiting.removeFirst()(.failure(LinuxError(String(decoding: text, as: UTF8.self), EAGAIN))) }
            return
        }
        var rest = descriptors[...]
        func next(_ bit: UInt64) -> Int32 { present & bit != 0 ? rest.popFirst() ?? -1 : -1 }
        let slot = Slot(index: index, cpu: next(1), peak: next(2), statistics: next(4), current: next(8))
        for fd in rest { Glibc.close(fd) }
        known[index] = slot
        giveBack(slot)
    }

    // MARK: Commands to init

    private func command(_ op: mc_op, slot: UInt32, value: Int32 = 0, a: UInt64 = 0, payload: [UInt8] = [], descriptors: [Int32] = []) throws {
        guard !isGone, control >= 0 else { throw LinuxError("talking to a sandbox that has ended", ECHILD) }
        let message = mc_message(op, slot: slot, value: value, a: a)
        if unsent.isEmpty {
            do {
                return try LinuxPrimitives.send(message, payload: payload, descriptors: descriptors, to: control)
            } catch let error as LinuxError where error.number == EAGAIN {}
        }
        // Init is slow on a busy machine and its line is full; what is said next waits its turn.
        guard unsent.count < 4 * Int(MC_MAX_SLOTS) else { throw LinuxError("talking to a sandbox that does not listen", EAGAIN) }
        var copies: [Int32] = []
        do {
            for fd in descriptors { copies.append(try check("duplicating a descriptor") { fcntl(fd, F_DUPFD_CLOEXEC, 3) }) }
        } catch {
            for fd in copies { Glibc.close(fd) }
            throw error
        }
        unsent.append(Unsent(message: message, payload: payload, descriptors: copies))
        if unsent.count == 1 { sendAgainSoon() }
    }

    private func sendAgainSoon() {
        let me = NIOLoopBound(self, eventLoop: node.loop)
        node.loop.scheduleTask(in: .milliseconds(1)) { me.value.sendUnsent() }
    }

    private func sendUnsent() {
        var sent = 0
        for one in unsent {
            do {
                try LinuxPrimitives.send(one.message, payload: one.payload, descriptors: one.descriptors, to: control)
            } catch let error as LinuxError where error.number == EAGAIN {
                break
            } catch {
                // The sandbox is ending; `gone` tells everyone who waits.
            }
            for fd in one.descriptors { Glibc.close(fd) }
            sent += 1
        }
        unsent.removeFirst(sent)
        if !unsent.isEmpty { sendAgainSoon() }
    }

    /// The worker socket's far end is handed over; the caller closes its copy.
    func startTemplate(_ program: EnvironmentProgram, worker: Int32, started: @escaping () -> Void, ended: @escaping (Exit) -> Void) throws {
        templateStarted = started
        templateEnded = ended
        try command(MC_START_TEMPLATE, slot: MC_TEMPLATE_SLOT, payload: program.encoded, descriptors: [worker, logWriter])
    }

    public func killTemplate() { try? command(MC_KILL, slot: MC_TEMPLATE_SLOT) }

    /// Whether copies would share something, and what init took.
    /// - Parameters:
    ///   - measureOnly: nothing but what init took; also after the template has ended.
    ///   - copiesAreWhole: the runtime's copies have pipes, eventfds and epoll descriptors of their own (`MC_AUDIT_WHOLE`).
    public func audit(measureOnly: Bool = false, copiesAreWhole: Bool = false, _ completion: @escaping (Audit) -> Void) throws {
        audited = completion
        try command(MC_AUDIT, slot: MC_TEMPLATE_SLOT, value: (measureOnly ? Int32(MC_AUDIT_MEASURE.rawValue) : 0) | (copiesAreWhole ? Int32(MC_AUDIT_WHOLE.rawValue) : 0))
    }

    func copyTemplate(into slot: Slot, worker: Int32, log: Int32, occupant: any SlotOccupant) throws {
        try command(MC_FORK, slot: slot.index, descriptors: [worker, log])
        occupants[slot.index] = occupant
    }

    /// - Parameter descriptors: a frame socket where the program has one; with extensions the supervisor's socket and their log
    ///   pipe; the log pipe.
    func start(
        _ program: EnvironmentProgram, extensions: EnvironmentProgram?, in slot: Slot, descriptors: [Int32], occupant: any SlotOccupant
    ) throws {
        let (first, second) = (program.encoded, extensions?.encoded ?? [])
        let flags = MC_EXEC_LISTENER | (extensions == nil ? 0 : MC_EXEC_EXTENSIONS)
        try command(MC_EXEC, slot: slot.index, value: Int32(flags), a: UInt64(first.count), payload: first + second, descriptors: descriptors)
        occupants[slot.index] = occupant
    }

    var telemetryBudget: TelemetryBudget { node.telemetryBudget }

    /// - Parameter completion: gets a TCP socket of the slot's network namespace, not connected and its own from now on; -1 when
    ///   there is none.
    func makeSocket(in slot: Slot, _ completion: @escaping (Int32) -> Void) {
        guard !isGone, (try? command(MC_SOCKET, slot: slot.index)) != nil else { return completion(-1) }
        sockets.append((slot.index, completion))
    }

    /// Init answers in order.
    private func socketMade(_ slot: UInt32, error: Int32) {
        let socket = error == 0 ? receiveDescriptor(MC_SOCKET_MADE, slot) { isSocket($0, listening: false) } ?? -1 : -1
        guard !sockets.isEmpty, sockets[0].slot == slot else {
            if socket >= 0 { Glibc.close(socket) }
            return
        }
        sockets.removeFirst().completion(socket)
    }

    /// A slot whose occupant never came to be.
    func vacate(_ slot: Slot) {
        occupants[slot.index] = nil
        giveBack(slot)
    }

    /// False when init cannot take the message now.
    func kill(_ slot: Slot) -> Bool { (try? command(MC_KILL, slot: slot.index)) != nil }

    /// Asks the slot's first process to end. Lost when init cannot take the message now: whoever asks kills it later.
    func terminate(_ slot: Slot) { try? command(MC_TERMINATE, slot: slot.index) }

    /// Ends the slot's largest process, if it has more than `limit` bytes of anonymous memory.
    func killLargest(_ slot: Slot, above limit: UInt64) { try? command(MC_KILL_LARGEST, slot: slot.index, a: limit) }

    /// The template's output, as far as it has come: at most 64 KiB at a time.
    public func readLog(_ take: (UnsafeRawBufferPointer) -> Void) { drain(log, take) }

    public func destroy() {
        guard !isGone else { return }
        try? link.send(.destroy, slot: id)
    }

    // MARK: Messages from init

    private func take(_ message: mc_message, payload: ByteBuffer) {
        switch mc_op(rawValue: message.op) {
        case MC_STARTED:
            let hasCalled = callbacks.began(in: UInt32(truncatingIfNeeded: message.a), slot: message.slot)
            if message.slot == MC_TEMPLATE_SLOT { templateStarted?() } else { occupants[message.slot]?.started() }
            if hasCalled { called(in: UInt32(truncatingIfNeeded: message.a)) }
        case MC_EXITED:
            callbacks.ended(slot: message.slot)
            let exit = Exit(
                status: message.value, cpuMicroseconds: message.a, maxResidentKiB: message.b, outOfMemory: message.c & 1 != 0,
                executionError: Int32(truncatingIfNeeded: message.c >> 8 & 0xFFFF))
            if message.slot == MC_TEMPLATE_SLOT {
                let ended = templateEnded
                templateEnded = nil
                ended?(exit)
            } else {
                occupants.removeValue(forKey: message.slot)?.exited(exit)
            }
        case MC_FAILED:
            let error = LinuxError("starting a worker: \(stageName(Int32(truncatingIfNeeded: message.b)))", message.value)
            if message.slot == MC_TEMPLATE_SLOT {
                let ended = templateEnded
                templateEnded = nil
                failure = "\(error)"
                ended?(Exit(status: 127 << 8, cpuMicroseconds: 0, maxResidentKiB: 0, outOfMemory: false))
            } else {
                occupants.removeValue(forKey: message.slot)?.failed(error)
            }
        case MC_AUDITED:
            let completion = audited
            audited = nil
            completion?(
                Audit(
                    isForkable: message.a == 0, isInconclusive: message.a & UInt64(MC_FOUND_UNREADABLE.rawValue) != 0, findings: String(buffer: payload), cpuMicroseconds: message.b,
                    anonymousBytes: message.c << 10))
        case MC_ASSIGNED:
            assignment(message.value == 0 ? nil : LinuxError("giving a sandbox its function: \(stageName(Int32(truncatingIfNeeded: message.b)))", message.value))
        case MC_LISTENER:
            guard let fd = receiveDescriptor(MC_LISTENER, message.slot, where: { isSocket($0, listening: true) }) else { return }
            if message.slot == MC_TEMPLATE_SLOT {
                runtimeListener = fd
                _ = node.watch(fd, of: id, namespace: MC_TEMPLATE_SLOT)
            } else if let occupant = occupants[message.slot] {
                occupant.listener(fd)
            } else {
                Glibc.close(fd)
            }
        case MC_CALLBACK:
            guard let fd = receiveDescriptor(MC_CALLBACK, message.slot, where: { isSocket($0, listening: true) }) else { return }
            if node.watch(fd, of: id, namespace: message.slot) { callbacks.add(fd, of: message.slot) } else { Glibc.close(fd) }
        case MC_SOCKET_MADE: socketMade(message.slot, error: message.value)
        case MC_CALLBACK_OVER: callbacks.remove(message.slot)
        default: break
        }
    }

    /// What init has announced.
    private func receiveDescriptor(_ op: mc_op, _ slot: UInt32, where isExpected: (Int32) -> Bool) -> Int32? {
        guard let received = try? receive(from: descriptors, capacity: 0), let fd = received.descriptors.first else { return nil }
        for extra in received.descriptors.dropFirst() { Glibc.close(extra) }
        guard received.head.op == op.rawValue, received.head.slot == slot, isExpected(fd) else {
            Glibc.close(fd)
            return nil
        }
        return fd
    }

    /// Somebody in this network namespace has connected to the server.
    func called(in namespace: UInt32) {
        guard namespace != MC_TEMPLATE_SLOT else { return templateRegisters?() ?? () }
        guard let (slot, sockets) = callbacks.take(from: namespace) else { return }
        for socket in sockets {
            if slot == MC_TEMPLATE_SLOT, let templateCalled {
                templateCalled(socket)
            } else if let occupant = occupants[slot] {
                occupant.called(socket)
            } else {
                Glibc.close(socket)
            }
        }
    }

    /// Init is ours and ran nothing of the function, but a descriptor is looked at before it is used.
    private func isSocket(_ fd: Int32, listening: Bool) -> Bool {
        func option(_ name: Int32) -> Int32 {
            var value: Int32 = -1
            var size = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1
        }
        return option(SO_ACCEPTCONN) == (listening ? 1 : 0) && option(SO_DOMAIN) == AF_INET && option(SO_TYPE) == Int32(SOCK_STREAM.rawValue)
    }

    func couldNotBeMade(_ sentence: String) {
        failure = sentence
        node.forget(id)
        gone()
    }

    func gone() {
        guard !isGone else { return }
        isGone = true
        channel?.close(promise: nil)
        for fd in [control, descriptors, log, logWriter, runtimeListener] where fd >= 0 { Glibc.close(fd) }
        for fd in unsent.flatMap(\.descriptors) { Glibc.close(fd) }
        unsent = []
        for slot in known.values { slot.close() }
        callbacks.closeAll()
        (templateCalled, templateRegisters) = (nil, nil)
        let unserved = sockets
        sockets = []
        for one in unserved { one.completion(-1) }
        let lost = Exit(status: SIGKILL, cpuMicroseconds: 0, maxResidentKiB: 0, outOfMemory: false)
        let ended = templateEnded
        (templateEnded, templateStarted, audited) = (nil, nil, nil)
        let waiters = waiting
        waiting = []
        let running = occupants
        occupants = [:]
        ended?(lost)
        assignment(LinuxError("giving a sandbox its function: it has ended", ECHILD))
        for waiter in waiters { waiter(.failure(LinuxError("taking a slot: the sandbox has ended", ECHILD))) }
        for occupant in running.values { occupant.sandboxLost() }
        let told = whenGone
        whenGone = nil
        told?(failure)
    }
}

/// A worker as its slot sees it.
protocol SlotOccupant: AnyObject {
    /// Its process exists and is in its cgroups.
    func started()
    func failed(_ error: LinuxError)
    func exited(_ exit: SandboxHandle.Exit)
    /// The Runtime API's listening socket; the occupant owns it.
    func listener(_ fd: Int32)
    /// A connection that one of its processes made to the server; the occupant owns it.
    func called(_ socket: Int32)
    func sandboxLost()
}
