/// Plays a workload to a fixed keep-alive with reused environments, the policy of most platforms: a request takes the
/// environment of its function that was used last, or waits for a new one that runs init for it; an environment ends when
/// nothing used it for the keep-alive time. Starts cost what a template's cost, spare and processors included, so that
/// policies are compared and not platforms.
package struct KeepAliveReplay {
    private enum Event {
        case arrival(Int)
        case started(Int, arrival: Int)
        case finished(Int)
        case expiry(Int)
        case spareDone
    }

    private enum Job {
        case environment(Int, arrival: Int)
        case spare
    }

    private struct Host {
        var nextArrival = 0
        /// Since when each has been idle; ascending, as the last used is taken first.
        var idle: [UInt64] = []
        var hasExpiry = false
    }

    private let workload: Workload
    private let costs: ReplayCosts
    private let keepAliveMicros: UInt64
    private var hosts: [Host]
    private var events = EventQueue<Event>()
    private var preparation: Preparation<Job>
    private var memory: MemoryMeter
    private var now: UInt64 = 0
    private var figures = ReplayFigures()

    package init(_ workload: Workload, keepAliveMicros: UInt64, costs: ReplayCosts = ReplayCosts()) {
        self.workload = workload
        self.costs = costs
        self.keepAliveMicros = keepAliveMicros
        hosts = workload.functions.map { _ in Host() }
        preparation = Preparation(costs)
        memory = MemoryMeter(costs)
    }

    /// As `PoolReplay.run`.
    package mutating func run() -> ReplayFigures {
        for index in hosts.indices { scheduleArrival(index) }
        memory.change(templates: 1, at: 0, &figures)  // the spare
        let end = UInt64(workload.seconds * 1e6)
        var atEnd: ReplayFigures?
        while let (at, event) = events.removeFirst() {
            if at > end, atEnd == nil {
                memory.change(at: end, &figures)
                atEnd = figures
            }
            now = at
            handle(event)
            while let job = preparation.begin() { begin(job) }
        }
        if atEnd == nil { memory.change(at: end, &figures) }
        let time = atEnd ?? figures
        (figures.templateMicros, figures.workerMicros, figures.busyMicros) = (time.templateMicros, time.workerMicros, time.busyMicros)
        figures.seconds = workload.seconds
        figures.preparationMicros = preparation.busyMicros
        figures.waits.sort()
        return figures
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .arrival(let index):
            let arrival = hosts[index].nextArrival
            hosts[index].nextArrival += 1
            figures.requests += 1
            if hosts[index].idle.popLast() != nil {
                figures.metByTrigger[workload.functions[index].trigger.index].ready += 1
                serve(index, arrival)
            } else {
                figures.metByTrigger[workload.functions[index].trigger.index].cold += 1
                figures.templatesStarted += 1
                memory.change(templates: 1, at: now, &figures)
                preparation.ask(.environment(index, arrival: arrival))
            }
            scheduleArrival(index)
        case .started(let index, let arrival):
            preparation.ended()
            figures.waits.append(UInt32(clamping: now - workload.functions[index].arrivals[arrival]))
            serve(index, arrival)
        case .finished(let index):
            memory.change(busy: -1, at: now, &figures)
            hosts[index].idle.append(now)
            expireLater(index)
        case .expiry(let index):
            hosts[index].hasExpiry = false
            let expired = hosts[index].idle.prefix { $0 + keepAliveMicros <= now }.count
            hosts[index].idle.removeFirst(expired)
            memory.change(templates: -expired, at: now, &figures)
            expireLater(index)
        case .spareDone:
            preparation.ended()
            preparation.spareIsBack()
            memory.change(templates: 1, at: now, &figures)
        }
    }

    private mutating func scheduleArrival(_ index: Int) {
        let arrivals = workload.functions[index].arrivals
        guard hosts[index].nextArrival < arrivals.count else { return }
        events.add(.arrival(index), at: arrivals[hosts[index].nextArrival])
    }

    private mutating func serve(_ index: Int, _ arrival: Int) {
        memory.change(busy: 1, at: now, &figures)
        events.add(.finished(index), at: now + UInt64(workload.functions[index].durations[arrival]))
    }

    private mutating func expireLater(_ index: Int) {
        guard !hosts[index].hasExpiry, let oldest = hosts[index].idle.first else { return }
        hosts[index].hasExpiry = true
        events.add(.expiry(index), at: oldest + keepAliveMicros)
    }

    private mutating func begin(_ job: Job) {
        switch job {
        case .environment(let index, let arrival):
            let hasSpare = preparation.takeSpare()
            if hasSpare {
                memory.change(templates: -1, at: now, &figures)
                preparation.ask(.spare)
            }
            let micros = hasSpare ? costs.assignMicros : costs.templateMicros
            preparation.took(micros)
            events.add(.started(index, arrival: arrival), at: now + micros)
        case .spare:
            preparation.took(costs.spareMicros)
            events.add(.spareDone, at: now + costs.spareMicros)
        }
    }
}
