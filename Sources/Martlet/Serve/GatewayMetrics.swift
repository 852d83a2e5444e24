internal import Gateway
internal import Synchronization
internal import Telemetry

/// The gateway's own counters for the report on metrics, which is one of its routes and so there before it.
final class GatewayMetrics: Sendable {
    private let metrics: HTTPMetrics
    private let gateway = Mutex<GatewayServer?>(nil)

    init(_ metrics: HTTPMetrics) { self.metrics = metrics }

    func started(_ server: GatewayServer) { gateway.withLock { $0 = server } }

    func measure() async {
        guard let statistics = await gateway.withLock({ $0 })?.statistics() else { return }
        metrics.connections.set(statistics.connections)
        metrics.streams.set(statistics.streams)
        metrics.requestsInFlight.set(statistics.requestsInFlight)
        metrics.bytesInFlight.set(statistics.bytesInFlight)
        metrics.accepted.advance(to: statistics.acceptedConnections)
        metrics.refused.with("connection").advance(to: statistics.refusedConnections)
        metrics.refused.with("stream").advance(to: statistics.refusedStreams)
        metrics.requests.advance(to: statistics.requests)
        for status in 2...5 { metrics.responses.with("\(status)xx").advance(to: statistics.responses[status]) }
        metrics.timeouts.advance(to: statistics.timeouts)
    }
}
