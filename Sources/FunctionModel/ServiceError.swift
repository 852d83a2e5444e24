/// A fault the platform reports to a caller. Faults of the function's own code are outcomes, never thrown.
///
/// `LambdaAPI` maps each code to Lambda's exception name and HTTP status in one table.
public struct ServiceError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        case resourceNotFound
        case provisionedConcurrencyConfigNotFound
        case resourceConflict
        case invalidParameterValue
        /// A member breaks a constraint of the service model.
        case validation
        /// A body that is not JSON, or a member of another type than the service model's.
        case serialization
        case invalidRequestContent
        case invalidZipFile
        case invalidRuntime
        case unsupportedMediaType
        case requestTooLarge
        case codeStorageExceeded
        case policyLengthExceeded
        case codeSigningConfigNotFound
        /// A code signing configuration refuses what is not signed.
        case codeVerificationFailed
        /// A chain of requests came to the function too often.
        case recursiveInvocation
        case preconditionFailed
        /// The function's own concurrency is used up.
        case tooManyRequestsFunction
        /// The node's or the tenant's concurrency or queue is used up.
        case tooManyRequests
        case accessDenied
        case missingAuthentication
        case invalidSignature
        case unrecognizedClient
        /// Draining, or the sandbox helper is restarting; safe to send again.
        case unavailable
        case methodNotAllowed
        case unknownRoute
        /// One of Lambda's operations that is not built.
        case unsupportedOperation
        case internalFailure
    }

    public let code: Code
    /// What was attempted, on what, and what to do; shown to the caller.
    public let message: String
    /// Seconds for `Retry-After`, where a time is known.
    public let retryAfter: Int?
    /// For the log only.
    public let underlying: (any Error)?

    public init(_ code: Code, _ message: String, retryAfter: Int? = nil, underlying: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.underlying = underlying
    }

    public var description: String {
        underlying.map { "\(code.rawValue): \(message): \($0)" } ?? "\(code.rawValue): \(message)"
    }
}
