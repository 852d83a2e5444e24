/// Lambda's EventInvokeConfig: what becomes of the asynchronous invocations of one version.
public struct EventInvokeConfig: Hashable, Sendable, Codable {
    /// Lambda's defaults.
    public static let maximumRetryAttempts = 2
    public static let maximumEventAge = 21_600

    /// Further attempts after a function error, 0…2; nil: 2.
    public var maximumRetryAttempts: Int?
    /// Seconds, 60…21,600; nil: 6 hours.
    public var maximumEventAge: Int?
    /// ARN of a function or a queue; nil for none.
    public var onSuccess: String?
    public var onFailure: String?
    /// Milliseconds since 1970.
    public var lastModified: Int64

    public init(
        maximumRetryAttempts: Int? = nil, maximumEventAge: Int? = nil, onSuccess: String? = nil, onFailure: String? = nil, lastModified: Int64
    ) {
        self.maximumRetryAttempts = maximumRetryAttempts
        self.maximumEventAge = maximumEventAge
        self.onSuccess = onSuccess
        self.onFailure = onFailure
        self.lastModified = lastModified
    }
}
