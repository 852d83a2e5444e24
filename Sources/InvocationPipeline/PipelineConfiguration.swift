import WarmPool

/// The pipeline's bounds. Documented defaults; the program's configuration file sets them.
public struct PipelineConfiguration: Sendable {
    /// Invocations in flight on this node, and the bound of a function without a reservation.
    public var nodeConcurrency = 1000
    /// Invocations in flight of one account's functions; those without a reservation share what the others leave.
    public var accountConcurrency = 1000
    /// MB that the memory sizes of all environments may add up to.
    public var nodeMemoryMB = 16_384
    /// Requests that may wait for one function version.
    public var queueDepth = 1_000
    /// Seconds a request may wait for a permit or a worker before it is refused.
    public var queueSeconds = 10.0
    /// Seconds without a request until a function is scaled to zero.
    public var idleSeconds = 60.0
    public var templateMaxAgeSeconds = 14_400.0
    /// Seconds that a runtime without a function is kept for the next cold start of its language; 0: none is made.
    public var spareSeconds = 300.0
    /// Seconds that init may take.
    public var initSeconds = 10
    /// Copies kept ready ahead for one function version.
    public var maxReady = 16
    /// Bytes of output kept for one invocation; more is dropped, counted and marked.
    public var outputLimit = 1 << 20

    public init() {}

    /// More than any pool begins at one event.
    var accountMargin: Int { 4 * maxReady }

    func limits(reserved: Int?, provisioned: Int) -> PoolLimits {
        PoolLimits(
            maxConcurrency: min(reserved ?? nodeConcurrency, nodeConcurrency, 1_000), isReserved: reserved != nil, maxQueue: queueDepth,
            maxReady: maxReady, provisioned: provisioned, idleMicros: Self.micros(idleSeconds), templateMaxAgeMicros: Self.micros(templateMaxAgeSeconds))
    }

    private static func micros(_ seconds: Double) -> UInt64 { UInt64(max(0, min(seconds, 1e9)) * 1e6) }
}
