#if NATS
import CNATS
public import ExternalSources

/// NATS JetStream through a durable pull consumer with explicit acknowledgements.
///
/// Acknowledgements are messages to the subject that each record came with, so they are good on any later connection. What is
/// held is extended; what a reader that has died had is given again when the consumer's acknowledgement wait is over.
public struct NATSConnector: SourceConnector {
    /// Nanoseconds. Constant, since a durable consumer is refused to a reader that wants it otherwise.
    static let acknowledgementWait: Int64 = 30_000_000_000
    static let acknowledgementsPending: Int64 = 20_000

    public init() {}

    public func connect(_ request: SourceRequest) throws(SourceFault) -> any SourceConnection {
        let endpoint = try request.endpoint()
        let client = NATSClient("NATS at \(endpoint.host):\(endpoint.port)")
        do throws(SourceFault) {
            try client.connect(request)
            try client.subscribe(request.source)
        } catch {
            client.close()
            throw error
        }
        return NATSConnection(client, request.source)
    }
}
#endif
