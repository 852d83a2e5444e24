import Extensions
import FunctionLogs
import FunctionModel
import Metering
import NIOCore
import WarmPool
import WorkerNode

/// What is left of an invocation while its runtime or extensions are at work after the answer.
struct Afterwork {
    let call: Call
    /// As it was written before the answer.
    let record: UsageRecord
    let isReusable: Bool
    /// Extensions tell the whole time in the report, which comes when they are done; that of a runtime was in the log with its answer.
    let isReported: Bool

    /// A runtime asks for its next invocation with a fraction of a millisecond of CPU time, but may have to wait for a processor. What
    /// took less than both of these was nothing else.
    private static let leastMicroseconds: UInt32 = 50_000
    private static let leastCPUNanoseconds: UInt64 = 1_000_000

    /// Whether what followed the answer is billed.
    /// - Parameter microseconds: how long it took.
    func isWork(_ environment: Environment, microseconds: UInt32) -> Bool {
        if !isReported || microseconds >= Self.leastMicroseconds { return true }
        return UInt64(microseconds) * 1000 >= Self.leastCPUNanoseconds && environment.cpuSinceRest >= Self.leastCPUNanoseconds
    }
}

/// The output of one environment's extensions: bounded per invocation, in whole lines.
struct ExtensionOutput {
    var lines = LogLineBuffer()
    var taken = 0
    /// Somebody looks again after so long, though no invocation runs.
    var isAwaited = false
    var pause = firstPause

    static let firstPause = TimeAmount.milliseconds(100)
    private static let longestPause = TimeAmount.milliseconds(500)

    mutating func hasLooked(foundSomething: Bool) {
        pause = foundSomething ? Self.firstPause : min(Self.longestPause, pause * 2)
    }
}

/// Extensions: what they are started with, their time after an answer, their log.
extension FunctionHost {
    func extensionSettings(_ session: FunctionSession) -> ExtensionSettings {
        let configuration = version.configuration
        let type = initializationType ?? "on-demand"
        return ExtensionSettings(
            facts: ExtensionFacts(
                functionName: version.key.name, functionVersion: version.version, handler: configuration.handler, account: version.key.account),
            initialization: .init(
                type: type, functionName: version.key.name, functionVersion: version.version, maximumMemory: configuration.memorySize << 20),
            hasJSONLog: configuration.logging.format == .json, names: configuration.layers.extensions,
            variables: ExtensionSettings.variables(version, initializationType: type, calling: session.variables),
            wallMilliseconds: { [pipeline] in pipeline.wallMilliseconds() },
            timeText: { [pipeline] in LogTime.text(pipeline.wallMilliseconds()) })
    }

    /// What runs after an answer, or has its time for its end.
    var isAtWorkForNobody: Bool { environments.values.contains(where: \.isAtWorkForNobody) }

    // MARK: After the answer

    /// The caller has its answer now; the environment is free when its processes are done.
    func linger(_ call: Call, _ environment: Environment, outcome: Outcome, payload: ByteBuffer, isReusable: Bool) {
        let isReported = !environment.areExtensionsLingering
        guard let record = settle(call, environment, outcome: outcome, payload: payload) else { return environment.end(.failure) }
        lingering[environment.workerNumber] = Afterwork(call: call, record: record, isReusable: isReusable, isReported: isReported)
        armTimeout()
    }

    func environmentAtRest(_ environment: Environment) {
        guard let id = workerIDs[environment.workerNumber], let afterwork = lingering.removeValue(forKey: environment.workerNumber) else { return }
        finish(afterwork, environment, outcome: afterwork.record.outcome)
        endCalling(environment)
        pool.workerFinished(id, reusable: afterwork.isReusable, now: now, into: &actions)
        pipeline.busyChanged(self)
        perform()
        startHeld()
    }

    func environmentFailed(_ environment: Environment, failure: Environment.Failure) {
        endCalling(environment)
        guard let call = calls.removeValue(forKey: environment.workerNumber) else { return endAfterwork(environment, outcome: .crash) }
        switch failure {
        case .runtime(let exit): ended(call, environment, exit)
        case .extension(let type, let cause):
            let id = call.invocation.requestID
            call.extensionFailure = type
            settle(
                call, environment, outcome: .crash, payload: ErrorPayload.make(type: type, message: "RequestId: \(id) Error: \(cause)"),
                platformLine: "RequestId: \(id) Error: \(cause)\n\(type)")
        }
        pipeline.busyChanged(self)
        perform()
    }

    /// The function's time limit is that of what follows its answer, too.
    func lingeredTooLong(_ number: UInt64) {
        guard let environment = environments[number], let afterwork = lingering[number] else { return }
        let seconds = version.configuration.timeout
        afterwork.call.log.platform(PlatformLog.timedOut(requestID: afterwork.record.requestID, timeoutSeconds: seconds))
        endAfterwork(environment, outcome: .timeout)
        environment.end(.timeout)
    }

    func endAfterwork(_ environment: Environment, outcome: Outcome) {
        guard let afterwork = lingering.removeValue(forKey: environment.workerNumber) else { return }
        endCalling(environment)
        finish(afterwork, environment, outcome: outcome)
    }

    /// The record is of what the one written before the answer lacks.
    private func finish(_ afterwork: Afterwork, _ environment: Environment, outcome: Outcome) {
        let call = afterwork.call
        readAfterwork(afterwork, environment)
        call.log.finish()
        let nanoseconds = max(0, (NIODeadline.now() - call.dispatched).nanoseconds)
        var whole = afterwork.record
        whole.outcome = outcome
        whole.handlerMicroseconds = UInt32(clamping: nanoseconds / 1000)
        whole.billedMilliseconds = UInt32(clamping: max(1, (nanoseconds + 999_999) / 1_000_000))
        whole.peakMemoryKiB = max(whole.peakMemoryKiB, UInt32(clamping: peakBytes(environment, earlier: call.peakAtDispatch) / 1024))
        let before = afterwork.record
        let microseconds = whole.handlerMicroseconds - min(before.handlerMicroseconds, whole.handlerMicroseconds)
        if !afterwork.isReported {
            let answered = pipeline.wallMilliseconds() - Int64(microseconds) / 1000
            writeReport(
                of: call, whole, errorType(of: call, outcome),
                overhead: PlatformLog.Span(.extensionOverhead, start: answered, microseconds: microseconds))
        }
        writeLog(call)
        guard afterwork.isWork(environment, microseconds: microseconds) else { return }
        record(
            environment, outcome: outcome, microseconds: microseconds,
            billedMilliseconds: whole.billedMilliseconds - min(before.billedMilliseconds, whole.billedMilliseconds),
            peakMemoryKiB: whole.peakMemoryKiB)
    }

    func environmentShutDown(_ environment: Environment, began: NIODeadline) {
        environment.readLog { writeInitLog($0) }
        let nanoseconds = max(0, (NIODeadline.now() - began).nanoseconds)
        record(
            environment, outcome: .success, microseconds: UInt32(clamping: nanoseconds / 1000),
            billedMilliseconds: UInt32(clamping: (nanoseconds + 999_999) / 1_000_000),
            peakMemoryKiB: UInt32(clamping: peakBytes(environment, earlier: 0) / 1024))
    }

    /// Time in which nobody waits for an answer; the processes run for the function's owner then.
    private func record(_ environment: Environment, outcome: Outcome, microseconds: UInt32, billedMilliseconds: UInt32, peakMemoryKiB: UInt32) {
        let record = UsageRecord(
            requestID: .random(), key: version.key, version: version.version, revision: version.revision, trigger: .extensions,
            startKind: .ready, outcome: outcome, startMilliseconds: pipeline.wallMilliseconds() - Int64(microseconds) / 1000,
            handlerMicroseconds: microseconds, totalMicroseconds: microseconds, billedMilliseconds: billedMilliseconds,
            memorySize: UInt32(version.configuration.memorySize), peakMemoryKiB: peakMemoryKiB, cpuMicroseconds: environment.takeCPU() / 1000)
        do {
            try pipeline.usage.write(record)
            pipeline.initialised(record)
        } catch { pipeline.report("usage of extensions cannot be recorded", version, "\(error)") }
    }

    func readAfterwork(_ afterwork: Afterwork, _ environment: Environment) {
        environment.readLog { afterwork.call.log.output($0) }
        writeLog(afterwork.call)
        readExtensionLog(environment, of: afterwork.call)
    }

    // MARK: Their log

    /// - Parameters:
    ///   - call: whose time it is, if any.
    ///   - isLast: what has no line end yet gets none any more.
    func readExtensionLog(_ environment: Environment, of call: Call? = nil, isLast: Bool = false) {
        guard environment.hasExtensionLog else { return }
        let number = environment.workerNumber
        var output = extensionOutputs.removeValue(forKey: number) ?? ExtensionOutput()
        let request = call?.invocation.requestID
        var foundSomething = false
        environment.readExtensionLog { bytes in
            foundSomething = true
            let kept = UnsafeRawBufferPointer(rebasing: bytes.prefix(max(0, pipeline.configuration.outputLimit - output.taken)))
            output.taken += kept.count
            guard !kept.isEmpty else { return }
            output.lines.append(kept) { pipeline.writeLog(version.key, request, streamID, $0) }
        }
        if isLast { output.lines.finish { pipeline.writeLog(version.key, request, streamID, $0) } }
        output.hasLooked(foundSomething: foundSomething)
        if !isLast, !output.isAwaited {
            output.isAwaited = true
            readLater(environment, in: output.pause)
        }
        extensionOutputs[number] = output
    }

    /// Extensions write when they want to, also after the invocation: somebody looks as long as they live.
    private func readLater(_ environment: Environment, in pause: TimeAmount) {
        let me = NIOLoopBound((self, environment), eventLoop: pipeline.loop)
        pipeline.loop.scheduleTask(in: pause) {
            let (host, environment) = me.value
            guard host.environments[environment.workerNumber] === environment else { return }
            host.extensionOutputs[environment.workerNumber]?.isAwaited = false
            host.readExtensionLog(environment)
        }
    }

    /// A new invocation may fill its part of the log.
    func renewExtensionOutput(_ environment: Environment) { extensionOutputs[environment.workerNumber]?.taken = 0 }

    /// As Lambda logs each extension at the end of init.
    func writeExtensionStates(of environment: Environment) {
        guard version.configuration.logging.format == .text else { return }
        for one in environment.extensionStates {
            writeInitLog("EXTENSION\tName: \(one.name)\tState: \(one.state.rawValue)\tEvents: [\(one.events.map(\.rawValue).joined(separator: ","))]\n")
        }
    }
}
