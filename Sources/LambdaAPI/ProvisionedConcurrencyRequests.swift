public import FunctionModel

public struct PutProvisionedConcurrencyRequest: Decodable, Sendable {
    var provisionedConcurrentExecutions: Int?
    enum CodingKeys: String, CodingKey { case provisionedConcurrentExecutions = "ProvisionedConcurrentExecutions" }

    public func validated() throws(ServiceError) -> Int {
        var validation = Validation()
        validation.range(provisionedConcurrentExecutions, "provisionedConcurrentExecutions", 1...Int(Int32.max))
        if provisionedConcurrentExecutions == nil { validation.fail(String?.none, "provisionedConcurrentExecutions", .notNull) }
        try validation.check()
        return provisionedConcurrentExecutions ?? 1
    }
}

/// How far a provision has come, as the pool of the version says.
public enum ProvisionStatus: Hashable, Sendable {
    case inProgress
    case ready
    /// With the reason, for people.
    case failed(String)
}

public struct ProvisionedConcurrencyResponse: Encodable, Sendable {
    /// In lists only.
    var functionArn: String?
    var requested: Int
    var available: Int
    var allocated: Int
    var status: String
    var statusReason: String?
    var lastModified: String

    enum CodingKeys: String, CodingKey {
        case functionArn = "FunctionArn"
        case requested = "RequestedProvisionedConcurrentExecutions"
        case available = "AvailableProvisionedConcurrentExecutions"
        case allocated = "AllocatedProvisionedConcurrentExecutions"
        case status = "Status"
        case statusReason = "StatusReason"
        case lastModified = "LastModified"
    }

    /// - Parameters:
    ///   - allocated: environments that are there or on their way.
    ///   - available: those that could take a request or have one.
    public init(_ config: ProvisionedConcurrency, functionArn: String? = nil, allocated: Int, available: Int, status: ProvisionStatus) {
        self.functionArn = functionArn
        requested = config.requested
        self.allocated = min(allocated, config.requested)
        self.available = min(available, config.requested)
        lastModified = LambdaTime.text(config.modified)
        switch status {
        case .inProgress: self.status = "IN_PROGRESS"
        case .ready: self.status = "READY"
        case .failed(let reason):
            self.status = "FAILED"
            statusReason = reason
        }
    }
}

public struct ListProvisionedConcurrencyResponse: Encodable, Sendable {
    var configs: [ProvisionedConcurrencyResponse]
    var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case configs = "ProvisionedConcurrencyConfigs"
        case nextMarker = "NextMarker"
    }

    public init(configs: [ProvisionedConcurrencyResponse], nextMarker: String?) {
        self.configs = configs
        self.nextMarker = nextMarker
    }
}
