import FunctionModel
import PoolReplay
import Testing

@testable import WarmPool

/// A world that obeys the pool in random order and time, and checks each action against what it knows.
private struct World {
    enum WorkerFact { case starting, ready, busy, ending }

    let seed: UInt64
    let isolation: Isolation
    var limits: PoolLimits
    var random: SplitMix
    var pool: FunctionPool
    var now: UInt64 = 0
    var actions: [PoolAction] = []
    var events = 0

    var workers: [WorkerID: WorkerFact] = [:]
    var order: [WorkerID] = []
    var dispatchesOf: [WorkerID: Int] = [:]
    var everStarted: Set<WorkerID> = []
    var templates: [TemplateID: Bool] = [:]
    var templateOf: [WorkerID: TemplateID] = [:]
    /// In order of arrival.
    var waiting: [PendingID] = []
    var ended: Set<PendingID> = []
    var accepted = 0
    var cancelled = 0
    var forkable: Bool
    var failureRate: UInt64
    var busyElsewhere = 0
    var problem: String?

    init(seed: UInt64) {
        self.seed = seed
        random = SplitMix(seed: seed)
        isolation = random.next() % 3 == 0 ? .environment : .invocation
        limits = PoolLimits(
            maxConcurrency: Int(random.next() % 12) + 1, isReserved: random.next() % 2 == 0, maxQueue: Int(random.next() % 40) + 1,
            maxReady: Int(random.next() % 8) + 1, provisioned: random.next() % 3 == 0 ? Int(random.next() % 14) : 0, maxStartingCopies: Int(random.next() % 6) + 1,
            maxStartingInits: Int(random.next() % 4) + 1, endingAllowance: Int(random.next() % 4),
            templateMaxAgeMicros: 120_000_000, isolation: isolation)
        forkable = random.next() % 3 != 0
        failureRate = [0, 2, 10, 50][Int(random.next() % 4)]
        pool = FunctionPool(limits: limits, hasTemplate: random.next() % 4 != 0)
    }

    mutating func fail(_ text: String) {
        if problem == nil { problem = "seed \(seed), event \(events), now \(now): \(text)" }
    }

    mutating func take(_ pending: PendingID, by what: String) {
        guard waiting.contains(pending) else { return fail("\(what) for \(pending), which is not waiting") }
        if !ended.insert(pending).inserted { fail("\(pending) ended twice") }
        waiting.removeAll { $0 == pending }
    }

    /// `fresh` is the request of this very event: its ID is known to the world only after the event.
    mutating func obey(fresh: PendingID? = nil) {
        if let fresh {
            if waiting.contains(fresh) || ended.contains(fresh) { fail("\(fresh) was handed out twice") }
            waiting.append(fresh)
            accepted += 1
        }
        for action in actions {
            switch action {
            case .startTemplate(let id):
                if templates.updateValue(false, forKey: id) != nil { fail("\(id) started twice") }
                if templates.count > 3 { fail("\(templates.count) templates") }
            case .stopTemplate(let id):
                if templates.removeValue(forKey: id) == nil { fail("stop of unknown \(id)") }
                for (worker, fact) in workers where fact != .ending && templateOf[worker] == id {
                    fail("\(id) stopped while \(worker) made from it is \(fact)")
                }
            case .startWorker(let id, let template):
                if !everStarted.insert(id).inserted { fail("\(id) was used before") }
                if let template, templates[template] != true { fail("\(id) from \(template), which is not ready") }
                workers[id] = .starting
                order.append(id)
                if let template { templateOf[id] = template }
            case .stopWorker(let id):
                guard let fact = workers[id], fact != .ending else {
                    fail("stop of \(id), which is \(String(describing: workers[id]))")
                    continue
                }
                workers[id] = .ending
            case .dispatch(let pending, let worker, _):
                if workers[worker] != .ready { fail("dispatch to \(worker), which is \(String(describing: workers[worker]))") }
                if waiting.first != pending { fail("\(pending) overtook \(waiting.first as Any)") }
                take(pending, by: "dispatch")
                if workers.values.count(where: { $0 == .busy }) + busyElsewhere >= limits.maxConcurrency { fail("\(worker) has no permit") }
                workers[worker] = .busy
                dispatchesOf[worker, default: 0] += 1
                if isolation == .invocation, dispatchesOf[worker] != 1 { fail("\(worker) got a second invocation") }
            case .fail(let pending, _): take(pending, by: "fail")
            case .requeue(let pending): take(pending, by: "requeue")
            case .stateChanged(let state):
                if state != pool.state, action == actions.last { fail("announced \(state), is \(pool.state)") }
            }
        }
        actions.removeAll(keepingCapacity: true)
        check()
    }

    mutating func check() {
        var counts = PoolCounts()
        for fact in workers.values {
            switch fact {
            case .starting: counts.starting += 1
            case .ready: counts.ready += 1
            case .busy: counts.busy += 1
            case .ending: counts.ending += 1
            }
        }
        let live = counts.starting + counts.ready + counts.busy
        if live > limits.maxConcurrency { fail("\(live) workers, \(limits.maxConcurrency) allowed") }
        let told = pool.counts
        if (told.starting, told.ready, told.busy, told.ending) != (counts.starting, counts.ready, counts.busy, counts.ending) {
            fail("counts \(told) against \(counts)")
        }
        if told.queued != waiting.count { fail("queued \(told.queued), waiting \(waiting.count)") }
        if told.queued > limits.maxQueue { fail("queue of \(told.queued)") }
        if told.templatesReady + told.templatesStarting != templates.count { fail("templates \(told) against \(templates)") }
        if told.queued > 0, told.ready > 0, told.busy + busyElsewhere < limits.maxConcurrency { fail("a request waits beside a ready worker") }
    }

    func some(_ fact: WorkerFact, using random: inout SplitMix) -> WorkerID? {
        let candidates = order.filter { workers[$0] == fact }
        return candidates.isEmpty ? nil : candidates[Int(random.next() % UInt64(candidates.count))]
    }

    mutating func forgetWorker(_ id: WorkerID) {
        workers[id] = nil
        templateOf[id] = nil
        order.removeAll { $0 == id }
    }

    mutating func answerTemplate() {
        guard let (id, isReady) = templates.sorted(by: { $0.key.value < $1.key.value }).first(where: { !$0.value }), !isReady else { return }
        let dice = random.next() % 100
        if dice < failureRate {
            templates[id] = nil
            let failure: StartFailure = [.initError, .sandbox, .noRoom][Int(random.next() % 3)]
            pool.templateFailed(id, failure, now: now, into: &actions)
        } else {
            templates[id] = true
            pool.templateReady(id, forkable: forkable, now: now, into: &actions)
        }
        obey()
    }

    mutating func answerWorker() {
        guard let id = some(.starting, using: &random) else { return }
        if random.next() % 100 < failureRate {
            let failure: StartFailure = [.initError, .sandbox, .noRoom][Int(random.next() % 3)]
            if failure == .initError { workers[id] = .ending } else { forgetWorker(id) }
            pool.workerFailed(id, failure, now: now, into: &actions)
        } else {
            workers[id] = .ready
            pool.workerReady(id, now: now, into: &actions)
        }
        obey()
    }

    mutating func finishWorker(reusable: Bool) {
        guard let id = some(.busy, using: &random) else { return }
        pool.workerFinished(id, reusable: reusable, now: now, into: &actions)
        // The pool may hand it its next request in the same event.
        workers[id] = actions.contains(.stopWorker(id)) ? .busy : .ready
        obey()
    }

    mutating func reap() {
        guard let id = some(.ending, using: &random) else { return }
        forgetWorker(id)
        pool.workerGone(id, now: now, into: &actions)
        obey()
    }

    mutating func crash() {
        let facts: [WorkerFact] = [.starting, .ready, .busy]
        guard let id = some(facts[Int(random.next() % 3)], using: &random) else { return }
        forgetWorker(id)
        pool.workerGone(id, now: now, into: &actions)
        obey()
    }

    mutating func tick() {
        pool.tick(now: now, into: &actions)
        obey()
        if let deadline = pool.nextDeadline, deadline <= now { fail("still due after its tick: \(deadline)") }
    }

    mutating func step() {
        events += 1
        now += random.next() % 4 == 0 ? random.next() % 2_000_000 : random.next() % 2_000
        if random.next() % 2_000 == 0 { now += 70_000_000 }
        switch random.next() % 100 {
        case 0..<35:
            let id = pool.request(deadline: now + random.next() % 3_000_000, now: now, into: &actions)
            obey(fresh: id)
        case 35..<40:
            guard !waiting.isEmpty else { return }
            let id = waiting[Int(random.next() % UInt64(waiting.count))]
            if !pool.cancel(id, now: now, into: &actions) { fail("waiting \(id) could not be cancelled") }
            waiting.removeAll { $0 == id }
            ended.insert(id)
            cancelled += 1
            obey()
        case 40..<45: answerTemplate()
        case 45..<60: answerWorker()
        case 60..<75: finishWorker(reusable: random.next() % 8 != 0)
        case 75..<88: reap()
        case 88..<89: crash()
        case 89..<90:
            pool.prewarm(now: now, into: &actions)
            obey()
        case 90:
            let ready = templates.filter(\.value).keys.min { $0.value < $1.value }
            guard let ready, random.next() % 10 == 0 else { return }
            templates[ready] = nil
            pool.templateLost(ready, now: now, into: &actions)
            obey()
        case 91:
            // Late and invented reports.
            pool.workerReady(WorkerID(random.next()), now: now, into: &actions)
            pool.workerGone(WorkerID(random.next() % 20), now: now, into: &actions)
            pool.templateReady(TemplateID(random.next()), forkable: true, now: now, into: &actions)
            if let id = some(.ending, using: &random) { pool.workerReady(id, now: now, into: &actions) }
            if let id = ended.randomElement(using: &random), pool.cancel(id, now: now, into: &actions) { fail("\(id) cancelled after its end") }
            if !actions.isEmpty { fail("actions for unknown things: \(actions)") }
        case 92 where random.next() % 40 == 0:
            workers = [:]
            order = []
            templateOf = [:]
            templates = [:]
            pool.everythingLost(now: now, into: &actions)
            obey()
        case 93:
            _ = pool.reclaim(Int(random.next() % 3), now: now, into: &actions)
            obey()
        case 95:
            busyElsewhere = Int(random.next() % UInt64(limits.maxConcurrency + 2))
            pool.setBusyElsewhere(busyElsewhere, now: now, into: &actions)
            obey()
        case 94:
            pool.roomAvailable(now: now, into: &actions)
            obey()
        default: tick()
        }
    }

    /// Nobody asks any more and nothing fails: what is provisioned comes to be there, and stays for hours.
    mutating func keepProvision() {
        guard pool.state != .draining, pool.state != .drained else { return }
        let wanted = min(limits.provisioned, limits.maxConcurrency)
        let end = now + 2 * 3_600_000_000
        for _ in 0..<100_000 where now < end && problem == nil {
            let isQuiet = some(.starting, using: &random) == nil && some(.busy, using: &random) == nil
                && some(.ending, using: &random) == nil && templates.values.allSatisfy { $0 }
            if isQuiet, waiting.isEmpty, pool.holdsProvision {
                let ready = workers.values.count { $0 == .ready }
                if ready < wanted { fail("\(ready) of \(wanted) provisioned are ready") }
            }
            now = isQuiet ? max(now + 1, min(end, pool.nextDeadline ?? end)) : now + 1
            answerTemplate()
            answerWorker()
            finishWorker(reusable: true)
            reap()
            tick()
        }
        if now < end { fail("does not come to what is provisioned: \(pool.counts), \(pool.state)") }
        if !pool.holdsProvision { fail("does not hold what is provisioned: \(pool.counts), \(pool.state)") }
    }

    /// Nobody asks any more: everything finishes, then time passes.
    mutating func comeToRest() {
        failureRate = 0
        busyElsewhere = 0
        pool.setBusyElsewhere(0, now: now, into: &actions)
        obey()
        if limits.provisioned > 0 {
            keepProvision()
            limits.provisioned = 0
            pool.update(limits: limits, now: now, into: &actions)
            obey()
        }
        for _ in 0..<100_000 {
            if let deadline = pool.nextDeadline, deadline > now, some(.starting, using: &random) == nil,
                some(.busy, using: &random) == nil, some(.ending, using: &random) == nil, templates.values.allSatisfy({ $0 })
            {
                now = deadline
            }
            now += 1
            answerTemplate()
            answerWorker()
            finishWorker(reusable: true)
            reap()
            tick()
            if problem != nil { return }
            if pool.nextDeadline == nil, workers.isEmpty, templates.isEmpty, waiting.isEmpty { return }
        }
        fail("does not come to rest: \(pool.counts), \(pool.state), next \(String(describing: pool.nextDeadline))")
    }
}

@Suite struct RandomEvents {
    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func everyPromiseHoldsUnderRandomEvents(seed: UInt64) {
        var world = World(seed: seed)
        for _ in 0..<2_500 where world.problem == nil { world.step() }
        if world.problem == nil { world.comeToRest() }
        if world.problem == nil {
            if world.pool.state != .registered { world.fail("rests as \(world.pool.state)") }
            if world.ended.count != world.accepted { world.fail("\(world.accepted) accepted, \(world.ended.count) ended") }
        }
        #expect(world.problem == nil)
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func everyRequestEndsWhenThePoolIsRetiredDrainedOrAbandoned(seed: UInt64) {
        var world = World(seed: seed &* 7_919)
        for _ in 0..<500 where world.problem == nil { world.step() }
        switch seed % 3 {
        case 0: world.pool.beginDrain(now: world.now, into: &world.actions)
        case 1: world.pool.retire(requeueQueued: seed % 2 == 0, now: world.now, into: &world.actions)
        default:
            world.pool.abandon(now: world.now, into: &world.actions)
        }
        world.obey()
        for _ in 0..<500 where world.problem == nil { world.step() }
        world.comeToRest()
        if world.pool.state != .drained { world.fail("ends as \(world.pool.state)") }
        if world.ended.count != world.accepted { world.fail("\(world.accepted) accepted, \(world.ended.count) ended") }
        #expect(world.problem == nil)
    }
}
