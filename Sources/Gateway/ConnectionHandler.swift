import AccessControl
import FunctionModel
import InvocationPipeline
import LambdaAPI
import NIOCore
import NIOHTTP1
import Roles
import SQSAPI

/// One client connection: takes requests one after another, in order, and writes the answers itself.
///
/// Nothing here leaves the event loop but the handlers of management routes. While a request is being answered the
/// socket is read until something comes, and then no further, so what a client can pile up is bounded by one read and the
/// kernel's buffer. Not reading at all would cost each request two system calls to say so.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        /// Between requests.
        case idle
        /// A header is in, its body is coming.
        case receiving
        /// The request is complete, the answer is not.
        case processing
        /// Answered before the body was in; the rest is read and dropped, then the connection goes on.
        case discarding
        /// Answered for the last time; what still comes is dropped until the peer closes or time is up.
        case lingering
        case closed
    }

    /// A refused request's body up to this size is read to its end so that the connection can go on.
    private static let discardLimit = 64 * 1024
    /// Bytes that are thrown away after the last answer.
    private static let dropLimit = 8 * 1024 * 1024
    /// The same where the header says where the body ends: most clients read their answer only after it.
    private static let declaredDropLimit = 1024 * 1024 * 1024
    private var droppedBytes = 0
    private var answered = NIODeadline.distantPast
    /// Bytes of requests behind the current one.
    private static let pipelineLimit = 1024 * 1024
    /// Answers from this size on are counted as bytes in flight until they are sent.
    private static let accountedAnswer = 64 * 1024
    /// Bodies up to this size leave in one buffer with their header.
    private static let joinedBody = 16 * 1024

    let core: GatewayCore
    /// Whose connection it is where it comes out of a function's own network; nil for all others.
    let session: FunctionSession?
    private(set) var context: ChannelHandlerContext?
    private(set) var phase = Phase.idle
    var request = ActiveRequest()

    private var sequence: UInt64 = 0
    private var deadline = NIODeadline.distantFuture
    private var headerStarted = false
    private var sawRequestLine = false
    private var inputClosed = false
    private var ignoresInput = false
    private var readPending = false
    private var isPumping = false
    private var queue = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 0)
    private var queuedRequests = 0
    private var queuedBytes = 0
    private var pendingRefusal: Refusal?
    private var ticket: InvocationTicket?
    private var task: Task<Void, Never>?
    private var unsent: (bytes: Int, since: NIODeadline)?
    private lazy var cachedPeer: String = context?.channel.remoteAddress?.ipAddress ?? "127.0.0.1"

    init(core: GatewayCore, session: FunctionSession? = nil) {
        self.core = core
        self.session = session
    }

    /// Of the client: the peer's own, unless that is a proxy that is trusted.
    var clientAddress: String { request.forwarding?.address ?? cachedPeer }

    var peerAddress: String { cachedPeer }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { open() }
    }

    func channelActive(context: ChannelHandlerContext) {
        open()
        context.fireChannelActive()
    }

    private var isOpen = false

    private func open() {
        guard !isOpen else { return }
        isOpen = true
        core.opened(self)
        deadline = core.loop.now + core.configuration.idleTimeout
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        closed()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        closed()
        context.fireChannelInactive()
    }

    private func closed() {
        guard phase != .closed else { return }
        let wasActive = request.isActive
        phase = .closed
        dropQueue()
        if let ticket { core.invoker.cancel(ticket) }
        ticket = nil
        task?.cancel()
        task = nil
        core.bytes.release(request.reserved)
        if wasActive { core.statistics.requestsInFlight -= 1 }
        request = ActiveRequest()
        if isOpen { core.closed(self) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !ignoresInput, phase != .lingering, phase != .closed else { return }
        let part = Self.unwrapInboundIn(data)
        if queue.isEmpty, canHandle(part) {
            handle(part)
            return
        }
        switch part {
        case .head: queuedRequests += 1
        case .body(let bytes): queuedBytes += bytes.readableBytes
        case .end: break
        }
        if queuedRequests > core.configuration.maximumPipelined || queuedBytes > Self.pipelineLimit {
            // The one being answered still gets its answer; then the connection ends.
            dropQueue()
            ignoresInput = true
            request.keepAlive = false
            return
        }
        queue.append(part)
    }

    func read(context: ChannelHandlerContext) {
        if wantsInput { context.read() } else { readPending = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            unsent = nil
            request.stream?.isPaused = false
            pump()
        } else {
            unsent = (Int.max, core.loop.now)
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            inputClosed = true
            switch phase {
            case .idle: if queue.isEmpty, pendingRefusal == nil { context.close(promise: nil) }
            case .receiving, .discarding: if queue.isEmpty { context.close(promise: nil) }
            // The peer may have closed only its sending side: it gets its answer.
            case .processing: request.keepAlive = request.keepAlive && !queue.isEmpty
            case .lingering: if request.isSent { context.close(promise: nil) }
            case .closed: break
            }
            return
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let fault = error as? HTTPParserError else {
            context.close(promise: nil)
            return
        }
        let refusal = Refusal(parserFault: fault, sawRequestLine: sawRequestLine)
        switch phase {
        case .idle where queue.isEmpty: refuseConnection(refusal)
        case .receiving where queue.isEmpty: refuse(refusal, closing: true)
        case .idle, .receiving, .processing: pendingRefusal = refusal
        case .discarding, .lingering, .closed: context.close(promise: nil)
        }
    }

    // MARK: Input

    private var wantsInput: Bool {
        switch phase {
        case .idle, .receiving, .processing, .discarding: queue.isEmpty && !ignoresInput && (context?.channel.isWritable ?? true)
        case .lingering: true
        case .closed: false
        }
    }

    private func canHandle(_ part: HTTPServerRequestPart) -> Bool {
        switch phase {
        case .idle: context?.channel.isWritable ?? false
        case .receiving, .discarding: true
        case .processing, .lingering, .closed: false
        }
    }

    private func handle(_ part: HTTPServerRequestPart) {
        switch (part, phase) {
        case (.head(let head), .idle): begin(head)
        case (.body(let bytes), .receiving): receive(bytes)
        case (.end, .receiving): complete()
        case (.end, .discarding): becomeIdle()
        default: break
        }
    }

    private func pump() {
        guard !isPumping else { return }
        isPumping = true
        while let part = queue.first, canHandle(part) {
            queue.removeFirst()
            switch part {
            case .head: queuedRequests -= 1
            case .body(let bytes): queuedBytes -= bytes.readableBytes
            case .end: break
            }
            handle(part)
        }
        isPumping = false
        if phase == .idle, queue.isEmpty {
            if let pendingRefusal {
                self.pendingRefusal = nil
                refuseConnection(pendingRefusal)
            } else if inputClosed {
                context?.close(promise: nil)
            }
        }
        if readPending, wantsInput {
            readPending = false
            context?.read()
        }
    }

    private func dropQueue() {
        queue.removeAll()
        queuedRequests = 0
        queuedBytes = 0
    }

    /// Bytes came, before they are parsed: a header's time begins with its first byte.
    func bytesArrived(_ bytes: ByteBuffer) {
        guard phase == .idle, queue.isEmpty else { return }
        if !headerStarted {
            headerStarted = true
            sawRequestLine = false
            deadline = core.loop.now + core.configuration.headerTimeout
        }
        if !sawRequestLine { sawRequestLine = bytes.readableBytesView.contains(UInt8(ascii: "\n")) }
    }

    /// Whether input is of no interest any more, so that it need not even be parsed.
    var dropsBytes: Bool { phase == .lingering || ignoresInput }

    /// What a peer sends on although it was answered is thrown away for a moment, so that it can read its answer; one that
    /// does not stop is cut off.
    func dropped(_ bytes: Int) {
        droppedBytes += bytes
        let declared = request.isComplete || request.fields.isChunked ? 0 : (request.fields.contentLength ?? 0) - request.received
        if droppedBytes > max(Self.dropLimit, min(declared, Self.declaredDropLimit)) {
            context?.close(promise: nil)
        } else if request.isSent {
            deadline = max(deadline, min(core.loop.now + core.configuration.lingerTimeout, answered + core.configuration.bodyTimeout))
        }
    }

    // MARK: A request

    private func begin(_ head: HTTPRequestHead) {
        sequence += 1
        phase = .receiving
        headerStarted = false
        let now = core.loop.now
        deadline = now + core.configuration.bodyTimeout
        core.statistics.requests += 1
        core.statistics.requestsInFlight += 1
        request = ActiveRequest(
            id: core.newRequestID(), head: head, arrived: now, arrivedMilliseconds: core.milliseconds(),
            keepAlive: head.isKeepAlive && !core.isDraining)
        do throws(Refusal) {
            try accept(head)
        } catch {
            refuse(error)
            return
        }
        if request.fields.expectsContinue, let context {
            context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(staticString: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
        }
    }

    private func receive(_ bytes: ByteBuffer) {
        let count = bytes.readableBytes
        guard request.received + count <= request.maximumBody else {
            refuse(tooLarge())
            return
        }
        guard core.bytes.reserve(count) else {
            refuse(Self.overloaded)
            return
        }
        request.reserved += count
        request.received += count
        bytes.withUnsafeReadableBytes { request.digest?.update($0) }
        // A body that trickles in keeps its time only as long as it keeps the rate.
        deadline =
            request.arrived + core.configuration.bodyTimeout
            + .milliseconds(Int64(request.received) * 1000 / Int64(core.configuration.minimumBodyRate))
        if request.chunks != nil { return receiveChunks(bytes) }
        if request.body == nil {
            if let length = request.fields.contentLength, length > count {
                var body = ByteBuffer()
                body.reserveCapacity(min(length, Self.pipelineLimit))
                body.writeImmutableBuffer(bytes)
                request.body = body
            } else {
                request.body = bytes
            }
        } else {
            request.body?.writeImmutableBuffer(bytes)
        }
    }

    /// Of a body that comes in signed chunks only the data is kept.
    private func receiveChunks(_ bytes: ByteBuffer) {
        var body = request.body ?? ByteBuffer()
        request.body = nil
        do throws(AuthenticationError) {
            try bytes.withUnsafeReadableBytes { raw throws(AuthenticationError) in try request.chunks?.feed(raw) { body.writeBytes($0) } }
            request.body = body
        } catch {
            refuse(Refusal(error))
        }
    }

    private func complete() {
        request.isComplete = true
        phase = .processing
        deadline = .distantFuture
        do throws(Refusal) {
            try authenticate()
            try dispatch()
        } catch {
            refuse(error)
        }
    }

    static let overloaded = Refusal(
        .unavailable, "the server holds as many request bytes as it may: send the request again in a moment", retryAfter: 1)

    func tooLarge() -> Refusal {
        Refusal(
            .requestTooLarge,
            "Request must be smaller than \(request.maximumBody) bytes for the \(request.operation) operation")
    }

    /// Hands the event to the pipeline; `finish` gets the result unless the client has gone.
    func invoke(_ invocation: Invocation, finish: @escaping (ConnectionHandler, Result<InvocationResult, ServiceError>) -> Void) {
        let mine = sequence
        let held = hold(invocation.event.readableBytes)
        let ticket = core.invoker.invoke(invocation) { [self] result in
            core.bytes.release(held)
            guard isCurrent(mine) else { return }
            self.ticket = nil
            finish(self, result)
        }
        if isCurrent(mine) { self.ticket = ticket }
    }

    /// Keeps an event; the client is answered when it is durable.
    func accept(
        _ invocation: Invocation, _ events: any EventAcceptor, finish: @escaping (ConnectionHandler, Result<RequestID, ServiceError>) -> Void
    ) {
        let mine = sequence
        let held = hold(invocation.event.readableBytes)
        events.accept(invocation) { [self] result in
            core.bytes.release(held)
            guard isCurrent(mine) else { return }
            finish(self, result)
        }
    }

    /// Runs a management route off the loop.
    func run(_ route: ControlRoute, _ controlRequest: ControlRequest) {
        let mine = sequence
        let held = hold(controlRequest.body.readableBytes)
        let bound = NIOLoopBound(self, eventLoop: core.loop)
        let loop = core.loop
        let handler = route.handler
        let audit = core.audit.flatMap { keep in Audited(controlRequest, route).map { (keep, $0) } }
        let now = core.wallClock
        task = Task {
            let result: Result<ControlResponse, ServiceError>
            do {
                result = .success(try await handler(controlRequest))
            } catch let error as ServiceError {
                result = .failure(error)
            } catch {
                result = .failure(
                    ServiceError(.internalFailure, "failed to answer \(controlRequest.method) \(controlRequest.path)", underlying: error))
            }
            if let (keep, audited) = audit { await keep(audited.entry(result, time: now())) }
            loop.execute { bound.value.controlFinished(mine, held, route, result) }
        }
    }

    private func controlFinished(_ mine: UInt64, _ held: Int, _ route: ControlRoute, _ result: Result<ControlResponse, ServiceError>) {
        core.endControlRequest(route)
        core.bytes.release(held)
        guard isCurrent(mine) else { return }
        task = nil
        switch result {
        case .success(let response): answer(response)
        case .failure(let error):
            if error.underlying != nil { core.report(error, request.id) }
            refuse(Refusal(error))
        }
    }

    /// Hands an event to the pipeline, whose answer may come in parts: `answer` turns these into what the client reads.
    func invoke(_ make: (ResponseStream) -> Invocation, answer: any StreamedAnswer) {
        let mine = sequence
        let stream = ResponseStream(
            begin: { [self] head in if isCurrent(mine) { answer.begins(head, on: self) } },
            take: { [self] part in if isCurrent(mine) { answer.takes(part, on: self) } })
        request.stream = stream
        invoke(make(stream)) { connection, result in answer.completes(result, on: connection) }
    }

    private func isCurrent(_ mine: UInt64) -> Bool { sequence == mine && phase == .processing }

    /// The body's reservation passes to whoever holds its bytes now, also beyond the connection's end.
    private func hold(_ count: Int) -> Int {
        core.bytes.release(request.reserved)
        request.reserved = 0
        request.body = nil
        core.bytes.add(count)
        return count
    }

    // MARK: Answers

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
    private func refuseConnection(_ refusal: Refusal) {
        sequence += 1
        core.statistics.requestsInFlight += 1
        request = ActiveRequest(
            id: core.newRequestID(), head: HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"), arrived: core.loop.now,
            arrivedMilliseconds: core.milliseconds(), keepAlive: false)
        refuse(refusal, closing: true)
    }

    private func answer(_ response: ControlResponse) {
        var head = startAnswer(response.status)
        for (name, value) in response.headers where !value.utf8.contains(where: { $0 < 0x20 && $0 != 9 }) {
            head.writeString(name)
            head.writeStaticString(": ")
            head.writeString(value)
            head.writeStaticString("\r\n")
        }
        finishAnswer(response.status, &head, body: response.body)
    }

    /// The status line and the fields that every answer has.
    func startAnswer(_ status: Int) -> ByteBuffer {
        var head = ByteBuffer()
        head.reserveCapacity(512)
        switch status {
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
        guard let context else { return }
        if !request.isComplete && !canDiscardRest { request.keepAlive = false }
        if inputClosed && queue.isEmpty || core.isDraining || ignoresInput { request.keepAlive = false }
        let hasBody = status != 204 && status != 304 && status >= 200
        if hasBody {
            head.writeStaticString("Content-Length: ")
            head.writeDecimal(body.readableBytes)
            head.writeStaticString("\r\n")
        }
        if !request.keepAlive {
            head.writeStaticString("Connection: close\r\n")
        } else if request.head.version == .http1_0 {
            head.writeStaticString("Connection: keep-alive\r\n")
        }
        head.writeStaticString("\r\n")
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
        let next = nextPhase()
        phase = next
        if sendsBody, body.readableBytes > Self.joinedBody {
            context.write(Self.wrapOutboundOut(head), promise: nil)
            context.writeAndFlush(Self.wrapOutboundOut(body), promise: promise)
        } else {
            if sendsBody { head.writeImmutableBuffer(body) }
            context.writeAndFlush(Self.wrapOutboundOut(head), promise: promise)
        }
        if phase == .idle { becomeIdle() }
    }

    // MARK: Answers in parts

    /// Sends the head of an answer of which nobody knows yet how long it gets. `writePart` and `finishParts` follow.
    func startParts(_ status: Int, _ head: inout ByteBuffer) {
        guard let context else { return }
        if inputClosed && queue.isEmpty || core.isDraining || ignoresInput { request.keepAlive = false }
        let hasBody = status != 204 && status != 304 && request.head.method != .HEAD
        // HTTP/1.0 knows no chunks: there the end of the connection is the end of the answer.
        if request.head.version == .http1_0 { request.keepAlive = false }
        request.parts = !hasBody ? .dropped : request.head.version == .http1_0 ? .plain : .chunked
        if request.parts == .chunked { head.writeStaticString("Transfer-Encoding: chunked\r\n") }
        if !request.keepAlive { head.writeStaticString("Connection: close\r\n") }
        head.writeStaticString("\r\n")
        request.partsStatus = status
        context.writeAndFlush(Self.wrapOutboundOut(head), promise: nil)
    }

    /// A client that does not keep up holds the function back.
    func writePart(_ bytes: ByteBuffer) {
        guard let context, bytes.readableBytes > 0 else { return }
        switch request.parts {
        case .none, .dropped: return
        case .plain: context.writeAndFlush(Self.wrapOutboundOut(bytes), promise: nil)
        case .chunked:
            let size = ByteBuffer(string: String(bytes.readableBytes, radix: 16) + "\r\n")
            context.write(Self.wrapOutboundOut(size), promise: nil)
            context.write(Self.wrapOutboundOut(bytes), promise: nil)
            context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(staticString: "\r\n")), promise: nil)
        }
        if !context.channel.isWritable { request.stream?.isPaused = true }
    }

    func finishParts() {
        guard let context else { return }
        core.statistics.responses[min(max(request.partsStatus / 100, 0), 5)] += 1
        core.statistics.requestsInFlight -= 1
        request.isActive = false
        request.stream = nil
        let end = request.parts == .chunked ? ByteBuffer(staticString: "0\r\n\r\n") : ByteBuffer()
        let promise = request.keepAlive ? nil : context.eventLoop.makePromise(of: Void.self)
        promise?.futureResult.assumeIsolated().whenComplete { [self] _ in lastAnswerSent() }
        phase = nextPhase()
        context.writeAndFlush(Self.wrapOutboundOut(end), promise: promise)
        if phase == .idle { becomeIdle() }
    }

    /// The end of the connection tells the client that the answer is not complete.
    func breakOff() { context?.close(promise: nil) }

    private var canDiscardRest: Bool {
        let fields = request.fields
        // A client that waits for 100 may or may not send its body after a refusal: nothing tells where it ends.
        guard fields.isParsed, !fields.expectsContinue, !fields.isChunked else { return false }
        return (fields.contentLength ?? 0) - request.received <= Self.discardLimit
    }

    private func nextPhase() -> Phase {
        guard request.keepAlive else {
            dropQueue()
            pendingRefusal = nil
            deadline = core.loop.now + core.configuration.writeTimeout
            return .lingering
        }
        return request.isComplete ? .idle : .discarding
    }

    private func becomeIdle() {
        phase = .idle
        headerStarted = false
        deadline = core.loop.now + core.configuration.idleTimeout
        if core.isClosing, queue.isEmpty {
            context?.close(promise: nil)
            return
        }
        pump()
    }

    /// A close at once could turn into a reset that overtakes the answer; so the sending side is closed first, and the
    /// rest when the peer has closed its own.
    private func lastAnswerSent() {
        guard phase == .lingering, let context else { return }
        request.isSent = true
        answered = core.loop.now
        if inputClosed || core.isClosing {
            context.close(promise: nil)
            return
        }
        deadline = core.loop.now + core.configuration.lingerTimeout
        context.close(mode: .output, promise: nil)
        if readPending {
            readPending = false
            context.read()
        }
    }

    // MARK: Time and end

    func checkDeadlines(_ now: NIODeadline) {
        checkSending(now)
        guard now >= deadline, let context else { return }
        switch phase {
        case .idle where headerStarted:
            core.statistics.timeouts += 1
            refuseConnection(
                Refusal(.requestTimeout, "no complete request header within \(core.configuration.headerTimeout.nanoseconds / 1_000_000_000) s"))
        case .receiving:
            core.statistics.timeouts += 1
            refuse(Refusal(.requestTimeout, "the request body came too slowly"), closing: true)
        case .idle, .discarding, .lingering: context.close(promise: nil)
        case .processing, .closed: break
        }
    }

    private func checkSending(_ now: NIODeadline) {
        guard let unsent, let context else { return }
        let waiting = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? nil
        if let waiting, waiting != unsent.bytes {
            self.unsent = (waiting, now)
            if phase == .lingering { deadline = max(deadline, now + core.configuration.writeTimeout) }
        } else if now >= unsent.since + core.configuration.writeTimeout {
            core.statistics.timeouts += 1
            context.close(promise: nil)
        }
    }

    /// - Parameter awaitsFirst: whether a connection that has not had its first request may still get it: the peer cannot know
    ///   that it has to come again.
    func closeWhenIdle(awaitsFirst: Bool) {
        request.keepAlive = false
        switch phase {
        case .idle where awaitsFirst && sequence == 0: deadline = min(deadline, core.loop.now + core.configuration.lingerTimeout)
        case .idle where queue.isEmpty: context?.close(promise: nil)
        case .discarding: context?.close(promise: nil)
        case .lingering: if request.isSent { context?.close(promise: nil) }
        case .idle, .receiving, .processing, .closed: break
        }
    }

    func cut() { context?.close(promise: nil) }

    /// The drain limit is over.
    func abort() {
        switch phase {
        // What has begun cannot become a refusal any more.
        case .processing where request.parts != .none: breakOff()
        case .processing:
            if let ticket { core.invoker.cancel(ticket) }
            ticket = nil
            task?.cancel()
            task = nil
            refuse(Refusal(.unavailable, "the server is shutting down: send the request again", retryAfter: 1), closing: true)
        case .receiving: refuse(Refusal(.unavailable, "the server is shutting down: send the request again", retryAfter: 1), closing: true)
        case .idle, .discarding, .lingering: context?.close(promise: nil)
        case .closed: break
        }
    }
}

/// What is known of the request that is being received or answered.
struct ActiveRequest {
    enum Target {
        case none
        case health
        case invoke(name: Substring, query: Substring)
        case functionURL(FunctionURLTarget)
        case route(RouteTarget)
        /// What a domain answers by itself.
        case message(status: Int, String)
        /// A browser's question to a function URL or a domain that answers itself.
        case preflight(CORSPolicy, origin: String, status: Int)
        case control(ControlRoute, parameters: [String: String], path: Substring, query: Substring)
    }

    var id = RequestID(high: 0, low: 0)
    var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
    var fields = RequestFields()
    /// What a trusted proxy says of the client.
    var forwarding: Forwarding?
    /// Of the function URL or the domain that is asked.
    var cors: CORSPolicy?
    var arrived = NIODeadline.distantPast
    /// Since 1970.
    var arrivedMilliseconds: Int64 = 0
    var keepAlive = false
    /// Counted as in flight.
    var isActive = false
    /// The body is in to its end.
    var isComplete = false
    /// The last answer has left.
    var isSent = false
    var target = Target.none
    var operation = "HTTP"
    /// Bytes.
    var maximumBody = 0
    /// A domain's: errors look as API Gateway's do.
    var isRouted = false
    var received = 0
    /// Bytes of the budget that this request holds.
    var reserved = 0
    var body: ByteBuffer?
    var digest: PayloadDigest?
    /// Takes the body apart where its sender sends it in chunks.
    var chunks: ChunkedPayload?
    var signature: PendingSignature?
    var caller: Caller?
    /// What the sender's role lets it do; nil for one who is no function.
    var role: RoleSession?
    /// The answer may come in parts.
    var isStreaming = false
    var stream: ResponseStream?
    var parts = Parts.none
    /// HTTP status of an answer in parts.
    var partsStatus = 0

    /// How an answer in parts is framed, once its head has been sent.
    enum Parts {
        case none
        case chunked
        /// Ends with the connection.
        case plain
        /// It has a head alone.
        case dropped
    }

    init() {}

    init(id: RequestID, head: HTTPRequestHead, arrived: NIODeadline, arrivedMilliseconds: Int64, keepAlive: Bool) {
        self.id = id
        self.head = head
        self.arrived = arrived
        self.arrivedMilliseconds = arrivedMilliseconds
        self.keepAlive = keepAlive
        isActive = true
    }
}

struct FunctionURLTarget {
    let record: FunctionRecord
    let url: FunctionURL
    let qualifier: String?
    let path: Substring
    let query: Substring
}

extension Refusal {
    init(parserFault: HTTPParserError, sawRequestLine: Bool) {
        switch parserFault {
        case .headerOverflow where !sawRequestLine: self.init(.uriTooLong, "the request target is too long")
        case .headerOverflow: self.init(.headersTooLarge, "the request header is too large or has too many fields")
        case .invalidVersion: self.init(.versionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        default: self.init(.badRequest, "the request is not valid HTTP/1.1: \(parserFault)")
        }
    }
}

/// Stands before the parser: sees when bytes come, and keeps those away from it that nobody will read.
final class ByteWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: ConnectionHandler

    init(_ connection: ConnectionHandler) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connection.dropsBytes { return connection.dropped(Self.unwrapInboundIn(data).readableBytes) }
        connection.bytesArrived(Self.unwrapInboundIn(data))
        context.fireChannelRead(data)
    }
}
