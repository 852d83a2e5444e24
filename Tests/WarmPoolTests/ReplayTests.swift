import PoolReplay
import Testing
import WarmPool

/// The pool's policy on arrivals as functions have them; `Deploy/Benchmarks/run.sh policy` has the same at full size.
@Suite struct PolicyReplay {
    static func replay(_ workload: Workload, _ limits: PoolLimits = PoolLimits(maxConcurrency: 1_000)) -> ReplayFigures {
        var replay = PoolReplay(workload, limits: limits)
        let figures = replay.run()
        #expect(replay.problem == nil)
        #expect(figures.met.requests + figures.refused == figures.requests)
        return figures
    }

    @Test(arguments: [1, 2] as [UInt64])
    func fewerThanOneInAHundredWaitForACopyOfAFunctionInUse(seed: UInt64) {
        let workload = Workload(functions: 150, seconds: 3 * 3_600, seed: seed)
        let figures = Self.replay(workload)
        #expect(figures.requests > 30_000)
        #expect(figures.refused == 0)
        #expect(figures.met.copiedShare < 0.01, "\(figures.met)")
        // Not by having most of them wait for something else.
        #expect(Double(figures.met.ready) > 0.9 * Double(figures.requests), "\(figures.met)")
    }

    @Test func coldStartsAreRarerAndMemoryIsLessThanWithAKeepAliveOfTheSameTime() {
        let workload = Workload(functions: 150, seconds: 3 * 3_600, seed: 3)
        let costs = ReplayCosts()
        for minutes in [1, 10] as [UInt64] {
            let pool = Self.replay(workload, PoolLimits(maxConcurrency: 1_000, idleMicros: minutes * 60_000_000))
            var other = KeepAliveReplay(workload, keepAliveMicros: minutes * 60_000_000)
            let keepAlive = other.run()
            #expect(keepAlive.requests == pool.requests)
            #expect(pool.met.cold < keepAlive.met.cold)
            #expect(pool.meanMiB(costs) < keepAlive.meanMiB(costs) * 0.6)
        }
    }

    /// Caps, order and rest are checked within the replay at each event.
    @Test(arguments: [1, 3, 12])
    func noCapIsPassedWhenBurstsAreLargerThanIt(concurrency: Int) {
        let workload = Workload(functions: 60, seconds: 2 * 3_600, seed: 4)
        let figures = Self.replay(workload, PoolLimits(maxConcurrency: concurrency, isReserved: true, maxQueue: 20, maxReady: 4))
        #expect(figures.met.ready > 0)
        if concurrency == 1 { #expect(figures.refused > 0) }
    }

    @Test func reusedEnvironmentsKeepThePromisesToo() {
        let workload = Workload(functions: 60, seconds: 2 * 3_600, seed: 5)
        let figures = Self.replay(workload, PoolLimits(maxConcurrency: 50, isolation: .environment))
        #expect(figures.met.ready > 0)
    }

    @Test func aSeedMeansOneReplay() {
        let one = Self.replay(Workload(functions: 40, seconds: 3_600, seed: 6))
        let again = Self.replay(Workload(functions: 40, seconds: 3_600, seed: 6))
        let other = Self.replay(Workload(functions: 40, seconds: 3_600, seed: 7))
        #expect(one == again)
        #expect(one != other)
    }

    @Test func mostFunctionsAreRareAndFewAreHot() {
        let workload = Workload(functions: 200, seconds: 12 * 3_600, seed: 8)
        let calls = workload.functions.map(\.arrivals.count).sorted()
        let rare = calls.count { $0 <= 12 }, occasional = calls.count { $0 <= 720 }
        // 45 % at most once an hour, 81 % at most once a minute; how many come within half a day scatters.
        #expect((70...120).contains(rare), "\(rare)")
        #expect((145...175).contains(occasional), "\(occasional)")
        #expect(calls.suffix(40).reduce(0, +) * 100 > workload.requests * 95)
        for trigger in Trigger.allCases { #expect(workload.functions.contains { $0.trigger == trigger }) }
        for function in workload.functions {
            #expect(zip(function.arrivals, function.arrivals.dropFirst()).allSatisfy { $0 <= $1 })
            #expect(function.arrivals.count == function.durations.count)
        }
    }
}
