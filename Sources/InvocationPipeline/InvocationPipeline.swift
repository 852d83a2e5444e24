public import FunctionLogs
public import FunctionModel
import Glibc
public import Metering
public import NIOCore
public import Registry
public import WarmPool
public import WorkerNode

/// What the pipeline tells for metrics; all calls come on the loop and must be cheap.
public struct PipelineObserver {
    /// An invocation or an init was recorded.
    public var finished: (UsageRecord) -> Void
    public var refused: (FunctionKey, PoolRefusal) -> Void
    /// The function does not exist any more.
    public var deleted: (FunctionKey) -> Void
    /// For the operator's log: what failed, for which version, why.
    public var failure: (_ what: String, FunctionVersion, _ reason: String) -> Void

    public init(
        finished: @escaping (UsageRecord) -> Void, refused: @escaping (FunctionKey, PoolRefusal) -> Void,
        deleted: @escaping (FunctionKey) -> Void, failure: @escaping (String, FunctionVersion, String) -> Void
    ) {
        self.finished = finished
        self.refused = refused
        self.deleted = deleted
        self.failure = failure
    }
}

/// The way of every invocation: resolve, admit, queue, dispatch, record, answer. Confined to one event loop.
public final class InvocationPipeline: Invoker {
    /// Lambda's limit of a synchronous answer, bytes.
    public static let maximumAnswer = 6_291_556

    public let loop: any EventLoop
    public let node: SandboxNode
    public let configuration: PipelineConfiguration
    let usage: UsageSegmentWriter
    private let logs: FunctionLogWriter
    private let observer: PipelineObserver
    private let wallClock: @Sendable () -> Int64

    private var snapshot: RegistrySnapshot
    private var aliasSplits = AliasSplits()
    /// By revision.
    private var hosts: [UInt64: FunctionHost] = [:]
    private var hostsByFunction: [FunctionKey: Set<UInt64>] = [:]
    private var loads: [String: AccountLoad] = [:]
    private var admission: NodeAdmission
    let spares: SpareTemplates
    /// Revisions with requests that wait for memory of the node, in the order of their asking.
    private var roomQueue: [UInt64] = []
    private var isSharingRoom = false
    private var calls: [InvocationTicket: Call] = [:]
    private var nextTicket: UInt64 = 1
    private var ticker: RepeatedTask?
    private var ticks = 0
    private var isDraining = false
    private var drainWaiters: [EventLoopPromise<Void>] = []
    private var sessionRandomness = SessionRandomness()
    /// Takes connections that functions make to the server; the socket is the taker's to close. Set once, before the first function runs.
    public var whenCalled: ((_ socket: Int32, FunctionSession) -> Void)?

    public init(
        node: SandboxNode, snapshot: RegistrySnapshot, usage: UsageSegmentWriter, logs: FunctionLogWriter,
        configuration: PipelineConfiguration, observer: PipelineObserver, wallClock: @escaping @Sendable () -> Int64
    ) {
        self.node = node
        loop = node.loop
        self.snapshot = snapshot
        self.usage = usage
        self.logs = logs
        self.configuration = configuration
        self.observer = observer
        self.wallClock = wallClock
        spares = SpareTemplates(node: node, keepSeconds: configuration.spareSeconds, storageMB: Self.spareStorageMB)
        admission = NodeAdmission(limits: .init(memoryMB: configuration.nodeMemoryMB, concurrency: configuration.nodeConcurrency))
    }

    /// What a function has unless it asks for more.
    private static let spareStorageMB = 512

    static func micros(_ time: NIODeadline) -> UInt64 { time.uptimeNanoseconds / 1000 }

    var queueMicros: UInt64 { UInt64(max(0, configuration.queueSeconds) * 1e6) }
    func wallMilliseconds() -> Int64 { wallClock() }

    // MARK: Invoker

    public func invoke(_ invocation: Invocation, completion: @escaping (Result<InvocationResult, ServiceError>) -> Void) -> InvocationTicket {
        let ticket = InvocationTicket(nextTicket)
        nextTicket += 1
        let call = Call(invocation, ticket: ticket, outputLimit: configuration.outputLimit, completion: completion)
        calls[ticket] = call
        startTicking()
        route(call)
        return ticket
    }

    public func cancel(_ ticket: InvocationTicket) {
        guard let call = calls[ticket] else { return }
        call.isClientGone = true
        call.host?.cancel(call)
    }

    public func refusal(function: FunctionKey, qualifier: String?) -> ServiceError? {
        do throws(ServiceError) {
            _ = try snapshot.version(function, qualifier: qualifier)
            return isDraining ? ServiceError(.unavailable, "the server is shutting down; send the request again", retryAfter: 1) : nil
        } catch {
            return error
        }
    }

    /// Whose functions run for nobody, also not for their own events, which are tried again as after a throttle.
    public var suspendedAccounts: Set<String> = []

    /// To the pool of the revision that is current now; also for what a replaced revision hands back.
    func route(_ call: Call) {
        if isDraining || node.isLost {
            call.answer(.failure(ServiceError(.unavailable, "the server is shutting down; send the request again", retryAfter: 1)))
            return finished(call)
        }
        if !suspendedAccounts.isEmpty, suspendedAccounts.contains(call.invocation.function.account) {
            call.answer(.failure(ServiceError(.tooManyRequests, "the account \(call.invocation.function.account) is suspended")))
            return finished(call)
        }
        do throws(ServiceError) {
            host(of: try version(of: call.invocation)).take(call)
        } catch {
            call.answer(.failure(error))
            finished(call)
        }
    }

    /// The version that runs it: of an alias, whichever of its versions is next.
    private func version(of invocation: Invocation) throws(ServiceError) -> FunctionVersion {
        let record = try snapshot.record(invocation.function)
        if let traceID = invocation.traceID { try record.checkRecursion(trace: traceID) }
        guard let qualifier = invocation.qualifier else {
            try record.latest.check(tenantID: invocation.tenantID)
            return record.latest
        }
        guard let version = aliasSplits.version(of: record, qualifier: qualifier) else { throw record.unknown(qualifier: qualifier) }
        try version.check(tenantID: invocation.tenantID)
        return version
    }

    private func host(of version: FunctionVersion) -> FunctionHost {
        if let host = hosts[version.revision] { return host }
        let host = FunctionHost(
            version, pipeline: self, limits: limits(of: version.version, in: snapshot.functions[version.key]), load: load(of: version.key.account))
        hosts[version.revision] = host
        hostsByFunction[version.key, default: []].insert(version.revision)
        return host
    }

    private func load(of account: String) -> AccountLoad {
        if let load = loads[account] { return load }
        let load = AccountLoad(limit: unreservedConcurrency(of: account), margin: configuration.accountMargin)
        loads[account] = load
        return load
    }

    private func unreservedConcurrency(of account: String) -> Int {
        max(0, min(configuration.accountConcurrency, configuration.nodeConcurrency) - (snapshot.reservedConcurrency[account] ?? 0))
    }

    private func limits(of version: String, in record: FunctionRecord?) -> PoolLimits {
        configuration.limits(reserved: record?.reservedConcurrency, provisioned: record?.provisionedConcurrency(of: version) ?? 0)
    }

    // MARK: Changes

    /// From its return on, every request meets the snapshot's versions.
    public func apply(_ snapshot: RegistrySnapshot, changed: FunctionKey) {
        guard snapshot.generation >= self.snapshot.generation else { return }
        let record = snapshot.functions[changed]
        aliasSplits.changed(from: self.snapshot.functions[changed], to: record)
        self.snapshot = snapshot
        var wanted: Set<UInt64> = []
        if let record { wanted = Set(record.published.map(\.revision)).union([record.latest.revision]) }
        for revision in hostsByFunction[changed] ?? [] {
            guard let host = hosts[revision] else { continue }
            if wanted.contains(revision) { host.update(limits(of: host.version.version, in: record)) } else { host.retire() }
        }
        if let load = loads[changed.account] {
            load.limit = unreservedConcurrency(of: changed.account)
            // A function may have got or lost a reservation.
            let counted = hosts.values.reduce(0) { $0 + ($1.load === load ? $1.recount() : 0) }
            if load.change(by: counted) { shareLoad(load) }
        }
        if let record {
            provision(record)
            spares.noteUse(of: record.latest.configuration.runtime)
        } else {
            try? logs.delete(changed)
            observer.deleted(changed)
        }
    }

    /// What is kept ready has a host although nobody asks for it.
    private func provision(_ record: FunctionRecord) {
        guard !record.provisioned.isEmpty, !isDraining, !node.isLost else { return }
        for version in record.published where hosts[version.revision] == nil && record.provisionedConcurrency(of: version.version) > 0 {
            startTicking()
            host(of: version).begin()
        }
    }

    /// Waits until the version can answer.
    /// - Parameter completion: also told which revision that was, since what is known here can be a moment old; nil for none.
    public func prepare(_ key: FunctionKey, qualifier: String?, completion: @escaping (_ revision: UInt64?, Result<Void, ServiceError>) -> Void) {
        do throws(ServiceError) {
            startTicking()
            let version = try snapshot.version(key, qualifier: qualifier)
            host(of: version).prewarm { completion(version.revision, $0) }
        } catch {
            completion(nil, .failure(error))
        }
    }

    public func describe(_ version: FunctionVersion) -> HostDescription? { hosts[version.revision]?.description }

    public func descriptions() -> [(version: FunctionVersion, description: HostDescription)] {
        hosts.values.map { ($0.version, $0.description) }
    }

    // MARK: Calls of functions

    func makeSession(_ version: FunctionVersion) -> FunctionSession { FunctionSession(version, randomness: &sessionRandomness) }

    /// `2026-11-21T22:50:00.123Z`
    func expiration(after seconds: Int64) -> String { LogTime.text(wallMilliseconds() + seconds * 1000) }

    func called(_ socket: Int32, _ session: FunctionSession?) {
        if let session, let whenCalled { whenCalled(socket, session) } else { close(socket) }
    }

    // MARK: From hosts

    func stateChanged(_ host: FunctionHost, _ state: PoolState) {}

    /// Forgets what holds nothing any more, soon: the host is in the middle of its own actions.
    func atRest(_ host: FunctionHost) {
        loop.execute { [bound = NIOLoopBound((self, host), eventLoop: loop)] in
            let (pipeline, host) = bound.value
            if host.isAtRest { pipeline.forget(host) }
        }
    }

    private func forget(_ host: FunctionHost) {
        guard hosts[host.version.revision] === host else { return }
        host.end()
        _ = host.load.change(by: -host.countedBusy)
        hosts[host.version.revision] = nil
        hostsByFunction[host.version.key]?.remove(host.version.revision)
        if hostsByFunction[host.version.key]?.isEmpty == true { hostsByFunction[host.version.key] = nil }
    }

    /// A function's reservation holds over all of its revisions and versions.
    func busyChanged(_ host: FunctionHost) {
        let counted = host.recount()
        if counted != 0, host.load.change(by: counted) { shareLoad(host.load) }
        let key = host.version.key
        guard let revisions = hostsByFunction[key], revisions.count > 1 else { return }
        let total = revisions.reduce(0) { $0 + (hosts[$1]?.pool.inFlight ?? 0) }
        for revision in revisions { if let host = hosts[revision] { host.setBusyElsewhere(total - host.pool.inFlight) } }
    }

    /// Near its limit an account's functions have what it leaves them: those with requests that wait hear of it now, the
    /// others with their next one.
    private func shareLoad(_ load: AccountLoad) {
        let waiting = hosts.values.filter { $0.load === load && !$0.pool.limits.isReserved && $0.needsRoom }
        for host in waiting.sorted(by: { $0.lastUsed < $1.lastUsed }) { host.heedLoad() }
    }

    /// Memory for so many processes. Nil when there is none now: the host is told when it may try again, in its turn.
    func admit(_ host: FunctionHost, _ count: Int) -> NodeAdmission.Permit? {
        let revision = host.version.revision
        let isTurn = roomQueue.isEmpty || roomQueue.first == revision
        if isTurn {
            do throws(NodeAdmission.Refusal) {
                let permit = try admission.admitSandbox(account: host.version.key.account, memoryMB: host.version.configuration.memorySize * count)
                // Who wants more waits behind the others.
                if !roomQueue.isEmpty { roomQueue.removeFirst() }
                if !roomQueue.isEmpty { shareRoom() }
                return permit
            } catch {
                // Others of its tenant must end first; tenants behind it need not wait for that.
                if error == .tenantShare, !roomQueue.isEmpty { roomQueue.removeFirst() }
            }
        }
        // What is only kept ahead takes what is left over; it asks again later.
        if host.needsRoom, !roomQueue.contains(revision) {
            roomQueue.append(revision)
            shareRoom()
        }
        return nil
    }

    /// Soon, because the asking host is in the middle of its own actions.
    private func shareRoom() {
        guard !isSharingRoom else { return }
        isSharingRoom = true
        loop.execute { [bound = NIOLoopBound(self, eventLoop: loop)] in
            bound.value.isSharingRoom = false
            bound.value.serveRoomQueue()
        }
    }

    /// Gives the first in line its try; if that is in vain, the others give up what nobody waits for. Nothing is taken
    /// from the line's head by those behind it, so that a large function gets its room as small ones end.
    private func serveRoomQueue() {
        for _ in 0..<max(1, roomQueue.count) {
            guard let revision = roomQueue.first else { return }
            guard let host = hosts[revision], host.needsRoom else {
                roomQueue.removeFirst()
                continue
            }
            host.roomAvailable()
            if roomQueue.first == revision {
                guard host.isRefusedForRoom else {
                    roomQueue.removeFirst() // it backs off or wants nothing any more
                    continue
                }
                return reclaimRoom(for: revision)
            }
        }
    }

    /// Ready workers give way to a request that waits, then idle templates, those unused for longest first.
    private func reclaimRoom(for revision: UInt64) {
        let others = hosts.values.filter { $0.version.revision != revision && !$0.needsRoom }.sorted { $0.lastUsed < $1.lastUsed }
        for host in others where host.holdsWorkerRoom && host.reclaim(2) > 0 { return }
        for host in others where host.scaleToZeroIfUnused() { return }
    }

    func release(_ permit: NodeAdmission.Permit) {
        admission.release(permit)
        workerGone()
    }

    /// Also without a permit of its own it may have been what kept others from theirs.
    func workerGone() {
        if !roomQueue.isEmpty { shareRoom() }
        drainIfDone()
    }

    func finished(_ call: Call, _ record: UsageRecord? = nil) {
        calls[call.ticket] = nil
        if let record { observer.finished(record) }
        drainIfDone()
    }

    func initialised(_ record: UsageRecord) { observer.finished(record) }

    func refused(_ call: Call, _ reason: PoolRefusal) {
        observer.refused(call.invocation.function, reason)
        finished(call)
    }

    func report(_ what: String, _ version: FunctionVersion, _ reason: String) { observer.failure(what, version, reason) }

    func writeLog(_ key: FunctionKey, _ requestID: RequestID?, _ stream: LogStreamID, _ bytes: UnsafeRawBufferPointer) {
        // A log that cannot be written must not fail the invocation; the store of bills does.
        try? logs.append(function: key, requestID: requestID, stream: stream, timeMilliseconds: wallClock(), bytes: bytes)
    }

    // MARK: Time

    private static let tickMilliseconds: Int64 = 10

    func startTicking() {
        guard ticker == nil else { return }
        let me = NIOLoopBound(self, eventLoop: loop)
        ticker = loop.scheduleRepeatedTask(initialDelay: .milliseconds(Self.tickMilliseconds), delay: .milliseconds(Self.tickMilliseconds)) { _ in
            me.value.tick()
        }
    }

    private func tick() {
        ticks += 1
        let now = NIODeadline.now()
        var isNeeded = !calls.isEmpty
        for host in hosts.values where host.needsTick {
            isNeeded = true
            host.tick(now, checkMemory: ticks % 5 == 0)
        }
        if !isNeeded {
            ticker?.cancel()
            ticker = nil
        }
    }

    // MARK: Drain

    /// Refuses new invocations; the future is done when accepted ones are answered.
    public func beginDrain() -> EventLoopFuture<Void> {
        isDraining = true
        let promise = loop.makePromise(of: Void.self)
        drainWaiters.append(promise)
        for host in hosts.values { host.beginDrain() }
        drainIfDone()
        return promise.futureResult
    }

    /// What follows an answer is finished, and shutdowns have their time.
    private func drainIfDone() {
        guard isDraining, calls.isEmpty, !hosts.values.contains(where: \.isAtWorkForNobody) else { return }
        drainedAll()
    }

    /// What is still running is answered with 503 and recorded as interrupted.
    public func interruptAll() {
        isDraining = true
        for host in hosts.values { host.interruptAll() }
        for host in hosts.values { host.abandon() }
    }

    /// The helper has ended: every sandbox with it.
    public func helperLost() {
        isDraining = true
        node.helperLost()
        for host in hosts.values { host.interruptAll() }
    }

    private func drainedAll() {
        let waiters = drainWaiters
        drainWaiters = []
        for waiter in waiters { waiter.succeed() }
    }

    public var inFlight: Int { calls.count }
}
