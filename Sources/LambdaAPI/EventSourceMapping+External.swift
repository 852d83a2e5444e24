public import ExternalSources
public import FunctionModel

extension EventSourceMappingRequest {
    /// The broker that it names.
    /// - Parameter reader: the mapping's ID, its consumer group where none is named.
    /// - Throws: `.invalidParameterValue`, saying what is offered.
    public func externalSource(account: String, reader: String) throws(ServiceError) -> ExternalSource {
        if let eventSourceArn, !eventSourceArn.isEmpty {
            throw ServiceError(.invalidParameterValue, "EventSourceArn and SelfManagedEventSource exclude each other: give one of them")
        }
        let endpoints = selfManagedEventSource?.endpoints ?? [:]
        guard let (type, addresses) = endpoints.first, endpoints.count == 1, let kind = ExternalSource.Kind.allCases.first(where: { $0.endpointType == type }) else {
            throw ServiceError(
                .invalidParameterValue,
                "SelfManagedEventSource.Endpoints needs exactly one of: \(ExternalSource.Kind.allCases.map(\.endpointType).joined(separator: ", "))")
        }
        for address in addresses where SourceEndpoint(address) == nil {
            throw ServiceError(.invalidParameterValue, "\(address.prefix(100)) in \(type) is no address: write HOST:PORT")
        }
        var source = ExternalSource(
            kind: kind, endpoints: addresses, name: try name(of: kind), consumerGroup: try group(of: kind, reader),
            startingPosition: try position(of: kind))
        try applyAccess(to: &source, account: account)
        return source
    }

    private func name(of kind: ExternalSource.Kind) throws(ServiceError) -> String {
        let (wanted, other, member) = kind == .rabbitmq ? (queues, topics, "Queues") : (topics, queues, "Topics")
        guard let name = wanted?.first, other == nil else {
            throw ServiceError(.invalidParameterValue, "\(kind.trait) needs \(member) with one name: \(kind.nameMeaning)")
        }
        let isPlain = name.unicodeScalars.allSatisfy { $0.value > 32 && $0.value != 127 }
        guard isPlain || kind == .rabbitmq || kind == .redis, !name.utf8.contains(0) else {
            throw ServiceError(.invalidParameterValue, "\(name.prefix(100)) is no \(kind.nameMeaning): it has spaces or control characters")
        }
        return name
    }

    private func group(of kind: ExternalSource.Kind, _ reader: String) throws(ServiceError) -> String {
        guard let name = selfManagedKafkaEventSourceConfig?.consumerGroupId else { return reader }
        guard kind != .rabbitmq else {
            throw ServiceError(.invalidParameterValue, "RabbitMQ has no consumer groups: leave ConsumerGroupId out; several mappings of one queue share it")
        }
        // The characters of Lambda's ConsumerGroupId that are a name at every broker.
        let isName = name.utf8.allSatisfy { ($0 >= 48 && $0 <= 57) || ($0 | 32 >= 97 && $0 | 32 <= 122) || $0 == 45 || $0 == 95 || (kind != .nats && $0 == 46) }
        guard isName else {
            throw ServiceError(.invalidParameterValue, "ConsumerGroupId '\(name.prefix(100))' is no name: letters, digits, - and _\(kind == .nats ? "" : " and .")")
        }
        return name
    }

    private func position(of kind: ExternalSource.Kind) throws(ServiceError) -> ExternalSource.StartingPosition {
        guard let startingPosition else {
            guard kind != .kafka else { throw ServiceError(.invalidParameterValue, "StartingPosition is needed for Kafka: TRIM_HORIZON, LATEST or AT_TIMESTAMP") }
            return .trimHorizon
        }
        guard kind.hasStartingPosition else {
            throw ServiceError(.invalidParameterValue, "\(kind.trait) has no StartingPosition: it gives what it holds")
        }
        switch startingPosition {
        case "LATEST": return .latest
        case "AT_TIMESTAMP":
            guard let time = startingPositionTimestamp, time >= 0, time < 100_000_000_000 else {
                throw ServiceError(.invalidParameterValue, "StartingPosition AT_TIMESTAMP needs StartingPositionTimestamp, seconds since 1970")
            }
            return .atTimestamp(Int64(time * 1_000))
        default: return .trimHorizon
        }
    }

    /// Takes over `SourceAccessConfigurations`, if there are any.
    public func applyAccess(to source: inout ExternalSource, account: String) throws(ServiceError) {
        guard let accesses = sourceAccessConfigurations else { return }
        (source.credentials, source.rootCertificate) = (nil, nil)
        for access in accesses {
            let uri = access.uri ?? ""
            switch access.type ?? "" {
            // Kafka names its mechanisms; here they say the same: a user name and a password.
            case "BASIC_AUTH": source.credentials = try SecretReference(uri, account: account).name
            case "SERVER_ROOT_CA_CERTIFICATE" where source.kind != .redis: source.rootCertificate = try SecretReference(uri, account: account).name
            case "VIRTUAL_HOST" where source.kind == .rabbitmq: source.virtualHost = uri
            case let type:
                let offered = "BASIC_AUTH" + (source.kind == .redis ? "" : ", SERVER_ROOT_CA_CERTIFICATE") + (source.kind == .rabbitmq ? ", VIRTUAL_HOST" : "")
                throw ServiceError(.invalidParameterValue, "SourceAccessConfigurations of type '\(type.prefix(50))' are not offered for \(source.kind.trait): \(offered) are")
            }
        }
    }

    public func failurePolicy(_ known: SourceFailurePolicy) -> SourceFailurePolicy {
        var policy = known
        if let most = maximumRetryAttempts { policy.maximumRetryAttempts = most < 0 ? nil : most }
        if let age = maximumRecordAgeInSeconds { policy.maximumRecordAge = age < 0 ? nil : age }
        if let bisects = bisectBatchOnFunctionError { policy.bisectsBatch = bisects }
        if let destination = destinationConfig?.onFailure { policy.onFailure = destination.arn }
        return policy
    }

    /// A queue's messages are retried and given up by the queue's own policy.
    public func refuseExternalMembers() throws(ServiceError) {
        let given: [(String, Bool)] = [
            ("Topics", topics != nil), ("Queues", queues != nil), ("SourceAccessConfigurations", sourceAccessConfigurations != nil),
            ("SelfManagedKafkaEventSourceConfig", selfManagedKafkaEventSourceConfig != nil), ("StartingPosition", startingPosition != nil),
            ("DestinationConfig", destinationConfig?.arns.isEmpty == false), ("MaximumRecordAgeInSeconds", maximumRecordAgeInSeconds != nil),
            ("MaximumRetryAttempts", maximumRetryAttempts != nil), ("BisectBatchOnFunctionError", bisectBatchOnFunctionError != nil),
        ]
        guard let name = given.first(where: \.1)?.0 else { return }
        throw ServiceError(.invalidParameterValue, "\(name) is not supported for SQS event source mappings: the queue's redrive policy and retention decide")
    }
}

/// What a client writes instead of a secret: `secret:NAME`, or a Secrets Manager ARN of the account, whose last part is the name.
struct SecretReference {
    let name: String

    init(_ text: String, account: String) throws(ServiceError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let name: String? =
            switch parts.count {
            case 2 where parts[0] == "secret": String(parts[1])
            case 7 where parts[0] == "arn" && parts[2] == "secretsmanager" && parts[4] == account && parts[5] == "secret": String(parts[6])
            default: nil
            }
        let isName = name.map { name in
            (1...128).contains(name.utf8.count) && name.utf8.first != 46
                && name.utf8.allSatisfy { ($0 >= 48 && $0 <= 57) || ($0 | 32 >= 97 && $0 | 32 <= 122) || [45, 46, 95].contains($0) }
        }
        guard let name, isName == true else {
            throw ServiceError(
                .invalidParameterValue,
                "'\(text.prefix(100))' names no secret: write secret:NAME; its file is secrets/\(account)/NAME in the server's data directory")
        }
        self.name = name
    }
}

extension ExternalSource.Kind {
    fileprivate var nameMeaning: String {
        switch self {
        case .kafka: "a topic"
        case .rabbitmq: "a queue"
        case .redis: "the key of a stream"
        case .nats: "a subject of a stream"
        case .mqtt: "a topic filter"
        }
    }
}

extension EventSourceMappingResponse {
    public mutating func describe(_ source: ExternalSource, _ policy: SourceFailurePolicy) {
        selfManagedEventSource = .init(endpoints: [source.kind.endpointType: source.endpoints])
        if source.kind == .rabbitmq { queues = [source.name] } else { topics = [source.name] }
        sourceAccessConfigurations = [
            source.credentials.map { .init(type: "BASIC_AUTH", uri: "secret:\($0)") },
            source.rootCertificate.map { .init(type: "SERVER_ROOT_CA_CERTIFICATE", uri: "secret:\($0)") },
            source.virtualHost.map { .init(type: "VIRTUAL_HOST", uri: $0) },
        ].compactMap(\.self)
        if source.kind != .rabbitmq { selfManagedKafkaEventSourceConfig = .init(consumerGroupId: source.consumerGroup) }
        if source.kind.hasStartingPosition {
            switch source.startingPosition {
            case .trimHorizon: startingPosition = "TRIM_HORIZON"
            case .latest: startingPosition = "LATEST"
            case .atTimestamp(let time): (startingPosition, startingPositionTimestamp) = ("AT_TIMESTAMP", Double(time) / 1_000)
            }
        }
        destinationConfig = policy.onFailure.map { DestinationConfig(onFailure: .init(destination: $0)) }
        maximumRecordAgeInSeconds = policy.maximumRecordAge ?? -1
        maximumRetryAttempts = policy.maximumRetryAttempts ?? -1
        bisectBatchOnFunctionError = policy.bisectsBatch
    }
}
