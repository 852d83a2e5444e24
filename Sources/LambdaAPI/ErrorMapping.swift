public import FunctionModel

/// A Lambda exception as a client sees it: the only place that knows HTTP status codes of service errors.
public struct LambdaException: Hashable, Sendable {
    public enum Fault: String, Sendable {
        /// The caller can mend it.
        case user = "User"
        /// Only the operator can.
        case service = "Service"
    }

    /// `x-amzn-ErrorType`: `ResourceNotFoundException`.
    public let name: String
    public let status: Int
    /// The body's `Type`; nil for faults that are found before the service itself has the request, whose bodies have none.
    public let fault: Fault?
    /// `message` or `Message`, as the exception's shape in the service model spells it.
    public let messageKey: String
    /// `Reason` of `TooManyRequestsException`.
    public let reason: String?

    init(_ name: String, _ status: Int, _ fault: Fault? = .user, messageKey: String, reason: String? = nil) {
        self.name = name
        self.status = status
        self.fault = fault
        self.messageKey = messageKey
        self.reason = reason
    }

    /// AWS's answer to a header it cannot read; no service error, for it never gets that far.
    public static let incompleteSignature = LambdaException("IncompleteSignatureException", 400, messageKey: "message")
    /// For a temporary access key whose time is over.
    public static let expiredToken = LambdaException("ExpiredTokenException", 403, messageKey: "message")
    /// For one who sends more requests than are granted to it.
    public static let callerRateExceeded = LambdaException("TooManyRequestsException", 429, messageKey: "message", reason: "CallerRateLimitExceeded")
    /// The edge's own refusals, which have no counterpart in Lambda's model.
    public static let uriTooLong = LambdaException("RequestURITooLongException", 414, messageKey: "message")
    public static let headersTooLarge = LambdaException("RequestHeadersTooLargeException", 431, messageKey: "message")
    public static let badRequest = LambdaException("BadRequestException", 400, messageKey: "message")
    public static let requestTimeout = LambdaException("RequestTimeoutException", 408, messageKey: "message")
    public static let expectationFailed = LambdaException("ExpectationFailedException", 417, messageKey: "message")
    public static let versionNotSupported = LambdaException("HTTPVersionNotSupportedException", 505, messageKey: "message")

    /// The JSON body `{"Type":"User","Message":"…"}`.
    /// - Parameter naming: whether it has the exception's name too, as `__type`.
    public func body(message: String, naming: Bool = false) -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(message.utf8.count + 96)
        json += Array("{".utf8)
        if naming { json += Array("\"__type\":\"\(name)\",".utf8) }
        if let fault { json += Array("\"Type\":\"\(fault.rawValue)\",".utf8) }
        json += Array("\"\(messageKey)\":".utf8)
        JSONText.append(message, to: &json)
        if let reason { json += Array(",\"Reason\":\"\(reason)\"".utf8) }
        json.append(UInt8(ascii: "}"))
        return json
    }
}

extension ServiceError.Code {
    /// Source: botocore `lambda/2015-03-31/service-2.json`, exception shapes; the authentication exceptions are AWS's
    /// common errors.
    public var exception: LambdaException {
        switch self {
        case .resourceNotFound: LambdaException("ResourceNotFoundException", 404, messageKey: "Message")
        case .provisionedConcurrencyConfigNotFound:
            LambdaException("ProvisionedConcurrencyConfigNotFoundException", 404, messageKey: "message")
        case .resourceConflict: LambdaException("ResourceConflictException", 409, messageKey: "message")
        case .invalidParameterValue: LambdaException("InvalidParameterValueException", 400, messageKey: "message")
        case .validation: LambdaException("ValidationException", 400, nil, messageKey: "message")
        case .serialization: LambdaException("SerializationException", 400, nil, messageKey: "Message")
        case .unsupportedOperation: LambdaException("UnsupportedOperationException", 501, messageKey: "message")
        case .invalidRequestContent: LambdaException("InvalidRequestContentException", 400, messageKey: "message")
        case .invalidZipFile: LambdaException("InvalidZipFileException", 502, .service, messageKey: "Message")
        case .invalidRuntime: LambdaException("InvalidRuntimeException", 502, .service, messageKey: "Message")
        case .unsupportedMediaType: LambdaException("UnsupportedMediaTypeException", 415, messageKey: "message")
        case .requestTooLarge: LambdaException("RequestTooLargeException", 413, messageKey: "message")
        case .codeStorageExceeded: LambdaException("CodeStorageExceededException", 400, messageKey: "message")
        case .policyLengthExceeded: LambdaException("PolicyLengthExceededException", 400, messageKey: "message")
        case .codeSigningConfigNotFound: LambdaException("CodeSigningConfigNotFoundException", 404, messageKey: "Message")
        case .codeVerificationFailed: LambdaException("CodeVerificationFailedException", 400, messageKey: "Message")
        case .recursiveInvocation: LambdaException("RecursiveInvocationException", 400, messageKey: "Message")
        case .preconditionFailed: LambdaException("PreconditionFailedException", 412, messageKey: "message")
        case .tooManyRequestsFunction:
            LambdaException(
                "TooManyRequestsException", 429, messageKey: "message", reason: "ReservedFunctionConcurrentInvocationLimitExceeded")
        case .tooManyRequests:
            LambdaException("TooManyRequestsException", 429, messageKey: "message", reason: "ConcurrentInvocationLimitExceeded")
        case .accessDenied: LambdaException("AccessDeniedException", 403, messageKey: "Message")
        case .missingAuthentication: LambdaException("MissingAuthenticationTokenException", 403, messageKey: "message")
        case .invalidSignature: LambdaException("InvalidSignatureException", 403, messageKey: "message")
        case .unrecognizedClient: LambdaException("UnrecognizedClientException", 403, messageKey: "message")
        case .unavailable: LambdaException("ServiceUnavailableException", 503, .service, messageKey: "Message")
        case .methodNotAllowed: LambdaException("MethodNotAllowedException", 405, messageKey: "Message")
        case .unknownRoute: LambdaException("UnknownOperationException", 404, messageKey: "Message")
        case .internalFailure: LambdaException("ServiceException", 500, .service, messageKey: "Message")
        }
    }
}
