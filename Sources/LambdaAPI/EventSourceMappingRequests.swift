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

    public var eventSourceArn: String?
    public var functionName: String?
    public var enabled: Bool?
    public var batchSize: Int?
    public var maximumBatchingWindowInSeconds: Int?
    public var filterCriteria: FilterCriteria?
    public var functionResponseTypes: [String]?
    public var scalingConfig: ScalingConfig?

    enum CodingKeys: String, CodingKey {
        case eventSourceArn = "EventSourceArn"
        case functionName = "FunctionName"
        case enabled = "Enabled"
        case batchSize = "BatchSize"
        case maximumBatchingWindowInSeconds = "MaximumBatchingWindowInSeconds"
        case filterCriteria = "FilterCriteria"
        case functionResponseTypes = "FunctionResponseTypes"
        case scalingConfig = "ScalingConfig"
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
        try validation.check()
        if isNew, eventSourceArn?.isEmpty ?? true {
            throw ServiceError(.invalidParameterValue, "Unrecognized event source: EventSourceArn is needed, the ARN of a queue")
        }
    }
}

public struct EventSourceMappingResponse: Codable, Hashable, Sendable {
    public var uuid: String
    public var eventSourceArn: String
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
    }

    /// - Parameter filters: empty for none.
    public init(
        uuid: String, eventSourceArn: String, eventSourceMappingArn: String, functionArn: String, batchSize: Int, batchingWindow: Int, filters: [String],
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
