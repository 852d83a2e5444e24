public import FunctionModel

/// What CloudWatch Logs answers instead of a result.
///
/// Source: botocore's model of `logs`, exception shapes.
public struct LogsError: Error, Hashable, Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        case internalFailure = "InternalFailure"
        case invalidOperation = "InvalidOperationException"
        case invalidParameter = "InvalidParameterException"
        case limitExceeded = "LimitExceededException"
        case resourceNotFound = "ResourceNotFoundException"
        case serialization = "SerializationException"
        case serviceUnavailable = "ServiceUnavailableException"
        case unknownOperation = "UnknownOperationException"

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

    static func invalid(_ message: String) -> LogsError { LogsError(.invalidParameter, message) }

    static let noGroup = LogsError(.resourceNotFound, "The specified log group does not exist.")
    static let noStream = LogsError(.resourceNotFound, "The specified log stream does not exist.")

    /// What the platform said, in the service's words.
    public init(_ error: ServiceError) {
        switch error.code {
        case .resourceNotFound: self.init(.resourceNotFound, error.message)
        case .unavailable: self.init(.serviceUnavailable, error.message)
        default: self.init(.internalFailure, "The request could not be processed because of an internal failure: send it again.")
        }
    }
}
