#if MQTT
import CMosquitto
public import ExternalSources

/// MQTT 3.1.1 topics with quality of service 1 and a session that the broker keeps.
///
/// A broker gives again what a session has not acknowledged, but takes acknowledgements only in the order of its messages, and
/// the library makes one of its own for each message. They wait in its queue until something is written to the broker: so it is
/// written to only when all that was received is settled.
public struct MQTTConnector: SourceConnector {
    /// Once for the process; the library counts.
    private static let isInitialized = mosquitto_lib_init() == MOSQ_ERR_SUCCESS.rawValue

    public init() {}

    public func connect(_ request: SourceRequest) throws(SourceFault) -> any SourceConnection {
        guard Self.isInitialized else { throw SourceFault("the MQTT library cannot be used") }
        let connection = try MQTTConnection(request)
        do throws(SourceFault) { try connection.open(request) } catch {
            connection.close()
            throw error
        }
        return connection
    }
}
#endif
