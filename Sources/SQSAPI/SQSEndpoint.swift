public import FunctionModel
import JSONValues

/// An HTTP request for SQS whose sender is known.
public struct SQSRequest: Sendable {
    public let requestID: RequestID
    public let account: String
    public let region: String
    /// The queue's URL as the path gives it; empty for `/`.
    public let path: String
    /// `X-Amz-Target`, which only the JSON protocol has.
    public let target: String?
    /// Percent-decoded parameters: of the query, and of a form in the body.
    public let parameters: [(name: String, value: String)]
    public let body: [UInt8]
    /// `X-Amzn-Trace-Id`.
    public let trace: String?
    /// Throws where the sender may not: the action as policies name it, and the queue's ARN, nil where none is known beforehand.
    /// Nil for a sender who may do everything in the account.
    public let authorize: Authorization?

    public typealias Authorization = @Sendable (_ action: String, _ queue: String?) throws(ServiceError) -> Void

    public init(
        requestID: RequestID, account: String, region: String, path: String, target: String?, parameters: [(name: String, value: String)],
        body: [UInt8], trace: String? = nil, authorize: Authorization? = nil
    ) {
        self.requestID = requestID
        self.account = account
        self.region = region
        self.path = path
        self.target = target
        self.parameters = parameters
        self.body = body
        self.trace = trace
        self.authorize = authorize
    }
}

public struct SQSResponse: Sendable {
    public let status: Int
    public let headers: [(name: String, value: String)]
    public let body: [UInt8]
}

/// Both protocols of SQS around its operations.
public struct SQSEndpoint: Sendable {
    /// Of `X-Amz-Target`.
    public static let targetPrefix = "AmazonSQS."

    private let service: SQSService
    private let report: @Sendable (ServiceError, RequestID) -> Void

    /// - Parameter report: told of what no caller could mend.
    public init(_ service: SQSService, report: @escaping @Sendable (ServiceError, RequestID) -> Void) {
        self.service = service
        self.report = report
    }

    /// What a request of the query protocol asks for; nil where it does not say.
    public static func action(_ parameters: [(name: String, value: String)]) -> String? { QueryProtocol.action(parameters) }

    public func answer(_ request: SQSRequest) async -> SQSResponse {
        guard let target = request.target else { return await answerQuery(request) }
        do {
            guard target.hasPrefix(Self.targetPrefix) else {
                throw SQSError(.invalidAction, "The target \(target.prefix(100)) is not an operation of this endpoint.")
            }
            let result = try await perform(String(target.dropFirst(Self.targetPrefix.count)), try Self.members(request), request)
            return SQSResponse(status: 200, headers: Self.json, body: result.members.isEmpty ? [] : Array(result.text().utf8))
        } catch {
            let error = sqsError(error, request)
            let body = JSON.object([
                .init("__type", .string("com.amazonaws.sqs#\(error.kind.rawValue)")), .init("message", .string(error.message)),
            ])
            let code = "\(error.kind.queryCode);\(error.kind.isSenderFault ? "Sender" : "Receiver")"
            return SQSResponse(
                status: error.kind.status, headers: Self.json + [("x-amzn-query-error", code)], body: Array(body.text().utf8))
        }
    }

    /// What is answered to a request of the query protocol that never gets to an operation.
    /// - Parameter exception: as the JSON protocols name it: `UnrecognizedClientException`.
    public static func queryError(exception: String, message: String, isSenderFault: Bool, requestID: RequestID) -> [UInt8] {
        let code = queryCodes[exception] ?? (exception.hasSuffix("Exception") ? String(exception.dropLast(9)) : exception)
        return Array(QueryProtocol.answer(code: code, message: message, isSenderFault: isSenderFault, requestID: requestID.description).utf8)
    }

    /// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
    private static let queryCodes = [
        "InvalidSignatureException": "SignatureDoesNotMatch", "UnrecognizedClientException": "InvalidClientTokenId",
    ]

    private static let json = [(name: "Content-Type", value: "application/x-amz-json-1.0")]
    private static let xml = [(name: "Content-Type", value: "text/xml")]

    private static func members(_ request: SQSRequest) throws(SQSError) -> JSON {
        guard !request.body.isEmpty else { return .object([]) }
        do throws(JSONFault) {
            let json = try JSON(parsing: request.body, maximumDepth: 16)
            guard case .object = json else { throw JSONFault(reason: .unexpectedCharacter, offset: 0) }
            return json
        } catch {
            throw SQSError(.malformedInput, "The body is not a JSON object: \(error)")
        }
    }

    private func answerQuery(_ request: SQSRequest) async -> SQSResponse {
        let id = request.requestID.description
        do {
            var (action, members) = try QueryProtocol.request(request.parameters)
            if members["QueueUrl"] == nil, !request.path.isEmpty, case .object(let list) = members {
                members = .object(list + [.init("QueueUrl", .string(request.path))])
            }
            let result = try await perform(action, members, request)
            return SQSResponse(
                status: 200, headers: Self.xml, body: Array(QueryProtocol.answer(result, action: action, requestID: id).utf8))
        } catch {
            let error = sqsError(error, request)
            return SQSResponse(status: error.kind.status, headers: Self.xml, body: Array(QueryProtocol.answer(error, requestID: id).utf8))
        }
    }

    private func perform(_ action: String, _ members: JSON, _ request: SQSRequest) async throws -> JSON {
        let caller = SQSService.Caller(account: request.account, region: request.region, trace: request.trace)
        if let authorize = request.authorize {
            for needed in SQSAction.needed(for: action, Members(members), caller) {
                do throws(ServiceError) { try authorize(needed.name, needed.queue) } catch { throw SQSError(.accessDenied, error.message) }
            }
        }
        return try await service.perform(action, Members(members), caller)
    }

    private func sqsError(_ error: any Error, _ request: SQSRequest) -> SQSError {
        if let error = error as? SQSError { return error }
        let failure = error as? ServiceError ?? ServiceError(.internalFailure, "failed to answer a request for a queue", underlying: error)
        let answer = SQSError(failure)
        if !answer.kind.isSenderFault { report(failure, request.requestID) }
        return answer
    }
}
