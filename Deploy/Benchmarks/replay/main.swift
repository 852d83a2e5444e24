// Plays one workload to the pool's policy and to others and prints one JSON object; suites/policy.py starts it.

import PoolReplay
import WarmPool

let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
guard numbers.count == 3, numbers[0] > 0, numbers[1] > 0, numbers[2] >= 0 else {
    fatalError("usage: pool-replay FUNCTIONS HOURS SEED")
}
let workload = Workload(functions: numbers[0], seconds: Double(numbers[1]) * 3_600, seed: UInt64(numbers[2]))
let costs = ReplayCosts()

func object(_ fields: [(String, Double)]) -> String {
    "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
}

func shares(_ met: Met) -> [(String, Double)] {
    let requests = Double(max(met.requests, 1))
    return [
        ("n", Double(met.requests)), ("cold", 100 * Double(met.cold) / requests), ("copied", 100 * Double(met.copied) / requests),
        ("afterQuiet", 100 * Double(met.copiedAfterQuiet) / requests),
    ]
}

func policy(_ name: String, _ minutes: UInt64, _ figures: ReplayFigures) -> String {
    let memory = figures.meanMiB(costs)
    let whole = shares(figures.met) + [
        ("wait", figures.meanWaitMillis), ("p99", figures.percentile(0.99)), ("memory", memory), ("peak", figures.peakMiB),
        ("each", memory * figures.seconds / Double(max(figures.requests, 1))),
        ("preparation", 100 * Double(figures.preparationMicros) / 1e6 / figures.seconds), ("refused", Double(figures.refused)),
    ]
    let triggers = Trigger.allCases.map { "\"\($0)\":\(object(shares(figures.met($0))))" }
    return "{\"policy\":\"\(name)\",\"minutes\":\(minutes),\"whole\":\(object(whole)),\"triggers\":{\(triggers.joined(separator: ","))}}"
}

let times: [UInt64] = [1, 10, 60]
let pools = times.map { minutes in
    var replay = PoolReplay(workload, limits: PoolLimits(maxConcurrency: 1_000, idleMicros: minutes * 60_000_000))
    let figures = replay.run()
    if let problem = replay.problem { fatalError(problem) }
    return policy("pool", minutes, figures)
}
let keepAlives = times.map { minutes in
    var replay = KeepAliveReplay(workload, keepAliveMicros: minutes * 60_000_000)
    return policy("keep-alive", minutes, replay.run())
}
let triggers = Trigger.allCases.map { trigger in "\"\(trigger)\":\(workload.functions.count { $0.trigger == trigger })" }
print("{\"functions\":{\(triggers.joined(separator: ","))},\"policies\":[\((pools + keepAlives).joined(separator: ","))]}")
