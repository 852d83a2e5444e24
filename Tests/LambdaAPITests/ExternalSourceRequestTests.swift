import ExternalSources
import FoundationEssentials
import FunctionModel
import Testing

@testable import LambdaAPI

@Suite struct ExternalSourceRequestTests {
    private func request(_ text: String) throws -> EventSourceMappingRequest { try JSONDecoder().decode(EventSourceMappingRequest.self, from: Data(text.utf8)) }

    private func source(_ text: String) throws -> ExternalSource { try request(text).externalSource(account: "123456789012", reader: "reader-1") }

    @Test func lambdasKafkaFormIsRead() throws {
        let source = try source(
            """
            {"SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a:9092", "b:9092"]}}, "Topics": ["orders"],
             "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "shop.orders"}, "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1700000000.5,
             "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:123456789012:secret:kafka-shop"}]}
            """)
        #expect(source == ExternalSource(
            kind: .kafka, endpoints: ["a:9092", "b:9092"], name: "orders", consumerGroup: "shop.orders", startingPosition: .atTimestamp(1_700_000_000_500),
            credentials: "kafka-shop"))
    }

    @Test func aRabbitQueueHasAVirtualHostAndNoGroup() throws {
        let source = try source(
            """
            {"SelfManagedEventSource": {"Endpoints": {"RABBITMQ_SERVERS": ["a:5672"]}}, "Queues": ["orders"],
             "SourceAccessConfigurations": [{"Type": "VIRTUAL_HOST", "URI": "/shop"}, {"Type": "BASIC_AUTH", "URI": "secret:rabbit"}]}
            """)
        #expect((source.virtualHost, source.credentials, source.consumerGroup) == ("/shop", "rabbit", "reader-1"))
    }

    @Test(arguments: [
        (#"{"SelfManagedEventSource": {"Endpoints": {}}, "Topics": ["t"]}"#, "exactly one of"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a:1"], "NATS_SERVERS": ["a:1"]}}, "Topics": ["t"]}"#, "exactly one of"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"PULSAR_SERVERS": ["a:1"]}}, "Topics": ["t"]}"#, "REDIS_SERVERS"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a"]}}, "Topics": ["t"]}"#, "HOST:PORT"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a:1"]}}}"#, "Topics"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a:1"]}}, "Topics": ["t"], "EventSourceArn": "arn:x"}"#, "exclude each other"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"RABBITMQ_SERVERS": ["a:1"]}}, "Topics": ["t"]}"#, "Queues"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a:1"]}}, "Topics": ["t"]}"#, "StartingPosition"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"MQTT_SERVERS": ["a:1"]}}, "Topics": ["t"], "StartingPosition": "LATEST"}"#, "no StartingPosition"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"NATS_SERVERS": ["a:1"]}}, "Topics": ["a b"]}"#, "spaces"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"NATS_SERVERS": ["a:1"]}}, "Topics": ["t"], "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "a.b"}}"#, "no name"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a:1"]}}, "Topics": ["t"], "SourceAccessConfigurations": [{"Type": "SERVER_ROOT_CA_CERTIFICATE", "URI": "secret:x"}]}"#, "not offered for Redis"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a:1"]}}, "Topics": ["t"], "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "secret:../x"}]}"#, "names no secret"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a:1"]}}, "Topics": ["t"], "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "arn:aws:secretsmanager:us-east-1:999999999999:secret:x"}]}"#, "names no secret"),
        (#"{"SelfManagedEventSource": {"Endpoints": {"REDIS_SERVERS": ["a:1"]}}, "Topics": ["t"], "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "/etc/passwd"}]}"#, "names no secret"),
    ])
    func whatCannotBeIsRefusedAndSaysWhatCan(text: String, named: String) throws {
        let error = #expect(throws: ServiceError.self) { try source(text) }
        #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
    }

    @Test func lambdasMinusOneIsWithoutEnd() throws {
        let known = SourceFailurePolicy(maximumRetryAttempts: 5, maximumRecordAge: 60, bisectsBatch: true, onFailure: "arn:x")
        let policy = try request(#"{"MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1, "DestinationConfig": {"OnFailure": {}}}"#).failurePolicy(known)
        #expect(policy == SourceFailurePolicy(bisectsBatch: true))
        #expect(try request("{}").failurePolicy(known) == known)
    }

    @Test func aQueuesMappingRefusesWhatItsRedrivePolicyDecides() throws {
        #expect(throws: ServiceError.self) { try request(#"{"MaximumRetryAttempts": 1}"#).refuseExternalMembers() }
        #expect(throws: ServiceError.self) { try request(#"{"Topics": ["x"]}"#).refuseExternalMembers() }
        try request(#"{"BatchSize": 1}"#).refuseExternalMembers()
    }
}
