import NIOCore
import NIOHTTP1
import NIOPosix

/// Lambda's Runtime API 2018-06-01 for one environment, on a socket inside its network namespace. Confined to the loop.
///
/// Source: Lambda Developer Guide, "Using the Lambda runtime API".
final class RuntimeAPIServer {
    struct Handlers {
        let ready: () -> Void
        let initError: (ByteBuffer) -> Void
        /// The answer is streamed, with this media type. Returns whether the parts are wanted; else the answer is taken as a whole.
        let streams: (String) -> Bool
        let streamed: (ByteBuffer) -> Void
        let answered: (ByteBuffer, _ isError: Bool) -> Void
        /// The program keeps this process busier than any honest one would.
        let misused: () -> Void
    }

    private let handlers: Handlers
    private var server: (any Channel)?
    private var connections: [ObjectIdentifier: any Channel] = [:]
    private var isClosed = false
    private var wasReady = false
    /// Handed out and not answered.
    private var current: InvocationHead?
    /// The answer to it is being streamed on this connection.
    private weak var streaming: RuntimeAPIConnection?
    /// Waiting to be fetched.
    private var next: (InvocationHead, ByteBuffer)?
    /// The connection that asked for the next invocation.
    private weak var asking: RuntimeAPIConnection?

    /// A bootstrap needs one connection, two while it reconnects; more are refused.
    private static let maximumConnections = 8
    /// Connections and requests in one second or invocation; an honest program makes a handful for each invocation.
    private static let maximumActs = 1000
    private var acts = 0
    private var secondBegan = NIODeadline.now()
    /// Of request bodies that are not complete, over all connections.
    private var heldBytes = 0

    init(listener: Int32, loop: any EventLoop, handlers: Handlers) {
        self.handlers = handlers
        let me = NIOLoopBound(self, eventLoop: loop)
        ServerBootstrap(group: loop)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let sync = channel.pipeline.syncOperations
                    // Who asks without reading the answers is not read from, so that they cannot pile up here.
                    try sync.addHandler(BackPressureHandler())
                    try sync.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: true)
                    try sync.addHandler(RuntimeAPIConnection(server: me.value))
                    me.value.opened(channel)
                }
            }
            .withBoundSocket(listener)
            .whenSuccess { channel in
                if me.value.isClosed { channel.close(promise: nil) } else { me.value.server = channel }
            }
    }

    fileprivate func act() {
        let now = NIODeadline.now()
        if now - secondBegan > .seconds(1) {
            secondBegan = now
            acts = 0
        }
        acts += 1
        guard acts > Self.maximumActs, !isClosed else { return }
        close()
        handlers.misused()
    }

    /// False when the bodies under way are more than one answer may be.
    fileprivate func hold(_ bytes: Int) -> Bool {
        guard heldBytes + bytes <= FrameReader.maximumPayload else { return false }
        heldBytes += bytes
        return true
    }

    fileprivate func letGo(_ bytes: Int) { heldBytes -= bytes }

    private func opened(_ channel: any Channel) {
        act()
        guard !isClosed, connections.count < Self.maximumConnections else { return channel.close(promise: nil) }
        let id = ObjectIdentifier(channel)
        connections[id] = channel
        let me = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.closeFuture.whenComplete { _ in me.value.connections[id] = nil }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        server?.close(promise: nil)
        for channel in connections.values { channel.close(promise: nil) }
    }

    func invoke(_ invocation: InvocationHead, event: ByteBuffer) {
        acts = 0
        next = (invocation, event)
        if let asking { hand(to: asking) }
    }

    /// Holds back the program that streams its answer, or lets it go on.
    func setPaused(_ isPaused: Bool) { streaming?.setPaused(isPaused) }

    /// Whether the parts of this answer are wanted as they come.
    fileprivate func beginsStream(_ path: Substring, contentType: String, on connection: RuntimeAPIConnection) -> Bool {
        guard let current, streaming == nil, path == "/runtime/invocation/\(current.requestID)/response" else { return false }
        streaming = connection
        if handlers.streams(contentType) { return true }
        streaming = nil
        return false
    }

    fileprivate func streamed(_ part: ByteBuffer) { handlers.streamed(part) }

    /// - Parameter failure: what the trailers told, or that the body broke off.
    fileprivate func streamEnded(_ connection: RuntimeAPIConnection, failure: ByteBuffer?) {
        guard streaming === connection else { return }
        streaming = nil
        current = nil
        handlers.answered(failure ?? ByteBuffer(), failure != nil)
    }

    fileprivate func asksNext(_ connection: RuntimeAPIConnection) {
        asking = connection
        // Asking again without an answer gives the answer up: the time limit ends such an invocation.
        if !wasReady {
            wasReady = true
            handlers.ready()
        }
        hand(to: connection)
    }

    private func hand(to connection: RuntimeAPIConnection) {
        guard let (invocation, event) = next else { return }
        next = nil
        asking = nil
        current = invocation
        var headers: HTTPHeaders = [
            "Content-Type": "application/json", "Lambda-Runtime-Aws-Request-Id": invocation.requestID.description,
            "Lambda-Runtime-Deadline-Ms": "\(invocation.deadlineMilliseconds)", "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
            "Lambda-Runtime-Trace-Id": invocation.traceID,
        ]
        if let context = invocation.clientContext { headers.add(name: "Lambda-Runtime-Client-Context", value: context) }
        if let tenant = invocation.tenantID { headers.add(name: "Lambda-Runtime-Aws-Tenant-Id", value: tenant) }
        connection.respond(.ok, headers, event)
    }

    /// A streamed answer that was taken as a whole and whose trailers say that it failed.
    fileprivate func failed(_ path: Substring, payload: ByteBuffer, from connection: RuntimeAPIConnection) {
        guard let current, path == "/runtime/invocation/\(current.requestID)/response" else {
            return connection.refuse(.badRequest, "InvalidRequestID", "Invalid request ID")
        }
        self.current = nil
        connection.accepted()
        handlers.answered(payload, true)
    }

    fileprivate func posted(_ path: Substring, body: ByteBuffer, from connection: RuntimeAPIConnection) {
        let parts = path.split(separator: "/")
        if parts == ["runtime", "init", "error"] || parts == ["runtime", "restore", "error"] {
            connection.accepted()
            return handlers.initError(body)
        }
        guard parts.count == 4, parts[0] == "runtime", parts[1] == "invocation", parts[3] == "response" || parts[3] == "error" else {
            return connection.refuse(.notFound, "NotFound", "no such path")
        }
        guard let current, current.requestID.description == parts[2] else {
            return connection.refuse(.badRequest, "InvalidRequestID", "Invalid request ID")
        }
        self.current = nil
        connection.accepted()
        handlers.answered(body, parts[3] == "error")
    }
}

private final class RuntimeAPIConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: RuntimeAPIServer
    private var context: ChannelHandlerContext?
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var isTooLarge = false
    /// The body is an answer whose parts go on as they come.
    private var isStreaming = false

    init(server: RuntimeAPIServer) { self.server = server }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) {
        if isStreaming { endStream(RuntimeStreamFailure.truncated) }
        self.context = nil
        server.letGo(body.readableBytes)
        body = ByteBuffer()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            server.act()
            self.head = head
            isTooLarge = false
            // curl would wait a second for this before it sends a large answer.
            if head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" }) {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
            }
            isStreaming = begins(head)
        case .body(let part) where isStreaming: server.streamed(part)
        case .body(var part):
            guard !isTooLarge, server.hold(part.readableBytes) else {
                isTooLarge = true
                return
            }
            if body.readableBytes == 0 { body = part } else { body.writeBuffer(&part) }
        case .end(let trailers) where isStreaming:
            head = nil
            accepted()
            endStream(RuntimeStreamFailure.payload(trailers))
        case .end(let trailers):
            guard let head else { return }
            self.head = nil
            let body = self.body
            self.body = ByteBuffer()
            server.letGo(body.readableBytes)
            let prefix = "/2018-06-01"
            guard head.uri.hasPrefix(prefix) else { return refuse(.notFound, "NotFound", "no such path") }
            let path = head.uri.dropFirst(prefix.count)
            switch (head.method, path) {
            case (.GET, "/runtime/invocation/next"): server.asksNext(self)
            case (.GET, "/runtime/restore/next"):
                // Only a runtime that was told `snap-start` as its initialization type may ask, and none is.
                refuse(.forbidden, "InvalidStateTransition", "this environment is not restored from a snapshot")
            case (.POST, _) where Self.streams(head) && RuntimeStreamFailure.payload(trailers) != nil:
                server.failed(path, payload: RuntimeStreamFailure.payload(trailers) ?? ByteBuffer(), from: self)
            // Whatever is beyond the limit is answered as too large by who reads the answer's size.
            case (.POST, _): server.posted(path, body: isTooLarge ? ByteBuffer(repeating: 0x20, count: FrameReader.maximumPayload) : body, from: self)
            default: refuse(.methodNotAllowed, "MethodNotAllowed", "method not allowed")
            }
        }
    }

    // MARK: Streamed answers

    private static func streams(_ head: HTTPRequestHead) -> Bool {
        head.headers["lambda-runtime-function-response-mode"].contains { $0.lowercased() == "streaming" }
    }

    private func begins(_ head: HTTPRequestHead) -> Bool {
        let prefix = "/2018-06-01"
        guard head.method == .POST, head.uri.hasPrefix(prefix), Self.streams(head) else { return false }
        let type = head.headers.first(name: "content-type") ?? "application/octet-stream"
        return server.beginsStream(head.uri.dropFirst(prefix.count), contentType: type, on: self)
    }

    private func endStream(_ failure: ByteBuffer?) {
        isStreaming = false
        setPaused(false)
        server.streamEnded(self, failure: failure)
    }

    func setPaused(_ isPaused: Bool) {
        guard let context else { return }
        try? context.channel.syncOptions?.setOption(.autoRead, value: !isPaused)
    }

    func respond(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ body: ByteBuffer) {
        guard let context else { return }
        var headers = headers
        headers.add(name: "Content-Length", value: "\(body.readableBytes)")
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if body.readableBytes > 0 { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func accepted() { respond(.accepted, ["Content-Type": "application/json"], ByteBuffer(string: #"{"status":"OK"}"#)) }

    func refuse(_ status: HTTPResponseStatus, _ type: String, _ message: String) {
        respond(status, ["Content-Type": "application/json"], ByteBuffer(string: #"{"errorMessage":"\#(message)","errorType":"\#(type)"}"#))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
