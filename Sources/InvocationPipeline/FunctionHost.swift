import FunctionLogs
import FunctionModel
import Glibc
import LinuxPrimitives
import Metering
import NIOCore
public import WarmPool
import WorkerNode

/// One function revision on this node: its pool's decisions, carried out. Confined to the loop.
final class FunctionHost: EnvironmentOwner {
    private enum TemplateState {
        case starting
        case auditing
        case ready
    }

    private final class TemplateRun {
        let id: TemplateID
        let sandbox: SandboxHandle
        let started: NIODeadline
        var line: TemplateLine?
        var state = TemplateState.starting
        /// It is a spare and has not got its function yet.
        var isSpare = false
        /// When a spare got its function.
        var assignedAt: NIODeadline?
        var readyAt: NIODeadline?
        /// When init could begin.
        var processAt: NIODeadline? { assignedAt ?? line?.processAt }
        var timeout: Scheduled<Void>?
        /// For itself and one copy, so that templates alone can never fill the node.
        var permit: NodeAdmission.Permit?
        /// The copy that lives in the template's own share.
        var includedWorker: UInt64?
        /// Anonymous memory that each copy begins with, bytes.
        var inheritedBytes: UInt64 = 0

        init(id: TemplateID, sandbox: SandboxHandle, started: NIODeadline) {
            self.id = id
            self.sandbox = sandbox
            self.started = started
        }
    }

    let version: FunctionVersion
    private unowned let pipeline: InvocationPipeline
    private(set) var pool: FunctionPool
    private var actions: [PoolAction] = []
    private var isPerforming = false

    private var queued: [PendingID: Call] = [:]
    private var calls: [UInt64: Call] = [:]
    private var environments: [UInt64: Environment] = [:]
    private var workerIDs: [UInt64: WorkerID] = [:]
    private var permits: [UInt64: NodeAdmission.Permit] = [:]
    private var templates: [TemplateID: TemplateRun] = [:]
    /// Sandboxes in which environments run init themselves; the last one is in use.
    private var programSandbox: SandboxHandle?
    /// Their template is gone, copies of it are not yet.
    private var orphaned: [SandboxHandle] = []
    private var timer: Scheduled<Void>?
    private var timerAt: UInt64 = .max
    /// The last init error, answered while init backs off.
    private var initError: ByteBuffer?
    /// Why environments are not copied, for people.
    private(set) var forkRefusal: String?
    private(set) var lastFailure: String?
    private var readyWaiters: [(Result<Void, ServiceError>) -> Void] = []
    /// Workers to be made ahead as soon as no handler needs the processor, at the latest when the timer fires.
    private var heldStarts: [(WorkerID, TemplateID?)] = []
    private var heldStartTimer: Scheduled<Void>?
    private var timeoutTimer: Scheduled<Void>?
    private var startTimer: Scheduled<Void>?
    private let logStream: String
    private let arn: String
    private(set) var isRefusedForRoom = false
    private(set) var lastUsed = NIODeadline.now()

    init(_ version: FunctionVersion, pipeline: InvocationPipeline, limits: PoolLimits) {
        self.version = version
        self.pipeline = pipeline
        var limits = limits
        limits.isolation = version.configuration.isolation
        let isProvided = version.configuration.runtime == "provided"
        let size = version.configuration.memorySize, bound = pipeline.configuration.nodeMemoryMB
        // A template and one copy of it; else it could start and never serve.
        let fitsTwice = size * 2 <= bound
        pool = FunctionPool(limits: limits, hasTemplate: !isProvided && version.configuration.isolation == .invocation && fitsTwice)
        if !fitsTwice { forkRefusal = "its memory size, \(size) MB, fits only once into the node's \(bound) MB (nodeMemoryMB)" }
        logStream = "[\(version.version)]\(version.revision)"
        arn = version.key.arn
        if isProvided { forkRefusal = "a program on the Runtime API cannot be copied" }
        if version.configuration.isolation == .environment { forkRefusal = "environments are reused (isolation environment)" }
    }

    private var now: UInt64 { InvocationPipeline.micros(.now()) }
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
        guard let pending = call.pending, queued[pending] === call else { return }
        if pool.cancel(pending, now: now, into: &actions) {
            queued[pending] = nil
            pipeline.finished(call)
        }
        perform()
    }

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

    func setBusyElsewhere(_ count: Int) {
        pool.setBusyElsewhere(count, now: now, into: &actions)
        perform()
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

    private func perform() {
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

    // MARK: Workers made ahead

    /// A handler that answers within this time is not disturbed by the copy that replaces its worker.
    private static let startHold = TimeAmount.milliseconds(2)

    /// Copying takes about as long as a short handler runs, and both want the same processors; so does everything that
    /// the answer passes through. Nobody waits for a worker while another is ready.
    private var mayWait: Bool { !calls.isEmpty && queued.isEmpty && pool.counts.ready > 0 }

    private func hold(_ id: WorkerID, _ template: TemplateID?) {
        heldStarts.append((id, template))
        guard heldStartTimer == nil else { return }
        let me = NIOLoopBound(self, eventLoop: pipeline.loop)
        heldStartTimer = pipeline.loop.scheduleTask(in: Self.startHold) {
            me.value.heldStartTimer = nil
            me.value.startHeld()
        }
    }

    private func startHeld() {
        guard !heldStarts.isEmpty else { return }
        heldStartTimer?.cancel()
        heldStartTimer = nil
        let held = heldStarts
        heldStarts = []
        for (id, template) in held { startWorker(id, from: template) }
        perform()
    }

    private func stopWorker(_ id: WorkerID) {
        if let index = heldStarts.firstIndex(where: { $0.0 == id }) {
            heldStarts.remove(at: index)
            pool.workerFailed(id, .sandbox, now: now, into: &actions)
        } else {
            environments[id.value]?.finish(now: .now())
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

    // MARK: Templates

    private func startTemplate(_ id: TemplateID) {
        guard let permit = pipeline.admit(self, 2) else {
            isRefusedForRoom = true
            pool.templateFailed(id, .noRoom, now: now, into: &actions)
            return
        }
        let spare = pipeline.spares.take(for: version)
        pipeline.spares.noteUse(of: version.configuration.runtime)
        startTemplate(id, permit, spare: spare, started: .now())
    }

    private func startTemplate(_ id: TemplateID, _ permit: NodeAdmission.Permit, spare: SpareTemplates.Spare?, started: NIODeadline) {
        do {
            let offer = pipeline.node.offer(runtime: version.configuration.runtime)
            guard let offer else { throw LinuxError("starting \(version.configuration.runtime): not offered by this host", ENOENT) }
            let sandbox = try spare?.sandbox ?? pipeline.node.makeSandbox(for: version)
            let run = TemplateRun(id: id, sandbox: sandbox, started: started)
            run.permit = permit
            templates[id] = run
            let me = NIOLoopBound((self, run), eventLoop: pipeline.loop)
            sandbox.whenGone = { failure in me.value.0.sandboxGone(me.value.1, failure) }
            let line = try spare?.line ?? TemplateLine(
                sandbox: sandbox, program: .bootstrap(offer, mode: .template, memorySize: version.configuration.memorySize), loop: pipeline.loop)
            run.line = line
            line.whenLost = { exit in me.value.0.templateEnded(me.value.1, exit) }
            if spare == nil {
                initialise(run)
            } else {
                run.isSpare = true
                try sandbox.assign(version) { error in me.value.0.assigned(me.value.1, error) }
            }
            run.timeout = pipeline.loop.scheduleTask(in: .seconds(Int64(pipeline.configuration.initSeconds))) {
                let (host, run) = me.value
                guard run.state != .ready else { return }
                host.templateFailed(run, run.state == .starting ? .initError : .sandbox, payload: host.initTimedOut())
            }
        } catch {
            pipeline.release(permit)
            if let run = templates.removeValue(forKey: id) { run.sandbox.destroy() }
            lastFailure = "\(error)"
            pipeline.report("a sandbox could not be made", version, "\(error)")
            pool.templateFailed(id, .sandbox, now: now, into: &actions)
        }
    }

    private func initialise(_ run: TemplateRun) {
        let me = NIOLoopBound((self, run), eventLoop: pipeline.loop)
        run.line?.initialise(initFrame()) { result in me.value.0.templateAnswered(me.value.1, result) }
        run.sandbox.prepareSlot()
    }

    /// The function is in the spare, or a sandbox of its own is made for it.
    private func assigned(_ run: TemplateRun, _ error: LinuxError?) {
        guard templates[run.id] === run else { return }
        guard let error else {
            run.isSpare = false
            run.assignedAt = .now()
            return initialise(run)
        }
        templates[run.id] = nil
        run.timeout?.cancel()
        run.line?.close()
        run.sandbox.whenGone = nil
        run.sandbox.destroy()
        // Other errors concern this function or this sandbox alone.
        if error.number == ENOSYS || error.number == EPERM {
            pipeline.spares.disable()
            pipeline.report("a spare sandbox could not be given its function; none are made any more", version, "\(error)")
        }
        guard let permit = run.permit else { return }
        startTemplate(run.id, permit, spare: nil, started: run.started)
    }

    private func initFrame() -> ByteBuffer {
        let configuration = version.configuration
        var json = JSONText()
        json.object {
            $0.field("functionName", version.key.name)
            $0.field("functionVersion", version.version)
            $0.field("functionArn", version.arn)
            $0.field("handler", configuration.handler)
            $0.field("memorySize", configuration.memorySize)
            $0.field("timeout", configuration.timeout)
            $0.field("region", version.key.region)
            $0.field("account", version.key.account)
            $0.field("logGroup", "/aws/lambda/\(version.key.name)")
            $0.field("logStream", logStream)
            $0.field("taskRoot", "/var/task")
            $0.field("initTimeoutMs", pipeline.configuration.initSeconds * 1000)
            $0.key("environment")
            $0.object { object in
                for (name, value) in configuration.environment.sorted(by: { $0.key < $1.key }) { object.field(name, value) }
            }
        }
        return json.buffer
    }

    private func templateAnswered(_ run: TemplateRun, _ result: TemplateLine.Answer) {
        guard templates[run.id] === run, run.state == .starting else { return }
        writeInitLog(run.sandbox)
        switch result {
        case .ready:
            run.state = .auditing
            run.readyAt = .now()
            do {
                let me = NIOLoopBound((self, run), eventLoop: pipeline.loop)
                try run.sandbox.audit(copiesAreWhole: version.configuration.runtime.hasPrefix("nodejs")) { audit in me.value.0.templateAudited(me.value.1, audit) }
            } catch {
                templateFailed(run, .sandbox, payload: nil)
            }
        case .initError(let payload): templateFailed(run, .initError, payload: payload)
        // The process is older than the function's stay in it: it is not the function's fault before a new one says so.
        case .ended(let exit) where run.assignedAt != nil && exit.signal == SIGKILL: assigned(run, LinuxError("the spare was killed", ECHILD))
        case .ended(let exit): templateFailed(run, .initError, payload: exitPayload(requestID: nil, exit))
        }
    }

    private func templateAudited(_ run: TemplateRun, _ audit: SandboxHandle.Audit) {
        guard templates[run.id] === run, run.state == .auditing else { return }
        run.timeout?.cancel()
        run.timeout = nil
        guard audit.anonymousBytes <= UInt64(version.configuration.memorySize) << 20 else {
            let exit = SandboxHandle.Exit(status: SIGKILL, cpuMicroseconds: 0, maxResidentKiB: 0, outOfMemory: true)
            return templateFailed(run, .initError, payload: exitPayload(requestID: nil, exit))
        }
        guard !audit.isInconclusive else { return templateFailed(run, .sandbox, payload: nil) }
        run.state = .ready
        run.inheritedBytes = audit.anonymousBytes
        initError = nil
        lastFailure = nil
        forkRefusal = audit.isForkable ? nil : audit.findings
        recordInit(started: run.started, ended: run.readyAt ?? .now(), outcome: .success, cpuMicroseconds: audit.cpuMicroseconds)
        pool.templateReady(run.id, forkable: audit.isForkable, now: now, into: &actions)
        perform()
    }

    private func templateFailed(_ run: TemplateRun, _ failure: StartFailure, payload: ByteBuffer?) {
        guard templates.removeValue(forKey: run.id) != nil else { return }
        run.timeout?.cancel()
        writeInitLog(run.sandbox)
        run.line?.close()
        run.sandbox.whenGone = nil
        guard failure == .initError else { return templateDiscarded(run, failure) }
        initError = payload
        if let payload { pipeline.writeLog(version.key, nil, "INIT_REPORT Status: error\t\(String(buffer: payload))\n") }
        measureInit(run.sandbox) { [self, ended = NIODeadline.now()] cpu in
            recordInit(started: run.started, ended: ended, outcome: .initError, cpuMicroseconds: cpu)
            templateDiscarded(run, failure)
        }
    }

    private func templateDiscarded(_ run: TemplateRun, _ failure: StartFailure) {
        run.sandbox.destroy()
        if let permit = run.permit { pipeline.release(permit) }
        run.permit = nil
        pool.templateFailed(run.id, failure, now: now, into: &actions)
        perform()
    }

    /// CPU time that a template took, also one that has ended. 0 if its sandbox does not tell in time.
    private func measureInit(_ sandbox: SandboxHandle, _ completion: @escaping (UInt64) -> Void) {
        var once: ((UInt64) -> Void)? = completion
        func complete(_ cpu: UInt64) {
            let completion = once
            once = nil
            completion?(cpu)
        }
        let finish = NIOLoopBound(complete, eventLoop: pipeline.loop)
        do {
            try sandbox.audit(measureOnly: true) { finish.value($0.cpuMicroseconds) }
            pipeline.loop.scheduleTask(in: .milliseconds(50)) { finish.value(0) }
        } catch { complete(0) }
    }

    private func stopTemplate(_ id: TemplateID) {
        guard let run = templates.removeValue(forKey: id) else { return }
        run.timeout?.cancel()
        run.line?.close()
        if let permit = run.permit { pipeline.release(permit) }
        run.permit = nil
        if run.state == .ready, pool.isForkable == false, programSandbox == nil {
            // Its sandbox serves for the environments that run init themselves.
            run.sandbox.killTemplate()
            adopt(run.sandbox)
        } else {
            // What is not reaped yet is reported with the sandbox's end.
            run.sandbox.whenGone = nil
            run.sandbox.destroy()
        }
    }

    private func sandboxGone(_ run: TemplateRun, _ failure: String?) {
        guard templates[run.id] === run else { return }
        if run.state == .ready {
            templates[run.id] = nil
            run.line?.close()
            if let permit = run.permit { pipeline.release(permit) }
            pool.templateLost(run.id, now: now, into: &actions)
            perform()
        } else {
            if let failure {
                lastFailure = failure
                pipeline.report("a sandbox could not be made", version, failure)
            }
            templateFailed(run, .sandbox, payload: nil)
        }
    }

    /// It ended by itself after its init: killed for memory, or by what it left running. Its copies go on.
    private func templateEnded(_ run: TemplateRun, _ exit: SandboxHandle.Exit) {
        guard templates[run.id] === run else { return }
        guard !run.isSpare else { return assigned(run, LinuxError("the spare ended", ECHILD)) }
        writeInitLog(run.sandbox)
        guard run.state == .ready else { return templateFailed(run, .initError, payload: exitPayload(requestID: nil, exit)) }
        templates[run.id] = nil
        run.line?.close()
        if let permit = run.permit { pipeline.release(permit) }
        run.sandbox.whenGone = nil
        lastFailure = "the template ended by itself: \(exit.outOfMemory ? "out of memory" : exit.cause)"
        pipeline.report("a template ended by itself", version, exit.outOfMemory ? "out of memory" : exit.cause)
        orphaned.append(run.sandbox)
        destroyOrphaned()
        pool.templateLost(run.id, now: now, into: &actions)
        perform()
    }

    private func destroyOrphaned() {
        orphaned.removeAll { sandbox in
            guard !environments.values.contains(where: { $0.sandbox === sandbox }) else { return false }
            sandbox.destroy()
            return true
        }
    }

    // MARK: Workers

    private func adopt(_ sandbox: SandboxHandle) {
        programSandbox = sandbox
        let me = NIOLoopBound((self, sandbox), eventLoop: pipeline.loop)
        sandbox.whenGone = { failure in
            let (host, sandbox) = me.value
            if host.programSandbox === sandbox { host.programSandbox = nil }
            if let failure {
                host.lastFailure = failure
                host.pipeline.report("a sandbox could not be made", host.version, failure)
            }
        }
    }

    /// However the last environment ended.
    private func releaseProgramSandbox() {
        guard programSandbox != nil, environments.isEmpty, pool.state == .registered || pool.state == .drained else { return }
        programSandbox?.destroy()
        programSandbox = nil
    }

    private func startWorker(_ id: WorkerID, from template: TemplateID?) {
        let size = version.configuration.memorySize, bound = pipeline.configuration.nodeMemoryMB
        guard size <= bound else {
            lastFailure = "its memory size, \(size) MB, is more than the node's \(bound) MB (nodeMemoryMB)"
            pool.workerFailed(id, .sandbox, now: now, into: &actions)
            return
        }
        let including = template.flatMap { templates[$0] }.flatMap { $0.includedWorker == nil ? $0 : nil }
        including?.includedWorker = id.value
        let permit = including == nil ? pipeline.admit(self, 1) : nil
        guard permit != nil || including != nil else {
            isRefusedForRoom = true
            pool.workerFailed(id, .noRoom, now: now, into: &actions)
            return
        }
        do {
            let sandbox: SandboxHandle
            let origin: Environment.Origin
            var inherited: UInt64 = 0
            if let template {
                guard let run = templates[template] else { throw LinuxError("copying a template that has ended", ECHILD) }
                sandbox = run.sandbox
                origin = .copy
                inherited = run.inheritedBytes
            } else {
                if programSandbox == nil { adopt(try pipeline.node.makeSandbox(for: version)) }
                guard let shared = programSandbox else { throw LinuxError("making a sandbox", ECHILD) }
                sandbox = shared
                origin = try program()
            }
            let environment = Environment(in: sandbox, origin: origin, owner: self, loop: pipeline.loop, now: .now())
            environment.workerNumber = id.value
            environment.inheritedBytes = inherited
            environments[id.value] = environment
            workerIDs[id.value] = id
            permits[id.value] = permit
            environment.start()
            watchStarts()
        } catch {
            including?.includedWorker = nil
            permits[id.value] = nil
            if let permit { pipeline.release(permit) }
            lastFailure = "\(error)"
            pipeline.report("a worker could not be started", version, "\(error)")
            pool.workerFailed(id, .sandbox, now: now, into: &actions)
        }
    }

    private func program() throws -> Environment.Origin {
        let configuration = version.configuration
        if configuration.runtime != "provided" {
            guard let offer = pipeline.node.offer(runtime: configuration.runtime) else {
                throw LinuxError("starting \(configuration.runtime): not offered by this host", ENOENT)
            }
            let mode: EnvironmentProgram.Mode = configuration.isolation == .environment ? .environment : .once
            return .program(.bootstrap(offer, mode: mode, memorySize: configuration.memorySize), initFrame: initFrame())
        }
        return .program(.provided(version, logStream: logStream), initFrame: nil)
    }

    func environmentReady(_ environment: Environment) {
        guard let id = workerIDs[environment.workerNumber] else { return }
        if environment.runsInit {
            initError = nil
            lastFailure = nil
            recordInit(
                started: environment.startedAt, ended: environment.readyAt ?? .now(), outcome: .success,
                cpuMicroseconds: environment.cpuMicroseconds)
            environment.readLog { pipeline.writeLog(version.key, nil, $0) }
        }
        pool.workerReady(id, now: now, into: &actions)
        perform()
    }

    func environmentEnding(_ environment: Environment) { pipeline.startTicking() }

    func environmentInitFailed(_ environment: Environment, payload: ByteBuffer) {
        guard let id = workerIDs[environment.workerNumber], environment.readyAt == nil else { return }
        initError = payload
        environment.readLog { pipeline.writeLog(version.key, nil, $0) }
        pipeline.writeLog(version.key, nil, "INIT_REPORT Status: error\t\(String(buffer: payload))\n")
        recordInit(started: environment.startedAt, ended: .now(), outcome: .initError, cpuMicroseconds: environment.cpuMicroseconds)
        pool.workerFailed(id, .initError, now: now, into: &actions)
        environment.finish(now: .now())
        environment.killNow()
        perform()
    }

    func environmentNotMade(_ environment: Environment, error: LinuxError) {
        guard let id = forget(environment) else { return }
        lastFailure = "\(error)"
        if error.number != ECANCELED { pipeline.report("a worker could not be started", version, "\(error)") }
        pool.workerFailed(id, .sandbox, now: now, into: &actions)
        pool.workerGone(id, now: now, into: &actions)
        perform()
    }

    func environmentAnswered(_ environment: Environment, payload: ByteBuffer, isError: Bool) {
        guard let call = calls[environment.workerNumber], let id = workerIDs[environment.workerNumber] else { return }
        var payload = payload
        var outcome = isError ? Outcome.functionError : .success
        if payload.readableBytes > InvocationPipeline.maximumAnswer {
            outcome = .invalidResponse
            payload = ErrorPayload.make(
                type: "Function.ResponseSizeTooLarge",
                message: "Response payload size exceeded maximum allowed payload size (\(InvocationPipeline.maximumAnswer) bytes).")
        }
        calls[environment.workerNumber] = nil
        settle(call, environment, outcome: outcome, payload: payload)
        pool.workerFinished(id, reusable: outcome != .invalidResponse && !environment.saidLast, now: now, into: &actions)
        pipeline.busyChanged(version.key)
        perform()
        startHeld()
    }

    func environmentEnded(_ environment: Environment, exit: SandboxHandle.Exit) {
        let wasStarting = environment.readyAt == nil
        if wasStarting && environment.runsInit, let id = workerIDs[environment.workerNumber], environment.endingSince == nil, !pipeline.node.isLost {
            // Its program ended before it was ready: the function's own init failed.
            environment.readLog { pipeline.writeLog(version.key, nil, $0) }
            initError = exitPayload(requestID: nil, exit)
            recordInit(
                started: environment.startedAt, ended: .now(), outcome: .initError,
                cpuMicroseconds: max(environment.cpuMicroseconds, exit.cpuMicroseconds))
            pool.workerFailed(id, .initError, now: now, into: &actions)
        } else if wasStarting {
            environment.readLog { pipeline.writeLog(version.key, nil, $0) }
        }
        let call = calls.removeValue(forKey: environment.workerNumber)
        if let call { ended(call, environment, exit) }
        guard let id = forget(environment) else { return }
        pool.workerGone(id, now: now, into: &actions)
        if call != nil { pipeline.busyChanged(version.key) }
        perform()
    }

    private func forget(_ environment: Environment) -> WorkerID? {
        environments[environment.workerNumber] = nil
        if let permit = permits.removeValue(forKey: environment.workerNumber) { pipeline.release(permit) }
        for template in templates.values where template.includedWorker == environment.workerNumber { template.includedWorker = nil }
        pipeline.workerGone()
        if !orphaned.isEmpty { destroyOrphaned() }
        return workerIDs.removeValue(forKey: environment.workerNumber)
    }

    /// One timer for all that start, which all have the same time, as for calls. A timer for each would keep it in memory
    /// long after its end.
    private func watchStarts() {
        guard startTimer == nil, let oldest = environments.values.lazy.filter(\.isStarting).map(\.startedAt).min() else { return }
        let limit = TimeAmount.seconds(Int64(pipeline.configuration.initSeconds))
        let me = NIOLoopBound(self, eventLoop: pipeline.loop)
        startTimer = pipeline.loop.scheduleTask(deadline: oldest + limit) {
            let host = me.value
            host.startTimer = nil
            let begun = NIODeadline.now() - limit
            for environment in host.environments.values.filter({ $0.isStarting && $0.startedAt <= begun }) { host.startedTooLong(environment) }
            host.watchStarts()
        }
    }

    private func startedTooLong(_ environment: Environment) {
        if environment.runsInit { return environmentInitFailed(environment, payload: initTimedOut()) }
        // A template that does not make the copies it is asked for is of no use.
        pipeline.report("a sandbox does not make the copies it is asked for and is ended", version, "")
        environment.sandbox.destroy()
    }

    // MARK: Invocations

    private func dispatch(_ pending: PendingID, to worker: WorkerID, _ kind: StartKind) {
        guard let call = queued.removeValue(forKey: pending) else { return }
        guard let environment = environments[worker.value] else {
            return call.answer(.failure(ServiceError(.internalFailure, "the worker chosen for \(version.key.name) has gone; send again")))
        }
        do {
            try pipeline.usage.prepare()
            // What outlives its request is on the bill from its beginning, so that a crash cannot lose it.
            if call.invocation.trigger.isEvent { try pipeline.usage.write(start(of: call)) }
        } catch {
            pipeline.report("usage cannot be recorded", version, "\(error)")
            call.answer(.failure(ServiceError(.unavailable, "usage of \(version.key.name) cannot be recorded: \(error); free space in the data directory")))
            pipeline.finished(call)
            pool.workerFinished(worker, reusable: false, now: now, into: &actions)
            return
        }
        calls[worker.value] = call
        call.pending = nil
        call.environment = environment
        call.startKind = kind
        call.dispatched = .now()
        call.invocation.watch?.dispatched = call.dispatched
        call.peakAtDispatch = environment.slot?.peakBytesSoFar() ?? 0
        let seconds = version.configuration.timeout
        let deadline = pipeline.wallMilliseconds() + Int64(seconds) * 1000
        call.log.platform(PlatformLog.start(requestID: call.invocation.requestID, version: version.version))
        call.deadline = call.dispatched + .seconds(Int64(seconds))
        armTimeout()
        pipeline.busyChanged(version.key)
        environment.invoke(
            InvocationHead(
                requestID: call.invocation.requestID, arrivedMilliseconds: call.invocation.arrivedMilliseconds, deadlineMilliseconds: deadline,
                arn: call.invocation.qualifier.map { "\(arn):\($0)" } ?? arn, clientContext: call.invocation.clientContext),
            event: call.invocation.event)
    }

    private func start(of call: Call) -> UsageStart {
        UsageStart(
            requestID: call.invocation.requestID, attempt: call.invocation.attempt, key: version.key, version: version.version,
            revision: version.revision, trigger: call.invocation.trigger, startMilliseconds: call.invocation.arrivedMilliseconds,
            memorySize: UInt32(version.configuration.memorySize))
    }

    private func fail(_ pending: PendingID, _ reason: PoolRefusal) {
        guard let call = queued.removeValue(forKey: pending) else { return }
        let name = version.key.name
        switch reason {
        case .initFailed:
            let payload = initError ?? ErrorPayload.make(type: "Runtime.Unknown", message: "init failed")
            settle(call, nil, outcome: .initError, payload: payload)
            return
        case .throttledFunction:
            call.answer(.failure(ServiceError(.tooManyRequestsFunction, "Rate Exceeded: \(name) has all of its \(pool.limits.maxConcurrency) reserved concurrent executions in use", retryAfter: 1)))
        case .queueFull:
            call.answer(.failure(ServiceError(.tooManyRequests, "Rate Exceeded: the queue of \(name) holds \(pool.limits.maxQueue) requests already", retryAfter: 1)))
        case .deadline:
            call.answer(.failure(ServiceError(.tooManyRequests, "Rate Exceeded: no worker of \(name) became free within \(Int(pipeline.configuration.queueSeconds)) s", retryAfter: 1)))
        case .unavailable:
            call.answer(.failure(ServiceError(.unavailable, "\(name) cannot be started: \(lastFailure ?? "no sandbox could be made")", retryAfter: 1)))
        case .draining:
            call.answer(.failure(ServiceError(.unavailable, "the server is shutting down; send the request again", retryAfter: 1)))
        }
        pipeline.refused(call, reason)
    }

    /// One timer for all calls, which all have the same time: it is armed for the first of them and looks at the rest when
    /// it fires. A timer for each would be set and taken back with each request.
    private func armTimeout() {
        guard timeoutTimer == nil, let next = calls.values.map(\.deadline).min() else { return }
        let me = NIOLoopBound(self, eventLoop: pipeline.loop)
        timeoutTimer = pipeline.loop.scheduleTask(deadline: next) {
            let host = me.value
            host.timeoutTimer = nil
            let now = NIODeadline.now()
            for call in host.calls.values.filter({ $0.deadline <= now }) { host.timedOut(call) }
            host.armTimeout()
        }
    }

    private func timedOut(_ call: Call) {
        guard let environment = call.environment, calls[environment.workerNumber] === call else { return }
        call.isTimedOut = true
        calls[environment.workerNumber] = nil
        environment.killNow()
        ended(call, environment, SandboxHandle.Exit(status: SIGKILL, cpuMicroseconds: 0, maxResidentKiB: 0, outOfMemory: false))
        // Its end is reported when it is reaped; the permit stays taken until then.
        perform()
    }

    /// The environment is gone and its answer never came.
    private func ended(_ call: Call, _ environment: Environment, _ exit: SandboxHandle.Exit) {
        let id = call.invocation.requestID
        if pipeline.node.isLost {
            interrupted(call, environment)
        } else if call.isTimedOut {
            settle(
                call, environment, outcome: .timeout,
                payload: ErrorPayload.make(
                    type: "Sandbox.Timedout", message: PlatformLog.timedOut(requestID: id, timeoutSeconds: version.configuration.timeout)),
                platformLine: PlatformLog.timedOut(requestID: id, timeoutSeconds: version.configuration.timeout))
        } else if exit.outOfMemory {
            settle(
                call, environment, outcome: .outOfMemory,
                payload: ErrorPayload.make(type: "Runtime.OutOfMemory", message: "RequestId: \(id) Error: Runtime exited with error: signal: killed"),
                platformLine: PlatformLog.exited(
                    requestID: id, cause: "signal: killed (out of memory: more than the \(version.configuration.memorySize) MB configured)",
                    errorType: "Runtime.OutOfMemory"))
        } else {
            let cause = exit.status == 0 ? "exit status 0" : exit.cause
            let message = exit.status == 0 ? "Runtime exited without providing a reason" : "Runtime exited with error: \(cause)"
            settle(
                call, environment, outcome: .crash,
                payload: ErrorPayload.make(type: "Runtime.ExitError", message: "RequestId: \(id) Error: \(message)"),
                platformLine: PlatformLog.exited(requestID: id, cause: cause))
        }
    }

    /// The platform ends the invocation: drain limit or a lost helper.
    func interrupted(_ call: Call, _ environment: Environment?) {
        let record = finishRecord(call, environment, outcome: .interrupted, bytesOut: 0)
        try? pipeline.usage.write(record)
        call.answer(.failure(ServiceError(.unavailable, "the invocation of \(version.key.name) was interrupted: the server or its sandbox helper ends; send it again", retryAfter: 1)))
        pipeline.finished(call, record)
    }

    func interruptAll() {
        for (number, call) in calls {
            interrupted(call, environments[number])
            environments[number]?.killNow()
        }
        calls = [:]
        for call in queued.values {
            call.answer(.failure(ServiceError(.unavailable, "the server is shutting down; send the request again", retryAfter: 1)))
            pipeline.finished(call)
        }
        queued = [:]
    }

    /// Log, record, answer, in this order: what the client knows of is on the disk.
    private func settle(_ call: Call, _ environment: Environment?, outcome: Outcome, payload: ByteBuffer, platformLine: String? = nil) {
        if let environment { environment.readLog { call.log.output($0) } }
        call.log.finish()
        let record = finishRecord(call, environment, outcome: outcome, bytesOut: payload.readableBytes)
        if call.environment == nil { call.log.platform(PlatformLog.start(requestID: call.invocation.requestID, version: version.version)) }
        if let platformLine { call.log.platform(platformLine) }
        call.log.platform(PlatformLog.end(requestID: call.invocation.requestID))
        call.log.platform(PlatformLog.report(record))
        writeLog(call)
        do { try pipeline.usage.write(record) } catch {
            pipeline.report("usage cannot be recorded", version, "\(error)")
            call.answer(.failure(ServiceError(.internalFailure, "the invocation of \(version.key.name) ran, but its usage could not be recorded: \(error)")))
            pipeline.finished(call)
            return
        }
        let tail = call.invocation.wantsLogTail ? ByteBuffer(bytes: call.log.tail) : nil
        call.answer(
            .success(
                InvocationResult(
                    requestID: call.invocation.requestID, executedVersion: version.version, outcome: outcome, payload: payload, logTail: tail)))
        pipeline.finished(call, record)
    }

    func writeLog(_ call: Call) {
        call.log.flush { bytes in pipeline.writeLog(version.key, call.invocation.requestID, bytes) }
    }

    private func finishRecord(_ call: Call, _ environment: Environment?, outcome: Outcome, bytesOut: Int) -> UsageRecord {
        let now = NIODeadline.now()
        let arrived = call.invocation.arrived
        let wasDispatched = call.environment != nil
        let dispatched = wasDispatched ? call.dispatched : now
        let handler = wasDispatched ? now - dispatched : .nanoseconds(0)
        var sandbox: Int64 = 0
        var initialization: Int64 = 0
        // What of its waiting fell into which phase.
        func overlap(_ from: NIODeadline?, _ to: NIODeadline?) -> Int64 {
            guard let from, let to else { return 0 }
            return max(0, (min(to, dispatched) - max(from, arrived)).nanoseconds)
        }
        if let environment, call.startKind != .ready {
            if environment.runsInit {
                sandbox = overlap(environment.startedAt, environment.processAt)
                initialization = overlap(environment.processAt, environment.readyAt)
            } else {
                sandbox = overlap(environment.startedAt, environment.readyAt)
                if call.startKind == .cold, let run = templates.values.first(where: { $0.sandbox === environment.sandbox }) {
                    sandbox += overlap(run.started, run.processAt)
                    initialization = overlap(run.processAt ?? run.started, run.readyAt)
                }
            }
        }
        let queue = max(0, (dispatched - arrived).nanoseconds - sandbox - initialization)
        let cpu = environment?.takeCPU() ?? 0
        func micros(_ nanoseconds: Int64) -> UInt32 { UInt32(clamping: nanoseconds / 1000) }
        let handlerMicros = micros(handler.nanoseconds)
        let billed = wasDispatched ? max(1, (UInt64(max(0, handler.nanoseconds)) + 999_999) / 1_000_000) : 0
        return UsageRecord(
            requestID: call.invocation.requestID, attempt: call.invocation.attempt, key: version.key, version: version.version, revision: version.revision,
            trigger: call.invocation.trigger, startKind: call.startKind, outcome: outcome,
            startMilliseconds: call.invocation.arrivedMilliseconds, queueMicroseconds: micros(queue), sandboxMicroseconds: micros(sandbox),
            initMicroseconds: micros(initialization), handlerMicroseconds: handlerMicros,
            totalMicroseconds: micros((now - arrived).nanoseconds), billedMilliseconds: UInt32(clamping: billed),
            memorySize: UInt32(version.configuration.memorySize), peakMemoryKiB: UInt32(clamping: peakBytes(environment, earlier: call.peakAtDispatch) / 1024),
            cpuMicroseconds: cpu / 1000, bytesIn: UInt32(clamping: call.invocation.event.readableBytes), bytesOut: UInt32(clamping: bytesOut),
            ageMilliseconds: call.invocation.ageMilliseconds)
    }

    /// Most memory the invocation held at a time. Files in /tmp are in it, but do not take it beyond the memory size: only
    /// memory that counts against that size ends a function.
    private func peakBytes(_ environment: Environment?, earlier: UInt64) -> UInt64 {
        guard let environment else { return 0 }
        let size = UInt64(version.configuration.memorySize) << 20
        // Without cgroups there is only what the process says.
        guard let peak = environment.slot?.peakBytes(earlier: earlier) else { return min(environment.residentBytes, size) }
        var held = peak
        if !environment.runsInit {
            // A copy is charged for what it writes alone. What it was charged for until it was ready repeats inherited
            // memory; how much of the rest does, the process itself knows best.
            held = environment.inheritedBytes + (peak > environment.peakAtReady ? peak - environment.peakAtReady : 0)
            if environment.residentBytes > 0 { held = min(held, max(peak, environment.residentBytes)) }
        }
        return min(held, size)
    }

    /// Init is billed as its own record, also when it failed.
    private func recordInit(started: NIODeadline, ended: NIODeadline, outcome: Outcome, cpuMicroseconds: UInt64) {
        let nanoseconds = max(0, (ended - started).nanoseconds)
        let micros = UInt32(clamping: nanoseconds / 1000)
        let record = UsageRecord(
            requestID: .random(), key: version.key, version: version.version, revision: version.revision, trigger: .initialization,
            startKind: .cold, outcome: outcome, startMilliseconds: pipeline.wallMilliseconds() - nanoseconds / 1_000_000,
            initMicroseconds: micros, totalMicroseconds: micros,
            billedMilliseconds: UInt32(clamping: max(1, (nanoseconds + 999_999) / 1_000_000)), memorySize: UInt32(version.configuration.memorySize),
            cpuMicroseconds: cpuMicroseconds)
        do {
            try pipeline.usage.write(record)
            pipeline.initialised(record)
        } catch { pipeline.report("usage of an init cannot be recorded", version, "\(error)") }
    }

    private func writeInitLog(_ sandbox: SandboxHandle) {
        sandbox.readLog { pipeline.writeLog(version.key, nil, $0) }
    }

    private func initTimedOut() -> ByteBuffer {
        ErrorPayload.make(type: "Sandbox.Timedout", message: "Error: Task timed out after \(pipeline.configuration.initSeconds).00 seconds in the init phase")
    }

    private func exitPayload(requestID: RequestID?, _ exit: SandboxHandle.Exit) -> ByteBuffer {
        let prefix = requestID.map { "RequestId: \($0) " } ?? ""
        if exit.executionError != 0 {
            let program = version.configuration.runtime == "provided" ? "/var/task/bootstrap" : version.configuration.runtime
            let reason = String(cString: strerror(exit.executionError))
            return ErrorPayload.make(type: "Runtime.InvalidEntrypoint", message: prefix + "Error: fork/exec \(program): \(reason)")
        }
        return ErrorPayload.make(
            type: exit.outOfMemory ? "Runtime.OutOfMemory" : "Runtime.ExitError",
            message: prefix + "Error: Runtime exited with error: \(exit.cause)")
    }

    // MARK: The pipeline's tick

    /// Every few milliseconds while anything runs: output of running invocations reaches the log, what lingers after its
    /// answer is killed, and memory beyond the function's size is noticed.
    func tick(_ now: NIODeadline, checkMemory: Bool) {
        for call in calls.values {
            guard let environment = call.environment else { continue }
            environment.readLog { call.log.output($0) }
            writeLog(call)
            let limit = UInt64(version.configuration.memorySize) << 20
            if checkMemory, now - call.dispatched > .milliseconds(80), let anonymous = environment.slot?.anonymousBytes(),
                anonymous + environment.inheritedBytes > limit
            {
                // What a copy has written of what it inherited is in both: then its processes are looked at one by one.
                environment.killLargest(above: anonymous > limit ? 0 : limit)
            }
        }
        for environment in environments.values {
            if let since = environment.endingSince, now - since > .milliseconds(20) { environment.killNow() }
            // Killing is init's work; a sandbox whose init is held up is ended by the helper.
            if let since = environment.killedSince, now - since > .seconds(10) { environment.sandbox.destroy() }
        }
        for template in templates.values { writeInitLog(template.sandbox) }
    }

    /// What only waits for requests needs nobody to look after it.
    var needsTick: Bool {
        !calls.isEmpty || templates.values.contains { $0.state == .starting } || environments.values.contains { !$0.isWaiting }
    }

    // MARK: For people

    var description: HostDescription {
        HostDescription(
            state: "\(pool.state)", counts: pool.counts, isForkable: pool.isForkable, forkRefusal: forkRefusal, lastFailure: lastFailure,
            initError: pool.state == .failed ? initError.map { String(buffer: $0) } : nil)
    }
}

public struct HostDescription: Sendable {
    public let state: String
    public let counts: PoolCounts
    /// nil until it was tried.
    public let isForkable: Bool?
    /// Why environments run init themselves.
    public let forkRefusal: String?
    public let lastFailure: String?
    public let initError: String?
}
