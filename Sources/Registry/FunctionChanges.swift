public import FunctionModel

/// Code for a function: new bytes, or an archive that is already stored.
public enum NewCode: Sendable {
    case archive([UInt8])
    /// Fetched from elsewhere.
    case file(ArchiveFile)
    /// 64 lower-case hexadecimal digits.
    case stored(sha256: String)
}

/// What UpdateFunctionConfiguration may change; nil leaves a member as it is.
public struct ConfigurationChange: Sendable {
    public var runtime: String?
    public var handler: String?
    public var memorySize: Int?
    public var timeout: Int?
    public var ephemeralStorage: Int?
    public var environment: [String: String]?
    public var isolation: Isolation?
    public var network: NetworkAccess?
    public var description: String?
    public var role: String?
    /// An empty text takes the target away.
    public var deadLetterTarget: String?
    public var layers: FunctionLayers?
    public var logging: LoggingConfiguration?
    /// Members that are nil stay as they are.
    public var kept: KeptSettings

    public init(
        runtime: String? = nil, handler: String? = nil, memorySize: Int? = nil, timeout: Int? = nil, ephemeralStorage: Int? = nil,
        environment: [String: String]? = nil, isolation: Isolation? = nil, network: NetworkAccess? = nil, description: String? = nil, role: String? = nil,
        deadLetterTarget: String? = nil, layers: FunctionLayers? = nil, logging: LoggingConfiguration? = nil, kept: KeptSettings = KeptSettings()
    ) {
        self.runtime = runtime
        self.handler = handler
        self.memorySize = memorySize
        self.timeout = timeout
        self.ephemeralStorage = ephemeralStorage
        self.environment = environment
        self.isolation = isolation
        self.network = network
        self.description = description
        self.role = role
        self.deadLetterTarget = deadLetterTarget
        self.layers = layers
        self.logging = logging
        self.kept = kept
    }

    func applied(to configuration: FunctionConfiguration) -> FunctionConfiguration {
        var result = configuration
        if let runtime { result.runtime = runtime }
        if let handler { result.handler = handler }
        if let memorySize { result.memorySize = memorySize }
        if let timeout { result.timeout = timeout }
        if let ephemeralStorage { result.ephemeralStorage = ephemeralStorage }
        if let environment { result.environment = environment }
        if let isolation { result.isolation = isolation }
        if let network { result.network = network }
        if let description { result.description = description }
        if let role { result.role = role }
        if let deadLetterTarget { result.deadLetterTarget = deadLetterTarget }
        if let layers { result.layers = layers }
        if let logging { result.logging = logging }
        result.kept.merge(kept)
        return result
    }
}

enum EnvironmentRules {
    /// Lambda's limit on all names and values together, in bytes.
    static let maximumBytes = 4096

    /// Names that the runtime sets itself.
    private static let reserved: Set<String> = [
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
    ]

    static func check(_ environment: [String: String]) throws(ServiceError) {
        let taken = environment.keys.filter(reserved.contains).sorted()
        guard taken.isEmpty else {
            throw ServiceError(
                .invalidParameterValue,
                "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: \(taken.joined(separator: ", "))"
            )
        }
        let bytes = environment.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard bytes <= maximumBytes else {
            throw ServiceError(
                .invalidParameterValue,
                "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the \(maximumBytes / 1024)KB limit: they have \(bytes) bytes")
        }
    }
}
