import FunctionModel
import NIOCore
import SQSAPI

/// What a request at one of `SQSRoutes`' addresses asks for: of which service, and which of its operations.
///
/// The routes and the audit log both read it here. Where one of them took a call for another than the other does, it could be made unseen.
struct SharedPathCall: Sendable {
    enum Service: Sendable {
        case queues, eventBuses, logs
    }

    let service: Service
    /// As AWS names it. A target that is none of theirs is here as a whole; empty where nothing is named.
    let operation: String
    /// `X-Amz-Target`, which the JSON protocols have, and with them POST alone.
    let target: String?
    /// Of the query protocol: those of the query, then those of a form in the body.
    let parameters: [(name: String, value: String)]

    init(_ request: ControlRequest) {
        target = request.method == "POST" ? Self.header("x-amz-target", of: request) : nil
        guard let target else {
            service = .queues
            parameters = request.query + Self.form(request)
            operation = SQSEndpoint.action(parameters) ?? ""
            return
        }
        parameters = []
        var prefixes = [(Service.queues, SQSEndpoint.targetPrefix)]
        // The others have no path of a queue.
        if request.path == "/" { prefixes += [(.eventBuses, EventBusRoutes.targetPrefix), (.logs, LogsRoutes.targetPrefix)] }
        let known = prefixes.first { target.hasPrefix($0.1) }
        service = known?.0 ?? .queues
        operation = String(target.dropFirst(known?.1.count ?? 0))
    }

    private static func form(_ request: ControlRequest) -> [(name: String, value: String)] {
        guard let type = header("content-type", of: request),
            ASCIIText.equalIgnoringCase(type.prefix { $0 != ";" }, "application/x-www-form-urlencoded")
        else { return [] }
        return RequestRoute.parameters(String(decoding: request.body.readableBytesView, as: UTF8.self)[...])
    }

    private static func header(_ name: StaticString, of request: ControlRequest) -> String? {
        request.headers.first { ASCIIText.equalIgnoringCase($0.name, name) }?.value
    }
}
