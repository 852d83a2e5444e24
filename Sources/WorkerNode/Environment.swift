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
    func environmentAnswered(_ environment: Environment, payload: ByteBuffer, isError: Bool)
    /// It was told to end, or has to be ended: somebody must see to it that it does.
    func environmentEnding(_ environment: Environment)
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
        /// A process of its own that runs init itself.
        case program(EnvironmentProgram, initFrame: ByteBuffer?)
    }

    private enum State {
        /// Waiting for its slot, its process or its init.
        case starting
        case ready
        case busy
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
    private var log: Int32 = -1
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
    /// Set when told to end; the tick kills what has not ended by itself.
    public private(set) var endingSince: NIODeadline?
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

    public var isBusy: Bool { state == .busy }
    /// Not ready yet, and nobody has told it to end.
    public var isStarting: Bool { readyAt == nil && endingSince == nil }
    /// For an invocation.
    public var isWaiting: Bool { state == .ready }
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
        case .program(let program, _) where program.needsListener:
            isStreamOver = true // it has no frame socket
            try sandbox.start(program, in: slot, worker: nil, log: pipe.write, occupant: self)
        case .program(let program, let initFrame):
            let worker = try connect()
            defer { Glibc.close(worker) }
            try sandbox.start(program, in: slot, worker: worker, log: pipe.write, occupant: self)
            if let initFrame { send(.initialize, initFrame) }
        case .copy(let variables):
            let worker = try connect()
            defer { Glibc.close(worker) }
            // There when the copy looks: it does not wait for it.
            if let variables { send(.variables, variables) }
            try sandbox.copyTemplate(into: slot, worker: worker, log: pipe.write, occupant: self)
        }
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
        if let runtimeAPI {
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
        let wasStarting = state == .starting
        state = .ending
        endingSince = now
        owner?.environmentEnding(self)
        channel?.close(promise: nil)
        runtimeAPI?.close()
        if wasStarting || runtimeAPI != nil { killNow() }
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
        // Asked again and again until it is reaped: init may be busy, and its socket holds only so much.
        let now = NIODeadline.now()
        if let killedAt, now - killedAt < .milliseconds(250) { return }
        killedAt = sandbox.kill(slot) ? now : nil
    }

    /// - Parameter limit: bytes of anonymous memory that the process must exceed.
    public func killLargest(above limit: UInt64) {
        if let slot, exit == nil { sandbox.killLargest(slot, above: limit) }
    }

    /// CPU time since it last became free, ns; 0 where the host cannot tell.
    public func takeCPU() -> UInt64 {
        guard let now = slot?.cpuNanoseconds() else { return 0 }
        defer { cpuAtRest = now }
        return now > cpuAtRest ? now - cpuAtRest : 0
    }

    /// CPU time in its slot since it was started; 0 where the host cannot tell.
    public var cpuMicroseconds: UInt64 { (slot?.cpuNanoseconds()).map { $0 > cpuAtStart ? ($0 - cpuAtStart) / 1000 : 0 } ?? 0 }

    /// What the worker has written to stdout and stderr and was not read yet, at most 64 KiB.
    public func readLog(_ take: (UnsafeRawBufferPointer) -> Void) { drain(log, take) }

    // MARK: From the worker

    private func take(_ type: FrameType, _ payload: ByteBuffer, extra: UInt16, isLast: Bool) {
        if isLast { saidLast = true }
        if type == .end || type == .error { residentBytes = UInt64(extra) << 20 }
        switch (type, state) {
        case (.ready, .starting) where !saidReady:
            saidReady = true
            becomeReady()
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
        state = .ready
        let payload = answer ?? ByteBuffer()
        answer = nil
        owner?.environmentAnswered(self, payload: payload, isError: isError)
    }

    private func becomeReady() {
        guard state == .starting, isStarted, saidReady else { return }
        state = .ready
        readyAt = .now()
        cpuAtRest = slot?.cpuNanoseconds() ?? 0
        if !runsInit { peakAtReady = slot.flatMap { $0.peakBytes(earlier: $0.peakBytesSoFar()) } ?? 0 }
        owner?.environmentReady(self)
    }

    private func streamOver(violation: Bool) {
        isStreamOver = true
        if violation || (exit == nil && state != .ending) {
            // A worker that closed its socket can answer nothing any more.
            killNow()
        }
        endIfOver()
    }

    // MARK: From the slot

    func started() {
        isStarted = true
        processAt = .now()
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
        let me = NIOLoopBound(self, eventLoop: loop)
        runtimeAPI = RuntimeAPIServer(
            listener: fd, loop: loop,
            handlers: .init(
                ready: {
                    me.value.saidReady = true
                    me.value.becomeReady()
                },
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
        owner?.environmentEnded(self, exit: exit)
        if let slot { sandbox.giveBack(slot) }
        slot = nil
        closeLog()
        channel?.close(promise: nil)
    }

    private func notMade(_ error: LinuxError) {
        guard state != .ended else { return }
        state = .ended
        channel?.close(promise: nil)
        closeLog()
        owner?.environmentNotMade(self, error: error)
    }

    private func closeLog() {
        if log >= 0 { Glibc.close(log) }
        log = -1
    }
}
