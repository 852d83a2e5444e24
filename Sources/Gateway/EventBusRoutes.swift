import CloudEvents
public import EventBus
public import FunctionModel
import JSONValues
import NIOCore

/// EventBridge's operations on event buses, at `/`, where the header `X-Amz-Target` names them.
public struct EventBusRoutes: Sendable {
    static let targetPrefix = "AWSEvents."
    private static let path = "/martlet/v1/buses"
    /// A CloudEvent of 1 MiB as base64, or a batch.
    private static let maximumBody = 2 * 1024 * 1024
    /// At work at the same time.
    private static let maximumRequests = 1_000

    private let service: EventBusService
    private let report: @Sendable (ServiceError, RequestID) -> Void

    /// - Parameter report: told of what no caller could mend.
    public init(_ service: EventBusService, report: @escaping @Sendable (ServiceError, RequestID) -> Void) {
        self.service = service
        self.report = report
    }

    /// Martlet's own view, and CloudEvents for a bus.
    public var all: [ControlRoute] {
        [
            ControlRoute("POST", "/events/{Bus}", maximumBody: Self.maximumBody, maximumRequests: Self.maximumRequests, isAudited: false) {
                try await accept($0)
            },
            ControlRoute("GET", Self.path) { .json(text: Array(service.overview(Self.caller($0)).text().utf8)) },
            ControlRoute("GET", "\(Self.path)/{Name}/rules") { request in
                do {
                    return .json(text: Array(try service.rulesOverview(request.parameters["Name"] ?? "", Self.caller(request)).text().utf8))
                } catch let error as EventBusError {
                    throw ServiceError(error.kind == .resourceNotFound ? .resourceNotFound : .invalidParameterValue, error.message)
                }
            },
        ]
    }

    /// One event in binary or structured mode, or a batch.
    private func accept(_ request: ControlRequest) async throws -> ControlResponse {
        let events: [CloudEvent]
        do throws(CloudEventFault) {
            events = try HTTPBinding.events(headers: request.headers, body: request.body.readableBytesView)
        } catch {
            throw ServiceError(error.isUnknownFormat ? .unsupportedMediaType : .invalidParameterValue, "the request is no CloudEvent: \(error)")
        }
        try await service.accept(events, on: request.parameters["Bus"] ?? "", Self.caller(request), trace: request.trace)
        return .json(text: Array(JSON.object([.init("accepted", .integer(events.count))]).text().utf8), status: 202)
    }

    static func caller(_ request: ControlRequest) -> EventBusService.Caller {
        EventBusService.Caller(account: request.caller.account, region: request.caller.region, trace: request.trace)
    }

    /// - Parameter operation: `PutEvents`.
    func answer(_ operation: String, _ request: ControlRequest) async -> ControlResponse {
        do {
            let result = try await service.perform(operation, try Self.body(request), Self.caller(request))
            return Self.response(200, result)
        } catch {
            let answer = eventBusError(error, request)
            return Self.response(
                answer.kind.status,
                .object([.init("__type", .string(answer.kind.rawValue)), .init("message", .string(answer.message))]))
        }
    }

    private static func response(_ status: Int, _ json: JSON) -> ControlResponse {
        ControlResponse(
            status: status, headers: [("Content-Type", "application/x-amz-json-1.1")], body: ByteBuffer(string: json.text()))
    }

    private func eventBusError(_ error: any Error, _ request: ControlRequest) -> EventBusError {
        if let error = error as? EventBusError { return error }
        let failure = error as? ServiceError ?? ServiceError(.internalFailure, "failed to answer a request for an event bus", underlying: error)
        let answer = EventBusError(failure)
        if answer.kind.status >= 500 { report(failure, request.requestID) }
        return answer
    }

    private static func body(_ request: ControlRequest) throws(EventBusError) -> JSON {
        guard request.body.readableBytes > 0 else { return .object([]) }
        do throws(JSONFault) {
            let json = try JSON(parsing: request.body.readableBytesView, maximumDepth: 32)
            if case .object = json { return json }
        } catch {
            throw EventBusError(.serialization, "The body is not JSON: \(error)")
        }
        throw EventBusError(.serialization, "The body must be a JSON object.")
    }
}
