/// What the Scheduler API answers instead of a result.
///
/// Source: botocore's model of `scheduler`, exception shapes.
public struct SchedulerError: Error, Hashable, Sendable {
    public enum Kind: String, Sendable {
        case conflict = "ConflictException"
        case internalServer = "InternalServerException"
        case resourceNotFound = "ResourceNotFoundException"
        case quotaExceeded = "ServiceQuotaExceededException"
        case throttling = "ThrottlingException"
        case validation = "ValidationException"

        public var status: Int {
            switch self {
            case .conflict: 409
            case .internalServer: 500
            case .resourceNotFound: 404
            case .quotaExceeded: 402
            case .throttling: 429
            case .validation: 400
            }
        }
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    static func invalid(_ message: String) -> SchedulerError { SchedulerError(.validation, message) }
}
