internal import FunctionModel

/// Decides, for one function revision, which template and workers exist and which request goes to which worker.
///
/// Pure: every event carries `now` (microseconds on one monotonic clock, never going back), every consequence is an
/// action appended to an array that the owner keeps and empties. In the steady state an event allocates nothing.
/// Actions must be carried out in order, after the event method has returned. Confined to one event loop.
///
/// Workers come into being in one of three ways:
/// - *fork*: copies of a template, each for one invocation (mode `invocation`);
/// - *once*: environments started ahead, each running init itself, each for one invocation. For runtimes without a
///   template, and for functions whose template turned out not to be safe to copy;
/// - *reuse*: environments that serve one invocation after another (mode `environment`), made either way.
///
/// The contract with the owner: each `startWorker` is answered by `workerReady` or `workerFailed` unless `stopWorker`
/// came first, and each worker that had a process is reported by exactly one `workerGone` when that process is reaped.
/// IDs that the pool does not know, or no longer knows, are ignored: a late report is not an error.
public struct FunctionPool {
    private enum Supply {
        /// No template has told yet whether it can be copied.
        case unknown
        case copies
        case inits
    }

    private enum Phase {
        case open
        /// `beginDrain`: new requests are refused.
        case draining
        /// `retire`: new requests are handed back.
        case retired
    }

    private struct Template {
        let id: TemplateID
        var isReady = false
        /// When it was started, then when it became ready.
        var since: UInt64
        /// Workers made from it that are not gone.
        var workers = 0
        let epoch: UInt32
    }

    enum WorkerState {
        /// Asked for. → `ready`, or `ending` when it failed or is no longer wanted.
        case starting
        /// Waiting for a request, and in the list of ready workers. → `busy`, `ending`.
        case ready
        /// Has a request. → `ready` when it may be reused, otherwise `ending`.
        case busy
        /// Told to end, or failed; holds its slot until reaped. → forgotten.
        case ending
    }

    struct Worker {
        var state = WorkerState.starting
        let template: TemplateID?
        var readyAt: UInt64 = 0
        var hasServed = false
        /// Since when the template that it is copied from was ready.
        let templateSince: UInt64
        let epoch: UInt32
    }

    private struct Pending {
        let arrivedAt: UInt64
        let deadline: UInt64
    }

    public private(set) var limits: PoolLimits
    public private(set) var state = PoolState.registered

    private var supply: Supply
    private var phase = Phase.open
    private var current: Template?
    private var replacement: Template?
    /// The template before `current`, kept until the last worker made from it is gone.
    private var retiring: Template?
    private var nextTemplate: UInt64 = 1
    private var nextUnqueued: UInt64 = 0

    /// Linked: the ready ones, the longest ready first.
    private(set) var workers = Slab<Worker>()
    /// All linked, in order of arrival.
    private var queue = Slab<Pending>()
    private var startingCount = 0
    private var busyCount = 0
    private var endingCount = 0
    /// Invocations of the same function in flight in other pools (other versions, retired revisions).
    private var busyElsewhere = 0

    private var demand = DemandEstimate()
    private var failures = StartFailures()
    /// nil until the first request or `prewarm`, and again after scaling to zero.
    private var lastActivity: UInt64?
    /// Not later than the earliest deadline in the queue.
    private var earliestDeadline = UInt64.max
    private var expiryFloor: UInt64 = 0
    private var trimAt: UInt64?
    private var replacementRetryAt: UInt64 = 0
    /// Until then nothing is started, because the node had no room.
    private var noRoomUntil: UInt64 = 0
    /// Until then nothing is started that no request waits for.
    private var refillPausedUntil: UInt64 = 0
    /// Whether as many as are provisioned were ready or busy at one time, and nothing has become of them since but
    /// invocations.
    public private(set) var holdsProvision = false
    /// `prewarm` asked, and nothing has become ready or failed since.
    private var isPrewarming = false

    private static var roomRetryMicros: UInt64 { 50_000 }
    private static var refillPauseMicros: UInt64 { 1_000_000 }
    private static var unqueuedBit: UInt64 { 1 << 63 }

    /// - Parameter hasTemplate: false for runtimes that can never be copied (`provided`).
    public init(limits: PoolLimits, hasTemplate: Bool) {
        self.limits = limits
        supply = hasTemplate ? .unknown : .inits
    }

    // MARK: What the owner may ask

    public var counts: PoolCounts {
        var counts = PoolCounts()
        counts.queued = queue.count
        counts.starting = startingCount
        counts.ready = workers.linkedCount
        counts.busy = busyCount
        counts.ending = endingCount
        if let current { if current.isReady { counts.templatesReady += 1 } else { counts.templatesStarting += 1 } }
        if replacement != nil { counts.templatesStarting += 1 }
        if retiring != nil { counts.templatesReady += 1 }
        return counts
    }

    public var inFlight: Int { busyCount }

    /// nil until a template has told, or for good when the runtime has none.
    public var isForkable: Bool? {
        switch supply {
        case .unknown: nil
        case .copies: true
        case .inits: false
        }
    }

    /// When a back-off ends; nil while there is none.
    public func backoffEnd(now: UInt64) -> UInt64? { failures.isBackingOff(at: now) ? failures.until : nil }

    /// When `tick` has something to do at the earliest; nil when nothing depends on time. It may move later with each
    /// event, so a timer need only be armed anew when this is earlier than the armed one; a `tick` too early is harmless.
    public var nextDeadline: UInt64? {
        var next = UInt64.max
        if queue.count > 0, !isInitialising { next = min(next, max(earliestDeadline, expiryFloor)) }
        if let lastActivity, busyCount == 0, queue.count == 0, holdsAnything {
            if limits.provisioned == 0 || phase != .open { next = min(next, lastActivity &+ limits.idleMicros) }
            if workers.linkedCount > provisionedReady { next = min(next, lastActivity &+ warmMicros) }
        }
        if workers.linkedCount > max(1, provisionedReady), let trimAt { next = min(next, trimAt) }
        if let current, current.isReady, replacement == nil, retiring == nil, phase == .open {
            next = min(next, max(current.since &+ limits.templateMaxAgeMicros, replacementRetryAt, noRoomUntil))
        }
        if failures.until > 0, state == .failed { next = min(next, failures.until) }
        if noRoomUntil > 0 { next = min(next, noRoomUntil) }
        if refillPausedUntil > 0 { next = min(next, refillPausedUntil) }
        return next == .max ? nil : next
    }

    // MARK: Requests

    /// A request arrives. Exactly one of `dispatch`, `fail` and `requeue` follows for it, now or later, unless it is
    /// cancelled first.
    /// - Parameter deadline: until when it may wait in the queue.
    public mutating func request(deadline: UInt64, now: UInt64, into actions: inout [PoolAction]) -> PendingID {
        guard phase == .open else {
            let id = unqueuedID()
            actions.append(phase == .retired ? .requeue(id) : .fail(id, .draining))
            return id
        }
        guard limits.maxConcurrency > 0 else {
            let id = unqueuedID()
            actions.append(.fail(id, .throttledFunction))
            return id
        }
        if queue.count == 0, busyCount < permits, let worker = nextReadyWorker {
            noteArrival(now)
            let id = unqueuedID()
            dispatch(id, arrivedAt: now, to: worker, now: now, &actions)
            settle(now, &actions)
            return id
        }
        if failures.isBackingOff(at: now), workers.linkedCount == 0 {
            let id = unqueuedID()
            actions.append(.fail(id, failures.reason))
            return id
        }
        if queue.count >= limits.maxQueue {
            let id = unqueuedID()
            actions.append(.fail(id, isAtReservation ? .throttledFunction : .queueFull))
            return id
        }
        noteArrival(now)
        let key = queue.insert(Pending(arrivedAt: now, deadline: deadline))
        if let index = queue.index(of: key) { queue.linkLast(index) }
        earliestDeadline = min(earliestDeadline, deadline)
        settle(now, &actions)
        return PendingID(key)
    }

    /// The caller has gone. Takes a request out of the queue; one that was dispatched or refused is not touched.
    /// - Returns: whether it was still queued; then no action follows for it.
    @discardableResult
    public mutating func cancel(_ pending: PendingID, now: UInt64, into actions: inout [PoolAction]) -> Bool {
        guard let index = queue.index(of: pending.value) else { return false }
        queue.remove(index)
        settle(now, &actions)
        return true
    }

    /// Makes the function ready although nobody asks for it yet (the end of a deployment). Counts as a request for the
    /// idle time. While init backs off nothing is started.
    public mutating func prewarm(now: UInt64, into actions: inout [PoolAction]) {
        guard phase == .open, limits.maxConcurrency > 0 else { return }
        lastActivity = now
        isPrewarming = workers.linkedCount == 0
        settle(now, &actions)
    }

    // MARK: Templates

    /// Init is done and the template was audited.
    /// - Parameter forkable: false makes this pool start environments by init from now on.
    public mutating func templateReady(_ id: TemplateID, forkable: Bool, now: UInt64, into actions: inout [PoolAction]) {
        if current?.id == id, current?.isReady == false {
            supply = forkable ? .copies : .inits
            if forkable {
                current?.isReady = true
                current?.since = now
            } else {
                current = nil
                actions.append(.stopTemplate(id))
            }
        } else if replacement?.id == id {
            // The age of `current` says that nothing is retiring: a replacement is only started then.
            retiring = current
            current = nil
            supply = forkable ? .copies : .inits
            if forkable {
                current = replacement
                current?.isReady = true
                current?.since = now
            } else {
                actions.append(.stopTemplate(id))
            }
            replacement = nil
            if limits.isolation == .environment { stopStaleIdleEnvironments(&actions) }
            stopRetiringTemplateIfUnused(&actions)
        } else {
            return
        }
        failures.initSucceeded()
        if supply == .copies { expiryFloor = now &+ limits.coldGraceMicros }
        settle(now, &actions)
    }

    /// The template did not become ready and is gone. The owner keeps an init error: it is what `initFailed` means.
    public mutating func templateFailed(_ id: TemplateID, _ failure: StartFailure, now: UInt64, into actions: inout [PoolAction]) {
        if let template = current, template.id == id, !template.isReady {
            current = nil
            failed(failure, epoch: template.epoch, now: now, &actions)
        } else if replacement?.id == id {
            replacement = nil
            // The old one still serves, so this is nobody's error; it only must not become a busy loop.
            replacementRetryAt = now &+ limits.initBackoffMaxMicros
        } else {
            return
        }
        settle(now, &actions)
    }

    /// A ready template ended without being told to. Its workers may live on; those that do not are reported as gone.
    public mutating func templateLost(_ id: TemplateID, now: UInt64, into actions: inout [PoolAction]) {
        if let template = current, template.id == id {
            current = nil
            failed(.sandbox, epoch: template.epoch, now: now, &actions)
        } else if replacement?.id == id {
            replacement = nil
            replacementRetryAt = now &+ limits.initBackoffMaxMicros
        } else if retiring?.id == id {
            retiring = nil
        } else {
            return
        }
        settle(now, &actions)
    }

    // MARK: Workers

    /// The worker waits for its request.
    public mutating func workerReady(_ id: WorkerID, now: UInt64, into actions: inout [PoolAction]) {
        guard let index = workers.index(of: id.value), workers[index].state == .starting else { return }
        if isInitialising { expiryFloor = now &+ limits.coldGraceMicros }
        demand.workerBecameReady()
        startingCount -= 1
        workers[index].state = .ready
        workers[index].readyAt = now
        workers.linkLast(index)
        failures.workerBecameReady()
        isPrewarming = false
        settle(now, &actions)
    }

    /// The worker did not become ready. After `.initError` its process is ended by the owner and reported as gone;
    /// after `.sandbox` and `.noRoom` there is none, and the pool has forgotten it.
    public mutating func workerFailed(_ id: WorkerID, _ failure: StartFailure, now: UInt64, into actions: inout [PoolAction]) {
        guard let index = workers.index(of: id.value) else { return }
        let (state, epoch) = (workers[index].state, workers[index].epoch)
        switch state {
        case .starting:
            startingCount -= 1
            if failure == .initError {
                workers[index].state = .ending
                endingCount += 1
            } else {
                forget(index, &actions)
            }
            failed(failure, epoch: epoch, now: now, &actions)
        case .ending where failure != .initError:
            endingCount -= 1
            forget(index, &actions)
        case .ending, .ready, .busy:
            return
        }
        settle(now, &actions)
    }

    /// The answer was delivered: the permit is free.
    /// - Parameter reusable: whether an environment may serve again; without meaning in mode `invocation`.
    public mutating func workerFinished(_ id: WorkerID, reusable: Bool, now: UInt64, into actions: inout [PoolAction]) {
        guard let index = workers.index(of: id.value), workers[index].state == .busy else { return }
        busyCount -= 1
        lastActivity = now
        let isStale = workers[index].template != nil && workers[index].template != current?.id
        if limits.isolation == .environment, reusable, phase == .open, !isStale {
            workers[index].state = .ready
            workers[index].readyAt = now
            workers.linkLast(index)
        } else {
            workers[index].state = .ending
            endingCount += 1
            actions.append(.stopWorker(id))
        }
        settle(now, &actions)
    }

    /// The worker's process is reaped: its slot is free. In whatever state it was; the caller of a busy one is the
    /// owner's to answer.
    public mutating func workerGone(_ id: WorkerID, now: UInt64, into actions: inout [PoolAction]) {
        guard let index = workers.index(of: id.value) else { return }
        let (state, epoch) = (workers[index].state, workers[index].epoch)
        switch state {
        case .starting: startingCount -= 1
        case .ready:
            // Something ends workers that wait. Requests still get theirs, only nothing is made ahead for a while.
            holdsProvision = false
            refillPausedUntil = now &+ Self.refillPauseMicros
        case .busy:
            busyCount -= 1
            lastActivity = now
        case .ending: endingCount -= 1
        }
        forget(index, &actions)
        if state == .starting { failed(.sandbox, epoch: epoch, now: now, &actions) }
        settle(now, &actions)
    }

    // MARK: Time and the node

    /// Time has passed: see `nextDeadline`.
    public mutating func tick(now: UInt64, into actions: inout [PoolAction]) {
        expireQueue(now, &actions)
        if noRoomUntil <= now { noRoomUntil = 0 }
        if refillPausedUntil <= now { refillPausedUntil = 0 }
        let isIdle = lastActivity.map { busyCount == 0 && queue.count == 0 && now >= $0 &+ limits.idleMicros } ?? false
        if isIdle, limits.provisioned == 0 || phase != .open {
            stopEverything(&actions)
            lastActivity = nil
        } else if phase == .open {
            trimReady(now, &actions)
            replaceTemplateIfOld(now, &actions)
        }
        settle(now, &actions)
    }

    /// The node has memory again: starts that it had refused are tried anew.
    public mutating func roomAvailable(now: UInt64, into actions: inout [PoolAction]) {
        noRoomUntil = 0
        settle(now, &actions)
    }

    /// Others need memory more: stops up to `count` ready workers that no request here waits for.
    /// - Returns: how many were told to stop.
    public mutating func reclaim(_ count: Int, now: UInt64, into actions: inout [PoolAction]) -> Int {
        var stopped = 0
        while stopped < count, let index = workers.first {
            stop(index, &actions)
            stopped += 1
        }
        if stopped > 0 {
            holdsProvision = false
            refillPausedUntil = now &+ Self.refillPauseMicros
            settle(now, &actions)
        }
        return stopped
    }

    /// Scales to zero before the idle time is over, if nothing is queued or in flight.
    /// - Returns: whether it did.
    public mutating func scaleToZeroIfUnused(now: UInt64, into actions: inout [PoolAction]) -> Bool {
        guard queue.count == 0, busyCount == 0 else { return false }
        stopEverything(&actions)
        lastActivity = nil
        // What is provisioned comes back when others have had the room.
        if limits.provisioned > 0 { refillPausedUntil = now &+ Self.refillPauseMicros }
        settle(now, &actions)
        return true
    }

    /// The function's other pools have this many invocations in flight: permits here are what they leave.
    public mutating func setBusyElsewhere(_ count: Int, now: UInt64, into actions: inout [PoolAction]) {
        guard count != busyElsewhere else { return }
        busyElsewhere = count
        settle(now, &actions)
    }

    /// `PutFunctionConcurrency` and the like. What exceeds a lowered bound finishes; isolation cannot change, as that
    /// makes a new revision.
    public mutating func update(limits new: PoolLimits, now: UInt64, into actions: inout [PoolAction]) {
        let (isolation, provisioned) = (limits.isolation, limits.provisioned)
        limits = new
        limits.isolation = isolation
        if new.provisioned > provisioned { holdsProvision = false }
        // What was kept without a request becomes idle as after one.
        if new.provisioned < provisioned, lastActivity == nil, holdsAnything { lastActivity = now }
        while startingCount + workers.linkedCount + busyCount > limits.maxConcurrency, let index = workers.first {
            stop(index, &actions)
        }
        for index in 0..<workers.slotCount where startingCount + busyCount > limits.maxConcurrency {
            guard workers.isOccupied(index), workers[index].state == .starting else { continue }
            startingCount -= 1
            markEnding(index, &actions)
        }
        if limits.maxConcurrency == 0 { failQueue(.throttledFunction, &actions) }
        settle(now, &actions)
    }

    /// The helper ended, and every sandbox with it: templates and workers are forgotten without further reports.
    /// Requests stay queued and are served when it is back. Callers of busy workers are the owner's to answer.
    public mutating func everythingLost(now: UInt64, into actions: inout [PoolAction]) {
        for index in 0..<workers.slotCount where workers.isOccupied(index) { workers.remove(index) }
        (startingCount, busyCount, endingCount) = (0, 0, 0)
        (current, replacement, retiring) = (nil, nil, nil)
        holdsProvision = false
        noRoomUntil = now &+ Self.roomRetryMicros
        settle(now, &actions)
    }

    // MARK: The end

    /// The node shuts down: accepted requests finish, new ones are refused.
    public mutating func beginDrain(now: UInt64, into actions: inout [PoolAction]) {
        if phase == .open { phase = .draining }
        settle(now, &actions)
    }

    /// A newer revision took over. Requests in flight finish here.
    /// - Parameter requeueQueued: whether waiting requests are handed to the new revision; otherwise they finish here.
    public mutating func retire(requeueQueued: Bool, now: UInt64, into actions: inout [PoolAction]) {
        phase = .retired
        if requeueQueued {
            while let index = queue.first {
                actions.append(.requeue(PendingID(queue.key(at: index))))
                queue.remove(index)
            }
        }
        settle(now, &actions)
    }

    /// The drain limit is over, or the function was deleted: what is queued fails, what runs is stopped.
    /// Callers of busy workers are the owner's to answer.
    public mutating func abandon(now: UInt64, into actions: inout [PoolAction]) {
        if phase == .open { phase = .draining }
        failQueue(.draining, &actions)
        for index in 0..<workers.slotCount where workers.isOccupied(index) && workers[index].state == .busy {
            busyCount -= 1
            workers[index].state = .ending
            endingCount += 1
            actions.append(.stopWorker(WorkerID(workers.key(at: index))))
        }
        settle(now, &actions)
    }

    // MARK: Decisions

    /// Brings the world in line with the state. Each event ends here; nothing is decided twice.
    private mutating func settle(_ now: UInt64, _ actions: inout [PoolAction]) {
        while let index = queue.first, busyCount < permits, let worker = nextReadyWorker {
            let pending = queue[index]
            let id = PendingID(queue.key(at: index))
            queue.remove(index)
            dispatch(id, arrivedAt: pending.arrivedAt, to: worker, now: now, &actions)
        }
        if queue.count == 0 { earliestDeadline = .max }
        if phase != .open, queue.count == 0 {
            while let index = workers.first { stop(index, &actions) }
            if busyCount == 0 { stopEverything(&actions) }
        }
        start(now, &actions)
        if limits.provisioned > 0, workers.linkedCount + busyCount >= min(limits.provisioned, limits.maxConcurrency) {
            holdsProvision = true
        }
        if trimAt == nil, workers.linkedCount > 1, let oldest = workers.first {
            trimAt = workers[oldest].readyAt &+ trimAge
        }
        announceState(now, &actions)
    }

    private mutating func dispatch(
        _ id: PendingID, arrivedAt: UInt64, to index: Int, now: UInt64, _ actions: inout [PoolAction]
    ) {
        let worker = workers[index]
        let kind: StartKind
        if worker.readyAt <= arrivedAt || worker.hasServed {
            kind = .ready
        } else if worker.template != nil, worker.templateSince <= arrivedAt {
            kind = .template
        } else {
            kind = .cold
        }
        workers.unlink(index)
        workers[index].state = .busy
        workers[index].hasServed = true
        busyCount += 1
        actions.append(.dispatch(id, WorkerID(workers.key(at: index)), kind))
    }

    private mutating func start(_ now: UInt64, _ actions: inout [PoolAction]) {
        guard now >= noRoomUntil, !failures.isBackingOff(at: now) else { return }
        let demanded = min(queue.count, max(0, permits - busyCount))
        // Requests that wait will have what is provisioned.
        let ahead = max(demandedTarget(now), provisionedTarget(now) - demanded)
        let wanted = max(demanded + ahead, isPrewarming && phase == .open ? 1 : 0)
        guard wanted > 0 else { return }
        let template: TemplateID?
        var templateSince: UInt64 = 0
        let parallel: Int
        switch supply {
        case .unknown, .copies:
            guard let current else {
                if permits > 0 { current = startTemplate(now, &actions) }
                return
            }
            guard current.isReady else { return }
            (template, templateSince, parallel) = (current.id, current.since, limits.maxStartingCopies)
        case .inits:
            // After a failure one attempt shows whether the next ones are worth their CPU.
            (template, parallel) = (nil, failures.isClean ? limits.maxStartingInits : 1)
        }
        let existing = startingCount + workers.linkedCount
        var missing = min(wanted - existing, parallel - startingCount)
        missing = min(missing, permits - existing - busyCount)
        missing = min(missing, limits.maxConcurrency + limits.endingAllowance - existing - busyCount - endingCount)
        while missing > 0 {
            let key = workers.insert(Worker(template: template, templateSince: templateSince, epoch: failures.epoch))
            if template != nil { current?.workers += 1 }
            startingCount += 1
            missing -= 1
            actions.append(.startWorker(WorkerID(key), from: template))
        }
    }

    private mutating func startTemplate(_ now: UInt64, _ actions: inout [PoolAction]) -> Template {
        let id = TemplateID(nextTemplate)
        nextTemplate += 1
        actions.append(.startTemplate(id))
        return Template(id: id, since: now, epoch: failures.epoch)
    }

    private mutating func noteArrival(_ now: UInt64) {
        lastActivity = now
        demand.arrived(at: now, outstanding: startingCount + queue.count, bound: limits.maxReady)
    }

    /// Also after failures, for nobody asks again: the back-off says how often.
    private func provisionedTarget(_ now: UInt64) -> Int { now >= refillPausedUntil ? provisionedReady : 0 }

    /// What to keep ready beyond what the queue asks for.
    private func demandedTarget(_ now: UInt64) -> Int {
        guard phase == .open, failures.isClean, now >= refillPausedUntil, isWarm(now) else { return 0 }
        // Environments that are reused come back by themselves; one is kept for whoever comes first.
        if limits.isolation == .environment { return busyCount == 0 && queue.count == 0 ? 1 : 0 }
        return demand.readyTarget(at: now, bound: limits.maxReady)
    }

    private mutating func failed(_ failure: StartFailure, epoch: UInt32, now: UInt64, _ actions: inout [PoolAction]) {
        holdsProvision = false
        if failure == .noRoom {
            noRoomUntil = now &+ Self.roomRetryMicros
            if queue.count == 0, limits.provisioned > 0 { refillPausedUntil = now &+ Self.refillPauseMicros }
            return
        }
        switch failures.record(failure, epoch: epoch, now: now, limits: limits) {
        case .counted, .retry: break
        case .failOne:
            guard let index = queue.first else { break }
            actions.append(.fail(PendingID(queue.key(at: index)), .initFailed))
            queue.remove(index)
        case .backOff:
            // Not before: what is tolerated once is tried again for whoever waits without a request.
            isPrewarming = false
            failQueue(failures.reason, &actions)
        }
    }

    private mutating func failQueue(_ reason: PoolRefusal, _ actions: inout [PoolAction]) {
        while let index = queue.first {
            actions.append(.fail(PendingID(queue.key(at: index)), reason))
            queue.remove(index)
        }
    }

    private mutating func expireQueue(_ now: UInt64, _ actions: inout [PoolAction]) {
        guard !isInitialising, now >= max(earliestDeadline, expiryFloor) else { return }
        let reason = isAtReservation ? PoolRefusal.throttledFunction : .deadline
        earliestDeadline = .max
        var next = queue.first
        while let index = next {
            next = queue.next(after: index)
            if queue[index].deadline <= now {
                actions.append(.fail(PendingID(queue.key(at: index)), reason))
                queue.remove(index)
            } else {
                earliestDeadline = min(earliestDeadline, queue[index].deadline)
            }
        }
    }

    private mutating func trimReady(_ now: UInt64, _ actions: inout [PoolAction]) {
        guard isWarm(now) || busyCount > 0 || queue.count > 0 else {
            while workers.linkedCount > provisionedReady, let index = workers.first { stop(index, &actions) }
            trimAt = nil
            return
        }
        guard let trimAt, now >= trimAt else { return }
        let keep = max(demandedTarget(now), provisionedReady, 1)
        while workers.linkedCount > keep, let index = workers.first, workers[index].readyAt &+ trimAge <= now {
            stop(index, &actions)
        }
        self.trimAt = nil
        guard workers.linkedCount > 1, let oldest = workers.first else { return }
        let due = workers[oldest].readyAt &+ trimAge
        self.trimAt = due > now ? due : now &+ trimAge
    }

    private mutating func replaceTemplateIfOld(_ now: UInt64, _ actions: inout [PoolAction]) {
        guard let current, current.isReady, replacement == nil, retiring == nil, now >= noRoomUntil,
            now >= max(current.since &+ limits.templateMaxAgeMicros, replacementRetryAt)
        else { return }
        replacement = startTemplate(now, &actions)
    }

    private mutating func stopStaleIdleEnvironments(_ actions: inout [PoolAction]) {
        var next = workers.first
        while let index = next {
            next = workers.next(after: index)
            if workers[index].template != current?.id { stop(index, &actions) }
        }
    }

    private mutating func stopEverything(_ actions: inout [PoolAction]) {
        while let index = workers.first { stop(index, &actions) }
        if startingCount > 0 {
            for index in 0..<workers.slotCount where workers.isOccupied(index) && workers[index].state == .starting {
                startingCount -= 1
                markEnding(index, &actions)
            }
        }
        for template in [current, replacement, retiring] {
            if let template { actions.append(.stopTemplate(template.id)) }
        }
        (current, replacement, retiring) = (nil, nil, nil)
        trimAt = nil
        isPrewarming = false
        holdsProvision = false
    }

    /// `index` must be a ready worker.
    private mutating func stop(_ index: Int, _ actions: inout [PoolAction]) {
        workers.unlink(index)
        markEnding(index, &actions)
    }

    private mutating func markEnding(_ index: Int, _ actions: inout [PoolAction]) {
        workers[index].state = .ending
        endingCount += 1
        actions.append(.stopWorker(WorkerID(workers.key(at: index))))
    }

    private mutating func forget(_ index: Int, _ actions: inout [PoolAction]) {
        if let template = workers[index].template {
            if current?.id == template {
                current?.workers -= 1
            } else if retiring?.id == template {
                retiring?.workers -= 1
                stopRetiringTemplateIfUnused(&actions)
            }
        }
        workers.remove(index)
    }

    private mutating func stopRetiringTemplateIfUnused(_ actions: inout [PoolAction]) {
        guard let old = retiring, old.workers == 0 else { return }
        retiring = nil
        actions.append(.stopTemplate(old.id))
    }

    private mutating func announceState(_ now: UInt64, _ actions: inout [PoolAction]) {
        let new = derivedState(now)
        guard new != state else { return }
        state = new
        actions.append(.stateChanged(new))
    }

    private func derivedState(_ now: UInt64) -> PoolState {
        if phase != .open {
            return busyCount == 0 && queue.count == 0 && endingCount == 0 && startingCount == 0 ? .drained : .draining
        }
        if busyCount > 0 || workers.linkedCount > 0 { return .ready }
        if current?.isReady == true { return startingCount > 0 ? .ready : .idle }
        // Others of the same attempt may still be on their way: requests are refused all the same.
        if failures.isBackingOff(at: now) { return .failed }
        if current != nil || startingCount > 0 { return .starting }
        return queue.count > 0 ? .starting : .registered
    }

    // MARK: Small questions

    /// Invocations of this pool that may be in flight, as long as the function's other pools have theirs.
    private var permits: Int { max(0, limits.maxConcurrency - busyElsewhere) }

    /// Ready workers that provisioned concurrency asks for beside the busy ones.
    private var provisionedReady: Int { phase == .open ? max(0, min(limits.provisioned, permits) - busyCount) : 0 }

    /// Single-use: the longest ready first, so that copies of a replaced template go first. Reused: the last used
    /// first, so that those beyond need become idle.
    private var nextReadyWorker: Int? { limits.isolation == .environment ? workers.last : workers.first }

    /// Requests wait for an init, and for nothing else: it has its own time limit.
    private var isInitialising: Bool {
        guard busyCount == 0, workers.linkedCount == 0 else { return false }
        return current?.isReady == false || supply == .inits && startingCount > 0
    }

    private var isAtReservation: Bool { limits.isReserved && busyCount >= permits }

    private var holdsAnything: Bool {
        current != nil || replacement != nil || retiring != nil || startingCount > 0 || workers.linkedCount > 0
    }

    /// Where there is no template to fall back to, the last worker stays until the idle time.
    private var warmMicros: UInt64 {
        supply == .inits || limits.isolation == .environment ? limits.idleMicros : limits.warmMicros
    }

    private var trimAge: UInt64 { limits.isolation == .environment ? limits.idleMicros : limits.readyIdleMicros }

    private func isWarm(_ now: UInt64) -> Bool {
        guard let lastActivity else { return false }
        return now < lastActivity &+ warmMicros
    }

    /// For requests that never wait: not a key of the queue.
    private mutating func unqueuedID() -> PendingID {
        nextUnqueued += 1
        return PendingID(Self.unqueuedBit | nextUnqueued)
    }
}
