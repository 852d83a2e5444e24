import FunctionModel
import Testing

@testable import WarmPool

/// A pool with a clock that the test moves, and the actions of the last event.
struct Bench {
    var pool: FunctionPool
    var now: UInt64 = 1_000_000
    var actions: [PoolAction] = []

    init(_ limits: PoolLimits = PoolLimits(maxConcurrency: 10), hasTemplate: Bool = true) {
        pool = FunctionPool(limits: limits, hasTemplate: hasTemplate)
    }

    @discardableResult
    mutating func run<Answer>(after micros: UInt64 = 0, _ event: (inout FunctionPool, UInt64, inout [PoolAction]) -> Answer) -> Answer {
        now += micros
        actions.removeAll(keepingCapacity: true)
        return event(&pool, now, &actions)
    }

    @discardableResult
    mutating func request(after micros: UInt64 = 0, wait: UInt64 = 10_000_000) -> PendingID {
        run(after: micros) { $0.request(deadline: $1 + wait, now: $1, into: &$2) }
    }
    mutating func templateReady(_ id: TemplateID, forkable: Bool = true, after micros: UInt64 = 0) {
        run(after: micros) { $0.templateReady(id, forkable: forkable, now: $1, into: &$2) }
    }
    mutating func templateFailed(_ id: TemplateID, _ failure: StartFailure = .initError, after micros: UInt64 = 0) {
        run(after: micros) { $0.templateFailed(id, failure, now: $1, into: &$2) }
    }
    mutating func workerReady(_ id: WorkerID, after micros: UInt64 = 0) {
        run(after: micros) { $0.workerReady(id, now: $1, into: &$2) }
    }
    mutating func workerFailed(_ id: WorkerID, _ failure: StartFailure, after micros: UInt64 = 0) {
        run(after: micros) { $0.workerFailed(id, failure, now: $1, into: &$2) }
    }
    mutating func finished(_ id: WorkerID, reusable: Bool = false, after micros: UInt64 = 0) {
        run(after: micros) { $0.workerFinished(id, reusable: reusable, now: $1, into: &$2) }
    }
    mutating func gone(_ id: WorkerID, after micros: UInt64 = 0) {
        run(after: micros) { $0.workerGone(id, now: $1, into: &$2) }
    }
    mutating func tick(after micros: UInt64 = 0) {
        run(after: micros) { $0.tick(now: $1, into: &$2) }
    }

    var startedTemplates: [TemplateID] {
        actions.compactMap { if case .startTemplate(let id) = $0 { id } else { nil } }
    }
    var stoppedTemplates: [TemplateID] {
        actions.compactMap { if case .stopTemplate(let id) = $0 { id } else { nil } }
    }
    var startedWorkers: [WorkerID] {
        actions.compactMap { if case .startWorker(let id, _) = $0 { id } else { nil } }
    }
    var stoppedWorkers: [WorkerID] {
        actions.compactMap { if case .stopWorker(let id) = $0 { id } else { nil } }
    }
    var dispatched: [PendingID] {
        actions.compactMap { if case .dispatch(let id, _, _) = $0 { id } else { nil } }
    }
    var dispatches: [(worker: WorkerID, kind: StartKind)] {
        actions.compactMap { if case .dispatch(_, let worker, let kind) = $0 { (worker, kind) } else { nil } }
    }
    var failures: [PoolRefusal] {
        actions.compactMap { if case .fail(_, let reason) = $0 { reason } else { nil } }
    }

    /// Brings the pool from registered to one served request, one worker ready.
    mutating func warmUp() throws -> (template: TemplateID, ready: WorkerID) {
        request()
        let template = try #require(startedTemplates.first)
        templateReady(template, after: 20_000)
        let workers = startedWorkers
        let first = try #require(workers.first)
        workerReady(first, after: 1_000)
        for worker in workers.dropFirst() { workerReady(worker) }
        finished(first, after: 500)
        let refills = startedWorkers
        gone(first)
        for worker in refills + startedWorkers { workerReady(worker, after: 1_000) }
        return (template, try #require(workers.last))
    }
}

extension FunctionPool {
    var startingWorkers: [WorkerID] {
        (0..<workers.slotCount).filter { workers.isOccupied($0) && workers[$0].state == .starting }.map { WorkerID(workers.key(at: $0)) }
    }
    var someStartingWorker: WorkerID? { startingWorkers.first }
}

@Suite struct ForkedWorkers {
    @Test func coldRequestStartsTheTemplateThenACopyAndIsAnsweredAsCold() throws {
        var bench = Bench()
        let pending = bench.request()
        #expect(bench.actions == [.startTemplate(TemplateID(1)), .stateChanged(.starting)])
        bench.templateReady(TemplateID(1), after: 15_000)
        let workers = bench.startedWorkers
        #expect(workers.count >= 2, "one for the request and one ahead of the next")
        bench.workerReady(workers[0], after: 1_000)
        #expect(bench.actions.first == .dispatch(pending, workers[0], .cold))
        #expect(bench.pool.state == .ready)
    }

    @Test func readyWorkerIsDispatchedAtOnceAndRefilledInTheSameStep() throws {
        var bench = Bench()
        let (template, _) = try bench.warmUp()
        #expect(bench.pool.counts.ready >= 1)
        let pending = bench.request(after: 5_000)
        guard case .dispatch(pending, _, .ready) = try #require(bench.actions.first) else {
            Issue.record("expected a dispatch first, got \(bench.actions)")
            return
        }
        #expect(bench.actions.dropFirst().contains { if case .startWorker(_, from: template) = $0 { true } else { false } })
    }

    @Test func requestThatFindsOnlyTheTemplateIsOfKindTemplate() throws {
        var bench = Bench()
        let (_, _) = try bench.warmUp()
        let ready = bench.pool.counts.ready
        for _ in 0..<ready { bench.request() }
        #expect(bench.dispatched.count == 1)
        let waiting = bench.request()
        #expect(bench.dispatched.isEmpty)
        while bench.pool.counts.queued > 0 {
            let starting = try #require(bench.pool.someStartingWorker)
            bench.workerReady(starting, after: 1_000)
        }
        #expect(bench.actions.contains { if case .dispatch(waiting, _, .template) = $0 { true } else { false } })
    }

    @Test func coldBurstStartsOneTemplateAndNoMoreWorkersThanTheCap() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 50, maxQueue: 500))
        var pendings: [PendingID] = []
        var templates = 0
        for _ in 0..<200 {
            pendings.append(bench.request())
            templates += bench.startedTemplates.count
            #expect(bench.failures.isEmpty)
        }
        #expect(templates == 1)
        var queue: [WorkerID] = []
        var started = 0
        var answered: [PendingID] = []
        bench.templateReady(TemplateID(1), after: 20_000)
        queue = bench.startedWorkers
        started = queue.count
        var busy: [WorkerID] = []
        while let worker = queue.first {
            queue.removeFirst()
            bench.workerReady(worker, after: 1_000)
            answered += bench.dispatched
            busy += bench.dispatches.map(\.worker)
            queue += bench.startedWorkers
            started += bench.startedWorkers.count
        }
        #expect(started == 50)
        #expect(bench.pool.inFlight == 50)
        while let worker = busy.first {
            busy.removeFirst()
            bench.finished(worker, after: 100)
            answered += bench.dispatched
            queue += bench.startedWorkers
            bench.gone(worker)
            queue += bench.startedWorkers
            for ready in queue {
                bench.workerReady(ready, after: 100)
                answered += bench.dispatched
                busy += bench.dispatches.map(\.worker)
                #expect(bench.pool.inFlight <= 50)
            }
            queue.removeAll()
        }
        #expect(answered == pendings, "all answered, first come, first served")
    }

    @Test func refillFollowsTheArrivalRate() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 100, maxReady: 32))
        _ = try bench.warmUp()
        let quiet = bench.pool.counts.ready
        // 500 requests a second with a preparation time of 10 ms: five arrive while one worker is made.
        var starting: [(WorkerID, UInt64)] = []
        var busy: [(WorkerID, UInt64)] = []
        for _ in 0..<3_000 {
            bench.request(after: 2_000)
            starting += bench.startedWorkers.map { ($0, bench.now + 10_000) }
            busy += bench.dispatches.map { ($0.worker, bench.now + 3_000) }
            while let (worker, due) = starting.first, due <= bench.now {
                starting.removeFirst()
                bench.workerReady(worker)
                busy += bench.dispatches.map { ($0.worker, bench.now + 3_000) }
            }
            while let (worker, due) = busy.first, due <= bench.now {
                busy.removeFirst()
                bench.finished(worker)
                starting += bench.startedWorkers.map { ($0, bench.now + 10_000) }
                bench.gone(worker)
                starting += bench.startedWorkers.map { ($0, bench.now + 10_000) }
            }
        }
        let loaded = bench.pool.counts.ready + bench.pool.counts.starting
        #expect(loaded > quiet + 2)
        #expect(bench.pool.counts.ready <= 32)
        #expect(bench.pool.counts.queued == 0)
    }

    @Test func workerServesOneInvocationOnly() throws {
        var bench = Bench()
        _ = try bench.warmUp()
        bench.request()
        let worker = try #require(bench.dispatches.first?.worker)
        bench.finished(worker, reusable: true, after: 1_000)
        #expect(bench.stoppedWorkers == [worker])
        bench.request()
        #expect(!bench.dispatches.contains { $0.worker == worker })
    }

    @Test func functionScalesToZeroAfterTheIdleTimeAndStartsAgain() throws {
        var bench = Bench()
        let (template, _) = try bench.warmUp()
        bench.tick(after: 30_000_000)
        #expect(bench.pool.counts.ready == 0)
        #expect(!bench.stoppedWorkers.isEmpty)
        #expect(bench.pool.state == .idle)
        for worker in bench.stoppedWorkers { bench.gone(worker) }
        bench.tick(after: 30_000_000)
        #expect(bench.actions == [.stopTemplate(template), .stateChanged(.registered)])
        #expect(bench.pool.counts == PoolCounts())
        #expect(bench.pool.nextDeadline == nil)
        bench.request(after: 1_000_000)
        #expect(bench.startedTemplates.count == 1)
        #expect(bench.startedTemplates != [template])
    }

    /// Twelve requests at once, and everything that follows from them.
    private func burst(_ bench: inout Bench) -> (waited: Int, ready: Int) {
        var busy: [WorkerID] = []
        func makeReady() {
            while let worker = bench.pool.someStartingWorker {
                bench.workerReady(worker, after: 100)
                busy += bench.dispatches.map(\.worker)
            }
        }
        for _ in 0..<12 {
            bench.request()
            busy += bench.dispatches.map(\.worker)
        }
        let waited = bench.pool.counts.queued
        makeReady()
        for worker in busy {
            bench.finished(worker)
            bench.gone(worker)
        }
        makeReady()
        return (waited, bench.pool.counts.ready)
    }

    @Test func aBurstOfTheSizeOfAnEarlierOneDoesNotWait() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 40))
        _ = try bench.warmUp()
        #expect(burst(&bench).waited > 0)
        bench.tick(after: 25_000_000)
        #expect(burst(&bench) == (0, 12))
    }

    @Test func workersForABurstAreStoppedWhenItIsLongPastAndOneStays() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 20, idleMicros: 3_600_000_000, warmMicros: 3_600_000_000))
        _ = try bench.warmUp()
        let peak = burst(&bench).ready
        #expect(peak > 1)
        let end = bench.now + 1_220_000_000
        while let deadline = bench.pool.nextDeadline, deadline < end {
            bench.tick(after: deadline - bench.now)
            for worker in bench.stoppedWorkers { bench.gone(worker) }
        }
        #expect(bench.pool.counts.ready == 1)
    }

    @Test func prewarmMakesTheTemplateAndOneReadyWorker() throws {
        var bench = Bench()
        bench.run { $0.prewarm(now: $1, into: &$2) }
        bench.templateReady(try #require(bench.startedTemplates.first), after: 10_000)
        #expect(bench.startedWorkers.count == 1)
        bench.workerReady(bench.startedWorkers[0])
        #expect(bench.pool.state == .ready)
        bench.request()
        #expect(bench.dispatches.first?.kind == .ready)
    }

    @Test func lostTemplateIsMadeAgainForThoseWhoWait() throws {
        var bench = Bench()
        let (template, _) = try bench.warmUp()
        bench.run { $0.templateLost(template, now: $1, into: &$2) }
        let ready = bench.pool.counts.ready
        #expect(ready > 0)
        for _ in 0..<(ready + 1) { bench.request() }
        #expect(bench.startedTemplates.count == 1)
        #expect(bench.pool.counts.queued == 1)
    }

    @Test func oldTemplateIsReplacedWithoutAGap() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 10, idleMicros: .max / 4, warmMicros: .max / 4, templateMaxAgeMicros: 3_600_000_000))
        let (old, _) = try bench.warmUp()
        bench.tick(after: 3_600_000_000)
        let new = try #require(bench.startedTemplates.first)
        #expect(bench.stoppedTemplates.isEmpty)
        bench.request()
        #expect(bench.dispatches.first?.kind == .ready, "the old copies still serve")
        let first = bench.dispatches[0].worker
        let refill = bench.startedWorkers
        bench.templateReady(new, after: 20_000)
        #expect(bench.stoppedTemplates.isEmpty, "workers made from it are still there")
        for worker in refill { bench.workerReady(worker) }
        bench.finished(first)
        bench.gone(first)
        for _ in 0..<10 {
            bench.request(after: 1_000)
            let started = bench.startedWorkers
            #expect(bench.actions.allSatisfy { if case .startWorker(_, let from) = $0 { from == new } else { true } })
            for dispatch in bench.dispatches {
                bench.finished(dispatch.worker)
                let more = bench.startedWorkers
                bench.gone(dispatch.worker)
                for worker in started + more + bench.startedWorkers { bench.workerReady(worker) }
            }
        }
        #expect(bench.pool.counts.templatesReady == 1)
        bench.run { $0.templateReady(old, forkable: true, now: $1, into: &$2) }
        #expect(bench.actions.isEmpty)
    }

    @Test func longestReadyWorkerIsUsedFirst() throws {
        var bench = Bench()
        _ = try bench.warmUp()
        _ = bench.run { $0.reclaim(10, now: $1, into: &$2) }
        for _ in 0..<3 { bench.request() }
        // Slots are reused in any order; readiness, not the slot, decides.
        let becameReady = Array(bench.pool.startingWorkers.reversed())
        bench.run { $0.setBusyElsewhere(10, now: $1, into: &$2) }
        for worker in becameReady { bench.workerReady(worker, after: 1_000) }
        bench.run { $0.setBusyElsewhere(0, now: $1, into: &$2) }
        #expect(becameReady.count >= 3)
        #expect(bench.dispatches.map(\.worker) == Array(becameReady.prefix(3)))
    }

    @Test func replacementThatFailsLeavesTheOldTemplateServing() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 10, idleMicros: .max / 4, warmMicros: .max / 4, templateMaxAgeMicros: 3_600_000_000))
        _ = try bench.warmUp()
        bench.tick(after: 3_600_000_000)
        bench.templateFailed(try #require(bench.startedTemplates.first), after: 1_000)
        #expect(bench.pool.state == .ready)
        bench.request()
        #expect(bench.dispatches.count == 1)
        bench.tick(after: 1_000)
        #expect(bench.startedTemplates.isEmpty)
        bench.tick(after: 300_000_000)
        #expect(bench.startedTemplates.count == 1)
    }
}

@Suite struct EnvironmentsThatRunInit {
    @Test func unsafeTemplateIsStoppedAndEnvironmentsAreStartedInstead() throws {
        var bench = Bench()
        let pending = bench.request()
        bench.templateReady(TemplateID(1), forkable: false, after: 10_000)
        #expect(bench.stoppedTemplates == [TemplateID(1)])
        #expect(bench.pool.isForkable == false)
        let worker = try #require(bench.startedWorkers.first)
        #expect(bench.actions.contains(.startWorker(worker, from: nil)))
        bench.workerReady(worker, after: 10_000)
        #expect(bench.actions.first == .dispatch(pending, worker, .cold))
    }

    @Test func noTemplateIsTriedTwice() throws {
        var bench = Bench()
        bench.request()
        bench.templateReady(TemplateID(1), forkable: false)
        _ = bench.run { $0.scaleToZeroIfUnused(now: $1, into: &$2) }
        bench.request(after: 100_000_000)
        #expect(bench.startedTemplates.isEmpty)
    }

    @Test func initsInParallelAreBounded() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 50, maxStartingInits: 4), hasTemplate: false)
        var started = 0
        for _ in 0..<30 {
            bench.request()
            started += bench.startedWorkers.count
        }
        #expect(started == 4)
        #expect(bench.pool.counts.queued == 30)
    }
}

@Suite struct ReusedEnvironments {
    @Test func environmentServesAgainAndNoneIsMadeWhileOneIsFree() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 10, isolation: .environment), hasTemplate: false)
        bench.request()
        let worker = try #require(bench.startedWorkers.first)
        #expect(bench.startedWorkers.count == 1)
        bench.workerReady(worker, after: 50_000)
        #expect(bench.dispatches.first?.kind == .cold)
        for _ in 0..<5 {
            bench.finished(worker, reusable: true, after: 1_000)
            bench.request(after: 1_000)
            #expect(bench.dispatches.first?.worker == worker)
            #expect(bench.dispatches.first?.kind == .ready)
            #expect(bench.startedWorkers.isEmpty)
        }
    }

    @Test func brokenEnvironmentIsStoppedAndNotUsedAgain() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1, isolation: .environment), hasTemplate: false)
        bench.request()
        let worker = try #require(bench.startedWorkers.first)
        bench.workerReady(worker)
        bench.request()
        bench.finished(worker, reusable: false)
        #expect(bench.stoppedWorkers == [worker])
        #expect(bench.startedWorkers.count == 1)
        #expect(bench.dispatches.isEmpty)
    }

    @Test func environmentOfAReplacedTemplateIsNotUsedAgain() throws {
        var bench = Bench(
            PoolLimits(maxConcurrency: 4, idleMicros: .max / 4, templateMaxAgeMicros: 3_600_000_000, isolation: .environment))
        bench.request()
        let old = try #require(bench.startedTemplates.first)
        bench.templateReady(old)
        let worker = try #require(bench.startedWorkers.first)
        bench.workerReady(worker)
        bench.tick(after: 3_600_000_000)
        bench.templateReady(try #require(bench.startedTemplates.first))
        #expect(bench.stoppedTemplates.isEmpty)
        bench.finished(worker, reusable: true)
        #expect(bench.stoppedWorkers == [worker])
        bench.gone(worker)
        #expect(bench.stoppedTemplates == [old])
    }

    @Test func idleEnvironmentIsKeptForTheIdleTimeThenStopped() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 4, isolation: .environment), hasTemplate: false)
        bench.request()
        let worker = try #require(bench.startedWorkers.first)
        bench.workerReady(worker)
        bench.finished(worker, reusable: true)
        bench.tick(after: 59_000_000)
        #expect(bench.stoppedWorkers.isEmpty)
        bench.tick(after: 1_000_000)
        #expect(bench.stoppedWorkers == [worker])
    }
}

@Suite struct FailingInit {
    @Test func everybodyWaitingGetsTheErrorAndLaterOnesAtOnceUntilTheBackOffEnds() throws {
        var bench = Bench()
        bench.request()
        bench.request()
        bench.templateFailed(TemplateID(1), after: 5_000)
        #expect(bench.failures == [.initFailed, .initFailed])
        #expect(bench.pool.state == .failed)
        bench.request(after: 500_000)
        #expect(bench.actions.count == 1)
        #expect(bench.failures == [.initFailed])
        bench.tick(after: 500_000)
        #expect(bench.pool.state == .registered)
        bench.request()
        #expect(bench.startedTemplates.count == 1)
    }

    @Test func backOffDoublesToItsBoundAndASuccessResetsIt() throws {
        var bench = Bench()
        var waits: [UInt64] = []
        for _ in 0..<12 {
            bench.request()
            bench.templateFailed(try #require(bench.startedTemplates.first))
            let end = try #require(bench.pool.backoffEnd(now: bench.now))
            waits.append((end - bench.now) / 1_000_000)
            bench.tick(after: end - bench.now)
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
        bench.request()
        bench.templateReady(try #require(bench.startedTemplates.first))
        bench.run { pool, now, actions in
            for action in actions { if case .startWorker(let id, _) = action { pool.workerFailed(id, .noRoom, now: now, into: &actions) } }
        }
        #expect(bench.pool.backoffEnd(now: bench.now) == nil)
    }

    @Test func oneFailureOfAProvenFunctionCostsOneRequestOnly() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 10), hasTemplate: false)
        bench.request()
        for worker in bench.startedWorkers { bench.workerReady(worker) }
        let busy = bench.pool.counts.busy
        #expect(busy == 1)
        _ = bench.run { $0.reclaim(10, now: $1, into: &$2) }
        bench.request()
        bench.request()
        bench.request()
        let queued = bench.pool.counts.queued
        let starting = try #require(bench.pool.someStartingWorker)
        bench.workerFailed(starting, .initError)
        #expect(bench.failures == [.initFailed])
        #expect(bench.pool.counts.queued == queued - 1)
    }

    @Test func initsThatFailTogetherCountOnce() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 10), hasTemplate: false)
        var started: [WorkerID] = []
        for _ in 0..<4 {
            bench.request()
            started += bench.startedWorkers
        }
        #expect(started.count > 1)
        for worker in started { bench.workerFailed(worker, .initError) }
        #expect(bench.pool.backoffEnd(now: bench.now) == bench.now + 1_000_000)
    }

    @Test func sandboxesThatCannotBeMadeEndInUnavailableNotInABusyLoop() throws {
        var bench = Bench()
        bench.request()
        var attempts = 0
        while let template = bench.startedTemplates.first {
            attempts += 1
            bench.templateFailed(template, .sandbox)
            if attempts > 10 { break }
        }
        #expect(attempts == 3)
        #expect(bench.failures == [.unavailable])
    }

    @Test func nodeWithoutRoomIsNoFailureAndIsAskedAgain() throws {
        var bench = Bench()
        bench.request()
        bench.templateFailed(TemplateID(1), .noRoom)
        #expect(bench.actions.isEmpty)
        let deadline = try #require(bench.pool.nextDeadline)
        bench.tick(after: deadline - bench.now)
        #expect(bench.startedTemplates.count == 1)
        bench.templateFailed(bench.startedTemplates[0], .noRoom)
        bench.run { $0.roomAvailable(now: $1, into: &$2) }
        #expect(bench.startedTemplates.count == 1)
    }
}

@Suite struct QueueAndConcurrency {
    @Test func fullQueueRefuses() {
        var bench = Bench(PoolLimits(maxConcurrency: 1, maxQueue: 3))
        for _ in 0..<3 { bench.request() }
        bench.request()
        #expect(bench.failures == [.queueFull])
    }

    @Test func reservedZeroThrottlesAtOnce() {
        var bench = Bench(PoolLimits(maxConcurrency: 0, isReserved: true))
        bench.request()
        #expect(bench.actions.count == 1)
        #expect(bench.failures == [.throttledFunction])
    }

    @Test func requestAtReservedConcurrencyWaitsAndIsThrottledAtItsDeadline() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1, isReserved: true))
        _ = try bench.warmUp()
        bench.request()
        bench.request(wait: 2_000_000)
        #expect(bench.failures.isEmpty)
        let deadline = try #require(bench.pool.nextDeadline)
        #expect(deadline <= bench.now + 10_000_000)
        bench.tick(after: 11_000_000)
        #expect(bench.failures == [.throttledFunction])
        #expect(bench.pool.counts.queued == 0)
    }

    @Test func requestsDoNotExpireWhileTheirInitRuns() throws {
        var bench = Bench()
        bench.request(wait: 1_000_000)
        bench.tick(after: 9_000_000)
        #expect(bench.failures.isEmpty)
        bench.templateReady(TemplateID(1))
        bench.tick(after: 1_000)
        #expect(bench.failures.isEmpty)
        let worker = try #require(bench.pool.someStartingWorker)
        bench.workerReady(worker)
        #expect(bench.dispatched.count == 1)
    }

    @Test func cancelledRequestLeavesTheQueueAndIsNeverAnswered() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1))
        _ = try bench.warmUp()
        bench.request()
        let busy = try #require(bench.dispatches.first?.worker)
        let first = bench.request()
        let second = bench.request()
        let wasQueued = bench.run { $0.cancel(first, now: $1, into: &$2) }
        #expect(wasQueued)
        let again = bench.run { $0.cancel(first, now: $1, into: &$2) }
        #expect(!again)
        bench.finished(busy)
        bench.gone(busy)
        bench.workerReady(try #require(bench.pool.someStartingWorker))
        #expect(bench.dispatched == [second])
    }

    @Test func invocationsOfOtherVersionsTakePermits() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 2))
        _ = try bench.warmUp()
        bench.run { $0.setBusyElsewhere(2, now: $1, into: &$2) }
        bench.request()
        #expect(bench.dispatches.isEmpty)
        bench.run { $0.setBusyElsewhere(1, now: $1, into: &$2) }
        #expect(bench.dispatches.count == 1)
    }

    @Test func loweredConcurrencyStopsWhatIsNotInUse() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 10))
        _ = try bench.warmUp()
        bench.request()
        bench.run { $0.update(limits: PoolLimits(maxConcurrency: 1), now: $1, into: &$2) }
        let counts = bench.pool.counts
        #expect(counts.starting + counts.ready + counts.busy == 1)
        #expect(counts.busy == 1)
    }

    @Test func helperLossForgetsAllSandboxesAndKeepsTheQueue() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1))
        _ = try bench.warmUp()
        bench.request()
        let waiting = bench.request()
        bench.run { $0.everythingLost(now: $1, into: &$2) }
        #expect(bench.pool.counts.busy == 0)
        bench.run { $0.roomAvailable(now: $1, into: &$2) }
        bench.templateReady(try #require(bench.startedTemplates.first))
        bench.workerReady(try #require(bench.startedWorkers.first))
        #expect(bench.dispatched == [waiting])
    }
}

@Suite struct EndOfAPool {
    @Test func drainFinishesWhatWasAcceptedAndRefusesTheRest() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1))
        let (template, _) = try bench.warmUp()
        bench.request()
        let busy = try #require(bench.dispatches.first?.worker)
        let waiting = bench.request()
        bench.run { $0.beginDrain(now: $1, into: &$2) }
        #expect(bench.pool.state == .draining)
        bench.request()
        #expect(bench.failures == [.draining])
        bench.finished(busy)
        bench.gone(busy)
        let worker = try #require(bench.pool.someStartingWorker)
        bench.workerReady(worker)
        #expect(bench.dispatched == [waiting])
        bench.finished(worker)
        #expect(bench.stoppedTemplates == [template])
        bench.gone(worker)
        #expect(bench.pool.state == .drained)
        #expect(bench.pool.counts == PoolCounts())
    }

    @Test func idlePoolDrainsAtOnce() {
        var bench = Bench()
        bench.run { $0.beginDrain(now: $1, into: &$2) }
        #expect(bench.pool.state == .drained)
    }

    @Test func retiredRevisionHandsItsQueueOnAndFinishesWhatRuns() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1))
        _ = try bench.warmUp()
        bench.request()
        let busy = try #require(bench.dispatches.first?.worker)
        let waiting = bench.request()
        bench.run { $0.retire(requeueQueued: true, now: $1, into: &$2) }
        #expect(bench.actions.contains(.requeue(waiting)))
        let late = bench.request()
        #expect(bench.actions == [.requeue(late)])
        bench.finished(busy)
        bench.gone(busy)
        #expect(bench.pool.state == .drained)
    }

    @Test func retiredRevisionMayFinishItsQueueItself() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1))
        let waiting = bench.request()
        bench.run { $0.retire(requeueQueued: false, now: $1, into: &$2) }
        bench.templateReady(TemplateID(1))
        let worker = try #require(bench.startedWorkers.first)
        #expect(bench.startedWorkers.count == 1, "nothing is made ahead any more")
        bench.workerReady(worker)
        #expect(bench.dispatched == [waiting])
    }

    @Test func abandonedPoolStopsEverything() throws {
        var bench = Bench(PoolLimits(maxConcurrency: 1))
        _ = try bench.warmUp()
        bench.request()
        let busy = try #require(bench.dispatches.first?.worker)
        bench.request()
        bench.run { $0.abandon(now: $1, into: &$2) }
        #expect(bench.failures == [.draining])
        #expect(bench.stoppedWorkers.contains(busy))
        #expect(bench.stoppedTemplates.count == 1)
        bench.gone(busy)
        #expect(bench.pool.state == .drained)
    }

    @Test func reportsAboutUnknownThingsAreIgnored() throws {
        var bench = Bench()
        bench.templateReady(TemplateID(77))
        #expect(bench.actions.isEmpty)
        bench.workerReady(WorkerID(1 << 32))
        bench.finished(WorkerID(5))
        bench.gone(WorkerID(.max))
        bench.templateFailed(TemplateID(3))
        #expect(bench.actions.isEmpty)
        #expect(bench.pool.counts == PoolCounts())
    }
}
