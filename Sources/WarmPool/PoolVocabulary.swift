public import FunctionModel

/// One worker of one pool: a process that takes invocations. Unique within its pool, never reused.
public struct WorkerID: Hashable, Sendable {
    public let value: UInt64
    public init(_ value: UInt64) { self.value = value }
}

/// One template of one pool. Unique within its pool, never reused.
public struct TemplateID: Hashable, Sendable {
    public let value: UInt64
    public init(_ value: UInt64) { self.value = value }
}

/// One request handed to one pool. Unique within its pool, never reused.
public struct PendingID: Hashable, Sendable {
    public let value: UInt64
    public init(_ value: UInt64) { self.value = value }
}

/// The bounds of one pool. All times are microseconds.
public struct PoolLimits: Hashable, Sendable {
    /// Workers that are starting, ready or busy, and so also invocations in flight: the function's reserved concurrency
    /// or, without one, what the node allows. 0 refuses every request.
    public var maxConcurrency: Int
    /// Whether `maxConcurrency` is the function's own reservation: decides which throttle a caller is told of.
    public var isReserved: Bool
    /// Requests that wait for a worker or a permit; the next one is refused.
    public var maxQueue: Int
    /// Workers kept ready ahead of requests.
    public var maxReady: Int
    /// Workers that are ready or busy whatever is asked for: provisioned concurrency. They outlast idleness; only the
    /// node's memory goes before them.
    public var provisioned: Int
    /// Copies asked of one template at a time. It makes them one after another, so more would only wait there.
    public var maxStartingCopies: Int
    /// Environments that run init at a time; each costs the CPU of a whole init, so about twice the cores.
    public var maxStartingInits: Int
    /// Ended workers that are not reaped yet may exceed `maxConcurrency` by this many, so that a replacement need not
    /// wait for the kernel's clean-up, and a host that cleans up slowly is not flooded.
    public var endingAllowance: Int
    /// Without a request for this long everything is stopped: the function is `registered` again.
    public var idleMicros: UInt64
    /// Without a request for this long the last ready copy goes and the template stays; at most `idleMicros`.
    public var warmMicros: UInt64
    /// A ready worker beyond what was wanted lately is stopped after this time.
    public var readyIdleMicros: UInt64
    /// A template older than this is replaced without a gap: credentials, name lookups and clocks in it go stale.
    public var templateMaxAgeMicros: UInt64
    /// First wait after a failed init; doubles with each further failure.
    public var initBackoffFirstMicros: UInt64
    public var initBackoffMaxMicros: UInt64
    /// Requests that waited for an init do not expire before this time has passed since its end: nobody is refused for
    /// having been first.
    public var coldGraceMicros: UInt64
    public var isolation: Isolation

    public init(
        maxConcurrency: Int, isReserved: Bool = false, maxQueue: Int = 1_000, maxReady: Int = 16, provisioned: Int = 0, maxStartingCopies: Int = 16,
        maxStartingInits: Int = 4, endingAllowance: Int = 4, idleMicros: UInt64 = 60_000_000, warmMicros: UInt64 = 30_000_000,
        readyIdleMicros: UInt64 = 10_000_000, templateMaxAgeMicros: UInt64 = 4 * 3_600_000_000,
        initBackoffFirstMicros: UInt64 = 1_000_000, initBackoffMaxMicros: UInt64 = 300_000_000,
        coldGraceMicros: UInt64 = 10_000_000, isolation: Isolation = .invocation
    ) {
        self.maxConcurrency = max(0, maxConcurrency)
        self.isReserved = isReserved
        self.maxQueue = max(0, maxQueue)
        self.maxReady = max(1, maxReady)
        self.provisioned = max(0, provisioned)
        self.maxStartingCopies = max(1, maxStartingCopies)
        self.maxStartingInits = max(1, maxStartingInits)
        self.endingAllowance = max(0, endingAllowance)
        self.idleMicros = max(1, idleMicros)
        self.warmMicros = min(warmMicros, idleMicros)
        self.readyIdleMicros = max(1, readyIdleMicros)
        self.templateMaxAgeMicros = max(1, templateMaxAgeMicros)
        self.initBackoffFirstMicros = max(1, initBackoffFirstMicros)
        self.initBackoffMaxMicros = max(initBackoffFirstMicros, initBackoffMaxMicros)
        self.coldGraceMicros = coldGraceMicros
        self.isolation = isolation
    }
}

/// What a pool asks its owner to do. Trivial values: appending one allocates nothing.
public enum PoolAction: Hashable, Sendable {
    /// Make the template and answer with `templateReady` or `templateFailed`.
    case startTemplate(TemplateID)
    /// End the template; it is forgotten. No worker made from it is left, or `stopWorker` for the rest came before.
    case stopTemplate(TemplateID)
    /// Make a worker, as a copy of the template or, with nil, as an environment that runs init itself; answer with
    /// `workerReady` or `workerFailed`.
    case startWorker(WorkerID, from: TemplateID?)
    /// End the worker and answer with `workerGone` once it is reaped.
    case stopWorker(WorkerID)
    case dispatch(PendingID, WorkerID, StartKind)
    case fail(PendingID, PoolRefusal)
    /// This revision was replaced: hand the request to the pool of the new one.
    case requeue(PendingID)
    /// For metrics, `describe` and whoever waits for a deployment to become ready.
    case stateChanged(PoolState)
}

/// Why a request was not dispatched.
public enum PoolRefusal: UInt8, Hashable, Sendable, CaseIterable {
    /// The function's reserved concurrency is used up, for longer than the request could wait.
    case throttledFunction
    /// The queue is full.
    case queueFull
    /// Its deadline passed before a worker or a permit was free.
    case deadline
    /// Init failed or is backing off after a failure. The owner has the error: it reported it.
    case initFailed
    /// Sandboxes of this function cannot be made at the moment.
    case unavailable
    case draining
}

/// Why a template or worker did not become ready.
public enum StartFailure: UInt8, Hashable, Sendable {
    /// The function's own init failed: exception, exit, time limit, bad handler name.
    case initError
    /// The platform could not make it, or it ended before init came to a result.
    case sandbox
    /// The node has no memory to spare; not the function's fault, tried again when there is.
    case noRoom
}

/// The life of one function revision, as `describe` and metrics show it.
public enum PoolState: UInt8, Hashable, Sendable, CaseIterable {
    /// Nothing in memory. A request or `prewarm` leads to `starting`.
    case registered
    /// The template, or the first environment, runs init; requests queue. Leads to `ready`, `idle` or `failed`.
    case starting
    /// A worker is ready, busy or being copied. Leads to `idle` or, when nothing was asked for long enough, `registered`.
    case ready
    /// Only the template is in memory. Leads to `ready` with the next request, to `registered` after the idle time.
    case idle
    /// Init failed and backs off; requests are answered with its error. Leads to `registered` when the time is over.
    case failed
    /// No new requests; accepted ones finish. Leads to `drained`.
    case draining
    /// The end: nothing in memory, nothing queued, every request is refused or handed back.
    case drained
}

/// How many of what a pool holds at one moment.
public struct PoolCounts: Hashable, Sendable {
    public var queued = 0
    public var starting = 0
    public var ready = 0
    public var busy = 0
    public var ending = 0
    public var templatesStarting = 0
    public var templatesReady = 0

    public init() {}
}
