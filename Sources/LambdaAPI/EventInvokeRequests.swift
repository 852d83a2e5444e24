public import FunctionModel

/// Body of PutFunctionEventInvokeConfig and UpdateFunctionEventInvokeConfig.
public struct EventInvokeConfigRequest: Decodable, Sendable {
    public var maximumRetryAttempts: Int?
    public var maximumEventAgeInSeconds: Int?
    public var destinationConfig: DestinationConfig?

    enum CodingKeys: String, CodingKey {
        case maximumRetryAttempts = "MaximumRetryAttempts"
        case maximumEventAgeInSeconds = "MaximumEventAgeInSeconds"
        case destinationConfig = "DestinationConfig"
    }

    /// - Throws: `.invalidParameterValue`, naming every member out of range and destinations that are not offered.
    public func validate() throws(ServiceError) {
        var validation = Validation()
        validation.range(maximumRetryAttempts, "maximumRetryAttempts", 0...2)
        validation.range(maximumEventAgeInSeconds, "maximumEventAgeInSeconds", 60...21_600)
        for (side, name) in [(destinationConfig?.onSuccess, "onSuccess"), (destinationConfig?.onFailure, "onFailure")] {
            validation.length(side?.destination, "destinationConfig.\(name).destination", 0...350)
        }
        try validation.check()
        for arn in destinationConfig?.arns ?? [] {
            guard EventDestination(arn: arn) == nil else { continue }
            throw ServiceError(
                .invalidParameterValue,
                "The destination ARN \(arn.prefix(200)) is invalid: arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER], arn:aws:sqs:REGION:ACCOUNT:NAME and arn:aws:events:REGION:ACCOUNT:event-bus/NAME are offered here")
        }
    }

    /// - Parameter previous: what stays where the request says nothing (Update); nil to begin with nothing (Put).
    public func applied(to previous: EventInvokeConfig?, now: Int64) -> EventInvokeConfig {
        var config = previous ?? EventInvokeConfig(lastModified: now)
        config.lastModified = now
        if let maximumRetryAttempts { config.maximumRetryAttempts = maximumRetryAttempts }
        if let maximumEventAgeInSeconds { config.maximumEventAge = maximumEventAgeInSeconds }
        if let destination = destinationConfig?.onSuccess { config.onSuccess = destination.arn }
        if let destination = destinationConfig?.onFailure { config.onFailure = destination.arn }
        return config
    }
}

public struct DestinationConfig: Codable, Hashable, Sendable {
    public struct Side: Codable, Hashable, Sendable {
        public var destination: String?
        enum CodingKeys: String, CodingKey { case destination = "Destination" }

        /// nil for none, which clients also write as an empty text.
        public var arn: String? { destination.flatMap { $0.isEmpty ? nil : $0 } }
    }

    public var onSuccess: Side?
    public var onFailure: Side?

    enum CodingKeys: String, CodingKey {
        case onSuccess = "OnSuccess"
        case onFailure = "OnFailure"
    }

    public init(onSuccess: Side? = nil, onFailure: Side? = nil) {
        self.onSuccess = onSuccess
        self.onFailure = onFailure
    }

    public var arns: [String] { [onSuccess?.arn, onFailure?.arn].compactMap(\.self) }
}

public struct EventInvokeConfigResponse: Codable, Hashable, Sendable {
    /// Seconds since 1970.
    public var lastModified: Double
    /// With the qualifier.
    public var functionArn: String
    public var maximumRetryAttempts: Int?
    public var maximumEventAgeInSeconds: Int?
    public var destinationConfig: DestinationConfig

    enum CodingKeys: String, CodingKey {
        case lastModified = "LastModified"
        case functionArn = "FunctionArn"
        case maximumRetryAttempts = "MaximumRetryAttempts"
        case maximumEventAgeInSeconds = "MaximumEventAgeInSeconds"
        case destinationConfig = "DestinationConfig"
    }

    public init(_ config: EventInvokeConfig, key: FunctionKey, qualifier: String) {
        lastModified = Double(config.lastModified) / 1_000
        functionArn = "\(key.arn):\(qualifier)"
        maximumRetryAttempts = config.maximumRetryAttempts
        maximumEventAgeInSeconds = config.maximumEventAge
        destinationConfig = DestinationConfig(
            onSuccess: DestinationConfig.Side(destination: config.onSuccess), onFailure: DestinationConfig.Side(destination: config.onFailure))
    }
}

public struct ListEventInvokeConfigsResponse: Codable, Sendable {
    public var configs: [EventInvokeConfigResponse]
    public var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case configs = "FunctionEventInvokeConfigs"
        case nextMarker = "NextMarker"
    }

    public init(configs: [EventInvokeConfigResponse], nextMarker: String? = nil) {
        self.configs = configs
        self.nextMarker = nextMarker
    }
}
