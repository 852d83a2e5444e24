/// What requests met, by how long they had to wait for it.
package struct Met: Equatable, Sendable {
    /// A worker or environment was ready: no wait.
    package var ready = 0
    /// Waited for a copy of a template that was there.
    package var copied = 0
    /// The same, when the function had been quiet for so long that no worker is kept ready.
    package var copiedAfterQuiet = 0
    /// Waited for init.
    package var cold = 0

    package init() {}

    package var requests: Int { ready + copied + copiedAfterQuiet + cold }

    /// The chance to wait although the function is in use, which the pool promises to keep below 1 %.
    package var copiedShare: Double { Double(copied) / Double(max(ready + copied, 1)) }

    static func += (sum: inout Met, one: Met) {
        sum.ready += one.ready
        sum.copied += one.copied
        sum.copiedAfterQuiet += one.copiedAfterQuiet
        sum.cold += one.cold
    }
}

/// What a replay cost and what its requests met.
package struct ReplayFigures: Equatable, Sendable {
    package var requests = 0
    /// In the order of `Trigger.allCases`.
    var metByTrigger = Trigger.allCases.map { _ in Met() }
    package var refused = 0

    /// µs, of requests that waited at all; ascending.
    package var waits: [UInt32] = []

    /// Sums over time of how many there were, in µs.
    package var templateMicros: UInt64 = 0
    package var workerMicros: UInt64 = 0
    package var busyMicros: UInt64 = 0
    package var peakMiB = 0.0
    package var seconds = 0.0
    /// Work done to have something ready.
    package var preparationMicros: UInt64 = 0
    package var templatesStarted = 0
    package var copiesStarted = 0

    init() {}

    package func met(_ trigger: Trigger) -> Met { metByTrigger[trigger.index] }

    package var met: Met {
        var sum = Met()
        for one in metByTrigger { sum += one }
        return sum
    }

    package func percentile(_ share: Double) -> Double {
        let rank = Int(share * Double(requests - 1) + 0.5) - (requests - waits.count)
        return rank < 0 ? 0 : Double(waits[rank]) / 1000
    }

    package var meanWaitMillis: Double { Double(waits.reduce(0) { $0 + UInt64($1) }) / Double(max(requests, 1)) / 1000 }

    /// MiB, averaged over the time.
    package func meanMiB(_ costs: ReplayCosts) -> Double {
        (Double(templateMicros) * costs.templateMiB + Double(workerMicros) * costs.workerMiB + Double(busyMicros) * costs.busyMiB) / 1e6 / seconds
    }
}

/// What things take, as measured of HelloPython on two cores.
package struct ReplayCosts: Sendable {
    /// A template, or an environment that is reused, from nothing.
    package var templateMicros: UInt64 = 23_000
    /// The same with a spare: a runtime that is up and has no function yet.
    package var assignMicros: UInt64 = 8_000
    package var spareMicros: UInt64 = 15_000
    package var copyMicros: UInt64 = 1_500
    /// From the stop to the reaped process.
    package var endMicros: UInt64 = 1_000
    /// How long the owner of a pool lets a start wait that nobody waits for.
    package var holdMicros: UInt64 = 2_000
    /// Preparations that run at a time; the rest waits its turn.
    package var processors = 2

    /// A process with runtime and function, alone.
    package var templateMiB = 4.2
    /// What a copy has of its own.
    package var workerMiB = 0.6
    /// What a handler at work adds to the process that it runs in.
    package var busyMiB = 0.6

    package init() {}
}

/// Sums up what is in memory.
struct MemoryMeter {
    private let costs: ReplayCosts
    private var last: UInt64 = 0
    private var templates = 0
    private var workers = 0
    private var busy = 0

    init(_ costs: ReplayCosts) { self.costs = costs }

    mutating func change(templates: Int = 0, workers: Int = 0, busy: Int = 0, at now: UInt64, _ figures: inout ReplayFigures) {
        let micros = now - last
        figures.templateMicros += UInt64(self.templates) * micros
        figures.workerMicros += UInt64(self.workers) * micros
        figures.busyMicros += UInt64(self.busy) * micros
        last = now
        self.templates += templates
        self.workers += workers
        self.busy += busy
        figures.peakMiB = max(
            figures.peakMiB, Double(self.templates) * costs.templateMiB + Double(self.workers) * costs.workerMiB + Double(self.busy) * costs.busyMiB)
    }

    var isEmpty: Bool { templates == 0 && workers == 0 && busy == 0 }
}

/// The node's processors, as far as they prepare: jobs in the order of their asking.
struct Preparation<Job> {
    private let costs: ReplayCosts
    private var waiting: [Job?] = []
    private var next = 0
    private var idle: Int
    private(set) var spareIsReady = true
    private(set) var busyMicros: UInt64 = 0

    init(_ costs: ReplayCosts) {
        self.costs = costs
        idle = costs.processors
    }

    mutating func ask(_ job: Job) { waiting.append(job) }

    /// The job that begins now, if a processor is free.
    mutating func begin() -> Job? {
        guard idle > 0, next < waiting.count, let job = waiting[next] else { return nil }
        waiting[next] = nil
        next += 1
        if next == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            next = 0
        }
        idle -= 1
        return job
    }

    mutating func took(_ micros: UInt64) { busyMicros += micros }

    mutating func ended() { idle += 1 }

    /// - Returns: whether there was one.
    mutating func takeSpare() -> Bool {
        defer { spareIsReady = false }
        return spareIsReady
    }

    mutating func spareIsBack() { spareIsReady = true }
}
