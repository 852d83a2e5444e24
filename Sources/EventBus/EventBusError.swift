public import FunctionModel

/// What EventBridge answers instead of a result.
///
/// Source: botocore's model of `events`, exception shapes, and the API reference's common errors.
public struct EventBusError: Error, Hashable, Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        case concurrentModification = "ConcurrentModificationException"
        case internalFailure = "InternalException"
        case invalidEventPattern = "InvalidEventPatternException"
        case limitExceeded = "LimitExceededException"
        case resourceAlreadyExists = "ResourceAlreadyExistsException"
        case resourceNotFound = "ResourceNotFoundException"
        case serialization = "SerializationException"
        case serviceUnavailable = "ServiceUnavailable"
        case throttling = "ThrottlingException"
        case unknownOperation = "UnknownOperationException"
        case validation = "ValidationException"

        public var status: Int {
            switch self {
            case .internalFailure: 500
            case .serviceUnavailable: 503
            default: 400
            }
        }
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    static func invalid(_ message: String) -> EventBusError { EventBusError(.validation, message) }

    /// What a store said, in EventBridge's words.
    public init(_ error: ServiceError) {
        switch error.code {
        case .resourceNotFound: self.init(.resourceNotFound, error.message)
        case .tooManyRequests: self.init(.throttling, error.message)
        case .requestTooLarge, .invalidParameterValue: self.init(.validation, error.message)
        case .unavailable: self.init(.serviceUnavailable, error.message)
        default: self.init(.internalFailure, "The request could not be processed because of an internal failure: send it again.")
        }
    }
}
