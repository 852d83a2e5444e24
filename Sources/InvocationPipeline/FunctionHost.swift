import FunctionLogs
import FunctionModel
import Metering
import NIOCore
public import WarmPool
import WorkerNode

/// One function revision on this node: its pool's decisions, carried out. Confined to the loop.
final class FunctionHost: EnvironmentOwner {
    let version: FunctionVersion
    unowned let pipeline: InvocationPipeline
    let load: AccountLoad
    /// What of its invocations in flight the account's load has.
    private(set) var countedBusy = 0
    private var busyElsewhere = 0
    /// Permits that the account's load took away.
    private var heeded = 0
    var pool: FunctionPool
    var actions: [PoolAction] = []
    private var isPerforming = false

    var queued: [PendingID: Call] = [:]
    var calls: [UInt64: Call] = [:]
    var environments: [UInt64: Environment] = [:]
    var workerIDs: [UInt64: WorkerID] = [:]
    /// Invocations that were answered and whose extensions are still at work, by environment.
    var lingering: [UInt64: Afterwork] = [:]
    var extensionOutputs: [UInt64: ExtensionOutput] = [:]
    /// As whom each environment calls the server.
    var sessions: [UInt64: FunctionSession] = [:]
    var permits: [UInt64: NodeAdmission.Permit] = [:]
    var templates: [TemplateID: TemplateRun] = [:]
    /// Sandboxes in which environments run init themselves; the last one is in use.
    var programSandbox: SandboxHandle?
    /// Their template is gone, copies of it are not yet.
    var orphaned: [SandboxHandle] = []
    var timer: Scheduled<Void>?
    private var timerAt: UInt64 = .max
    /// The last init error, answered while init backs off.
    var initError: ByteBuffer?
    /// Why environments are not copied, for people.
    var forkRefusal: String?
    var lastFailure: String?
    /// Its code has asked to be an extension within the runtime.
    var registersExtension = false
    private var readyWaiters: [(Result<Void, ServiceError>) -> Void] = []
    /// Workers to be made ahead as soon as no handler needs the processor, at the latest when the timer fires.
    var heldStarts: [(WorkerID, TemplateID?)] = []
    var heldStartTimer: Scheduled<Void>?
    var timeoutTimer: Scheduled<Void>?
    var startTimer: Scheduled<Void>?
    let streamID: LogStreamID
    let logStream: String
    let arn: String
    private(set) lazy var lineageTag = Lineage.tag(of: version.key)
    var isRefusedForRoom = false
    private(set) var lastUsed = NIODeadline.now()

    init(_ version: FunctionVersion, pipeline: InvocationPipeline, limits: PoolLimits, load: AccountLoad) {
        self.version = version
        self.load = load
        self.pipeline = pipeline
        var limits = limits
        limits.isolation = version.configuration.isolation
        let isProvided = version.configuration.runtime == "provided"
        let size = version.configuration.memorySize, bound = pipeline.configuration.nodeMemoryMB
        // A template and one copy of it; else it could start and never serve.
        let fitsTwice = size * 2 <= bound
        let hasExtensions = !version.configuration.layers.extensions.isEmpty
        pool = FunctionPool(
            limits: limits, hasTemplate: !isProvided && !hasExtensions && version.configuration.isolation == .invocation && fitsTwice)
        if !fitsTwice { forkRefusal = "its memory size, \(size) MB, fits only once into the node's \(bound) MB (nodeMemoryMB)" }
        streamID = LogStreamID(milliseconds: pipeline.wallMilliseconds(), version: version.version, revision: version.revision)
        logStream = streamID.name(function: version.configuration.logging.group == nil ? nil : version.key.name)
        arn = version.key.arn
        if isProvided { forkRefusal = "a program on the Runtime API cannot be copied" }
        if hasExtensions { forkRefusal = "its layers bring extensions, which are processes of their own" }
        if version.configuration.isolation == .environment { forkRefusal = "environments are reused (isolation environment)" }
    }

    /// `AWS_LAMBDA_INITIALIZATION_TYPE` of what is initialised now; nil where the runtime knows it.
    var initializationType: String? { pool.limits.provisioned > 0 ? "provisioned-concurrency" : nil }
    /// Its processes go on after the answer.
    var usesExtensions: Bool { registersExtension || !version.configuration.layers.extensions.isEmpty }
    var now: UInt64 { InvocationPipeline.micros(.now()) }
    /// Nothing of it runs and nobody waits; what it knows is worth no memory. Why it could not be copied or started is.
    var isAtRest: Bool {
        guard environments.isEmpty, templates.isEmpty, queued.isEmpty, readyWaiters.isEmpty, orphaned.isEmpty, programSandbox == nil
        else { return false }
        switch pool.state {
        case .drained: return true
        case .registered: return pool.isForkable != false && lastFailure == nil && initError == nil
        case .starting, .ready, .idle, .failed, .draining: return false
        }
    }
    var hasSandboxes: Bool { !environments.isEmpty || !templates.isEmpty || programSandbox != nil }
    var busyCalls: some Collection<Call> { calls.values }
    /// Beside what its template's share holds.
    var holdsWorkerRoom: Bool { !permits.isEmpty }
    /// Somebody waits for it, not only for what is kept ahead.
    var needsRoom: Bool { !queued.isEmpty || !readyWaiters.isEmpty }

    // MARK: Requests

    func take(_ call: Call) {
        if load.isNear || heeded > 0 { heedLoad() }
        let now = self.now
        call.host = self
        let deadline = now + pipeline.queueMicros
        let id = pool.request(deadline: deadline, now: now, into: &actions)
        call.pending = id
        lastUsed = call.invocation.arrived
        queued[id] = call
        perform()
        if !queued.isEmpty { startHeld() }
    }

    func cancel(_ call: Call) {
        if call.isStreaming { return abandon(call) }
        guard let pending = call.pending, queued[pending] === call else { return }
        if pool.cancel(pending, now: now, into: &actions) {
            queued[pending] = nil
            pipeline.finished(call)
        }
        perform()
    }

    /// Brings it to what is provisioned.
    func begin() { update(pool.limits) }

    func prewarm(_ completion: @escaping (Result<Void, ServiceError>) -> Void) {
        // Stopped by a reservation of 0: nothing is started, and nothing is to be waited for.
        guard pool.limits.maxConcurrency > 0 else { return completion(.success(())) }
        readyWaiters.append(completion)
        pool.prewarm(now: now, into: &actions)
        perform()
        tellWaiters()
    }

    func retire() {
        pool.retire(requeueQueued: true, now: now, into: &actions)
        perform()
    }

    func beginDrain() {
        pool.beginDrain(now: now, into: &actions)
        perform()
    }

    func update(_ limits: PoolLimits) {
        var limits = limits
        limits.isolation = version.configuration.isolation
        pool.update(limits: limits, now: now, into: &actions)
        perform()
    }

    /// The function's other revisions have so many invocations in flight.
    func setBusyElsewhere(_ count: Int) {
        busyElsewhere = count
        heedLoad()
    }

    /// Its permits are what the function's other revisions and the account leave.
    func heedLoad() {
        heeded = pool.limits.isReserved ? 0 : load.taken(of: pool.limits.maxConcurrency, inFlight: pool.inFlight)
        pool.setBusyElsewhere(max(busyElsewhere, heeded), now: now, into: &actions)
        perform()
    }

    /// - Returns: by how much the account's load changes.
    func recount() -> Int {
        let busy = pool.limits.isReserved ? 0 : pool.inFlight
        defer { countedBusy = busy }
        return busy - countedBusy
    }

    func roomAvailable() {
        isRefusedForRoom = false
        pool.roomAvailable(now: now, into: &actions)
        perform()
    }

    /// Stops ready workers because other functions need the memory.
    func reclaim(_ count: Int) -> Int {
        let stopped = pool.reclaim(count, now: now, into: &actions)
        perform()
        return stopped
    }

    /// Gives up the template too, if nothing is queued or running.
    func scaleToZeroIfUnused() -> Bool {
        guard hasSandboxes, pool.scaleToZeroIfUnused(now: now, into: &actions) else { return false }
        perform()
        return true
    }

    /// Ends whatever still runs: its calls were answered by the caller.
    func abandon() {
        pool.abandon(now: now, into: &actions)
        perform()
        for environment in environments.values { environment.killNow() }
        for template in templates.values { template.sandbox.destroy() }
        for sandbox in orphaned { sandbox.destroy() }
        programSandbox?.destroy()
    }

    // MARK: Carrying out

    func perform() {
        // Actions may lead to new events at once; those queue behind the rest.
        guard !isPerforming else { return }
        isPerforming = true
        var index = 0
        while index < actions.count {
            let action = actions[index]
            index += 1
            carryOut(action)
        }
        actions.removeAll(keepingCapacity: true)
        isPerforming = false
        releaseProgramSandbox()
        armTimer()
        if isAtRest { pipeline.atRest(self) }
    }

    /// It is forgotten; another takes its place when there are requests again.
    func end() {
        timer?.cancel()
        heldStartTimer?.cancel()
        timeoutTimer?.cancel()
        startTimer?.cancel()
    }

    private func carryOut(_ action: PoolAction) {
        switch action {
        case .startTemplate(let id): startTemplate(id)
        case .stopTemplate(let id): stopTemplate(id)
        case .startWorker(let id, let template):
            if mayWait { hold(id, template) } else { startWorker(id, from: template) }
        case .stopWorker(let id): stopWorker(id)
        case .dispatch(let pending, let worker, let kind): dispatch(pending, to: worker, kind)
        case .fail(let pending, let reason): fail(pending, reason)
        case .requeue(let pending):
            if let call = queued.removeValue(forKey: pending) { pipeline.route(call) }
        case .stateChanged(let state):
            tellWaiters()
            pipeline.stateChanged(self, state)
        }
    }

    private func armTimer() {
        guard let next = pool.nextDeadline, next < timerAt || timer == nil else { return }
        timer?.cancel()
        timerAt = next
        let me = NIOLoopBound(self, eventLoop: pipeline.loop)
        timer = pipeline.loop.scheduleTask(deadline: .uptimeNanoseconds(next &* 1000)) {
            let host = me.value
            host.timer = nil
            host.timerAt = .max
            host.pool.tick(now: host.now, into: &host.actions)
            host.perform()
        }
    }

    private func tellWaiters() {
        guard !readyWaiters.isEmpty else { return }
        let result: Result<Void, ServiceError>
        switch pool.state {
        case .ready, .idle: result = .success(())
        case .failed:
            let text = initError.map { String(buffer: $0) } ?? lastFailure ?? "the sandbox could not be made"
            result = .failure(ServiceError(.invalidParameterValue, "init of \(version.key.name) failed: \(text)"))
        case .draining, .drained: result = .failure(ServiceError(.resourceConflict, "\(version.key.name) was replaced while it started"))
        case .registered, .starting: return
        }
        let waiters = readyWaiters
        readyWaiters = []
        for waiter in waiters { waiter(result) }
    }

    // MARK: The pipeline's tick

    /// Every few milliseconds while anything runs: output of running invocations reaches the log, what lingers after its
    /// answer is killed, and memory beyond the function's size is noticed.
    func tick(_ now: NIODeadline, checkMemory: Bool) {
        for call in calls.values {
            guard let environment = call.environment else { continue }
            environment.readLog { call.log.output($0) }
            writeLog(call)
            readExtensionLog(environment, of: call)
            if checkMemory, now - call.dispatched > .milliseconds(80) { self.checkMemory(of: environment) }
        }
        for (number, afterwork) in lingering {
            guard let environment = environments[number] else { continue }
            readAfterwork(afterwork, environment)
            if checkMemory { self.checkMemory(of: environment) }
        }
        for environment in environments.values where !environment.isWaiting {
            // Who writes more than a pipe holds waits for somebody to read.
            if environment.runsInit, environment.isStarting || environment.isShuttingDown { environment.readLog { writeInitLog($0) } }
            if calls[environment.workerNumber] == nil, lingering[environment.workerNumber] == nil { readExtensionLog(environment) }
            if let since = environment.endingSince, now - since > .milliseconds(20) { environment.killNow() }
            // Killing is init's work; a sandbox whose init is held up is ended by the helper.
            if let since = environment.killedSince, now - since > .seconds(10) { environment.sandbox.destroy() }
        }
        for template in templates.values { writeInitLog(template.sandbox) }
    }

    private func checkMemory(of environment: Environment) {
        let limit = UInt64(version.configuration.memorySize) << 20
        guard let anonymous = environment.slot?.anonymousBytes(), anonymous + environment.inheritedBytes > limit else { return }
        // What a copy has written of what it inherited is in both: then its processes are looked at one by one.
        environment.killLargest(above: anonymous > limit ? 0 : limit)
    }

    /// What only waits for requests needs nobody to look after it.
    var needsTick: Bool {
        !calls.isEmpty || !lingering.isEmpty || templates.values.contains { $0.state == .starting } || environments.values.contains { !$0.isWaiting }
    }

    // MARK: For people

    var description: HostDescription {
        HostDescription(
            state: "\(pool.state)", counts: pool.counts, holdsProvision: pool.holdsProvision, isForkable: pool.isForkable, forkRefusal: forkRefusal, lastFailure: lastFailure,
            initError: pool.state == .failed ? initError.map { String(buffer: $0) } : nil)
    }
}

public struct HostDescription: Sendable {
    public let state: String
    public let counts: PoolCounts
    /// Whether all that is provisioned is there.
    public let holdsProvision: Bool
    /// nil until it was tried.
    public let isForkable: Bool?
    /// Why environments run init themselves.
    public let forkRefusal: String?
    public let lastFailure: String?
    public let initError: String?
}
