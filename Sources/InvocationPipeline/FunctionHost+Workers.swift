import FunctionModel
import Glibc
import LinuxPrimitives
import NIOCore
import WarmPool
import WorkerNode

/// Workers: copies of the template and environments of their own, from their start to their end.
extension FunctionHost {
    func adopt(_ sandbox: SandboxHandle) {
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
    func releaseProgramSandbox() {
        guard programSandbox != nil, environments.isEmpty, pool.state == .registered || pool.state == .drained else { return }
        programSandbox?.destroy()
        programSandbox = nil
    }

    func startWorker(_ id: WorkerID, from template: TemplateID?) {
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
            let session = pipeline.makeSession(version)
            let sandbox: SandboxHandle
            let origin: Environment.Origin
            var inherited: UInt64 = 0
            if let template {
                guard let run = templates[template] else { throw LinuxError("copying a template that has ended", ECHILD) }
                sandbox = run.sandbox
                origin = .copy(variables: copyVariables(session))
                inherited = run.inheritedBytes
            } else {
                if programSandbox == nil { adopt(try pipeline.node.makeSandbox(for: version)) }
                guard let shared = programSandbox else { throw LinuxError("making a sandbox", ECHILD) }
                sandbox = shared
                origin = try program(session)
            }
            let environment = Environment(in: sandbox, origin: origin, owner: self, loop: pipeline.loop, now: .now())
            environment.workerNumber = id.value
            environment.inheritedBytes = inherited
            environments[id.value] = environment
            workerIDs[id.value] = id
            sessions[id.value] = session
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

    /// What a copy learns after its template has been copied, so that no two of them have the same.
    private func copyVariables(_ session: FunctionSession) -> ByteBuffer {
        var json = JSONText()
        json.object { object in
            for (name, value) in session.variables where name != "AWS_ENDPOINT_URL" { object.field(name, value) }
            object.field("AWS_CREDENTIAL_EXPIRATION", pipeline.expiration(after: Self.copyLife))
        }
        return json.buffer
    }

    /// Seconds: longer than any copy waits and runs. SDKs look at the time; what counts is that the key ends with the copy.
    private static let copyLife: Int64 = 43_200

    private func program(_ session: FunctionSession) throws -> Environment.Origin {
        let configuration = version.configuration
        if configuration.runtime != "provided" {
            guard let offer = pipeline.node.offer(runtime: configuration.runtime) else {
                throw LinuxError("starting \(configuration.runtime): not offered by this host", ENOENT)
            }
            // A runtime that ends with its answer would take from its extensions what comes after it.
            let mode: EnvironmentProgram.Mode = configuration.isolation == .environment || usesExtensions ? .environment : .once
            return .program(
                .bootstrap(offer, mode: mode, memorySize: configuration.memorySize), initFrame: initFrame(session), extensionSettings(session))
        }
        let program = EnvironmentProgram.provided(
            version, logStream: logStream, initializationType: initializationType ?? "on-demand", variables: session.variables)
        return .program(program, initFrame: nil, extensionSettings(session))
    }

    func environmentCalls(_ environment: Environment, socket: Int32) { pipeline.called(socket, sessions[environment.workerNumber]) }

    func environmentReady(_ environment: Environment) {
        guard let id = workerIDs[environment.workerNumber] else { return }
        sessions[environment.workerNumber]?.isLive = false
        if environment.runsInit {
            initError = nil
            lastFailure = nil
            recordInit(
                started: environment.startedAt, ended: environment.readyAt ?? .now(), outcome: .success,
                cpuMicroseconds: environment.cpuMicroseconds)
            environment.readLog { writeInitLog($0) }
            writeExtensionStates(of: environment)
        }
        pool.workerReady(id, now: now, into: &actions)
        perform()
    }

    func environmentEnding(_ environment: Environment) { pipeline.startTicking() }

    func environmentInitFailed(_ environment: Environment, payload: ByteBuffer) {
        guard let id = workerIDs[environment.workerNumber], environment.readyAt == nil else { return }
        initError = payload
        environment.readLog { writeInitLog($0) }
        readExtensionLog(environment)
        writeInitLog("INIT_REPORT Status: error\t\(String(buffer: payload))\n")
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
        if call.isStreaming, !isError {
            guard let rest = lastPart(of: call, environment, payload) else { return }
            payload = rest
        }
        if payload.readableBytes > InvocationPipeline.maximumAnswer {
            outcome = .invalidResponse
            payload = ErrorPayload.make(
                type: "Function.ResponseSizeTooLarge",
                message: "Response payload size exceeded maximum allowed payload size (\(InvocationPipeline.maximumAnswer) bytes).")
        }
        calls[environment.workerNumber] = nil
        let isReusable = outcome != .invalidResponse && !environment.saidLast
        if environment.isLingering { return linger(call, environment, outcome: outcome, payload: payload, isReusable: isReusable) }
        endCalling(environment)
        settle(call, environment, outcome: outcome, payload: payload)
        pool.workerFinished(id, reusable: isReusable, now: now, into: &actions)
        pipeline.busyChanged(self)
        perform()
        startHeld()
    }

    func environmentEnded(_ environment: Environment, exit: SandboxHandle.Exit) {
        let wasStarting = environment.readyAt == nil
        if wasStarting && environment.runsInit, let id = workerIDs[environment.workerNumber], environment.endingSince == nil, !pipeline.node.isLost {
            // Its program ended before it was ready: the function's own init failed.
            environment.readLog { writeInitLog($0) }
            initError = exitPayload(requestID: nil, exit)
            recordInit(
                started: environment.startedAt, ended: .now(), outcome: .initError,
                cpuMicroseconds: max(environment.cpuMicroseconds, exit.cpuMicroseconds))
            pool.workerFailed(id, .initError, now: now, into: &actions)
        } else if wasStarting {
            environment.readLog { writeInitLog($0) }
        }
        endCalling(environment)
        let call = calls.removeValue(forKey: environment.workerNumber)
        if let call { ended(call, environment, exit) }
        endAfterwork(environment, outcome: .crash)
        readExtensionLog(environment, isLast: true)
        guard let id = forget(environment) else { return }
        pool.workerGone(id, now: now, into: &actions)
        // One that was cut off has been answered before.
        if call != nil || countedBusy != pool.inFlight { pipeline.busyChanged(self) }
        perform()
    }

    /// Its invocation is over: until the next one its key opens nothing.
    func endCalling(_ environment: Environment) {
        guard let session = sessions[environment.workerNumber] else { return }
        session.isLive = false
        session.traceID = nil
    }

    private func forget(_ environment: Environment) -> WorkerID? {
        environments[environment.workerNumber] = nil
        extensionOutputs[environment.workerNumber] = nil
        sessions.removeValue(forKey: environment.workerNumber)?.end()
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

    func stopWorker(_ id: WorkerID) {
        if let index = heldStarts.firstIndex(where: { $0.0 == id }) {
            heldStarts.remove(at: index)
            pool.workerFailed(id, .sandbox, now: now, into: &actions)
        } else {
            environments[id.value]?.finish(now: .now())
        }
    }

    // MARK: Workers made ahead

    /// A handler that answers within this time is not disturbed by the copy that replaces its worker.
    private static let startHold = TimeAmount.milliseconds(2)

    /// Copying takes about as long as a short handler runs, and both want the same processors; so does everything that
    /// the answer passes through. Nobody waits for a worker while another is ready.
    var mayWait: Bool { !calls.isEmpty && queued.isEmpty && pool.counts.ready > 0 }

    func hold(_ id: WorkerID, _ template: TemplateID?) {
        heldStarts.append((id, template))
        guard heldStartTimer == nil else { return }
        let me = NIOLoopBound(self, eventLoop: pipeline.loop)
        heldStartTimer = pipeline.loop.scheduleTask(in: Self.startHold) {
            me.value.heldStartTimer = nil
            me.value.startHeld()
        }
    }

    func startHeld() {
        guard !heldStarts.isEmpty else { return }
        heldStartTimer?.cancel()
        heldStartTimer = nil
        let held = heldStarts
        heldStarts = []
        for (id, template) in held { startWorker(id, from: template) }
        perform()
    }
}
