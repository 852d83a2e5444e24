import FunctionModel
import Testing

@testable import WarmPool

/// Provisioned concurrency: workers that are there before the first request and outlast idleness.
@Suite struct ProvisionedWorkers {
    private func limits(_ provisioned: Int, most: Int = 10) -> PoolLimits { PoolLimits(maxConcurrency: most, provisioned: provisioned) }

    /// With all that is provisioned ready.
    private func provisioned(_ count: Int) throws -> Bench {
        var bench = Bench(limits(0))
        bench.run { $0.update(limits: limits(count), now: $1, into: &$2) }
        let template = try #require(bench.startedTemplates.first)
        #expect(!bench.pool.holdsProvision)
        bench.templateReady(template, after: 20_000)
        #expect(bench.startedWorkers.count == count)
        for worker in bench.startedWorkers {
            #expect(!bench.pool.holdsProvision)
            bench.workerReady(worker, after: 1_000)
        }
        return bench
    }

    @Test func theyAreMadeWithoutARequest() throws {
        let bench = try provisioned(3)
        #expect(bench.pool.counts.ready == 3)
        #expect(bench.pool.holdsProvision)
    }

    @Test func theyOutlastIdleness() throws {
        var bench = try provisioned(3)
        for _ in 0..<100 { bench.tick(after: 60_000_000) }
        #expect(bench.pool.counts.ready == 3)
        #expect(bench.pool.holdsProvision)
        bench.request()
        #expect(bench.dispatches.first?.kind == .ready)
    }

    @Test func aBusyOneCountsAndMoreAreMadeOnDemand() throws {
        var bench = try provisioned(2)
        for _ in 0..<4 { bench.request() }
        #expect(bench.pool.counts.busy == 2 && bench.pool.counts.queued == 2)
        for worker in bench.pool.startingWorkers { bench.workerReady(worker, after: 1_000) }
        #expect(bench.pool.counts.busy == 4 && bench.pool.counts.queued == 0)
    }

    @Test func withoutTheProvisionTheyAreIdleLikeOthers() throws {
        var bench = try provisioned(3)
        bench.run { $0.update(limits: limits(0), now: $1, into: &$2) }
        bench.tick(after: 61_000_000)
        #expect(bench.pool.counts.ready == 0)
        #expect(bench.pool.state == .registered)
    }

    @Test func theNodesMemoryGoesBeforeThem() throws {
        var bench = try provisioned(3)
        let reclaimed = bench.run { $0.reclaim(2, now: $1, into: &$2) }
        #expect(reclaimed == 2 && bench.startedWorkers.isEmpty)
        #expect(!bench.pool.holdsProvision)
        for worker in bench.stoppedWorkers { bench.gone(worker) }
        bench.tick(after: 1_000_001)
        #expect(bench.startedWorkers.count == 2)
        for worker in bench.startedWorkers { bench.workerFailed(worker, .noRoom) }
        bench.tick(after: 60_000)
        #expect(bench.startedWorkers.isEmpty, "what nobody waits for is not asked for every moment")
        bench.tick(after: 1_000_000)
        #expect(bench.startedWorkers.count == 2)
    }

    @Test func afterAFailedInitTheyAreTriedAgainWhenTheBackOffEnds() throws {
        var bench = Bench(limits(0))
        bench.run { $0.update(limits: limits(2), now: $1, into: &$2) }
        bench.templateFailed(try #require(bench.startedTemplates.first), after: 20_000)
        #expect(bench.pool.state == .failed)
        #expect(bench.startedTemplates.isEmpty)
        bench.now = try #require(bench.pool.nextDeadline)
        bench.tick()
        #expect(bench.startedTemplates.count == 1)
    }
}
