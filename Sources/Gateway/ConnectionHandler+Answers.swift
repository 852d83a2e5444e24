import FunctionModel
import LambdaAPI
import NIOCore
import NIOHTTP1
import SQSAPI

/// What is written to the client.
extension ConnectionHandler {
    func refuse(_ refusal: Refusal, closing: Bool = false) {
        if closing || refusal.exception == .badRequest { request.keepAlive = false }
        // Clients of the JSON protocol look for the error's name in the body alone, and those of the query protocol for XML.
        let isTargeted = request.head.method == .POST && request.head.headers.contains(name: "x-amz-target")
        var wantsXML = false
        if case .control(let route, _, _, _) = request.target { wantsXML = route.hasQueryErrors && !isTargeted }
        var head = startAnswer(refusal.exception.status)
        head.writeField("x-amzn-ErrorType", refusal.exception.name)
        head.writeStaticString(wantsXML ? "Content-Type: text/xml\r\n" : "Content-Type: application/json\r\n")
        if let retryAfter = refusal.retryAfter {
            head.writeStaticString("Retry-After: ")
            head.writeDecimal(retryAfter)
            head.writeStaticString("\r\n")
        }
        let body =
            wantsXML
            ? SQSEndpoint.queryError(
                exception: refusal.exception.name, message: refusal.message, isSenderFault: refusal.exception.fault == .user, requestID: request.id)
            : request.isRouted ? Self.message(refusal.message) : refusal.exception.body(message: refusal.message, naming: isTargeted)
        finishAnswer(refusal.exception.status, &head, body: ByteBuffer(bytes: body))
    }

    /// For faults that belong to no request.
    func refuseConnection(_ refusal: Refusal) {
        sequence += 1
        core.statistics.requestsInFlight += 1
        request = ActiveRequest(
            id: core.newRequestID(), head: HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"), arrived: core.loop.now,
            arrivedMilliseconds: core.milliseconds(), keepAlive: false)
        refuse(refusal, closing: true)
    }

    func answer(_ response: ControlResponse) {
        var head = startAnswer(response)
        finishAnswer(response.status, &head, body: response.body)
    }

    private func startAnswer(_ response: ControlResponse) -> ByteBuffer {
        var head = startAnswer(response.status)
        for (name, value) in response.headers where !value.utf8.contains(where: { $0 < 0x20 && $0 != 9 }) {
            head.writeString(name)
            head.writeStaticString(": ")
            head.writeString(value)
            head.writeStaticString("\r\n")
        }
        return head
    }

    /// The status line, which a stream's answer has not, and the fields that every answer has.
    func startAnswer(_ status: Int) -> ByteBuffer {
        var head = ByteBuffer()
        head.reserveCapacity(512)
        switch status {
        case _ where parent != nil: break
        case 200: head.writeStaticString("HTTP/1.1 200 OK\r\n")
        case 204: head.writeStaticString("HTTP/1.1 204 No Content\r\n")
        default:
            head.writeStaticString("HTTP/1.1 ")
            head.writeDecimal(status)
            head.writeStaticString(" ")
            head.writeString(HTTPResponseStatus(statusCode: status).reasonPhrase)
            head.writeStaticString("\r\n")
        }
        head.writeField("Date", core.dates(request.arrivedMilliseconds).header)
        head.writeField("x-amzn-RequestId", request.id.description)
        if let cors = request.cors {
            for (name, value) in CORSAnswer.fields(cors, origin: request.fields.origin) { head.writeField(name, value) }
        }
        return head
    }

    func finishAnswer(_ status: Int, _ head: inout ByteBuffer, body: ByteBuffer) {
        guard let context, !refusesHeader(status, head) else { return }
        if !request.isComplete && !canDiscardRest { request.keepAlive = false }
        if inputClosed && queue.isEmpty || core.isDraining || ignoresInput { request.keepAlive = false }
        let hasBody = status != 204 && status != 304 && status >= 200
        if hasBody {
            head.writeStaticString("Content-Length: ")
            head.writeDecimal(body.readableBytes)
            head.writeStaticString("\r\n")
        }
        if parent == nil { endHead(&head) }
        core.statistics.responses[min(max(status / 100, 0), 5)] += 1
        core.statistics.requestsInFlight -= 1
        request.isActive = false
        core.bytes.release(request.reserved)
        request.reserved = 0
        request.body = nil

        let sendsBody = hasBody && request.head.method != .HEAD && body.readableBytes > 0
        let isAccounted = sendsBody && body.readableBytes >= Self.accountedAnswer
        let promise = isAccounted || !request.keepAlive ? context.eventLoop.makePromise(of: Void.self) : nil
        if let promise {
            let count = isAccounted ? body.readableBytes : 0
            let isLast = !request.keepAlive
            core.bytes.add(count)
            promise.futureResult.assumeIsolated().whenComplete { [self] _ in
                core.bytes.release(count)
                if isLast { lastAnswerSent() }
            }
        }
        phase = nextPhase()
        if parent != nil {
            sendStreamAnswer(status, head, body: sendsBody ? body : nil, promise: promise)
        } else if sendsBody, body.readableBytes > Self.joinedBody {
            context.write(Self.wrapOutboundOut(head), promise: nil)
            context.writeAndFlush(Self.wrapOutboundOut(body), promise: promise)
        } else {
            if sendsBody { head.writeImmutableBuffer(body) }
            context.writeAndFlush(Self.wrapOutboundOut(head), promise: promise)
        }
        if phase == .idle { becomeIdle() }
    }

    private func endHead(_ head: inout ByteBuffer) {
        if !request.keepAlive {
            head.writeStaticString("Connection: close\r\n")
        } else if request.head.version == .http1_0 {
            head.writeStaticString("Connection: keep-alive\r\n")
        }
        head.writeStaticString("\r\n")
    }

    func askForBody() {
        guard let context else { return }
        if parent != nil { return sendStreamContinue() }
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
    }

    // MARK: Answers in parts

    /// Sends the head of an answer of which nobody knows yet how long it gets. `writePart` and `finishParts` follow.
    /// - Returns: false where the head cannot be sent; the client has been told so, and nothing follows.
    func startParts(_ status: Int, _ head: inout ByteBuffer) -> Bool {
        guard let context, !refusesHeader(status, head) else { return false }
        if inputClosed && queue.isEmpty || core.isDraining || ignoresInput { request.keepAlive = false }
        let hasBody = status != 204 && status != 304 && request.head.method != .HEAD
        request.partsStatus = status
        if parent != nil {
            request.parts = hasBody ? .frames : .dropped
            startStreamParts(status, head)
            return true
        }
        // HTTP/1.0 knows no chunks: there the end of the connection is the end of the answer.
        if request.head.version == .http1_0 { request.keepAlive = false }
        request.parts = !hasBody ? .dropped : request.head.version == .http1_0 ? .plain : .chunked
        if request.parts == .chunked { head.writeStaticString("Transfer-Encoding: chunked\r\n") }
        if !request.keepAlive { head.writeStaticString("Connection: close\r\n") }
        head.writeStaticString("\r\n")
        context.writeAndFlush(Self.wrapOutboundOut(head), promise: nil)
        return true
    }

    /// - Parameter next: the body, part by part.
    func answer(_ response: ControlResponse, _ next: @escaping @Sendable () async -> ByteBuffer?) {
        var head = startAnswer(response)
        guard startParts(response.status, &head) else { return }
        request.isOpenEnded = true
        takePart(next)
    }

    /// Nothing tells how long an answer whose parts are asked for lasts, so a server that ends does not wait for it.
    func endOpenAnswer() {
        guard phase == .processing, request.isOpenEnded else { return }
        task?.cancel()
        task = nil
        finishParts()
    }

    private func takePart(_ next: @escaping @Sendable () async -> ByteBuffer?) {
        guard request.parts != .dropped, !core.isDraining else { return finishParts() }
        let mine = sequence
        let bound = NIOLoopBound(self, eventLoop: core.loop)
        let loop = core.loop
        task = Task {
            let part = await next()
            loop.execute { bound.value.took(part, mine, next) }
        }
    }

    private func took(_ part: ByteBuffer?, _ mine: UInt64, _ next: @escaping @Sendable () async -> ByteBuffer?) {
        guard isCurrent(mine) else { return }
        task = nil
        guard let part else { return finishParts() }
        writePart(part)
        if isWritable { takePart(next) } else { request.nextPart = { [self] in takePart(next) } }
    }

    /// A client that does not keep up holds the function back.
    func writePart(_ bytes: ByteBuffer) {
        guard let context, bytes.readableBytes > 0 else { return }
        switch request.parts {
        case .none, .dropped: return
        case .frames: sendStreamPart(bytes)
        case .plain: context.writeAndFlush(Self.wrapOutboundOut(bytes), promise: nil)
        case .chunked:
            let size = ByteBuffer(string: String(bytes.readableBytes, radix: 16) + "\r\n")
            context.write(Self.wrapOutboundOut(size), promise: nil)
            context.write(Self.wrapOutboundOut(bytes), promise: nil)
            context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(staticString: "\r\n")), promise: nil)
        }
        if !isWritable { request.stream?.isPaused = true }
    }

    func finishParts() {
        guard let context else { return }
        core.statistics.responses[min(max(request.partsStatus / 100, 0), 5)] += 1
        core.statistics.requestsInFlight -= 1
        request.isActive = false
        request.stream = nil
        let promise = request.keepAlive ? nil : context.eventLoop.makePromise(of: Void.self)
        promise?.futureResult.assumeIsolated().whenComplete { [self] _ in lastAnswerSent() }
        phase = nextPhase()
        if parent != nil { return finishStreamParts(promise) }
        let end = request.parts == .chunked ? ByteBuffer(staticString: "0\r\n\r\n") : ByteBuffer()
        context.writeAndFlush(Self.wrapOutboundOut(end), promise: promise)
        if phase == .idle { becomeIdle() }
    }
}
