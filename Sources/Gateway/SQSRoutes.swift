import FunctionModel
import NIOCore
public import SQSAPI

/// SQS on the same port: operations at `/`, and for older clients at a queue's own URL.
public struct SQSRoutes: Sendable {
    /// A message of 1 MiB, all of it escaped or percent-encoded, and the parameters around it.
    private static let maximumBody = 8 * 1024 * 1024
    /// Requests may wait for messages for 20 s, so they have a bound of their own.
    private static let maximumRequests = 2_500
    static let patterns = ["/", "/{#Account}/{QueueName}"]

    private let endpoint: SQSEndpoint
    private let eventBus: EventBusRoutes?
    private let logs: LogsRoutes?

    /// - Parameters:
    ///   - eventBus: shares `/` with SQS.
    ///   - logs: too.
    public init(_ endpoint: SQSEndpoint, eventBus: EventBusRoutes? = nil, logs: LogsRoutes? = nil) {
        self.endpoint = endpoint
        self.eventBus = eventBus
        self.logs = logs
    }

    public var all: [ControlRoute] {
        Self.patterns.flatMap { pattern in
            ["POST", "GET"].map { method in
                ControlRoute(method, pattern, maximumBody: Self.maximumBody, maximumRequests: Self.maximumRequests, hasQueryErrors: true) { try await answer($0) }
            }
        }
    }

    private func answer(_ request: ControlRequest) async throws -> ControlResponse {
        let call = SharedPathCall(request)
        if let eventBus, call.service == .eventBuses {
            try RoleAuthorization.checkEvents(call.operation, request)
            return await eventBus.answer(call.operation, request)
        }
        if let logs, call.service == .logs {
            try request.role?.check("logs:\(call.operation)", on: nil)
            return await logs.answer(call.operation, request)
        }
        let response = await endpoint.answer(
            SQSRequest(
                requestID: request.requestID, account: request.caller.account, region: request.caller.region,
                path: request.path == "/" ? "" : request.path, target: call.target,
                parameters: call.parameters, body: Array(request.body.readableBytesView), trace: request.trace,
                authorize: Self.authorization(request)))
        return ControlResponse(status: response.status, headers: response.headers, body: ByteBuffer(bytes: response.body))
    }

    private static func authorization(_ request: ControlRequest) -> SQSRequest.Authorization? {
        guard let role = request.role else { return nil }
        return { action, queue throws(ServiceError) in try role.check(action, on: queue) }
    }
}
