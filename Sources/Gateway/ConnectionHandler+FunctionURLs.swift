import AccessControl
import FunctionModel
import HTTPRoutes
import InvocationPipeline
import NIOCore
import NIOHTTP1
import ResourcePolicies

/// Function URLs: the request as an event, and the function's answer as a response.
extension ConnectionHandler {
    func dispatchFunctionURL(_ target: FunctionURLTarget) throws(Refusal) {
        if target.url.authType == .iam { try checkURLPolicy(target) }
        let event = FunctionURLEvent(
            head: request.head, path: target.path.isEmpty ? "/" : target.path, query: target.query, url: target.url,
            key: target.record.key, domainName: request.fields.host == nil ? "localhost" : request.fields.hostName,
            sourceAddress: clientAddress, isForwarded: request.forwarding != nil, requestID: request.id,
            caller: target.url.authType == .iam ? request.caller.map { ($0.account, $0.accessKeyID) } : nil,
            time: core.dates(request.arrivedMilliseconds).log, milliseconds: request.arrivedMilliseconds, port: request.forwarding?.port ?? core.configuration.port,
            isSecure: request.forwarding?.isSecure ?? (core.tls != nil))
        var buffer = ByteBuffer()
        buffer.reserveCapacity(1024 + (request.body?.readableBytes ?? 0))
        event.write(body: request.body, into: &buffer)
        guard buffer.readableBytes <= core.configuration.maximumPayload else {
            throw Refusal(
                .requestTooLarge,
                "the request makes an event of \(buffer.readableBytes) bytes, more than the \(core.configuration.maximumPayload) bytes that an event may have (a binary body grows by a third as base64)"
            )
        }
        let invocation = Invocation(
            requestID: request.id, function: target.record.key, qualifier: target.qualifier, trigger: .functionURL, event: buffer,
            traceID: traceID, arrived: request.arrived, arrivedMilliseconds: request.arrivedMilliseconds)
        if target.url.invokeMode == .responseStream {
            return invoke({ invocation.streaming(into: $0) }, answer: FunctionURLStream(maximumDepth: core.configuration.maximumJSONDepth))
        }
        invoke(invocation) { connection, result in connection.answerFunctionURL(result) }
    }

    func answerPreflight(_ cors: CORSPolicy, origin: String, status: Int) {
        request.cors = nil
        var head = startAnswer(status)
        for (name, value) in CORSAnswer.preflight(cors, origin: origin) { head.writeField(name, value) }
        finishAnswer(status, &head, body: ByteBuffer())
    }

    private func checkURLPolicy(_ target: FunctionURLTarget) throws(Refusal) {
        guard let caller = request.caller else { throw Self.forbidden }
        if caller.account == target.record.key.account { return }
        let call = PolicyCall(account: caller.account, action: PolicyCall.invokeURL, functionURLAuthType: URLAuthType.iam.rawValue)
        guard core.policies.allows(call, on: PolicyResource(function: target.record.key, qualifier: target.qualifier)) else { throw Self.forbidden }
    }

    func answerFunctionURL(_ result: Result<InvocationResult, ServiceError>) {
        guard let result = success(result) else { return }
        guard result.outcome == .success else {
            answerBadGateway(reason: Self.reason(result.outcome))
            return
        }
        do throws(FunctionURLResponse.Invalid) {
            let response = try wholeResponse(result, .v2)
            var head = startAnswer(response.status)
            writeTraceID(into: &head)
            head.writeImmutableBuffer(response.fields)
            finishAnswer(response.status, &head, body: response.body)
        } catch {
            answerBadGateway(reason: error.reason)
        }
    }

    /// Also of a function that streamed to a caller who takes the whole.
    func wholeResponse(_ result: InvocationResult, _ format: PayloadFormat) throws(FunctionURLResponse.Invalid) -> FunctionURLResponse {
        let (depth, dropsCORS) = (core.configuration.maximumJSONDepth, request.cors != nil)
        guard result.contentType.map(HTTPIntegrationPrelude.isContentType) == true else {
            return try FunctionURLResponse(payload: result.payload, maximumDepth: depth, dropsCORS: dropsCORS, format: format)
        }
        var prelude = HTTPIntegrationPrelude(maximumDepth: depth, dropsCORS: dropsCORS)
        guard let (head, body) = try prelude.take(result.payload) else { throw HTTPIntegrationPrelude.incomplete }
        var response = head
        response.body = body
        return response
    }

    func answerBadGateway(reason: String) {
        var head = startAnswer(502)
        head.writeStaticString("Content-Type: text/plain\r\n")
        head.writeField("x-martlet-reason", Self.fieldText(reason))
        writeTraceID(into: &head)
        finishAnswer(502, &head, body: ByteBuffer(staticString: "Internal Server Error"))
    }

    /// As a field's value can have it.
    static func fieldText(_ reason: String) -> String {
        String(reason.unicodeScalars.map { $0.isASCII && $0.value >= 0x20 && $0.value != 0x7F ? Character($0) : "?" })
    }

    static func reason(_ outcome: Outcome) -> String {
        switch outcome {
        case .success: "success"
        case .functionError: "the function raised an error; its log has more"
        case .initError: "the function failed to start; its log has more"
        case .timeout: "the function reached its time limit"
        case .outOfMemory: "the function ran out of memory"
        case .crash: "the function's process ended without an answer"
        case .invalidResponse: "the function's answer was too large or not JSON"
        case .interrupted: "the platform stopped the function"
        case .cancelled: "the request was cancelled"
        }
    }
}
