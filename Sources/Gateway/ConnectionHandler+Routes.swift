import FunctionModel
import HTTPRoutes
import InvocationPipeline
import JSONValues
import NIOCore
import NIOHTTP1

struct RouteTarget {
    let domain: RouteDomain
    let match: RouteMatch
    let path: Substring
    let query: Substring
}

/// Requests to a domain: the way to a route's function and back, with errors as API Gateway has them.
extension ConnectionHandler {
    func acceptRoute(_ entry: RouteSnapshot.Entry, _ target: Substring) {
        let domain = entry.domain
        request.isRouted = true
        request.operation = "InvokeRoute"
        request.maximumBody = core.configuration.maximumPayload
        if core.access.suspendedAccounts.contains(domain.account) {
            request.target = .message(status: 403, "Forbidden")
            return
        }
        if let cors = domain.definition.cors {
            request.cors = cors
            if let origin = preflightOrigin {
                request.target = .preflight(cors, origin: origin, status: 204)
                return
            }
        }
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = target[..<(mark ?? target.endIndex)]
        guard let match = entry.table.match(method: request.head.method.rawValue, path: path, decoded: { ASCIIText.percentDecoded($0) }) else {
            request.target =
                domain.definition.kind == .rest
                ? .message(status: 403, "Missing Authentication Token") : .message(status: 404, "Not Found")
            return
        }
        request.target = .route(
            RouteTarget(domain: domain, match: match, path: path, query: mark.map { target[target.index(after: $0)...] } ?? ""))
    }

    func dispatchRoute(_ target: RouteTarget) throws(Refusal) {
        let key = target.domain.function(of: target.match.route)
        let qualifier = target.match.route.qualifier
        guard core.snapshot.functions[key]?.version(qualifier: qualifier) != nil else {
            return answerRouteFault(500, reason: "there is no function \(key.name)\(qualifier.map { ":\($0)" } ?? ""), which the route names")
        }
        let event = RouteEvent(
            request: FunctionURLEvent(
                head: request.head, path: target.path, query: target.query,
                url: FunctionURL(id: target.domain.id, authType: .none, created: 0, modified: 0), key: key, domainName: target.domain.name[...],
                sourceAddress: clientAddress, isForwarded: request.forwarding != nil, requestID: request.id, caller: nil, time: core.dates(request.arrivedMilliseconds).log,
                milliseconds: request.arrivedMilliseconds, port: request.forwarding?.port ?? core.configuration.port,
                isSecure: request.forwarding?.isSecure ?? (core.tls != nil)),
            domain: target.domain, match: target.match)
        var buffer = ByteBuffer()
        buffer.reserveCapacity(2048 + (request.body?.readableBytes ?? 0))
        event.write(body: request.body, into: &buffer)
        guard buffer.readableBytes <= core.configuration.maximumPayload else { throw Refusal(.requestTooLarge, "Request Too Long") }
        let format = target.match.route.payloadFormat
        let invocation = Invocation(
            requestID: request.id, function: key, qualifier: qualifier, trigger: .route, event: buffer, traceID: traceID,
            arrived: request.arrived, arrivedMilliseconds: request.arrivedMilliseconds)
        invoke(invocation) { connection, result in connection.answerRoute(result, format) }
    }

    private func answerRoute(_ result: Result<InvocationResult, ServiceError>, _ format: PayloadFormat) {
        switch result {
        case .failure(let error):
            if error.underlying != nil { core.report(error, request.id) }
            if error.code == .tooManyRequests || error.code == .tooManyRequestsFunction { return answerRouteFault(429, reason: error.message) }
            answerRouteFault(error.code == .unavailable ? 503 : 500, reason: error.message)
        case .success(let result) where result.outcome != .success: answerRouteFault(502, reason: Self.reason(result.outcome))
        case .success(let result):
            do throws(FunctionURLResponse.Invalid) {
                let response = try wholeResponse(result, format)
                var head = startAnswer(response.status)
                writeTraceID(into: &head)
                head.writeImmutableBuffer(response.fields)
                finishAnswer(response.status, &head, body: response.body)
            } catch {
                answerRouteFault(502, reason: error.reason)
            }
        }
    }

    /// What the client is told says nothing of the function; its owner finds the reason in a header.
    func answerRouteFault(_ status: Int, reason: String) {
        let text =
            switch status {
            case 429: "Too Many Requests"
            case 503: "Service Unavailable"
            default: "Internal server error"
            }
        answerMessage(status, text, reason: reason)
    }

    func answerMessage(_ status: Int, _ text: String, reason: String? = nil) {
        var head = startAnswer(status)
        head.writeStaticString("Content-Type: application/json\r\n")
        if let reason { head.writeField("x-martlet-reason", Self.fieldText(reason)) }
        writeTraceID(into: &head)
        finishAnswer(status, &head, body: ByteBuffer(bytes: Self.message(text)))
    }

    static func message(_ text: String) -> [UInt8] { Array(JSON.object([.init("message", .string(text))]).text().utf8) }
}
