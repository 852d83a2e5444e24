internal import FunctionModel
package import WarmPool

/// Plays a workload to one real pool for each function, on a clock of its own, and does what the pools say at stated
/// costs, as the pipeline does: starts that nobody waits for are held back while a handler runs, a template makes its
/// copies one after another, all preparations share the node's processors. The handlers themselves wait, for others'
/// answers say, and take no processor.
package struct PoolReplay {
    private enum Event {
        case arrival(Int)
        case tick(Int)
        case templateDone(Int, TemplateID)
        case copyDone(Int, WorkerID)
        case spareDone
        case held(Int)
        case finished(Int, WorkerID)
        case gone(Int, WorkerID)
    }

    private enum Job {
        case template(Int, TemplateID)
        case copy(Int)
        case spare
    }

    private struct Waiting {
        let arrival: Int
        let isAfterQuiet: Bool
    }

    private struct Host {
        var pool: FunctionPool
        var nextArrival = 0
        var waiting: [PendingID: Waiting] = [:]
        var copies: [WorkerID] = []
        var isCopying = false
        var held: [WorkerID] = []
        var heldUntil: UInt64?
        var timerAt = UInt64.max
        var lastActivity: UInt64 = 0
        /// The function was left alone for the warm time, and no copy has become ready since.
        var isAfterQuiet = true
    }

    private let workload: Workload
    private let costs: ReplayCosts
    private let limits: PoolLimits
    private var hosts: [Host]
    private var events = EventQueue<Event>()
    private var preparation: Preparation<Job>
    private var memory: MemoryMeter
    private var actions: [PoolAction] = []
    private var now: UInt64 = 0
    package private(set) var figures = ReplayFigures()
    /// What should never be.
    package private(set) var problem: String?

    package init(_ workload: Workload, limits: PoolLimits, costs: ReplayCosts = ReplayCosts()) {
        self.workload = workload
        self.costs = costs
        self.limits = limits
        hosts = workload.functions.map { _ in Host(pool: FunctionPool(limits: limits, hasTemplate: true)) }
        preparation = Preparation(costs)
        memory = MemoryMeter(costs)
    }

    /// Until everything is at rest; memory counts to the end of the last arrivals' time.
    package mutating func run() -> ReplayFigures {
        for index in hosts.indices { scheduleArrival(index) }
        memory.change(templates: 1, at: 0, &figures)  // the spare
        let end = UInt64(workload.seconds * 1e6)
        var atEnd: ReplayFigures?
        while let (at, event) = events.removeFirst() {
            if at > end, atEnd == nil {
                now = end
                memory.change(at: end, &figures)
                atEnd = figures
            }
            now = at
            handle(event)
            while let job = preparation.begin() { begin(job) }
        }
        if atEnd == nil { memory.change(at: end, &figures) }
        memory.change(templates: -1, at: now, &figures)
        checkRest()
        let time = atEnd ?? figures
        (figures.templateMicros, figures.workerMicros, figures.busyMicros) = (time.templateMicros, time.workerMicros, time.busyMicros)
        figures.seconds = workload.seconds
        figures.preparationMicros = preparation.busyMicros
        figures.waits.sort()
        return figures
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .arrival(let index): arrive(index)
        case .tick(let index):
            guard hosts[index].timerAt == now else { return }
            hosts[index].timerAt = .max
            hosts[index].pool.tick(now: now, into: &actions)
            perform(index)
        case .templateDone(let index, let id):
            preparation.ended()
            hosts[index].pool.templateReady(id, forkable: true, now: now, into: &actions)
            perform(index)
        case .copyDone(let index, let id):
            preparation.ended()
            hosts[index].isCopying = false
            hosts[index].isAfterQuiet = false
            hosts[index].pool.workerReady(id, now: now, into: &actions)
            perform(index)
            copyNext(index)
        case .spareDone:
            preparation.ended()
            preparation.spareIsBack()
            memory.change(templates: 1, at: now, &figures)
        case .held(let index):
            guard hosts[index].heldUntil == now else { return }
            startHeld(index)
        case .finished(let index, let id):
            memory.change(busy: -1, at: now, &figures)
            hosts[index].lastActivity = now
            hosts[index].pool.workerFinished(id, reusable: limits.isolation == .environment, now: now, into: &actions)
            perform(index)
            startHeld(index)
        case .gone(let index, let id):
            memory.change(workers: -1, at: now, &figures)
            hosts[index].pool.workerGone(id, now: now, into: &actions)
            perform(index)
        }
    }

    // MARK: Requests

    private mutating func scheduleArrival(_ index: Int) {
        let arrivals = workload.functions[index].arrivals
        guard hosts[index].nextArrival < arrivals.count else { return }
        events.add(.arrival(index), at: arrivals[hosts[index].nextArrival])
    }

    private mutating func arrive(_ index: Int) {
        let arrival = hosts[index].nextArrival
        hosts[index].nextArrival += 1
        figures.requests += 1
        let id = hosts[index].pool.request(deadline: now + 10_000_000, now: now, into: &actions)
        if hosts[index].pool.inFlight == 0, now >= hosts[index].lastActivity + limits.warmMicros { hosts[index].isAfterQuiet = true }
        hosts[index].waiting[id] = Waiting(arrival: arrival, isAfterQuiet: hosts[index].isAfterQuiet)
        perform(index)
        hosts[index].lastActivity = now
        if !hosts[index].waiting.isEmpty { startHeld(index) }
        scheduleArrival(index)
    }

    private mutating func dispatch(_ index: Int, _ pending: PendingID, to worker: WorkerID, _ kind: StartKind) {
        guard let waiting = hosts[index].waiting.removeValue(forKey: pending) else { return note("\(pending) was dispatched, but does not wait") }
        let trace = workload.functions[index]
        let place = trace.trigger.index
        switch kind {
        case .ready: figures.metByTrigger[place].ready += 1
        case .template where waiting.isAfterQuiet: figures.metByTrigger[place].copiedAfterQuiet += 1
        case .template: figures.metByTrigger[place].copied += 1
        case .cold: figures.metByTrigger[place].cold += 1
        }
        let wait = now - trace.arrivals[waiting.arrival]
        if wait > 0 { figures.waits.append(UInt32(clamping: wait)) }
        memory.change(busy: 1, at: now, &figures)
        events.add(.finished(index, worker), at: now + UInt64(trace.durations[waiting.arrival]))
    }

    // MARK: What pools ask for

    private mutating func perform(_ index: Int) {
        var next = 0
        while next < actions.count {
            let action = actions[next]
            next += 1
            switch action {
            case .startTemplate(let id):
                figures.templatesStarted += 1
                memory.change(templates: 1, at: now, &figures)
                preparation.ask(.template(index, id))
            case .stopTemplate: memory.change(templates: -1, at: now, &figures)
            case .startWorker(let id, _):
                let counts = hosts[index].pool.counts
                if counts.busy > 0, hosts[index].waiting.isEmpty, counts.ready > 0 { hold(index, id) } else { startCopy(index, id) }
            case .stopWorker(let id):
                if let place = hosts[index].held.firstIndex(of: id) {
                    hosts[index].held.remove(at: place)
                    hosts[index].pool.workerFailed(id, .sandbox, now: now, into: &actions)
                } else {
                    events.add(.gone(index, id), at: now + costs.endMicros)
                }
            case .dispatch(let pending, let worker, let kind): dispatch(index, pending, to: worker, kind)
            case .fail(let pending, let reason):
                hosts[index].waiting[pending] = nil
                figures.refused += 1
                if reason != .queueFull, reason != .throttledFunction, reason != .deadline { note("\(pending) failed: \(reason)") }
            case .requeue(let pending): note("\(pending) was handed back")
            case .stateChanged: break
            }
        }
        actions.removeAll(keepingCapacity: true)
        check(index)
        if let next = hosts[index].pool.nextDeadline, next < hosts[index].timerAt {
            hosts[index].timerAt = max(next, now)
            events.add(.tick(index), at: max(next, now))
        }
    }

    private mutating func hold(_ index: Int, _ id: WorkerID) {
        hosts[index].held.append(id)
        guard hosts[index].heldUntil == nil else { return }
        hosts[index].heldUntil = now + costs.holdMicros
        events.add(.held(index), at: now + costs.holdMicros)
    }

    private mutating func startHeld(_ index: Int) {
        hosts[index].heldUntil = nil
        for id in hosts[index].held { startCopy(index, id) }
        hosts[index].held.removeAll(keepingCapacity: true)
    }

    private mutating func startCopy(_ index: Int, _ id: WorkerID) {
        figures.copiesStarted += 1
        memory.change(workers: 1, at: now, &figures)
        hosts[index].copies.append(id)
        copyNext(index)
    }

    private mutating func copyNext(_ index: Int) {
        guard !hosts[index].isCopying, !hosts[index].copies.isEmpty else { return }
        hosts[index].isCopying = true
        preparation.ask(.copy(index))
    }

    // MARK: Preparing

    private mutating func begin(_ job: Job) {
        switch job {
        case .template(let index, let id):
            let hasSpare = preparation.takeSpare()
            if hasSpare {
                // It becomes the template that was counted when it was asked for.
                memory.change(templates: -1, at: now, &figures)
                preparation.ask(.spare)
            }
            let micros = hasSpare ? costs.assignMicros : costs.templateMicros
            preparation.took(micros)
            events.add(.templateDone(index, id), at: now + micros)
        case .copy(let index):
            preparation.took(costs.copyMicros)
            events.add(.copyDone(index, hosts[index].copies.removeFirst()), at: now + costs.copyMicros)
        case .spare:
            preparation.took(costs.spareMicros)
            events.add(.spareDone, at: now + costs.spareMicros)
        }
    }

    // MARK: Promises

    private mutating func note(_ text: String) {
        if problem == nil { problem = "at \(now) µs: \(text)" }
    }

    private mutating func check(_ index: Int) {
        let counts = hosts[index].pool.counts
        let live = counts.starting + counts.ready + counts.busy
        if live > limits.maxConcurrency { note("function \(index) has \(live) workers, \(limits.maxConcurrency) allowed") }
        if counts.queued > limits.maxQueue { note("function \(index) queues \(counts.queued), \(limits.maxQueue) allowed") }
        if counts.queued != hosts[index].waiting.count { note("function \(index) queues \(counts.queued), \(hosts[index].waiting.count) wait") }
        // Some may have been asked for by requests that others served.
        if limits.isolation == .invocation, counts.ready > limits.maxReady + limits.maxStartingCopies {
            note("function \(index) has \(counts.ready) ready")
        }
    }

    private mutating func checkRest() {
        for (index, host) in hosts.enumerated() {
            if host.pool.state != .registered { note("function \(index) rests as \(host.pool.state)") }
            if host.pool.counts != PoolCounts() { note("function \(index) rests with \(host.pool.counts)") }
            if !host.waiting.isEmpty { note("function \(index) never answered \(host.waiting.count)") }
        }
        if !memory.isEmpty { note("something is left in memory") }
    }
}
