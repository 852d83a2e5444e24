public import FunctionModel
import JSONValues
public import LogsAPI
import NIOCore

/// CloudWatch Logs' operations that read, at `/`, where the header `X-Amz-Target` names them.
public struct LogsRoutes: Sendable {
    static let targetPrefix = "Logs_20140328."

    private let service: LogsService
    private let now: @Sendable () -> Int64
    private let report: @Sendable (ServiceError, RequestID) -> Void

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - report: told of what no caller could mend.
    public init(_ service: LogsService, now: @escaping @Sendable () -> Int64, report: @escaping @Sendable (ServiceError, RequestID) -> Void) {
        self.service = service
        self.now = now
        self.report = report
    }

    /// - Parameter operation: `FilterLogEvents`.
    func answer(_ operation: String, _ request: ControlRequest) async -> ControlResponse {
        do {
            let caller = LogsService.Caller(account: request.caller.account, region: request.caller.region)
            let body = try Self.body(request)
            if operation == "StartLiveTail" { return try await liveTail(body, request, caller) }
            return Self.response(200, try await service.perform(operation, body, caller))
        } catch {
            let answer = logsError(error, request)
            return Self.response(
                answer.kind.status, .object([.init("__type", .string(answer.kind.rawValue)), .init("message", .string(answer.message))]))
        }
    }

    private func liveTail(_ body: JSON, _ request: ControlRequest, _ caller: LogsService.Caller) async throws -> ControlResponse {
        let session = try await service.startLiveTail(
            body, requestID: request.requestID.description, sessionID: RequestID.random().description, now: now(), caller)
        let messages = LiveTailMessages(session) { report(ServiceError(.internalFailure, "failed to read logs", underlying: $0), request.requestID) }
        var response = ControlResponse(status: 200, headers: [("Content-Type", "application/vnd.amazon.eventstream")])
        response.nextPart = { await messages.next() }
        return response
    }

    private func logsError(_ error: any Error, _ request: ControlRequest) -> LogsError {
        if let error = error as? LogsError { return error }
        let failure = error as? ServiceError ?? ServiceError(.internalFailure, "failed to read logs", underlying: error)
        let answer = LogsError(failure)
        if answer.kind.status >= 500 { report(failure, request.requestID) }
        return answer
    }

    private static func response(_ status: Int, _ json: JSON) -> ControlResponse {
        ControlResponse(status: status, headers: [("Content-Type", "application/x-amz-json-1.1")], body: ByteBuffer(string: json.text()))
    }

    private static func body(_ request: ControlRequest) throws(LogsError) -> JSON {
        guard request.body.readableBytes > 0 else { return .object([]) }
        do throws(JSONFault) {
            let json = try JSON(parsing: request.body.readableBytesView, maximumDepth: 32)
            if case .object = json { return json }
        } catch {
            throw LogsError(.serialization, "The body is not JSON: \(error)")
        }
        throw LogsError(.serialization, "The body must be a JSON object.")
    }
}
