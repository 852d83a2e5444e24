/// What SQS answers instead of a result.
public struct SQSError: Error, Hashable, Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        case accessDenied = "AccessDeniedException"
        case batchEntryIdsNotDistinct = "BatchEntryIdsNotDistinct"
        case batchRequestTooLong = "BatchRequestTooLong"
        case emptyBatchRequest = "EmptyBatchRequest"
        case internalFailure = "InternalFailure"
        case invalidAction = "InvalidAction"
        case invalidAddress = "InvalidAddress"
        case invalidAttributeName = "InvalidAttributeName"
        case invalidAttributeValue = "InvalidAttributeValue"
        case invalidBatchEntryId = "InvalidBatchEntryId"
        case invalidMessageContents = "InvalidMessageContents"
        case invalidParameterValue = "InvalidParameterValue"
        case malformedInput = "MalformedInput"
        case messageNotInflight = "MessageNotInflight"
        case missingParameter = "MissingParameter"
        case overLimit = "OverLimit"
        case queueDoesNotExist = "QueueDoesNotExist"
        case queueNameExists = "QueueNameExists"
        case receiptHandleIsInvalid = "ReceiptHandleIsInvalid"
        case requestThrottled = "RequestThrottled"
        case resourceNotFound = "ResourceNotFoundException"
        case serviceUnavailable = "ServiceUnavailable"
        case tooManyEntriesInBatchRequest = "TooManyEntriesInBatchRequest"
        case unsupportedOperation = "UnsupportedOperation"
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    static let noQueue = SQSError(.queueDoesNotExist, "The specified queue does not exist.")

    static func value(_ text: some StringProtocol, of parameter: String, _ reason: String) -> SQSError {
        SQSError(.invalidParameterValue, "Value \(text.prefix(200)) for parameter \(parameter) is invalid. Reason: \(reason)")
    }
}

extension SQSError.Kind {
    /// The code of the query protocol, which newer clients get in `x-amzn-query-error`.
    ///
    /// Source: the API reference's common errors and each operation's, which the query protocol spells in its own way.
    public var queryCode: String {
        switch self {
        case .batchEntryIdsNotDistinct, .batchRequestTooLong, .emptyBatchRequest, .invalidBatchEntryId, .messageNotInflight,
            .tooManyEntriesInBatchRequest, .unsupportedOperation:
            "AWS.SimpleQueueService.\(rawValue)"
        case .accessDenied: "AccessDenied"
        case .queueDoesNotExist: "AWS.SimpleQueueService.NonExistentQueue"
        case .queueNameExists: "QueueAlreadyExists"
        default: rawValue
        }
    }

    public var status: Int {
        switch self {
        case .internalFailure: 500
        case .serviceUnavailable: 503
        case .accessDenied, .overLimit, .requestThrottled: 403
        case .resourceNotFound: 404
        default: 400
        }
    }

    /// Whether the caller can mend it.
    public var isSenderFault: Bool { self != .internalFailure && self != .serviceUnavailable }
}
