import Synchronization

/// A value read for one report.
public enum Observation: Hashable, Sendable {
    case whole(UInt64)
    /// Shown divided by a million: microseconds as seconds.
    case millionths(UInt64)
}

/// All metrics of one server, and their text for Prometheus. Safe from any thread.
public final class MetricsRegistry: Sendable {
    private struct State {
        var names: Set<String> = []
        var renderers: [@Sendable (inout ExpositionText) -> Void] = []
    }
    private let state = Mutex(State())

    public init() {}

    /// Series per family where nothing else is said: a thousand functions.
    public static var defaultMaxSeries: Int { 1_000 }

    public func counter(
        _ name: String, _ help: String, labels: [String] = [], maxSeries: Int = MetricsRegistry.defaultMaxSeries
    ) -> Family<Counter> {
        let family = Family(name: name, help: help, labels: labels, maxSeries: maxSeries) { Counter() }
        add(name) { text in
            text.head(name, help, type: "counter")
            for series in family.series { text.sample(name, labels, series.values, series.instrument.value) }
        }
        return family
    }

    public func gauge(
        _ name: String, _ help: String, labels: [String] = [], maxSeries: Int = MetricsRegistry.defaultMaxSeries
    ) -> Family<Gauge> {
        let family = Family(name: name, help: help, labels: labels, maxSeries: maxSeries) { Gauge() }
        add(name) { text in
            text.head(name, help, type: "gauge")
            for series in family.series { text.sample(name, labels, series.values, series.instrument.value) }
        }
        return family
    }

    /// - Parameters:
    ///   - name: ends in `_seconds`.
    ///   - bounds: upper bounds in microseconds, rising.
    public func histogram(
        _ name: String, _ help: String, labels: [String] = [], bounds: [UInt64] = MetricsRegistry.durationBounds,
        maxSeries: Int = MetricsRegistry.defaultMaxSeries
    ) -> Family<Histogram> {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds of \(name) do not rise")
        let family = Family(name: name, help: help, labels: labels, maxSeries: maxSeries) { Histogram(bounds: bounds) }
        add(name) { text in
            text.head(name, help, type: "histogram")
            for series in family.series { text.histogram(name, labels, series.values, series.instrument) }
        }
        return family
    }

    /// A metric that is read when the report is made; nil leaves it out. `read` may be called from any thread.
    public func observed(_ name: String, _ help: String, isCounter: Bool = false, read: @escaping @Sendable () -> Observation?) {
        precondition(isMetricName(name), "not a metric name: \(name)")
        add(name) { text in
            guard let value = read() else { return }
            text.head(name, help, type: isCounter ? "counter" : "gauge")
            text.sample(name, value)
        }
    }

    /// 0.1 ms to 15 min: from a ready worker's answer to Lambda's longest time limit.
    public static var durationBounds: [UInt64] {
        [
            100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
            10_000_000, 60_000_000, 300_000_000, 900_000_000,
        ]
    }

    /// `text/plain; version=0.0.4; charset=utf-8`
    public static var contentType: String { "text/plain; version=0.0.4; charset=utf-8" }

    /// The report in Prometheus's text format 0.0.4, families in order of registration.
    public func render() -> [UInt8] {
        let renderers = state.withLock(\.renderers)
        var text = ExpositionText()
        for render in renderers { render(&text) }
        return text.bytes
    }

    private func add(_ name: String, _ render: @escaping @Sendable (inout ExpositionText) -> Void) {
        let isNew = state.withLock { state in
            guard state.names.insert(name).inserted else { return false }
            state.renderers.append(render)
            return true
        }
        precondition(isNew, "metric registered twice: \(name)")
    }
}
