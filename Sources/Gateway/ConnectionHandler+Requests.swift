import AccessControl
import FunctionModel
import HTTPRoutes
import InvocationPipeline
import JSONValues
import LambdaAPI
import NIOCore
import NIOHTTP1
import Registry
import ResourcePolicies

/// What the requests mean: routing, who may, and the way to the pipeline or a management route.
extension ConnectionHandler {
    /// Decides from the header alone; what is wrong there is refused before the body is read.
    func accept(_ head: HTTPRequestHead) throws(Refusal) {
        request.fields = try RequestFields(head)
        // A function comes by itself, from an address that says nothing.
        if session == nil { try acceptForwarding() }
        if request.fields.isUpgrade || head.method == .CONNECT { request.keepAlive = false }
        guard head.uri.utf8.count <= core.configuration.maximumURILength else {
            throw Refusal(.uriTooLong, "the request target has more than \(core.configuration.maximumURILength) bytes")
        }
        let target = try Self.originForm(head)
        // Every request comes by here, and most servers have no domain.
        if session == nil, !core.routes.isEmpty, let entry = core.routes.entry(host: request.fields.hostName) {
            try checkClientRate()
            acceptRoute(entry, target)
        } else {
            try acceptOwn(head, target)
        }
        if session != nil { request.maximumBody = min(request.maximumBody, Self.maximumFunctionBody) }
        if let length = request.fields.contentLength {
            guard length <= request.maximumBody else { throw tooLarge() }
            guard core.bytes.hasRoom(length) else { throw Self.overloaded }
        }
    }

    /// Of the server's own interfaces.
    private func acceptOwn(_ head: HTTPRequestHead, _ target: Substring) throws(Refusal) {
        let route = RequestRoute.parse(method: head.method, target: target, host: request.fields.hostName)
        if session != nil {
            try refuseForFunctions(route)
        } else if case .health = route {
        } else {
            try checkClientRate()
        }
        switch route {
        case .health:
            request.target = .health
            request.maximumBody = core.configuration.maximumControlBody
        case .invoke(let name, let query):
            request.operation = "Invoke"
            request.target = .invoke(name: name, query: query)
            request.maximumBody = core.configuration.maximumPayload
            try beginAuthentication(target)
        case .invokeAsync(let name, let query):
            request.operation = "InvokeAsync"
            request.fields.invocationType = "Event"
            request.target = .invoke(name: name, query: query)
            request.maximumBody = core.configuration.maximumEvent
            try beginAuthentication(target)
        case .invokeWithResponseStream(let name, let query):
            request.operation = "InvokeWithResponseStream"
            request.isStreaming = true
            request.target = .invoke(name: name, query: query)
            request.maximumBody = core.configuration.maximumPayload
            try beginAuthentication(target)
        case .functionURL(let name, let qualifier, let path, let query):
            request.operation = "InvokeFunctionUrl"
            request.maximumBody = core.configuration.maximumPayload
            try acceptFunctionURL(name, qualifier, path, query, target: target)
        case .control(let path, let query):
            try acceptControl(path, query, target: target)
        }
    }

    /// What a trusted proxy says counts as if the client had come by itself: signatures and addresses name the host that the
    /// client asked for.
    private func acceptForwarding() throws(Refusal) {
        guard let forwarding = core.configuration.trustedProxies.forwarding(peer: peerAddress, headers: request.head.headers) else { return }
        request.forwarding = forwarding
        guard let host = forwarding.host else { return }
        try request.fields.replaceHost(host)
        request.head.headers.replaceOrAdd(name: "Host", value: host)
    }

    private func checkClientRate() throws(Refusal) { try checkRate(core.delay(client: clientAddress), of: clientAddress) }

    private func checkRate(_ delay: Int?, of sender: String) throws(Refusal) {
        guard let delay else { return }
        throw Refusal(.callerRateExceeded, "Rate exceeded: \(sender) sends more requests than are granted to it; send it again in \(delay) s", retryAfter: delay)
    }

    /// The path and query, also from `GET http://host/path`.
    private static func originForm(_ head: HTTPRequestHead) throws(Refusal) -> Substring {
        if head.uri.utf8.first == UInt8(ascii: "/") { return head.uri[...] }
        if head.method != .CONNECT, let scheme = ["http://", "https://"].first(where: { head.uri.hasPrefix($0) }) {
            let rest = head.uri.dropFirst(scheme.utf8.count)
            return rest.firstIndex(of: "/").map { rest[$0...] } ?? "/"
        }
        throw Refusal(.badRequest, "the request target must begin with '/'")
    }

    private func acceptFunctionURL(
        _ name: Substring, _ qualifier: Substring?, _ path: Substring, _ query: Substring, target: Substring
    ) throws(Refusal) {
        let name = String(name)
        let (account, region) = (core.configuration.developmentAccount, core.configuration.developmentRegion)
        let qualifier = qualifier.flatMap { ASCIIText.percentDecoded($0) }
        guard
            let owner = core.snapshot.url(name, qualifier: qualifier, account: account, region: region)
                ?? core.snapshot.url(ignoringCase: name, account: account, region: region)
        else { throw Refusal(core.snapshot.unknownURL(name, account: account, region: region)) }
        if owner.record.version(qualifier: owner.qualifier) == nil {
            throw Refusal(.resourceNotFound, "function \(name) has no version or alias '\(qualifier?.prefix(64) ?? "")'")
        }
        let url = owner.url
        guard !core.access.suspendedAccounts.contains(owner.record.key.account) else { throw Self.forbidden }
        if let cors = url.cors {
            request.cors = cors
            if let origin = preflightOrigin {
                // Browsers ask without credentials, and the function is not to be run for it.
                request.target = .preflight(cors, origin: origin, status: 200)
                return
            }
        }
        request.target = .functionURL(
            FunctionURLTarget(record: owner.record, url: url, qualifier: owner.qualifier, path: path, query: query))
        guard url.authType == .iam else { return }
        if core.configuration.developmentMode, !request.head.headers.contains(name: "authorization") { throw Self.forbidden }
        do {
            try beginAuthentication(target)
        } catch {
            throw Self.forbidden
        }
    }

    /// The page that a browser asks for before it sends what the page wants; nil for any other request.
    var preflightOrigin: String? {
        guard request.head.method == .OPTIONS, request.head.headers.contains(name: "access-control-request-method") else { return nil }
        return request.fields.origin
    }

    static let forbidden = Refusal(.accessDenied, "Forbidden")

    private func acceptControl(_ path: Substring, _ query: Substring, target: Substring) throws(Refusal) {
        switch core.router.match(method: request.head.method.rawValue, path: path) {
        case .route(let route, let parameters):
            request.target = .control(route, parameters: parameters, path: path, query: query)
            request.maximumBody = route.maximumBody ?? core.configuration.maximumControlBody
            request.operation = route.method + " " + route.pattern
            if route.access != .open { try beginAuthentication(target) }
        case .methods(let methods):
            request.maximumBody = core.configuration.maximumControlBody
            try beginAuthentication(target)
            throw Refusal(.methodNotAllowed, "\(request.head.method.rawValue) is not offered for \(path.prefix(200)); use \(methods.joined(separator: " or "))")
        case .nothing:
            request.maximumBody = core.configuration.maximumControlBody
            // Strangers learn nothing of what there is.
            try beginAuthentication(target)
            throw Refusal(.unknownRoute, "not offered here: \(request.head.method.rawValue) \(path.prefix(200))")
        }
    }

    // MARK: Who it is

    private func beginAuthentication(_ target: Substring) throws(Refusal) {
        let only = try session.map { session throws(Refusal) in try key(of: session) }
        if only == nil, core.configuration.developmentMode {
            if case .functionURL = request.target {} else { try refuseWebPages() }
            let scope = request.head.headers.first(name: "authorization").flatMap { try? AuthorizationHeader($0) }
            request.caller = Caller(
                account: core.configuration.developmentAccount, region: scope?.region ?? core.configuration.developmentRegion,
                accessKeyID: scope?.accessKeyID ?? "", isOperator: true)
            return
        }
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        do throws(AuthenticationError) {
            let signature = try core.verifier.begin(
                method: request.head.method.rawValue, path: target[..<(mark ?? target.endIndex)],
                query: mark.map { target[target.index(after: $0)...] } ?? "", headers: request.head.headers,
                now: request.arrivedMilliseconds / 1000, only: only)
            request.signature = signature
            request.chunks = signature.chunks()
            if request.chunks == nil { request.digest = PayloadDigest() }
        } catch {
            throw Refusal(error)
        }
    }

    /// Any web page can make a browser send requests to loopback; in development mode nothing else would stop it.
    private func refuseWebPages() throws(Refusal) {
        let fields = request.fields
        if let origin = fields.origin {
            throw Refusal(
                .accessDenied, "management requests from web pages are refused in development mode (Origin: \(origin.prefix(200)))")
        }
        if let site = fields.fetchSite, site == "cross-site" || site == "same-site" {
            throw Refusal(.accessDenied, "management requests from other web sites are refused in development mode (Sec-Fetch-Site: \(site))")
        }
        let name = fields.hostName
        let isLocal = name == "127.0.0.1" || name == "[::1]" || ASCIIText.equalIgnoringCase(name, "localhost")
            || ASCIIText.equalIgnoringCase(Substring(name.utf8.suffix(10)), ".localhost")
        let port = fields.hostPort
        guard fields.host == nil || (isLocal && (port == nil || port == core.configuration.port)) else {
            throw Refusal(
                .accessDenied,
                "management requests for the host '\((fields.host ?? "").prefix(200))' are refused in development mode: use \(core.configuration.baseURL)")
        }
    }

    func authenticate() throws(Refusal) {
        guard let signature = request.signature else { return }
        let only = try session.map { session throws(Refusal) in try key(of: session) }
        do throws(AuthenticationError) {
            try request.chunks?.finish()
            request.caller = try core.verifier.complete(
                signature, payloadHash: request.digest?.hexadecimal() ?? "", now: core.milliseconds() / 1000, only: only)
            request.role = session.map { core.roles.session(of: $0.function, role: $0.role) }
        } catch {
            if case .functionURL = request.target { throw Self.forbidden }
            throw Refusal(error)
        }
        // A copy's key lives as long as its invocation: counting them would only push out those that are worth it.
        if session == nil, let key = request.caller?.accessKeyID { try checkRate(core.delay(key: key), of: "the access key \(key)") }
    }

    // MARK: Dispatch

    func dispatch() throws(Refusal) {
        switch request.target {
        case .none: throw Refusal(.unknownRoute, "not offered here")
        case .health: answerHealth()
        case .invoke(let name, let query): try dispatchInvoke(name, query)
        case .functionURL(let target): try dispatchFunctionURL(target)
        case .route(let target): try dispatchRoute(target)
        case .message(let status, let text): answerMessage(status, text)
        case .preflight(let cors, let origin, let status): answerPreflight(cors, origin: origin, status: status)
        case .control(let route, let parameters, let path, let query):
            if route.access == .operator, request.caller?.isOperator != true {
                throw Refusal(
                    .accessDenied,
                    "User: arn:aws:iam::\(request.caller?.account ?? ""):root is not authorized to perform: \(request.operation): only the operator's key may")
            }
            if let count = core.beginControlRequest(route) {
                throw Refusal(
                    .tooManyRequests, "\(count) management requests are at work, which is the limit: send it again in a moment", retryAfter: 1)
            }
            let caller = request.caller
                ?? (core.configuration.developmentMode
                    ? Caller(account: core.configuration.developmentAccount, region: core.configuration.developmentRegion, accessKeyID: "", isOperator: true)
                    : Caller(account: "", region: "", accessKeyID: ""))
            run(
                route,
                ControlRequest(
                    requestID: request.id, method: request.head.method.rawValue, path: String(path), parameters: parameters,
                    query: RequestRoute.parameters(query), headers: request.head.headers.map { ($0.name, $0.value) },
                    body: request.body ?? ByteBuffer(), rawQuery: String(query), sourceAddress: clientAddress, caller: caller, role: request.role))
        }
    }

    private func answerHealth() {
        let status = core.isReady ? 200 : 503
        var head = startAnswer(status)
        head.writeStaticString("Content-Type: application/json\r\n")
        let text = core.isReady ? "ready" : core.isDraining ? "draining" : "starting"
        finishAnswer(status, &head, body: ByteBuffer(string: "{\"status\":\"\(text)\"}"))
    }

    private func dispatchInvoke(_ name: Substring, _ query: Substring) throws(Refusal) {
        guard let caller = request.caller else { throw Refusal(.missingAuthentication, "Missing Authentication Token") }
        let invocation = try makeInvocation(name, query, caller)
        switch request.fields.invocationType {
        case nil, "RequestResponse"?: break
        case "DryRun"?:
            if let refusal = core.invoker.refusal(function: invocation.function, qualifier: invocation.qualifier) {
                throw Refusal(refusal)
            }
            var head = startAnswer(204)
            finishAnswer(204, &head, body: ByteBuffer())
            return
        case "Event"? where request.isStreaming:
            throw Refusal(
                .invalidParameterValue,
                "1 validation error detected: Value 'Event' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [RequestResponse, DryRun]"
            )
        case "Event"?:
            guard let events = core.events else {
                throw Refusal(.invalidParameterValue, "InvocationType Event is not offered here: use RequestResponse and wait for the answer")
            }
            guard invocation.event.readableBytes <= core.configuration.maximumEvent else {
                throw Refusal(
                    .requestTooLarge,
                    "\(invocation.event.readableBytes) byte payload is too large for the Event invocation type (limit \(core.configuration.maximumEvent) bytes)")
            }
            return accept(invocation, events)
        case let other?:
            throw Refusal(
                .invalidParameterValue,
                "1 validation error detected: Value '\(other.prefix(64))' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"
            )
        }
        if request.isStreaming { return invoke({ invocation.streaming(into: $0) }, answer: EventStreamAnswer()) }
        invoke(invocation) { connection, result in connection.answerInvoke(result) }
    }

    private func makeInvocation(_ name: Substring, _ query: Substring, _ caller: Caller) throws(Refusal) -> Invocation {
        let qualifier = query.isEmpty ? nil : RequestRoute.parameters(query).first { $0.name == "Qualifier" }?.value
        guard let decoded = ASCIIText.percentDecoded(name) else {
            throw Refusal(.badRequest, "the function name in the path is not valid percent-encoding")
        }
        let target: FunctionTarget
        do throws(ServiceError) {
            target = try FunctionTarget(decoded, qualifier: qualifier, account: caller.account, region: caller.region, allowsOthers: true)
            try request.role?.check(PolicyCall.invoke, on: PolicyResource(function: target.key, qualifier: target.qualifier).arn)
            if target.key.account != caller.account { try checkPolicy(target, caller) }
            try core.snapshot.version(target.key, qualifier: target.qualifier).check(tenantID: request.fields.tenantID)
        } catch {
            throw Refusal(LambdaOperations.invokeFault(name: decoded, qualifier: qualifier) ?? error)
        }
        var event = request.body ?? ByteBuffer()
        if event.readableBytes == 0 { event = ByteBuffer(staticString: "{}") }
        do throws(JSONFault) {
            try event.withUnsafeReadableBytes { bytes throws(JSONFault) in
                try JSONScanner.validate(bytes, maximumDepth: core.configuration.maximumJSONDepth)
            }
        } catch {
            throw Refusal(.invalidRequestContent, "Could not parse request body into json: \(error.description)")
        }
        return Invocation(
            requestID: request.id, function: target.key, qualifier: target.qualifier, trigger: .invoke, event: event,
            wantsLogTail: request.fields.logType == "Tail", clientContext: try clientContext(), tenantID: request.fields.tenantID, traceID: traceID,
            arrived: request.arrived, arrivedMilliseconds: request.arrivedMilliseconds, deduplicationKey: try idempotencyKey())
    }

    /// What its owner has not allowed is refused, whether there is such a function or not.
    private func checkPolicy(_ target: FunctionTarget, _ caller: Caller) throws(ServiceError) {
        let call = PolicyCall(account: caller.account, action: PolicyCall.invoke)
        let resource = PolicyResource(function: target.key, qualifier: target.qualifier)
        guard core.policies.allows(call, on: resource), !core.access.suspendedAccounts.contains(target.key.account) else {
            throw ServiceError(
                .accessDenied,
                "User: arn:aws:iam::\(caller.account):root is not authorized to perform: lambda:InvokeFunction on resource: \(resource.arn) because no resource-based policy allows the lambda:InvokeFunction action")
        }
    }

    private func answerAccepted(_ result: Result<RequestID, ServiceError>) {
        switch result {
        // The one that it runs under, so that a repeated request can be followed too.
        case .success(let id): request.id = id
        case .failure(let refusal):
            if refusal.underlying != nil { core.report(refusal, request.id) }
            return refuse(Refusal(refusal))
        }
        var head = startAnswer(202)
        writeTraceID(into: &head)
        finishAnswer(202, &head, body: ByteBuffer())
    }

    private func accept(_ invocation: Invocation, _ events: any EventAcceptor) {
        accept(invocation, events) { connection, result in connection.answerAccepted(result) }
    }

    /// - Returns: a key that no other source of events can have given.
    private func idempotencyKey() throws(Refusal) -> String? {
        guard let text = request.fields.idempotencyKey else { return nil }
        guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Refusal(.invalidParameterValue, "X-Martlet-Idempotency-Key takes 1 to 128 printable ASCII characters without spaces")
        }
        guard request.fields.invocationType == "Event" else {
            throw Refusal(.invalidParameterValue, "X-Martlet-Idempotency-Key is for the InvocationType Event: nothing is kept of a call that is answered at once")
        }
        return "client:\(text)"
    }

    private func clientContext() throws(Refusal) -> String? {
        guard let text = request.fields.clientContext else { return nil }
        guard text.utf8.count <= 3583 else {
            throw Refusal(.requestTooLarge, "X-Amz-Client-Context has \(text.utf8.count) bytes; it takes at most 3583")
        }
        guard let bytes = Base64.decode(text), let json = String(validating: bytes, as: UTF8.self),
            bytes.withUnsafeBytes({ (try? JSONScanner.validate($0, maximumDepth: 64)) != nil })
        else { throw Refusal(.invalidRequestContent, "Client context must be a valid Base64-encoded JSON object.") }
        return json
    }

    private func answerInvoke(_ result: Result<InvocationResult, ServiceError>) {
        let result = success(result)
        guard let result else { return }
        var head = startAnswer(200)
        head.writeStaticString("Content-Type: application/json\r\n")
        head.writeField("X-Amz-Executed-Version", result.executedVersion)
        if result.outcome != .success { head.writeStaticString("X-Amz-Function-Error: Unhandled\r\n") }
        if let tail = result.logTail {
            head.writeStaticString("X-Amz-Log-Result: ")
            tail.withUnsafeReadableBytes { head.writeBase64($0) }
            head.writeStaticString("\r\n")
        }
        writeTraceID(into: &head)
        finishAnswer(200, &head, body: result.payload)
    }

    /// What the caller says of its trace, where a function can be shown it. A function's calls go on with the trace of its own
    /// invocation where it says nothing.
    var traceID: String? {
        if request.fields.traceID == nil, let session { return session.traceID }
        return TraceHeader.readable(request.fields.traceID)
    }

    /// The header came through the parser, so it has no line break.
    func writeTraceID(into head: inout ByteBuffer) {
        if let traceID = request.fields.traceID, traceID.utf8.count <= 1024 { head.writeField("X-Amzn-Trace-Id", traceID) }
    }

    func success(_ result: Result<InvocationResult, ServiceError>) -> InvocationResult? {
        switch result {
        case .success(let result): return result
        case .failure(let error):
            if error.underlying != nil { core.report(error, request.id) }
            refuse(Refusal(error))
            return nil
        }
    }
}

extension Refusal {
    init(_ error: AuthenticationError) {
        switch error.kind {
        case .missing: self.init(.missingAuthentication, error.message)
        case .incomplete: self.init(.incompleteSignature, error.message)
        case .invalid: self.init(.invalidSignature, error.message)
        case .unrecognized: self.init(.unrecognizedClient, error.message)
        case .expired: self.init(.expiredToken, error.message)
        case .suspended: self.init(.accessDenied, error.message)
        }
    }
}
