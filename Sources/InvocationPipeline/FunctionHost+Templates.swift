import Glibc
import LinuxPrimitives
import Metering
import NIOCore
import WarmPool
import WorkerNode

/// Templates: started or taken from the spares, given their function, looked at before they are copied.
extension FunctionHost {
    func startTemplate(_ id: TemplateID) {
        guard let permit = pipeline.admit(self, 2) else {
            isRefusedForRoom = true
            pool.templateFailed(id, .noRoom, now: now, into: &actions)
            return
        }
        let spare = pipeline.spares.take(for: version)
        pipeline.spares.noteUse(of: version.configuration.runtime)
        startTemplate(id, permit, spare: spare, started: .now())
    }

    func startTemplate(_ id: TemplateID, _ permit: NodeAdmission.Permit, spare: SpareTemplates.Spare?, started: NIODeadline) {
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
        let session = pipeline.makeSession(version)
        run.session = session
        run.sandbox.templateCalled = { [weak run, pipeline] in pipeline.called($0, run?.session) }
        run.sandbox.templateRegisters = { me.value.0.templateRegisters(me.value.1) }
        run.line?.initialise(initFrame(session, isTemplate: true)) { result in me.value.0.templateAnswered(me.value.1, result) }
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
        run.endCalling()
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

    /// - Parameters:
    ///   - session: as whom the process calls the server.
    ///   - isTemplate: its copies get keys of their own, and SDKs that hold this one are to ask again.
    func initFrame(_ session: FunctionSession, isTemplate: Bool = false) -> ByteBuffer {
        let configuration = version.configuration
        var calling = session.variables
        if isTemplate { calling["AWS_CREDENTIAL_EXPIRATION"] = pipeline.expiration(after: Int64(pipeline.configuration.initSeconds)) }
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
            $0.field("logGroup", configuration.logging.group(of: version.key))
            $0.field("logStream", logStream)
            $0.field("taskRoot", "/var/task")
            if let initializationType { $0.field("initializationType", initializationType) }
            $0.field("initTimeoutMs", pipeline.configuration.initSeconds * 1000)
            if isTemplate { $0.field("copiesGetVariables", 1) }
            if usesExtensions { $0.field("hasExtensions", 1) }
            $0.key("environment")
            $0.object { object in
                let reserved = configuration.logging.variables.merging(["AWS_LAMBDA_RUNTIME_API": EnvironmentNetwork.runtimeAPI]) { $1 }
                let variables = calling.merging(configuration.environment) { $1 }.merging(reserved) { $1 }
                for (name, value) in variables.sorted(by: { $0.key < $1.key }) { object.field(name, value) }
            }
        }
        return json.buffer
    }

    /// An extension within the runtime is told of each invocation over a connection of its own: copies cannot share that.
    private func templateRegisters(_ run: TemplateRun) {
        guard templates[run.id] === run, run.state == .starting else { return }
        writeInitLog(run.sandbox)
        registersExtension = true
        forkRefusal = "it registers an extension within its runtime"
        pool.templateReady(run.id, forkable: false, now: now, into: &actions)
        perform()
    }

    private func templateAnswered(_ run: TemplateRun, _ result: TemplateLine.Answer) {
        guard templates[run.id] === run, run.state == .starting else { return }
        run.endCalling()
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
        run.endCalling()
        writeInitLog(run.sandbox)
        run.line?.close()
        run.sandbox.whenGone = nil
        guard failure == .initError else { return templateDiscarded(run, failure) }
        initError = payload
        if let payload { writeInitLog("INIT_REPORT Status: error\t\(String(buffer: payload))\n") }
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

    func stopTemplate(_ id: TemplateID) {
        guard let run = templates.removeValue(forKey: id) else { return }
        run.endCalling()
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

    func destroyOrphaned() {
        orphaned.removeAll { sandbox in
            guard !environments.values.contains(where: { $0.sandbox === sandbox }) else { return false }
            sandbox.destroy()
            return true
        }
    }
}
