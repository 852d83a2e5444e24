import FunctionModel
import InvocationPipeline
import NIOCore
import NIOHTTP1

/// One client connection: takes requests one after another, in order, and writes the answers itself. Or one stream of an HTTP/2
/// connection, which has one request.
///
/// Nothing here leaves the event loop but the handlers of management routes. While a request is being answered the
/// socket is read until something comes, and then no further, so what a client can pile up is bounded by one read and the
/// kernel's buffer. Not reading at all would cost each request two system calls to say so.
///
/// A stream shares its socket with others, so what it does not read waits in its channel: at most a window of the stream, and only
/// as long as the connection's socket is read, which `FrameGate` decides.
final class ConnectionHandler: ChannelDuplexHandler, ListedHandler {
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
    static let discardLimit = 64 * 1024
    /// Bytes that are thrown away after the last answer.
    private static let dropLimit = 8 * 1024 * 1024
    /// The same where the header says where the body ends: most clients read their answer only after it.
    private static let declaredDropLimit = 1024 * 1024 * 1024
    private var droppedBytes = 0
    var answered = NIODeadline.distantPast
    /// Bytes of requests behind the current one.
    static let pipelineLimit = 1024 * 1024
    /// Answers from this size on are counted as bytes in flight until they are sent.
    static let accountedAnswer = 64 * 1024
    /// Bodies up to this size leave in one buffer with their header.
    static let joinedBody = 16 * 1024

    let core: GatewayCore
    /// Whose connection it is where it comes out of a function's own network; nil for all others.
    let session: FunctionSession?
    /// The connection whose stream it is; nil for HTTP/1.
    let parent: HTTP2Connection?
    var context: ChannelHandlerContext?
    var isListed = false
    var phase = Phase.idle
    var request = ActiveRequest()

    var sequence: UInt64 = 0
    var deadline = NIODeadline.distantFuture
    var headerStarted = false
    private var sawRequestLine = false
    var inputClosed = false
    var ignoresInput = false
    var readPending = false
    private var isPumping = false
    var queue = CircularBuffer<HTTPServerRequestPart>(initialCapacity: 0)
    private var queuedRequests = 0
    private var queuedBytes = 0
    var pendingRefusal: Refusal?
    var ticket: InvocationTicket?
    var task: Task<Void, Never>?
    var unsent: (bytes: Int, since: NIODeadline)?
    private lazy var cachedPeer: String = context?.channel.remoteAddress?.ipAddress ?? "127.0.0.1"

    init(core: GatewayCore, session: FunctionSession? = nil, parent: HTTP2Connection? = nil) {
        self.core = core
        self.session = session
        self.parent = parent
    }

    /// Of the client: the peer's own, unless that is a proxy that is trusted.
    var clientAddress: String { request.forwarding?.address ?? cachedPeer }

    var peerAddress: String { cachedPeer }

    // MARK: Channel events

    func list() {
        if let parent {
            core.openedStream(self)
            parent.streamOpened()
        } else {
            core.opened(self)
        }
        deadline = core.loop.now + core.configuration.idleTimeout
    }

    func unlist() {
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
        if let parent {
            core.closedStream(self)
            parent.streamClosed()
        } else {
            core.closed(self)
        }
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
            if let next = request.nextPart {
                request.nextPart = nil
                next()
            }
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
        let refusal: Refusal
        switch error {
        case let fault as HTTPParserError: refusal = Refusal(parserFault: fault, sawRequestLine: sawRequestLine)
        case let fault as Refusal: refusal = fault
        default:
            context.close(promise: nil)
            return
        }
        switch phase {
        case .idle where queue.isEmpty: refuseConnection(refusal)
        case .receiving where queue.isEmpty: refuse(refusal, closing: true)
        case .idle, .receiving, .processing: pendingRefusal = refusal
        case .discarding, .lingering, .closed: context.close(promise: nil)
        }
    }

    /// Whether an answer that is written now leaves soon. The channel of a stream that opens while its connection's socket takes
    /// nothing says that it does; it tells the truth, and of the change, from then on.
    var isWritable: Bool { (context?.channel.isWritable ?? false) && (parent?.isWritable ?? true) }

    // MARK: Input

    private var wantsInput: Bool {
        switch phase {
        case .idle, .receiving, .processing, .discarding: queue.isEmpty && !ignoresInput && isWritable
        case .lingering: true
        case .closed: false
        }
    }

    private func canHandle(_ part: HTTPServerRequestPart) -> Bool {
        switch phase {
        case .idle: isWritable
        case .receiving, .discarding: true
        case .processing, .lingering, .closed: false
        }
    }

    private func handle(_ part: HTTPServerRequestPart) {
        switch (part, phase) {
        case (.head(let head), .idle): begin(head)
        case (.body(let bytes), .receiving): receive(bytes)
        case (.end, .receiving): complete()
        case (.end, .discarding): bodyDiscarded()
        default: break
        }
    }

    func pump() {
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

    func dropQueue() {
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
}
