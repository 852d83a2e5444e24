internal import Glibc

/// What calls a function; it decides the shape of its arrivals.
package enum Trigger: String, CaseIterable, Sendable {
    case http, queue, event, timer, orchestration, other

    var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// Share of the functions and of the calls.
    fileprivate var shares: (functions: Double, calls: Double) {
        switch self {
        case .http: (0.55, 0.36)
        case .queue: (0.15, 0.34)
        case .event: (0.02, 0.25)
        case .timer: (0.16, 0.02)
        case .orchestration: (0.07, 0.02)
        case .other: (0.05, 0.01)
        }
    }
}

/// One function and everything that is asked of it.
package struct FunctionTrace: Sendable {
    package let trigger: Trigger
    /// Microseconds from the start, ascending.
    package let arrivals: [UInt64]
    /// Microseconds that the handler takes, for each arrival.
    package let durations: [UInt32]
}

/// Arrivals at the functions of one node, made up after what is published of Azure Functions; the same for a seed.
///
/// From "Serverless in the Wild" (Shahrad and others, USENIX ATC 2020), which counted two weeks of all of Azure Functions:
/// - functions and calls by trigger: the shares above;
/// - calls a day: 45 % of the applications have at most one an hour, 81 % at most one a minute, over eight orders of
///   magnitude. Here functions, from one in ten days to 12 a second: a node of two cores has none of the hotter ones;
/// - average execution time over functions: log-normal, half of them below 0.7 s (μ = −0.38, σ = 2.36 of its logarithm);
/// - timers come at fixed times, 40 % of the applications scatter more than a Poisson process does, few are one; the
///   whole rises and falls with the day, about half of it does not.
///
/// Assumed, because nobody published it: single calls scatter around their function's average (log-normal, σ = 0.7); a
/// function has at most 4 calls in flight on average, so hot ones are short; the shape of a session, a batch and a crowd.
package struct Workload: Sendable {
    package let functions: [FunctionTrace]
    package let seconds: Double

    package var requests: Int { functions.reduce(0) { $0 + $1.arrivals.count } }

    package init(functions count: Int, seconds: Double, seed: UInt64) {
        var random = SplitMix(seed: seed)
        let rates = (0..<count).map { Self.callsPerDay(atShare: (Double($0) + 0.5) / Double(count)) }
        let triggers = Self.triggers(forRising: rates, using: &random)
        self.seconds = seconds
        var functions: [FunctionTrace] = []
        for (rate, trigger) in zip(rates, triggers) {
            var shape = ArrivalShape(trigger: trigger, callsPerDay: rate, seconds: seconds, random: SplitMix(seed: random.next()))
            functions.append(shape.trace())
        }
        self.functions = functions
    }

    /// Calls a day below which `share` of the functions are; straight lines between these points on a logarithmic scale.
    private static func callsPerDay(atShare share: Double) -> Double {
        let points: [(share: Double, calls: Double)] = [
            (0, 0.1), (0.45, 24), (0.81, 1_440), (0.95, 20_000), (0.99, 150_000), (1, 1_000_000),
        ]
        let upper = points.firstIndex { $0.share >= share } ?? points.count - 1
        let (low, high) = (points[max(upper, 1) - 1], points[max(upper, 1)])
        return low.calls * pow(high.calls / low.calls, (share - low.share) / (high.share - low.share))
    }

    /// Hot functions, which make almost all calls, go to triggers by calls, the others by functions.
    private static func triggers(forRising rates: [Double], using random: inout SplitMix) -> [Trigger] {
        let total = rates.reduce(0, +)
        var functionsLeft = Trigger.allCases.map { ($0.shares.functions * Double(rates.count)).rounded() }
        var callsLeft = Trigger.allCases.map { $0.shares.calls * total }
        var chosen: [Trigger] = []
        for rate in rates.reversed() {
            let isHot = rate > fastestTimer
            let weights = Trigger.allCases.indices.map { index -> Double in
                guard functionsLeft[index] > 0 else { return 0 }
                return isHot ? (Trigger.allCases[index] == .timer ? 0 : max(callsLeft[index], 1)) : functionsLeft[index]
            }
            var dice = random.uniform() * weights.reduce(0, +)
            let index = weights.indices.first { index in
                dice -= weights[index]
                return dice < 0
            } ?? 0
            functionsLeft[index] -= 1
            callsLeft[index] -= rate
            chosen.append(Trigger.allCases[index])
        }
        return chosen.reversed()
    }

    /// Calls a day: no timer fires more often than every half minute.
    private static let fastestTimer = 2_880.0
}

/// Makes the arrivals of one function.
private struct ArrivalShape {
    let trigger: Trigger
    let callsPerDay: Double
    let seconds: Double
    var random: SplitMix
    let meanDuration: Double
    /// Times of much more than usual, in seconds.
    var crowds: [Range<Double>] = []
    var times: [Double] = []

    static let day = 86_400.0
    static let crowdFactor = 8.0, crowdsPerDay = 12.0, crowdSeconds = 90.0
    /// What a crowd adds to the average.
    static let crowdShare = (crowdFactor - 1) * crowdsPerDay * crowdSeconds / day

    init(trigger: Trigger, callsPerDay: Double, seconds: Double, random: SplitMix) {
        self.trigger = trigger
        self.callsPerDay = callsPerDay
        self.seconds = seconds
        self.random = random
        let drawn = self.random.logNormal(median: exp(-0.38), sigma: 2.36)
        meanDuration = min(max(drawn, 0.001), 600, 4 * Self.day / callsPerDay)
    }

    mutating func trace() -> FunctionTrace {
        switch trigger {
        case .timer: everyPeriod()
        case .http:
            if random.uniform() < 0.6 { sessions() } else { starts(perDay: callsPerDay, crowded: false) { $0.times.append($1) } }
        case .queue: batches()
        case .event: starts(perDay: callsPerDay, crowded: true) { $0.times.append($1) }
        case .orchestration: workflows()
        case .other: starts(perDay: callsPerDay, crowded: false) { $0.times.append($1) }
        }
        let end = seconds
        let arrivals = times.filter { $0 < end }.map { UInt64($0 * 1e6) }.sorted()
        let durations = arrivals.map { _ in
            UInt32(min(max(random.logNormal(median: meanDuration * exp(-0.245), sigma: 0.7), 0.000_5), 900) * 1e6)
        }
        return FunctionTrace(trigger: trigger, arrivals: arrivals, durations: durations)
    }

    /// A Poisson process that follows the day and, if `crowded`, the function's crowds.
    mutating func starts(perDay: Double, crowded: Bool, _ begin: (inout Self, Double) -> Void) {
        if crowded { makeCrowds() }
        let mean = perDay / Self.day / (crowded ? 1 + Self.crowdShare : 1)
        let highest = 1.5 * (crowded ? Self.crowdFactor : 1)
        var time = 0.0, crowd = 0
        while true {
            time += random.exponential(mean: 1 / (mean * highest))
            guard time < seconds else { return }
            while crowd < crowds.count, crowds[crowd].upperBound <= time { crowd += 1 }
            let isCrowd = crowd < crowds.count && crowds[crowd].contains(time)
            // Highest in the afternoon, lowest at night: a third of that.
            let level = (1 - 0.5 * cos(2 * .pi * (time / Self.day - 1 / 12))) * (isCrowd ? Self.crowdFactor : 1)
            if random.uniform() * highest < level { begin(&self, time) }
        }
    }

    mutating func makeCrowds() {
        var time = 0.0
        while true {
            time += random.exponential(mean: Self.day / Self.crowdsPerDay)
            guard time < seconds else { return }
            crowds.append(time..<(time + random.exponential(mean: Self.crowdSeconds)))
            time = crowds[crowds.count - 1].upperBound
        }
    }

    /// People: a few steps with pauses between them; one step in four asks for several things at once.
    mutating func sessions() {
        let steps = 4.0, callsPerStep = 0.75 + 0.25 * 4
        starts(perDay: callsPerDay / steps / callsPerStep, crowded: true) { shape, begin in
            var time = begin
            for _ in 0..<shape.random.geometric(mean: steps) {
                let calls = shape.random.uniform() < 0.75 ? 1 : 2 + Int(shape.random.uniform() * 5)
                for call in 0..<calls { shape.times.append(time + (call == 0 ? 0 : shape.random.uniform() * 0.02)) }
                time += shape.random.logNormal(median: 3, sigma: 1.5)
            }
        }
    }

    /// Messages come in heaps and are fetched up to 16 at a time, the next 8 when about half of those are done.
    mutating func batches() {
        // Bounded, so that the average is finite.
        let shape = 1.2, most = 2_000.0
        let mean = shape / (shape - 1) * (1 - pow(most, 1 - shape))
        starts(perDay: callsPerDay / mean, crowded: false) { world, begin in
            var time = begin
            var left = world.random.pareto(shape: shape, most: most)
            var fetched = 16
            while left > 0 {
                for _ in 0..<min(left, fetched) { world.times.append(time) }
                left -= fetched
                fetched = 8
                time += max(world.meanDuration * (0.5 + world.random.uniform()), 0.02)
            }
        }
    }

    /// One step after another, or several activities at once.
    mutating func workflows() {
        let calls = 5.0
        starts(perDay: callsPerDay / calls, crowded: false) { shape, begin in
            let count = shape.random.geometric(mean: calls)
            let isParallel = shape.random.uniform() < 0.3
            for call in 0..<count {
                shape.times.append(begin + (isParallel ? shape.random.uniform() * 0.01 : Double(call) * (shape.meanDuration + 0.1)))
            }
        }
    }

    /// As cron does: all timers of a period fire at the same second.
    mutating func everyPeriod() {
        let periods: [Double] = [30, 60, 120, 300, 600, 900, 1_800, 3_600, 6 * 3_600, 12 * 3_600, Self.day]
        let wanted = Self.day / callsPerDay
        let period = periods.min { abs(log($0 / wanted)) < abs(log($1 / wanted)) } ?? Self.day
        // Rarer ones have an hour of their own.
        var time = period > 3_600 ? (random.uniform() * period / 3_600).rounded(.down) * 3_600 : 0
        while time < seconds {
            times.append(time + random.uniform() * 0.005)
            time += period
        }
    }
}
