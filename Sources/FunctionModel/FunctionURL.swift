public enum URLAuthType: String, Sendable, Codable {
    case none = "NONE"
    case iam = "AWS_IAM"
}

/// How a function URL passes on what its function writes.
public enum URLInvokeMode: String, Sendable, Codable, CaseIterable {
    /// When the function has returned.
    case buffered = "BUFFERED"
    /// As it comes.
    case responseStream = "RESPONSE_STREAM"
}

/// Which web pages may read a function URL's answers: Lambda's Cors.
public struct CORSPolicy: Hashable, Sendable, Codable {
    /// At most 100, each of at most 253 characters; `*` for any.
    public var allowOrigins: [String]
    /// At most 6; `*` for any.
    public var allowMethods: [String]
    /// At most 100, each of at most 1,024 characters; `*` for any.
    public var allowHeaders: [String]
    public var exposeHeaders: [String]
    /// Seconds that a browser may remember the answer, 0…86,400.
    public var maxAge: Int?
    /// Whether pages may send cookies.
    public var allowCredentials: Bool?

    public init(
        allowOrigins: [String] = [], allowMethods: [String] = [], allowHeaders: [String] = [], exposeHeaders: [String] = [], maxAge: Int? = nil,
        allowCredentials: Bool? = nil
    ) {
        self.allowOrigins = allowOrigins
        self.allowMethods = allowMethods
        self.allowHeaders = allowHeaders
        self.exposeHeaders = exposeHeaders
        self.maxAge = maxAge
        self.allowCredentials = allowCredentials
    }
}

/// An address of a function, or of one of its aliases.
public struct FunctionURL: Hashable, Sendable, Codable {
    /// An ID of its own, stable while the URL exists and unique over all; Lambda's `urlId`.
    public let id: String
    public var authType: URLAuthType
    public var invokeMode: URLInvokeMode
    /// nil leaves it to the function.
    public var cors: CORSPolicy?
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(
        id: String, authType: URLAuthType, invokeMode: URLInvokeMode = .buffered, cors: CORSPolicy? = nil, created: Int64, modified: Int64
    ) {
        self.id = id
        self.authType = authType
        self.invokeMode = invokeMode
        self.cors = cors
        self.created = created
        self.modified = modified
    }
}
