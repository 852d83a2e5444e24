/// What the listener has seen and has in hand, set when somebody looks.
public struct HTTPMetrics: Sendable {
    public let connections: Gauge
    public let streams: Gauge
    public let requestsInFlight: Gauge
    public let bytesInFlight: Gauge
    public let accepted: Counter
    /// By `what`: `connection`, `stream`.
    public let refused: Family<Counter>
    public let requests: Counter
    /// By `class`: `2xx` to `5xx`.
    public let responses: Family<Counter>
    public let timeouts: Counter

    init(_ registry: MetricsRegistry) {
        connections = registry.gauge("http_connections", "Open connections.").with()
        streams = registry.gauge("http_streams", "Open streams of HTTP/2 connections.").with()
        requestsInFlight = registry.gauge("http_requests_in_flight", "Requests whose answer has not been written to its end.").with()
        bytesInFlight = registry.gauge("http_bytes_in_flight", "Bytes of request bodies and of large unsent answers that are held.").with()
        accepted = registry.counter("http_connections_accepted_total", "Connections that were accepted.").with()
        refused = registry.counter(
            "http_refused_total", "Connections and streams beyond what the server takes.", labels: ["what"], maxSeries: 2)
        requests = registry.counter("http_requests_total", "Requests whose header came.").with()
        responses = registry.counter("http_responses_total", "Answers by class of status.", labels: ["class"], maxSeries: 4)
        timeouts = registry.counter(
            "http_timeouts_total", "Handshakes, headers and bodies that came too slowly, and answers that were taken too slowly.").with()
    }
}
