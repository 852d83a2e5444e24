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
    private static let formType: StaticString = "application/x-www-form-urlencoded"

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
        func header(_ name: StaticString) -> String? { request.headers.first { ASCIIText.equalIgnoringCase($0.name, name) }?.value }
        let target = request.method == "POST" ? header("x-amz-target") : nil
        if let eventBus, request.path == "/", let target, target.hasPrefix(EventBusRoutes.targetPrefix) {
            let operation = String(target.dropFirst(EventBusRoutes.targetPrefix.count))
            try RoleAuthorization.checkEvents(operation, request)
            return await eventBus.answer(operation, request)
        }
        if let logs, request.path == "/", let target, target.hasPrefix(LogsRoutes.targetPrefix) {
            let operation = String(target.dropFirst(LogsRoutes.targetPrefix.count))
            try request.role?.check("logs:\(operation)", on: nil)
            return await logs.answer(operation, request)
        }
        var parameters = request.query
        if let type = header("content-type"), ASCIIText.equalIgnoringCase(type.prefix { $0 != ";" }, Self.formType) {
            parameters += RequestRoute.parameters(String(decoding: request.body.readableBytesView, as: UTF8.self)[...])
        }
        let response = await endpoint.answer(
            SQSRequest(
                requestID: request.requestID, account: request.caller.account, region: request.caller.region,
                path: request.path == "/" ? "" : request.path, target: target,
                parameters: parameters, body: Array(request.body.readableBytesView), trace: request.trace,
                authorize: Self.authorization(request)))
        return ControlResponse(status: response.status, headers: response.headers, body: ByteBuffer(bytes: response.body))
    }

    private static func authorization(_ request: ControlRequest) -> SQSRequest.Authorization? {
        guard let role = request.role else { return nil }
        return { action, queue throws(ServiceError) in try role.check(action, on: queue) }
    }
}
