/// A broker outside of this server, and what of it a function gets.
public struct ExternalSource: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, CaseIterable, Sendable {
        case kafka, rabbitmq, redis, nats, mqtt

        /// The key in Lambda's `SelfManagedEventSource.Endpoints`; the first is Lambda's own, the others are Martlet's.
        public var endpointType: String {
            switch self {
            case .kafka: "KAFKA_BOOTSTRAP_SERVERS"
            case .rabbitmq: "RABBITMQ_SERVERS"
            case .redis: "REDIS_SERVERS"
            case .nats: "NATS_SERVERS"
            case .mqtt: "MQTT_SERVERS"
            }
        }

        /// The package trait that builds its adapter in.
        public var trait: String {
            switch self {
            case .kafka: "Kafka"
            case .rabbitmq: "RabbitMQ"
            case .redis: "Redis"
            case .nats: "NATS"
            case .mqtt: "MQTT"
            }
        }

        /// `eventSource` of the event.
        public var eventSource: String {
            switch self {
            case .kafka: "SelfManagedKafka"
            case .rabbitmq: "aws:rmq"
            case .redis: "redis:stream"
            case .nats: "nats:jetstream"
            case .mqtt: "mqtt"
            }
        }

        /// Whether records run one batch after the other (within a lane), so that what failed holds up what follows.
        public var isOrdered: Bool { self == .kafka || self == .mqtt }
        /// Whether a first start may choose between old and new records.
        public var hasStartingPosition: Bool { self == .kafka || self == .redis || self == .nats }
        /// The record's member that filters read as text or JSON.
        public var filteredMember: String { self == .kafka ? "value" : "data" }
    }

    public enum StartingPosition: Codable, Hashable, Sendable {
        case trimHorizon
        case latest
        /// Milliseconds since 1970.
        case atTimestamp(Int64)
    }

    public var kind: Kind
    /// `host:port`, 1–10; tried one after the other, for Kafka the cluster's first contacts.
    public var endpoints: [String]
    /// Kafka's topic, RabbitMQ's queue, the key of Redis's stream, a NATS subject, an MQTT topic filter.
    public var name: String
    /// Consumer group, durable consumer or client ID: what the broker knows this reader by, also after a restart.
    public var consumerGroup: String
    /// Of a record that nobody of the group has read yet, the first time. Ignored where the broker keeps no old records.
    public var startingPosition: StartingPosition
    /// RabbitMQ's; nil for `/`.
    public var virtualHost: String?
    /// Name of the secret with user name and password.
    public var credentials: String?
    /// Name of the secret with the certificates that TLS trusts; nil for a connection in clear text.
    public var rootCertificate: String?

    public init(
        kind: Kind, endpoints: [String], name: String, consumerGroup: String, startingPosition: StartingPosition = .trimHorizon,
        virtualHost: String? = nil, credentials: String? = nil, rootCertificate: String? = nil
    ) {
        self.kind = kind
        self.endpoints = endpoints
        self.name = name
        self.consumerGroup = consumerGroup
        self.startingPosition = startingPosition
        self.virtualHost = virtualHost
        self.credentials = credentials
        self.rootCertificate = rootCertificate
    }

    /// For logs and messages; without credentials.
    public var summary: String { "\(kind.rawValue)://\(endpoints.joined(separator: ","))/\(name)" }
}

/// Host and port of a broker.
public struct SourceEndpoint: Hashable, Sendable {
    public let host: String
    public let port: UInt16

    /// Reads `host:port`; nil for anything else.
    /// Source: the pattern of Lambda's `Endpoint`.
    public init?(_ text: String) {
        guard text.utf8.count <= 300, let colon = text.lastIndex(of: ":") else { return nil }
        let host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        guard !host.isEmpty, digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let port = UInt16(digits), port > 0,
            host.utf8.allSatisfy({ ($0 >= 48 && $0 <= 57) || ($0 | 32 >= 97 && $0 | 32 <= 122) || $0 == 45 || $0 == 46 || $0 == 95 }),
            host.utf8.first != 45, host.utf8.first != 46
        else { return nil }
        self.host = String(host)
        self.port = port
    }
}
