internal import ExternalSources
#if Kafka
internal import KafkaSource
#endif
#if MQTT
internal import MQTTSource
#endif
#if NATS
internal import NATSSource
#endif
#if RabbitMQ
internal import RabbitMQSource
#endif
#if Redis
internal import RedisSource
#endif

/// The external sources that this build has: each comes with a package trait and its C library.
enum SourceConnectors {
    static let builtIn: [ExternalSource.Kind: any SourceConnector] = {
        var connectors: [ExternalSource.Kind: any SourceConnector] = [:]
        #if Kafka
        connectors[.kafka] = KafkaConnector()
        #endif
        #if MQTT
        connectors[.mqtt] = MQTTConnector()
        #endif
        #if NATS
        connectors[.nats] = NATSConnector()
        #endif
        #if RabbitMQ
        connectors[.rabbitmq] = RabbitMQConnector()
        #endif
        #if Redis
        connectors[.redis] = RedisConnector()
        #endif
        return connectors
    }()
}
