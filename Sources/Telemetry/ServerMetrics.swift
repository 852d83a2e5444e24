public import FunctionModel

/// The metrics of a Martlet server by name. Made once at start and handed to whoever counts.
public final class ServerMetrics: Sendable {
    public let registry: MetricsRegistry
    public let invocations: Family<Counter>
    public let errors: Family<Counter>
    public let throttles: Family<Counter>
    public let duration: Family<Histogram>
    public let queueTime: Family<Histogram>
    public let startKinds: Family<Counter>
    public let poolWorkers: Family<Gauge>
    public let poolTemplates: Family<Gauge>
    public let queueDepth: Family<Gauge>
    public let usageRecordsWritten: Counter
    public let eventsAccepted: Family<Counter>
    public let eventRetries: Family<Counter>
    public let eventsGivenUp: Family<Counter>
    public let eventFaults: Family<Counter>
    /// By `state`: `visible`, `delayed`, `in_flight`, `failed`.
    public let eventDepth: Family<Gauge>
    public let eventAge: Family<Gauge>
    /// By `state`: `visible`, `delayed`, `in_flight`.
    public let queueMessages: Family<Gauge>
    public let queueAge: Family<Gauge>
    public let deadLetters: Family<Counter>
    public let eventLag: Family<Histogram>
    public let triggerEvents: Family<Counter>
    public let triggerFaults: Family<Counter>
    public let triggerLag: Family<Gauge>
    /// By `what`: `accepted`, and `matched` once for each rule that takes it.
    public let busEvents: Family<Counter>
    /// By `result`: `delivered`, `retried`, `dead_lettered`, `dropped`.
    public let busDeliveries: Family<Counter>
    /// By `result`: `ok`, `failed`.
    public let sandboxStarts: Family<Counter>
    public let initDuration: Family<Histogram>
    public let http: HTTPMetrics

    /// - Parameter maxFunctions: functions that get series of their own; the rest are shown as `other`.
    public init(registry: MetricsRegistry = MetricsRegistry(), maxFunctions: Int = 1_000) {
        self.registry = registry
        invocations = registry.counter(
            "functions_invocations_total", "Invocations that came to an outcome.", labels: ["function", "outcome"],
            maxSeries: maxFunctions * Outcome.allCases.count)
        errors = registry.counter(
            "functions_errors_total", "Invocations that ended in a function error, time-out, crash or invalid answer.",
            labels: ["function"], maxSeries: maxFunctions)
        throttles = registry.counter(
            "functions_throttles_total", "Requests refused before they reached a worker.", labels: ["function", "reason"],
            maxSeries: maxFunctions * 4)
        duration = registry.histogram(
            "functions_duration_seconds", "Time in the handler, from dispatch to the final frame.", labels: ["function"],
            maxSeries: maxFunctions)
        queueTime = registry.histogram(
            "functions_queue_seconds", "Time from arrival to dispatch, start-up included.", labels: ["function"],
            maxSeries: maxFunctions)
        initDuration = registry.histogram(
            "functions_init_seconds", "Time of init of templates and environments.", labels: ["function"], maxSeries: maxFunctions)
        startKinds = registry.counter(
            "functions_start_kind_total", "Invocations by what they met: nothing (cold), a template, a ready worker.",
            labels: ["function", "start"], maxSeries: maxFunctions * StartKind.allCases.count)
        poolWorkers = registry.gauge(
            "pool_workers", "Workers by state.", labels: ["function", "state"], maxSeries: maxFunctions * 4)
        poolTemplates = registry.gauge(
            "pool_templates", "Templates by state.", labels: ["function", "state"], maxSeries: maxFunctions * 2)
        queueDepth = registry.gauge(
            "queue_depth", "Requests that wait for a worker or a permit.", labels: ["function"], maxSeries: maxFunctions)
        eventsAccepted = registry.counter(
            "events_accepted_total", "Asynchronous invocations accepted.", labels: ["function"], maxSeries: maxFunctions)
        eventRetries = registry.counter(
            "event_retries_total", "Attempts of events that will be followed by another.", labels: ["function"], maxSeries: maxFunctions)
        eventsGivenUp = registry.counter(
            "event_dead_letters_total", "Events that were given up: sent to a destination or kept as failed.", labels: ["function"],
            maxSeries: maxFunctions)
        eventFaults = registry.counter(
            "event_faults_total", "Events that could not be delivered to a destination or settled.", labels: ["function"],
            maxSeries: maxFunctions)
        eventDepth = registry.gauge(
            "event_queue_messages", "Events that wait for their attempt, by state.", labels: ["function", "state"], maxSeries: maxFunctions * 4)
        eventAge = registry.gauge(
            "event_queue_oldest_seconds", "Time since the oldest waiting event was accepted.", labels: ["function"], maxSeries: maxFunctions)
        queueMessages = registry.gauge("durable_queue_messages", "Messages of a queue, by state.", labels: ["queue", "state"], maxSeries: maxFunctions * 3)
        queueAge = registry.gauge(
            "durable_queue_oldest_seconds", "Time since a queue's oldest message was accepted.", labels: ["queue"], maxSeries: maxFunctions)
        deadLetters = registry.counter(
            "durable_queue_dead_letters_total", "Messages that were received too often and went to their queue's dead letters.", labels: ["queue"],
            maxSeries: maxFunctions)
        eventLag = registry.histogram(
            "event_lag_seconds", "Time from an event's acceptance to the arrival of its attempt, waits between attempts included.",
            labels: ["function"], maxSeries: maxFunctions)
        triggerEvents = registry.counter("trigger_events_total", "Events that a source brought.", labels: ["trigger", "kind"], maxSeries: maxFunctions)
        triggerFaults = registry.counter(
            "trigger_faults_total", "Events that a source could not bring or that failed.", labels: ["trigger", "kind"], maxSeries: maxFunctions)
        triggerLag = registry.gauge("trigger_lag_events", "Events that wait in a source.", labels: ["trigger", "kind"], maxSeries: maxFunctions)
        busEvents = registry.counter(
            "event_bus_events_total", "Events put on a bus, and rules that matched one.", labels: ["bus", "what"], maxSeries: 200)
        busDeliveries = registry.counter(
            "event_bus_deliveries_total", "Events for one target each, by what came of them.", labels: ["bus", "result"], maxSeries: 400)
        usageRecordsWritten = registry.counter("usage_records_written_total", "Usage records written to a segment.").with()
        sandboxStarts = registry.counter("sandbox_starts_total", "Sandboxes asked of the helper.", labels: ["result"], maxSeries: 8)
        http = HTTPMetrics(registry)
        registerProcessMetrics(in: registry)
    }

    /// The instruments of one function, looked up once and kept with it: each use is then a few nanoseconds.
    public func function(_ name: String) -> FunctionMetrics { FunctionMetrics(name, in: self) }

    /// Sets the gauges of all pools, by function. A function that is missing has none any more.
    public func setPools(_ pools: [String: PoolFigures]) {
        for family in [poolWorkers, poolTemplates, queueDepth] { family.retain(Set(pools.keys)) }
        for (name, figures) in pools {
            poolWorkers.with(name, "starting").set(figures.workersStarting)
            poolWorkers.with(name, "ready").set(figures.workersReady)
            poolWorkers.with(name, "busy").set(figures.workersBusy)
            poolWorkers.with(name, "ending").set(figures.workersEnding)
            poolTemplates.with(name, "starting").set(figures.templatesStarting)
            poolTemplates.with(name, "ready").set(figures.templatesReady)
            queueDepth.with(name).set(figures.queueDepth)
        }
    }

    public func events(_ name: String) -> EventGauges { EventGauges(name, in: self) }

    /// Ends all series of a deleted function.
    public func remove(function name: String) {
        for family in [invocations, errors, throttles, startKinds, eventsAccepted, eventRetries, eventsGivenUp, eventFaults] { family.remove(name) }
        for family in [duration, queueTime, initDuration, eventLag] { family.remove(name) }
        for family in [poolWorkers, poolTemplates, queueDepth, eventDepth, eventAge] { family.remove(name) }
    }
}

/// The gauges of one function's events, set when somebody looks.
public struct EventGauges: Sendable {
    public let visible: Gauge
    public let delayed: Gauge
    public let inFlight: Gauge
    public let failed: Gauge
    public let oldestSeconds: Gauge

    init(_ name: String, in metrics: ServerMetrics) {
        visible = metrics.eventDepth.with(name, "visible")
        delayed = metrics.eventDepth.with(name, "delayed")
        inFlight = metrics.eventDepth.with(name, "in_flight")
        failed = metrics.eventDepth.with(name, "failed")
        oldestSeconds = metrics.eventAge.with(name)
    }
}

/// One function's workers, templates and waiting requests, added up over its versions.
public struct PoolFigures: Equatable, Sendable {
    public var workersStarting = 0
    public var workersReady = 0
    public var workersBusy = 0
    public var workersEnding = 0
    public var templatesStarting = 0
    public var templatesReady = 0
    public var queueDepth = 0

    public init() {}
}

/// The instruments of one function. What seldom happens has a series from its first time on: with all of them, what is kept
/// of functions that nobody calls would be twice as much.
public final class FunctionMetrics: Sendable {
    private let name: String
    private let metrics: ServerMetrics
    private let successes: Counter
    private let starts: [Counter]
    private let errors: Counter
    private let duration: Histogram
    private let queueTime: Histogram

    init(_ name: String, in metrics: ServerMetrics) {
        self.name = name
        self.metrics = metrics
        successes = metrics.invocations.with(name, Outcome.success.metricLabel)
        starts = StartKind.allCases.map { metrics.startKinds.with(name, $0.metricLabel) }
        errors = metrics.errors.with(name)
        duration = metrics.duration.with(name)
        queueTime = metrics.queueTime.with(name)
    }

    /// Counts one finished invocation; what counts as an error is decided here alone.
    public func finished(_ outcome: Outcome, start: StartKind, handlerMicroseconds: UInt64, queueMicroseconds: UInt64) {
        if outcome == .success { successes.increment() } else { metrics.invocations.with(name, outcome.metricLabel).increment() }
        starts[Int(start.rawValue)].increment()
        if outcome.isFunctionError { errors.increment() }
        duration.observe(microseconds: handlerMicroseconds)
        queueTime.observe(microseconds: queueMicroseconds)
    }

    /// Counts one init of a template or an environment.
    public func initialised(microseconds: UInt64) { metrics.initDuration.with(name).observe(microseconds: microseconds) }

    public func throttled(_ reason: ThrottleReason) { metrics.throttles.with(name, reason.rawValue).increment() }
}

public enum ThrottleReason: String, Sendable {
    /// The function's own concurrency was used up.
    case concurrency
    /// The queue was full, or the request's time in it was over.
    case queue
    /// The node or the tenant had no room.
    case node
}

extension Outcome {
    var metricLabel: String {
        switch self {
        case .success: "success"
        case .functionError: "function_error"
        case .initError: "init_error"
        case .timeout: "timeout"
        case .outOfMemory: "out_of_memory"
        case .crash: "crash"
        case .invalidResponse: "invalid_response"
        case .interrupted: "interrupted"
        case .cancelled: "cancelled"
        }
    }

    var isFunctionError: Bool {
        switch self {
        case .success, .interrupted, .cancelled: false
        case .functionError, .initError, .timeout, .outOfMemory, .crash, .invalidResponse: true
        }
    }
}

extension StartKind {
    var metricLabel: String {
        switch self {
        case .cold: "cold"
        case .template: "template"
        case .ready: "ready"
        }
    }
}
