#if Kafka
import CRdkafka
public import ExternalSources

/// Kafka topics through consumer groups.
///
/// Offsets are committed after the function has taken a batch, never by the library. A partition is a lane: its records run one
/// batch after the other. The library keeps its connections itself, over all of the cluster.
public struct KafkaConnector: SourceConnector {
    public init() {}

    public func connect(_ request: SourceRequest) throws(SourceFault) -> any SourceConnection {
        let connection = try KafkaConnection(request, configuration: Self.configuration(request))
        do throws(SourceFault) { try connection.subscribe() } catch {
            connection.close()
            throw error
        }
        return connection
    }

    private static func configuration(_ request: SourceRequest) -> [(String, String)] {
        let source = request.source
        var settings = [
            ("bootstrap.servers", source.endpoints.joined(separator: ",")), ("group.id", source.consumerGroup), ("client.id", "martlet-\(request.reader)"),
            ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", source.startingPosition == .latest ? "latest" : "earliest"),
            // A reader that was killed holds its partitions for this long.
            ("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "3000"), ("socket.timeout.ms", "10000"), ("socket.keepalive.enable", "true"),
            // The poller shows a sign of life every five seconds; a function may run for 15 minutes.
            ("max.poll.interval.ms", "1800000"),
            // What is fetched ahead, per partition and in all, beside what the poller holds.
            ("queued.max.messages.kbytes", "8192"), ("fetch.max.bytes", "8388608"), ("fetch.message.max.bytes", "1048576"),
            ("reconnect.backoff.ms", "250"), ("reconnect.backoff.max.ms", "10000"), ("topic.metadata.refresh.interval.ms", "30000"),
            ("allow.auto.create.topics", "false"), ("log_level", "0"),
        ]
        if let file = request.rootCertificateFile { settings.append(("ssl.ca.location", file)) }
        let isSecure = request.rootCertificateFile != nil
        if let credentials = request.credentials {
            settings += [
                ("security.protocol", isSecure ? "SASL_SSL" : "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.username", credentials.username),
                ("sasl.password", credentials.password),
            ]
        } else if isSecure {
            settings.append(("security.protocol", "SSL"))
        }
        return settings
    }
}
#endif
