public import FunctionModel

/// Body of CreateEventSourceMapping and UpdateEventSourceMapping.
public struct EventSourceMappingRequest: Decodable, Sendable {
    public struct FilterCriteria: Codable, Hashable, Sendable {
        public struct Filter: Codable, Hashable, Sendable {
            public var pattern: String?
            enum CodingKeys: String, CodingKey { case pattern = "Pattern" }
        }
        public var filters: [Filter]?
        enum CodingKeys: String, CodingKey { case filters = "Filters" }
    }

    public struct ScalingConfig: Codable, Hashable, Sendable {
        public var maximumConcurrency: Int?
        enum CodingKeys: String, CodingKey { case maximumConcurrency = "MaximumConcurrency" }
    }

    public struct SelfManagedEventSource: Codable, Hashable, Sendable {
        /// Addresses by kind of broker; Lambda's own key is `KAFKA_BOOTSTRAP_SERVERS`.
        public var endpoints: [String: [String]]?
        enum CodingKeys: String, CodingKey { case endpoints = "Endpoints" }
        public init(endpoints: [String: [String]]) { self.endpoints = endpoints }
    }

    public struct SourceAccessConfiguration: Codable, Hashable, Sendable {
        public var type: String?
        public var uri: String?
        enum CodingKeys: String, CodingKey {
            case type = "Type"
            case uri = "URI"
        }
        public init(type: String, uri: String) { (self.type, self.uri) = (type, uri) }
    }

    public struct ConsumerGroup: Codable, Hashable, Sendable {
        public var consumerGroupId: String?
        enum CodingKeys: String, CodingKey { case consumerGroupId = "ConsumerGroupId" }
        public init(consumerGroupId: String) { self.consumerGroupId = consumerGroupId }
    }

    public var eventSourceArn: String?
    public var functionName: String?
    public var enabled: Bool?
    public var batchSize: Int?
    public var maximumBatchingWindowInSeconds: Int?
    public var filterCriteria: FilterCriteria?
    public var functionResponseTypes: [String]?
    public var scalingConfig: ScalingConfig?
    public var selfManagedEventSource: SelfManagedEventSource?
    public var topics: [String]?
    public var queues: [String]?
    public var sourceAccessConfigurations: [SourceAccessConfiguration]?
    public var selfManagedKafkaEventSourceConfig: ConsumerGroup?
    public var startingPosition: String?
    /// Seconds since 1970.
    public var startingPositionTimestamp: Double?
    public var destinationConfig: DestinationConfig?
    public var maximumRecordAgeInSeconds: Int?
    public var maximumRetryAttempts: Int?
    public var bisectBatchOnFunctionError: Bool?
    public var tags: [String: String]?

    enum CodingKeys: String, CodingKey {
        case eventSourceArn = "EventSourceArn"
        case functionName = "FunctionName"
        case enabled = "Enabled"
        case batchSize = "BatchSize"
        case maximumBatchingWindowInSeconds = "MaximumBatchingWindowInSeconds"
        case filterCriteria = "FilterCriteria"
        case functionResponseTypes = "FunctionResponseTypes"
        case scalingConfig = "ScalingConfig"
        case selfManagedEventSource = "SelfManagedEventSource"
        case topics = "Topics"
        case queues = "Queues"
        case sourceAccessConfigurations = "SourceAccessConfigurations"
        case selfManagedKafkaEventSourceConfig = "SelfManagedKafkaEventSourceConfig"
        case startingPosition = "StartingPosition"
        case startingPositionTimestamp = "StartingPositionTimestamp"
        case destinationConfig = "DestinationConfig"
        case maximumRecordAgeInSeconds = "MaximumRecordAgeInSeconds"
        case maximumRetryAttempts = "MaximumRetryAttempts"
        case tags = "Tags"
        case bisectBatchOnFunctionError = "BisectBatchOnFunctionError"
    }

    public var filters: [String]? { filterCriteria.map { ($0.filters ?? []).map { $0.pattern ?? "{}" } } }
    public var reportsBatchItemFailures: Bool? { functionResponseTypes.map { $0.contains("ReportBatchItemFailures") } }

    /// - Parameter isNew: both names are needed.
    /// - Throws: `.invalidParameterValue`, naming every member at fault.
    public func validate(isNew: Bool) throws(ServiceError) {
        var validation = Validation()
        if isNew, functionName == nil { validation.fail(String?.none, "functionName", .notNull) }
        validation.range(batchSize, "batchSize", 1...10_000)
        validation.range(maximumBatchingWindowInSeconds, "maximumBatchingWindowInSeconds", 0...300)
        validation.range(scalingConfig?.maximumConcurrency, "scalingConfig.maximumConcurrency", 2...1_000)
        for filter in filterCriteria?.filters ?? [] { validation.length(filter.pattern, "filterCriteria.filters.pattern", 0...4_096) }
        for type in functionResponseTypes ?? [] where type != "ReportBatchItemFailures" {
            validation.fail(type, "functionResponseTypes", .oneOf(["ReportBatchItemFailures"]))
        }
        if (functionResponseTypes?.count ?? 0) > 1 { validation.fail(functionResponseTypes?.count, "functionResponseTypes", .maximumLength(1)) }
        validation.range(maximumRecordAgeInSeconds, "maximumRecordAgeInSeconds", -1...604_800)
        validation.range(maximumRetryAttempts, "maximumRetryAttempts", -1...10_000)
        for (name, values) in [("topics", topics), ("queues", queues)] {
            guard let values else { continue }
            if values.count != 1 { validation.fail(values.count, name, values.isEmpty ? .minimumLength(1) : .maximumLength(1)) }
            for value in values { validation.length(value, name, 1...1_000) }
        }
        if let startingPosition, !Self.startingPositions.contains(startingPosition) {
            validation.fail(startingPosition, "startingPosition", .oneOf(Self.startingPositions))
        }
        validation.length(selfManagedKafkaEventSourceConfig?.consumerGroupId, "selfManagedKafkaEventSourceConfig.consumerGroupId", 1...200)
        for access in sourceAccessConfigurations ?? [] { validation.length(access.uri, "sourceAccessConfigurations.uri", 1...200) }
        for list in (selfManagedEventSource?.endpoints ?? [:]).values where !(1...10).contains(list.count) {
            validation.fail(list.count, "selfManagedEventSource.endpoints", list.isEmpty ? .minimumLength(1) : .maximumLength(10))
        }
        try validation.check()
        if isNew, selfManagedEventSource != nil { return }
        if isNew, eventSourceArn?.isEmpty ?? true {
            throw ServiceError(.invalidParameterValue, "Unrecognized event source: EventSourceArn is needed, the ARN of a queue, or SelfManagedEventSource, the addresses of a broker")
        }
    }

    static let startingPositions = ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]
}

public struct EventSourceMappingResponse: Codable, Hashable, Sendable {
    public var uuid: String
    /// nil for a broker outside.
    public var eventSourceArn: String?
    public var eventSourceMappingArn: String
    public var functionArn: String
    public var batchSize: Int
    public var maximumBatchingWindowInSeconds: Int
    public var filterCriteria: EventSourceMappingRequest.FilterCriteria?
    public var functionResponseTypes: [String]
    public var scalingConfig: EventSourceMappingRequest.ScalingConfig?
    /// Seconds since 1970.
    public var lastModified: Double
    public var lastProcessingResult: String?
    public var state: String
    public var stateTransitionReason: String
    // Of brokers outside only.
    public var selfManagedEventSource: EventSourceMappingRequest.SelfManagedEventSource?
    public var topics: [String]?
    public var queues: [String]?
    public var sourceAccessConfigurations: [EventSourceMappingRequest.SourceAccessConfiguration]?
    public var selfManagedKafkaEventSourceConfig: EventSourceMappingRequest.ConsumerGroup?
    public var startingPosition: String?
    /// Seconds since 1970.
    public var startingPositionTimestamp: Double?
    public var destinationConfig: DestinationConfig?
    public var maximumRecordAgeInSeconds: Int?
    public var maximumRetryAttempts: Int?
    public var bisectBatchOnFunctionError: Bool?

    enum CodingKeys: String, CodingKey {
        case uuid = "UUID"
        case eventSourceArn = "EventSourceArn"
        case eventSourceMappingArn = "EventSourceMappingArn"
        case functionArn = "FunctionArn"
        case batchSize = "BatchSize"
        case maximumBatchingWindowInSeconds = "MaximumBatchingWindowInSeconds"
        case filterCriteria = "FilterCriteria"
        case functionResponseTypes = "FunctionResponseTypes"
        case scalingConfig = "ScalingConfig"
        case lastModified = "LastModified"
        case lastProcessingResult = "LastProcessingResult"
        case state = "State"
        case stateTransitionReason = "StateTransitionReason"
        case selfManagedEventSource = "SelfManagedEventSource"
        case topics = "Topics"
        case queues = "Queues"
        case sourceAccessConfigurations = "SourceAccessConfigurations"
        case selfManagedKafkaEventSourceConfig = "SelfManagedKafkaEventSourceConfig"
        case startingPosition = "StartingPosition"
        case startingPositionTimestamp = "StartingPositionTimestamp"
        case destinationConfig = "DestinationConfig"
        case maximumRecordAgeInSeconds = "MaximumRecordAgeInSeconds"
        case maximumRetryAttempts = "MaximumRetryAttempts"
        case bisectBatchOnFunctionError = "BisectBatchOnFunctionError"
    }

    /// - Parameter filters: empty for none.
    public init(
        uuid: String, eventSourceArn: String?, eventSourceMappingArn: String, functionArn: String, batchSize: Int, batchingWindow: Int, filters: [String],
        reportsBatchItemFailures: Bool, maximumConcurrency: Int?, lastModified: Int64, lastProcessingResult: String?, state: String
    ) {
        self.uuid = uuid
        self.eventSourceArn = eventSourceArn
        self.eventSourceMappingArn = eventSourceMappingArn
        self.functionArn = functionArn
        self.batchSize = batchSize
        maximumBatchingWindowInSeconds = batchingWindow
        filterCriteria = filters.isEmpty ? nil : .init(filters: filters.map { .init(pattern: $0) })
        functionResponseTypes = reportsBatchItemFailures ? ["ReportBatchItemFailures"] : []
        scalingConfig = maximumConcurrency.map { .init(maximumConcurrency: $0) }
        self.lastModified = Double(lastModified) / 1_000
        self.lastProcessingResult = lastProcessingResult
        self.state = state
        stateTransitionReason = "USER_INITIATED"
    }
}

public struct ListEventSourceMappingsResponse: Codable, Sendable {
    public var mappings: [EventSourceMappingResponse]
    public var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case mappings = "EventSourceMappings"
        case nextMarker = "NextMarker"
    }

    public init(mappings: [EventSourceMappingResponse], nextMarker: String? = nil) {
        self.mappings = mappings
        self.nextMarker = nextMarker
    }
}
