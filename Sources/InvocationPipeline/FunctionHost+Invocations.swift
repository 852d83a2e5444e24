import FunctionLogs
import FunctionModel
import Glibc
import Metering
import NIOCore
import WarmPool
import WorkerNode

/// Invocations: from dispatch to the answer, its log and its record.
extension FunctionHost {
    func dispatch(_ pending: PendingID, to worker: WorkerID, _ kind: StartKind) {
        guard let call = queued.removeValue(forKey: pending) else { return }
        guard let environment = environments[worker.value] else {
            return call.answer(.failure(ServiceError(.internalFailure, "the worker chosen for \(version.key.name) has gone; send again")))
        }
        do {
            try pipeline.usage.prepare()
            // What outlives its request, or is heard of before it ends, is on the bill from its beginning, so that a crash cannot
            // lose it.
            if call.invocation.trigger.isEvent || call.invocation.stream != nil { try pipeline.usage.write(start(of: call)) }
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
        writeStart(of: call)
        call.deadline = call.dispatched + .seconds(Int64(seconds))
        armTimeout()
        pipeline.busyChanged(self)
        let head = InvocationHead(
            requestID: call.invocation.requestID, deadlineMilliseconds: deadline,
            arn: call.invocation.qualifier.map { "\(arn):\($0)" } ?? arn, clientContext: call.invocation.clientContext, tenantID: call.invocation.tenantID,
            traceID: trace(of: call), streams: call.invocation.stream != nil)
        if let session = sessions[worker.value] {
            session.isLive = true
            session.traceID = head.traceID
        }
        renewExtensionOutput(environment)
        environment.invoke(head, event: call.invocation.event)
    }

    /// The header that the function has.
    func trace(of call: Call) -> String { Lineage.adding(lineageTag, to: call.invocation.trace) }

    func start(of call: Call) -> UsageStart {
        UsageStart(
            requestID: call.invocation.requestID, attempt: call.invocation.attempt, key: version.key, version: version.version,
            revision: version.revision, trigger: call.invocation.trigger, startMilliseconds: call.invocation.arrivedMilliseconds,
            memorySize: UInt32(version.configuration.memorySize))
    }

    func fail(_ pending: PendingID, _ reason: PoolRefusal) {
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
    func armTimeout() {
        guard timeoutTimer == nil else { return }
        guard let next = (calls.values.map(\.deadline) + lingering.values.map(\.call.deadline)).min() else { return }
        let me = NIOLoopBound(self, eventLoop: pipeline.loop)
        timeoutTimer = pipeline.loop.scheduleTask(deadline: next) {
            let host = me.value
            host.timeoutTimer = nil
            let now = NIODeadline.now()
            for call in host.calls.values.filter({ $0.deadline <= now }) { host.timedOut(call) }
            for (number, afterwork) in host.lingering where afterwork.call.deadline <= now { host.lingeredTooLong(number) }
            host.armTimeout()
        }
    }

    private func timedOut(_ call: Call) {
        call.isTimedOut = true
        cutOff(call)
    }

    /// Ends the worker of an invocation that may not go on; the invocation itself ends at once.
    func cutOff(_ call: Call) {
        guard let environment = call.environment, calls[environment.workerNumber] === call else { return }
        calls[environment.workerNumber] = nil
        endCalling(environment)
        environment.end(call.isTimedOut ? .timeout : .failure)
        ended(call, environment, SandboxHandle.Exit(status: SIGKILL, cpuMicroseconds: 0, maxResidentKiB: 0, outOfMemory: false))
        // Its end is reported when it is reaped; the permit stays taken until then.
        perform()
    }

    /// The environment is gone and its answer never came.
    func ended(_ call: Call, _ environment: Environment, _ exit: SandboxHandle.Exit) {
        let id = call.invocation.requestID
        if pipeline.node.isLost {
            interrupted(call, environment)
        } else if call.isAbandoned {
            settle(call, environment, outcome: .cancelled, payload: ByteBuffer())
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
                    requestID: id, reason: "Runtime exited with error: signal: killed (out of memory: more than the \(version.configuration.memorySize) MB configured)",
                    errorType: "Runtime.OutOfMemory"))
        } else {
            settle(
                call, environment, outcome: .crash,
                payload: ErrorPayload.make(type: "Runtime.ExitError", message: "RequestId: \(id) Error: \(exit.reason)"),
                platformLine: PlatformLog.exited(requestID: id, reason: exit.reason))
        }
    }

    /// The platform ends the invocation: drain limit or a lost helper.
    func interrupted(_ call: Call, _ environment: Environment?) {
        let record = finishRecord(call, environment, outcome: .interrupted, bytesOut: call.streamedBytes)
        call.invocation.stream?.onPause = nil
        try? pipeline.usage.write(record)
        call.answer(.failure(ServiceError(.unavailable, "the invocation of \(version.key.name) was interrupted: the server or its sandbox helper ends; send it again", retryAfter: 1)))
        pipeline.finished(call, record)
    }

    func interruptAll() {
        for (number, call) in calls {
            interrupted(call, environments[number])
            sessions[number]?.isLive = false
            environments[number]?.killNow()
        }
        calls = [:]
        for environment in environments.values { endAfterwork(environment, outcome: .interrupted) }
        for call in queued.values {
            call.answer(.failure(ServiceError(.unavailable, "the server is shutting down; send the request again", retryAfter: 1)))
            pipeline.finished(call)
        }
        queued = [:]
    }

    /// Log, record, answer, in this order: what the client knows of is on the disk.
    /// - Returns: nil when it could not be recorded.
    @discardableResult
    func settle(_ call: Call, _ environment: Environment?, outcome: Outcome, payload: ByteBuffer, platformLine: String? = nil) -> UsageRecord? {
        if let environment {
            environment.readLog { call.log.output($0) }
            readExtensionLog(environment, of: call)
        }
        call.invocation.stream?.onPause = nil
        call.log.finish()
        let record = finishRecord(call, environment, outcome: outcome, bytesOut: call.streamedBytes + payload.readableBytes)
        if call.environment == nil { writeStart(of: call) }
        let errorType = errorType(of: call, outcome)
        writeEnd(of: call, record, errorType, platformLine)
        if environment?.areExtensionsLingering != true { writeReport(of: call, record, errorType) }
        writeLog(call)
        do { try pipeline.usage.write(record) } catch {
            pipeline.report("usage cannot be recorded", version, "\(error)")
            call.answer(.failure(ServiceError(.internalFailure, "the invocation of \(version.key.name) ran, but its usage could not be recorded: \(error)")))
            pipeline.finished(call)
            return nil
        }
        let tail = call.invocation.wantsLogTail ? ByteBuffer(bytes: call.log.tail) : nil
        call.answer(
            .success(
                InvocationResult(
                    requestID: call.invocation.requestID, executedVersion: version.version, outcome: outcome, payload: payload,
                    contentType: call.isStreaming || outcome != .success ? nil : environment?.answerType, logTail: tail)))
        pipeline.finished(call, record)
        return record
    }

    func writeLog(_ call: Call) {
        call.log.flush { bytes in pipeline.writeLog(version.key, call.invocation.requestID, streamID, bytes) }
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
    func peakBytes(_ environment: Environment?, earlier: UInt64) -> UInt64 {
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
    func recordInit(started: NIODeadline, ended: NIODeadline, outcome: Outcome, cpuMicroseconds: UInt64) {
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

    func writeInitLog(_ sandbox: SandboxHandle) {
        sandbox.readLog { writeInitLog($0) }
    }

    /// What belongs to no invocation.
    func writeInitLog(_ bytes: UnsafeRawBufferPointer) { pipeline.writeLog(version.key, nil, streamID, bytes) }

    func writeInitLog(_ text: String) {
        var text = text
        text.withUTF8 { writeInitLog(UnsafeRawBufferPointer($0)) }
    }

    func initTimedOut() -> ByteBuffer {
        ErrorPayload.make(type: "Sandbox.Timedout", message: "Error: Task timed out after \(pipeline.configuration.initSeconds).00 seconds in the init phase")
    }

    func exitPayload(requestID: RequestID?, _ exit: SandboxHandle.Exit) -> ByteBuffer {
        let prefix = requestID.map { "RequestId: \($0) " } ?? ""
        if exit.executionError != 0 {
            let program = version.configuration.runtime == "provided" ? "/var/task/bootstrap" : version.configuration.runtime
            let reason = String(cString: strerror(exit.executionError))
            return ErrorPayload.make(type: "Runtime.InvalidEntrypoint", message: prefix + "Error: fork/exec \(program): \(reason)")
        }
        return ErrorPayload.make(
            type: exit.outOfMemory ? "Runtime.OutOfMemory" : "Runtime.ExitError",
            message: prefix + "Error: \(exit.reason)")
    }
}
