public import Extensions
import FunctionModel
import Glibc
public import LinuxPrimitives
public import NIOCore
import NIOPosix
import Sandbox

/// What an execution environment tells its owner. Called on the loop.
public protocol EnvironmentOwner: AnyObject {
    /// It waits for an invocation.
    func environmentReady(_ environment: Environment)
    /// One of its processes has connected to the server; the owner closes the socket.
    func environmentCalls(_ environment: Environment, socket: Int32)
    /// Its init failed in the function's own code; `payload` is Lambda's error JSON.
    func environmentInitFailed(_ environment: Environment, payload: ByteBuffer)
    /// The answer is sent while it is written; the parts follow. Only where the invocation asked for it.
    func environmentStreams(_ environment: Environment, contentType: String)
    /// The next part of a streamed answer.
    func environmentStreamed(_ environment: Environment, part: ByteBuffer)
    /// The answer to its invocation is complete; `isError` when the handler failed. Of a streamed answer the payload is the
    /// last part, or the error.
    ///
    /// Its processes may still be at work for it (`isLingering`): then `environmentAtRest` follows.
    func environmentAnswered(_ environment: Environment, payload: ByteBuffer, isError: Bool)
    /// Its processes have finished what they had to do after the answer.
    func environmentAtRest(_ environment: Environment)
    /// Its runtime, or an extension, failed in the middle of an invocation, or of what follows it. It is told to end next, and its
    /// extensions have some time for that; `environmentEnded` follows.
    func environmentFailed(_ environment: Environment, failure: Environment.Failure)
    /// It was told to end, or has to be ended: somebody must see to it that it does.
    func environmentEnding(_ environment: Environment)
    /// It was told of its end at `began`, and its time for that is over. Comes before `environmentEnded`.
    func environmentShutDown(_ environment: Environment, began: NIODeadline)
    /// Nothing of it is left. Called once, last, unless the platform could not make it.
    func environmentEnded(_ environment: Environment, exit: SandboxHandle.Exit)
    /// The platform could not make it; it never ran.
    func environmentNotMade(_ environment: Environment, error: LinuxError)
}

/// One execution environment: a slot of a sandbox with one runtime process in it. Confined to the loop.
public final class Environment: SlotOccupant {
    public enum Origin {
        /// A copy of the sandbox's template, and what it is told before it is ready: the payload of a VARIABLES frame.
        case copy(variables: ByteBuffer?)
        /// A process of its own that runs init itself, and its extensions beside it.
        case program(EnvironmentProgram, initFrame: ByteBuffer?, ExtensionSettings)
    }

    public enum Failure {
        case runtime(SandboxHandle.Exit)
        /// Lambda's error type, and the cause.
        case `extension`(type: String, cause: String)
    }

    private enum State {
        /// Waiting for its slot, its process or its init.
        case starting
        case ready
        case busy
        /// It has answered, and its runtime or extensions are still at work.
        case lingering
        /// Told to end; waits for its process to be reaped.
        case ending
        case ended
    }

    public let sandbox: SandboxHandle
    private let loop: any EventLoop
    private weak var owner: (any EnvironmentOwner)?
    private let origin: Origin
    private var state = State.starting
    public private(set) var slot: SandboxHandle.Slot?
    private var channel: (any Channel)?
    private var runtimeAPI: RuntimeAPIServer?
    private var extensions: EnvironmentExtensions?
    private var log: Int32 = -1
    private var extensionLog: Int32 = -1
    /// The runtime's own, where a supervisor runs it.
    private var runtimeExit: SandboxHandle.Exit?
    /// Somebody has asked for a process to be killed for its memory.
    private var isOverMemory = false
    private var isStarted = false
    private var saidReady = false
    /// The process ends after its answer, whatever the isolation.
    public private(set) var saidLast = false
    private var isStreamOver = false
    private var exit: SandboxHandle.Exit?
    private var answer: ByteBuffer?
    private var chunks = 0
    /// Whether this invocation's caller takes parts, and whether the worker sends them.
    private var mayStream = false
    private var isStreaming = false
    /// Nothing more is read until the caller has taken what it was sent.
    private var isPaused = false
    /// Its end was reported while reading was paused: what it had sent has its time from when reading goes on.
    private var hasUnreadRest = false
    /// Of an answer that a caller of the whole gets: its media type, where the function named one.
    public private(set) var answerType: String?
    /// Set when told to end, to the end of its extensions' time for that; the tick kills what has not ended by itself.
    public private(set) var endingSince: NIODeadline?
    /// Set while its processes have time for their end.
    private var shutdownBegan: NIODeadline?
    /// Set when init was told to kill it.
    public private(set) var killedSince: NIODeadline?
    public let startedAt: NIODeadline
    public private(set) var processAt: NIODeadline?
    public private(set) var readyAt: NIODeadline?
    /// Of a copy: anonymous memory of its template that it began with. Set by the owner.
    public var inheritedBytes: UInt64 = 0
    /// Of a copy: highest memory until it was ready, bytes.
    public private(set) var peakAtReady: UInt64 = 0
    /// Highest resident memory of the handler's process, as it says with its answer or as the kernel says of its end; 0
    /// while unknown. User code runs in that process: a hint, to be kept within what the cgroup says.
    public private(set) var residentBytes: UInt64 = 0
    private var cpuAtStart: UInt64 = 0
    /// CPU time of its slot when it last became free, ns: read off the next request's path. What it used since then, by
    /// threads that a handler left behind, counts with the next invocation.
    public private(set) var cpuAtRest: UInt64 = 0
    private var killedAt: NIODeadline?
    /// For the owner's use: the pool's number of it.
    public var workerNumber: UInt64 = 0

    public init(in sandbox: SandboxHandle, origin: Origin, owner: any EnvironmentOwner, loop: any EventLoop, now: NIODeadline) {
        self.sandbox = sandbox
        self.origin = origin
        self.owner = owner
        self.loop = loop
        startedAt = now
    }

    private static let maximumChunks = 4096
    /// From the signal that ends a runtime to the end of its line.
    private static let signalTime = TimeAmount.milliseconds(50)
    /// As on Lambda: for the end of a runtime that has extensions within it and none beside it.
    private static let internalShutdownTime = TimeAmount.milliseconds(500)

    public var isBusy: Bool { state == .busy }
    /// Not ready yet, and nobody has told it to end.
    public var isStarting: Bool { readyAt == nil && endingSince == nil }
    /// For an invocation.
    public var isWaiting: Bool { state == .ready }
    /// Its runtime or extensions are at work after its answer.
    public var isLingering: Bool { state == .lingering }
    /// Its extensions are.
    public var areExtensionsLingering: Bool { state == .lingering && extensions?.isAtRest == false }
    /// After an answer, or because it was told of its end.
    public var isAtWorkForNobody: Bool { state == .lingering || isShuttingDown }
    /// Its processes have time for their end.
    public var isShuttingDown: Bool { shutdownBegan != nil }
    public var hasExtensionLog: Bool { extensionLog >= 0 }
    public var extensionStates: [ExtensionRegistry.Extension] { extensions?.states ?? [] }
    public var runsInit: Bool { if case .program = origin { true } else { false } }

    public func start() {
        sandbox.takeSlot { [self] result in
            switch result {
            case .failure(let error): notMade(error)
            case .success(let slot):
                guard state == .starting else {
                    sandbox.giveBack(slot)
                    return notMade(LinuxError("starting a worker: no longer wanted", ECANCELED))
                }
                self.slot = slot
                do { try begin(in: slot) } catch {
                    sandbox.vacate(slot)
                    self.slot = nil
                    notMade((error as? LinuxError) ?? LinuxError("starting a worker", EIO))
                }
            }
        }
    }

    private func begin(in slot: SandboxHandle.Slot) throws {
        let pipe = try logPipe()
        defer { Glibc.close(pipe.write) }
        log = pipe.read
        if runsInit { cpuAtStart = slot.cpuNanoseconds() ?? 0 }
        switch origin {
        case .program(let program, let initFrame, let settings):
            try begin(program, settings, in: slot, log: pipe.write)
            if let initFrame { send(.initialize, initFrame) }
        case .copy(let variables):
            let worker = try connect()
            defer { Glibc.close(worker) }
            // There when the copy looks: it does not wait for it.
            if let variables { send(.variables, variables) }
            try sandbox.copyTemplate(into: slot, worker: worker, log: pipe.write, occupant: self)
        }
    }

    private func begin(_ program: EnvironmentProgram, _ settings: ExtensionSettings, in slot: SandboxHandle.Slot, log: Int32) throws {
        let extensions = makeExtensions(settings, in: slot)
        self.extensions = extensions
        var handed: [Int32] = []
        defer { for fd in handed { Glibc.close(fd) } }
        if program.usesRuntimeAPI { isStreamOver = true } else { handed.append(try connect()) }
        if settings.program != nil {
            handed.append(try extensions.openLine())
            let pipe = try logPipe()
            extensionLog = pipe.read
            handed.append(pipe.write)
        }
        try sandbox.start(program, extensions: settings.program, in: slot, descriptors: handed + [log], occupant: self)
    }

    private func makeExtensions(_ settings: ExtensionSettings, in slot: SandboxHandle.Slot) -> EnvironmentExtensions {
        let me = NIOLoopBound(self, eventLoop: loop)
        return EnvironmentExtensions(
            settings, loop: loop, budget: sandbox.telemetryBudget,
            handlers: .init(
                initialised: { me.value.becomeReady() }, atRest: { me.value.comesToRest() }, runtimeEnded: { me.value.runtimeEnded($0) },
                failed: { me.value.extensionFailed($0, $1) }, ended: { me.value.killNow() }),
            makeSocket: { [sandbox] in sandbox.makeSocket(in: slot, $0) })
    }

    /// Makes the frame socket; our end becomes a channel. Returns the worker's end.
    private func connect() throws -> Int32 {
        let (ours, theirs) = try socketPair()
        let me = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let me = me.value
                    try channel.pipeline.syncOperations.addHandler(
                        FrameReader(
                            take: { me.take($0, $1, extra: $2, isLast: $3) }, readComplete: { me.passOn() },
                            ended: { me.streamOver(violation: $0) }))
                    me.channel = channel
                }
            }
            .withConnectedSocket(ours)
            .whenFailure { _ in me.value.streamOver(violation: true) }
        return theirs
    }

    private func send(_ type: FrameType, _ payload: ByteBuffer) {
        var buffer = ByteBufferAllocator().buffer(capacity: Frames.headerSize + payload.readableBytes)
        Frames.write(type, payloadLength: payload.readableBytes, into: &buffer)
        buffer.writeImmutableBuffer(payload)
        channel?.writeAndFlush(buffer, promise: nil)
    }

    // MARK: What the owner asks

    public func invoke(_ head: InvocationHead, event: ByteBuffer) {
        state = .busy
        answer = nil
        answerType = nil
        chunks = 0
        mayStream = head.streams
        isStreaming = false
        extensions?.invoke(head)
        if let runtimeAPI, runtimeAPI.servesRuntime {
            runtimeAPI.invoke(head, event: event)
            return
        }
        let isLarge = event.readableBytes > 16384
        var buffer = ByteBufferAllocator().buffer(capacity: 512 + (isLarge ? 0 : event.readableBytes))
        Frames.writeInvoke(head, eventLength: event.readableBytes, into: &buffer)
        if isLarge {
            channel?.write(buffer, promise: nil)
            channel?.writeAndFlush(event, promise: nil)
        } else {
            buffer.writeImmutableBuffer(event)
            channel?.writeAndFlush(buffer, promise: nil)
        }
    }

    /// The process may end by itself now; `killNow` follows if it does not.
    public func finish(now: NIODeadline) {
        guard state != .ended, state != .ending else { return }
        if shutdownTime != nil, state != .starting { return end(.spindown) }
        let wasStarting = state == .starting
        state = .ending
        endingSince = now
        owner?.environmentEnding(self)
        channel?.close(promise: nil)
        runtimeAPI?.close()
        if wasStarting || runtimeAPI?.servesRuntime == true { killNow() }
    }

    private var isSupervised: Bool { extensions?.isSupervised ?? false }

    /// What its processes have for their end; nil where nobody asked for any, by an extension.
    private var shutdownTime: TimeAmount? {
        guard let extensions, !extensions.states.isEmpty else { return nil }
        return extensions.isSupervised ? EnvironmentExtensions.shutdownTime : Self.internalShutdownTime
    }

    /// At once, but for extensions. Those that are processes of their own are told and have two seconds; a runtime that has
    /// some within it gets SIGTERM and half a second, unless it has failed.
    public func end(_ reason: ShutdownReason) {
        guard let time = shutdownTime, isSupervised || reason == .spindown, state == .ready || state == .busy || state == .lingering,
              let slot
        else { return killNow() }
        state = .ending
        let now = NIODeadline.now()
        shutdownBegan = now
        endingSince = now + time
        setPaused(false)
        owner?.environmentEnding(self)
        // Its Runtime API stays: a runtime that cannot ask for the next invocation ends before its handler of the signal does.
        if isSupervised { extensions?.shutDown(reason, within: time) } else { sandbox.terminate(slot) }
        // A runtime that waits for a frame runs its own handler of the signal when the wait is over.
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: Self.signalTime) { me.value.channel?.close(promise: nil) }
    }

    /// Holds the worker's streamed answer back, or lets it go on. Its writes wait once the socket between is full.
    public func setPaused(_ isPaused: Bool) {
        guard self.isPaused != isPaused else { return }
        self.isPaused = isPaused
        runtimeAPI?.setPaused(isPaused)
        if let channel { try? channel.syncOptions?.setOption(.autoRead, value: !isPaused) }
        if !isPaused, hasUnreadRest {
            hasUnreadRest = false
            endSoon()
        }
    }

    public func killNow() {
        // Nobody takes the rest; the end of its stream has to be seen.
        setPaused(false)
        guard state != .ended, let slot, exit == nil else { return }
        if state != .ending {
            state = .ending
            owner?.environmentEnding(self)
        }
        if killedSince == nil { killedSince = .now() }
        endShutdown()
        // Asked again and again until it is reaped: init may be busy, and its socket holds only so much.
        let now = NIODeadline.now()
        if let killedAt, now - killedAt < .milliseconds(250) { return }
        killedAt = sandbox.kill(slot) ? now : nil
    }

    private func endShutdown() {
        guard let began = shutdownBegan else { return }
        shutdownBegan = nil
        owner?.environmentShutDown(self, began: began)
    }

    /// - Parameter limit: bytes of anonymous memory that the process must exceed.
    public func killLargest(above limit: UInt64) {
        isOverMemory = true
        if let slot, exit == nil { sandbox.killLargest(slot, above: limit) }
    }

    /// CPU time since it last became free, ns; 0 where the host cannot tell.
    public var cpuSinceRest: UInt64 { (slot?.cpuNanoseconds()).map { $0 > cpuAtRest ? $0 - cpuAtRest : 0 } ?? 0 }

    /// The same, and the next time counts from here.
    public func takeCPU() -> UInt64 {
        guard let now = slot?.cpuNanoseconds() else { return 0 }
        defer { cpuAtRest = now }
        return now > cpuAtRest ? now - cpuAtRest : 0
    }

    /// CPU time in its slot since it was started; 0 where the host cannot tell.
    public var cpuMicroseconds: UInt64 { (slot?.cpuNanoseconds()).map { $0 > cpuAtStart ? ($0 - cpuAtStart) / 1000 : 0 } ?? 0 }

    /// What the worker has written to stdout and stderr and was not read yet, at most 64 KiB.
    public func readLog(_ take: (UnsafeRawBufferPointer) -> Void) {
        drain(log) {
            take($0)
            extensions?.telemetry.output(.function, $0)
        }
    }

    /// The same of its extensions.
    public func readExtensionLog(_ take: (UnsafeRawBufferPointer) -> Void) {
        drain(extensionLog) {
            take($0)
            extensions?.telemetry.output(.extension, $0)
        }
    }

    /// Something that its subscribers are to know.
    /// - Parameter record: JSON on one line.
    public func tell(_ record: @autoclosure () -> String) { extensions?.telemetry.tell(.platform, record()) }

    /// The output of an invocation is over: what follows belongs to no line of it.
    public func finishLines() { extensions?.telemetry.finishLines() }

    // MARK: From the worker

    private func take(_ type: FrameType, _ payload: ByteBuffer, extra: UInt16, isLast: Bool) {
        if isLast { saidLast = true }
        if type == .end || type == .error { residentBytes = UInt64(extra) << 20 }
        switch (type, state) {
        case (.ready, .starting) where !saidReady: runtimeIsReady()
        case (.initError, .starting) where !saidReady:
            owner?.environmentInitFailed(self, payload: payload)
        case (.stream, .busy) where !isStreaming && answer == nil && answerType == nil: beginsStream(String(buffer: payload))
        case (.chunk, .busy) where isStreaming: append(payload)
        case (.chunk, .busy):
            // An answer in crumbs would cost the loop more than it costs the worker.
            chunks += 1
            if payload.readableBytes == 0 || chunks > Self.maximumChunks { spoiled() } else { append(payload) }
        case (.end, .busy):
            append(payload)
            answered(isError: false)
        case (.error, .busy):
            passOn()
            answer = payload
            answered(isError: true)
        default:
            // Forged or out of place. Nobody waits for it; the worker has lost its claim to be heard.
            spoiled()
        }
    }

    private func spoiled() {
        channel?.close(promise: nil)
        if state != .ending && state != .ended { killNow() }
    }

    private func append(_ payload: ByteBuffer) {
        if answer == nil { answer = payload } else { answer?.writeImmutableBuffer(payload) }
        // Beyond any limit: what counts is that it is too large. Of a stream this is only what one read brought.
        guard !isStreaming else { return }
        if let size = answer?.readableBytes, size > FrameReader.maximumPayload { answered(isError: false) }
    }

    fileprivate func beginsStream(_ contentType: String) {
        answerType = contentType
        guard mayStream, state == .busy else { return }
        isStreaming = true
        owner?.environmentStreams(self, contentType: contentType)
    }

    /// What one read brought of a streamed answer goes on as one part, so that crumbs cost the reader no more than a loaf.
    private func passOn() {
        guard isStreaming, state == .busy, let part = answer, part.readableBytes > 0 else { return }
        answer = nil
        owner?.environmentStreamed(self, part: part)
    }

    fileprivate func answered(isError: Bool) {
        guard state == .busy else { return }
        isStreaming = false
        state = isAtRest ? .ready : .lingering
        let payload = answer ?? ByteBuffer()
        answer = nil
        owner?.environmentAnswered(self, payload: payload, isError: isError)
    }

    private var isAtRest: Bool { extensions?.isAtRest != false && runtimeAPI?.isRuntimeAtWork != true }

    private func runtimeIsReady() {
        saidReady = true
        extensions?.runtimeIsReady()
        becomeReady()
    }

    private func becomeReady() {
        guard state == .starting, isStarted, saidReady, extensions?.isInitialised ?? true else { return }
        state = .ready
        readyAt = .now()
        cpuAtRest = slot?.cpuNanoseconds() ?? 0
        if !runsInit { peakAtReady = slot.flatMap { $0.peakBytes(earlier: $0.peakBytesSoFar()) } ?? 0 }
        owner?.environmentReady(self)
    }

    private func streamOver(violation: Bool) {
        isStreamOver = true
        if isSupervised, !violation, exit == nil, state != .ending {
            if let runtimeExit { failed(.runtime(runtimeExit)) } else { extensions?.killRuntime() }
        } else if violation || (exit == nil && state != .ending) {
            // A worker that closed its socket can answer nothing any more.
            killNow()
        }
        endIfOver()
    }

    // MARK: From the slot

    func started() {
        isStarted = true
        processAt = .now()
        extensions?.started()
        if killedAt != nil {
            // Init knew no process then.
            killedAt = nil
            killNow()
        }
        becomeReady()
    }

    func failed(_ error: LinuxError) {
        if let slot { sandbox.giveBack(slot) }
        slot = nil
        notMade(error)
    }

    func exited(_ exit: SandboxHandle.Exit) {
        self.exit = exit
        if exit.maxResidentKiB > 0 { residentBytes = exit.maxResidentKiB << 10 }
        runtimeAPI?.close()
        // What it sent before it ended may still be on the way; without a stream nothing is.
        endIfOver()
        guard state != .ended else { return }
        if isPaused { hasUnreadRest = true } else { endSoon() }
    }

    /// A hostile template can hold the other end open.
    private func endSoon() {
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .seconds(1)) {
            let environment = me.value
            if environment.isPaused { environment.hasUnreadRest = true } else { environment.streamOver(violation: false) }
        }
    }

    func listener(_ fd: Int32) {
        guard case .program(let program, _, _) = origin, let extensions else { return _ = Glibc.close(fd) }
        let me = NIOLoopBound(self, eventLoop: loop)
        runtimeAPI = RuntimeAPIServer(
            listener: fd, loop: loop, extensions: extensions, servesRuntime: program.usesRuntimeAPI,
            handlers: .init(
                ready: { me.value.runtimeIsReady() }, atRest: { me.value.comesToRest() },
                initError: { payload in
                    if me.value.state == .starting { me.value.owner?.environmentInitFailed(me.value, payload: payload) }
                },
                streams: { contentType in
                    me.value.beginsStream(contentType)
                    return me.value.isStreaming
                },
                streamed: { part in
                    me.value.answer = part
                    me.value.passOn()
                },
                answered: { payload, isError in
                    me.value.answer = payload
                    me.value.answered(isError: isError)
                },
                misused: { me.value.spoiled() }))
    }

    func called(_ socket: Int32) {
        if let owner { owner.environmentCalls(self, socket: socket) } else { Glibc.close(socket) }
    }

    func sandboxLost() {
        exited(SandboxHandle.Exit(status: SIGKILL, cpuMicroseconds: 0, maxResidentKiB: 0, outOfMemory: false))
        channel?.close(promise: nil)
    }

    private func endIfOver() {
        guard let exit, isStreamOver, state != .ended else { return }
        state = .ended
        endShutdown()
        owner?.environmentEnded(self, exit: runtimeExit ?? exit)
        if let slot { sandbox.giveBack(slot) }
        slot = nil
        closeLog()
        channel?.close(promise: nil)
        letGo()
    }

    /// What holds it in turn.
    private func letGo() {
        runtimeAPI?.close()
        extensions?.close()
        (runtimeAPI, extensions) = (nil, nil)
    }

    private func notMade(_ error: LinuxError) {
        guard state != .ended else { return }
        state = .ended
        channel?.close(promise: nil)
        letGo()
        closeLog()
        owner?.environmentNotMade(self, error: error)
    }

    private func closeLog() {
        for fd in [log, extensionLog] where fd >= 0 { Glibc.close(fd) }
        (log, extensionLog) = (-1, -1)
    }

    // MARK: From the runtime and the extensions

    private func comesToRest() {
        guard state == .lingering, isAtRest else { return }
        state = .ready
        owner?.environmentAtRest(self)
    }

    private func runtimeEnded(_ exit: SandboxHandle.Exit) {
        guard runtimeExit == nil else { return }
        let isKilled = exit.signal == SIGKILL && (isOverMemory || hasReachedMemory)
        runtimeExit = SandboxHandle.Exit(
            status: exit.status, cpuMicroseconds: exit.cpuMicroseconds, maxResidentKiB: exit.maxResidentKiB, outOfMemory: isKilled,
            executionError: exit.executionError)
        // What it sent before is still on the way.
        if isStreamOver, let runtimeExit { return failed(.runtime(runtimeExit)) }
        endSoon()
    }

    /// Who is killed by the kernel for memory is not the first process, of which init would say so.
    private var hasReachedMemory: Bool {
        guard let limit = extensions?.settings.initialization.maximumMemory, let peak = slot?.peakBytes(earlier: 0) else { return false }
        return peak >= UInt64(limit) / 16 * 15
    }

    private func extensionFailed(_ type: String, _ cause: String) {
        if state == .starting {
            var json = JSONText()
            json.object {
                $0.field("errorType", type)
                $0.field("errorMessage", "Error: \(cause)")
            }
            owner?.environmentInitFailed(self, payload: json.buffer)
        } else {
            failed(.extension(type: type, cause: cause))
        }
    }

    private func failed(_ failure: Failure) {
        switch state {
        case .starting, .ready: killNow()
        case .busy, .lingering:
            // What the runtime wrote last and the report come before the end that the extensions are told of.
            owner?.environmentFailed(self, failure: failure)
            end(.failure)
        case .ending, .ended: break
        }
    }
}
