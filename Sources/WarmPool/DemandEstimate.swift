/// How many workers should be ready ahead: what arrives while one is being prepared, and some more for bursts.
struct DemandEstimate {
    /// Arrivals, weighted down with age.
    private var weight = 0.0
    private var lastArrival: UInt64 = 0
    /// Requests that met no ready worker although the function was up, weighted down with age.
    private var misses = 0.0
    private var lastMiss: UInt64 = 0
    /// Seconds one preparation takes; 0 until one was seen.
    private var preparation = 0.0

    /// Seconds over which arrivals are averaged.
    private static var rateWindow: Double { 2 }
    /// Seconds after which a burst is forgotten, roughly.
    private static var missWindow: Double { 10 }

    /// Close to e^−x for the small steps of a busy function, never negative, and cheap.
    private static func decay(from then: UInt64, to now: UInt64, window: Double) -> Double {
        let x = Double(now &- then) / 1_000_000 / window
        return 1 / (1 + x + x * x / 2)
    }

    mutating func arrived(at now: UInt64) {
        weight = weight * Self.decay(from: lastArrival, to: now, window: Self.rateWindow) + 1
        lastArrival = now
    }

    mutating func missed(at now: UInt64, bound: Int) {
        misses = min(misses * Self.decay(from: lastMiss, to: now, window: Self.missWindow) + 1, Double(bound))
        lastMiss = now
    }

    mutating func prepared(inMicros micros: UInt64) {
        let seconds = Double(micros) / 1_000_000
        preparation = preparation == 0 ? seconds : preparation + (seconds - preparation) / 8
    }

    /// At least 1.
    func readyTarget(at now: UInt64, bound: Int) -> Int {
        let rate = weight * Self.decay(from: lastArrival, to: now, window: Self.rateWindow) / Self.rateWindow
        let mean = rate * preparation
        // Arrivals in one preparation time scatter like a Poisson variable: mean plus two deviations covers most of them.
        let wanted = mean + 2 * mean.squareRoot() + misses * Self.decay(from: lastMiss, to: now, window: Self.missWindow)
        return wanted >= Double(bound) ? bound : min(bound, 1 + Int(wanted.rounded()))
    }
}
