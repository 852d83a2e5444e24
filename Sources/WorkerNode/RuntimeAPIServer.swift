import NIOCore
import NIOHTTP1
import NIOPosix

/// Lambda's Runtime API 2018-06-01, and the APIs of extensions, for one environment, on a socket inside its network namespace. Confined to the loop.
///
/// Source: Lambda Developer Guide, "Using the Lambda runtime API".
final class RuntimeAPIServer {
    struct Handlers {
        let ready: () -> Void
        /// The runtime asks for an invocation: whatever it did for the last one is done.
        let atRest: () -> Void
        let initError: (ByteBuffer) -> Void
        /// The answer is streamed, with this media type. Returns whether the parts are wanted; else the answer is taken as a whole.
        let streams: (String) -> Bool
        let streamed: (ByteBuffer) -> Void
        let answered: (ByteBuffer, _ isError: Bool) -> Void
        /// The program keeps this process busier than any honest one would.
        let misused: () -> Void
    }

    private let handlers: Handlers
    let extensions: EnvironmentExtensions
    /// The runtime is a program that speaks this API.
    let servesRuntime: Bool
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

    /// A bootstrap and each of ten extensions need one connection that waits, and one to say something meanwhile; more are
    /// refused.
    private static let maximumConnections = 24
    /// Connections and requests in one second or invocation; an honest program makes a handful for each invocation.
    private static let maximumActs = 1000
    /// Clients send the cause of an error in a field of up to 1 MB, `Lambda-Runtime-Function-XRay-Error-Cause`, with the stack and
    /// the whole message in it. All fields together keep the library's limit of 2 MB.
    private static let headerLimits: NIOHTTPDecoderLimitConfiguration = {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = (1 << 20) + 256
        return limits
    }()
    private var acts = 0
    private var secondBegan = NIODeadline.now()
    /// Of request bodies that are not complete, over all connections.
    private var heldBytes = 0

    init(listener: Int32, loop: any EventLoop, extensions: EnvironmentExtensions, servesRuntime: Bool, handlers: Handlers) {
        self.handlers = handlers
        self.extensions = extensions
        self.servesRuntime = servesRuntime
        let me = NIOLoopBound(self, eventLoop: loop)
        ServerBootstrap(group: loop)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let sync = channel.pipeline.syncOperations
                    // Who asks without reading the answers is not read from, so that they cannot pile up here.
                    try sync.addHandler(BackPressureHandler())
                    try sync.configureHTTPServerPipeline(
                        withPipeliningAssistance: false, withEncoderConfiguration: .init(), withDecoderLimitConfiguration: Self.headerLimits)
                    try sync.addHandler(RuntimeAPIConnection(server: me.value))
                    me.value.opened(channel)
                }
            }
            .withBoundSocket(listener)
            .whenSuccess { channel in
                if me.value.isClosed { channel.close(promise: nil) } else { me.value.server = channel }
            }
    }

    func act() {
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
    func hold(_ bytes: Int) -> Bool {
        guard heldBytes + bytes <= FrameReader.maximumPayload else { return false }
        heldBytes += bytes
        return true
    }

    func letGo(_ bytes: Int) { heldBytes -= bytes }

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
    func beginsStream(_ path: Substring, contentType: String, on connection: RuntimeAPIConnection) -> Bool {
        guard let current, streaming == nil, path == "/runtime/invocation/\(current.requestID)/response" else { return false }
        streaming = connection
        if handlers.streams(contentType) { return true }
        streaming = nil
        return false
    }

    func streamed(_ part: ByteBuffer) { handlers.streamed(part) }

    /// - Parameter failure: what the trailers told, or that the body broke off.
    func streamEnded(_ connection: RuntimeAPIConnection, failure: ByteBuffer?) {
        guard streaming === connection else { return }
        streaming = nil
        current = nil
        handlers.answered(failure ?? ByteBuffer(), failure != nil)
    }

    /// The runtime has not asked for an invocation since the last one: it may still work, also after its answer.
    var isRuntimeAtWork: Bool { servesRuntime && !(asking?.isOpen ?? false) }

    func asksNext(_ connection: RuntimeAPIConnection) {
        asking = connection
        // Asking again without an answer gives the answer up: the time limit ends such an invocation.
        if !wasReady {
            wasReady = true
            handlers.ready()
        }
        hand(to: connection)
        handlers.atRest()
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

    /// An answer that was taken as a whole and whose trailers say that it failed.
    func failed(_ path: Substring, payload: ByteBuffer, from connection: RuntimeAPIConnection) {
        guard let current, path == "/runtime/invocation/\(current.requestID)/response" else {
            return connection.refuse(.badRequest, "InvalidRequestID", "Invalid request ID")
        }
        self.current = nil
        connection.accepted()
        handlers.answered(payload, true)
    }

    func posted(_ path: Substring, body: ByteBuffer, from connection: RuntimeAPIConnection) {
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
