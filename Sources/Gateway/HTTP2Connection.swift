import NIOCore
import NIOHTTP2

/// One HTTP/2 connection: what belongs to no single stream. Each stream is a channel of its own with a `ConnectionHandler`.
///
/// Frames, header compression and flow control are the library's, with the bounds of `configuration(_:)`. Here is how long a
/// connection lives and how it ends (RFC 9113 §6.8): a first GOAWAY asks the peer for no more streams, and those that cross it
/// are taken. The PING behind it comes back when the peer knows; a second GOAWAY then names the last stream that was taken, and
/// the connection closes behind the last answer.
///
/// The library knows of none of these: once it has sent a GOAWAY it ignores the header of a new stream and takes the body behind
/// it for a fault of the connection, with which all other streams would end. So what comes too late is refused here, one by one.
final class HTTP2Connection: ListedHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private enum Phase {
        case open
        /// The peer has been asked for no more streams; those that were on their way are taken.
        case leaving
        /// No stream is taken any more, and those that are there get their answers.
        case left
        /// All is written but perhaps not sent.
        case finishing
        case closed
    }

    private static let farewell = HTTP2PingData(withInteger: 0x6d61_7274_6c65_7421)

    private let core: GatewayCore
    private let gate: FrameGate
    var context: ChannelHandlerContext?
    var isListed = false
    private var phase = Phase.open
    private var streams = 0
    /// Of those that were taken.
    private var lastStreamID = HTTP2StreamID.rootStream
    private var deadline: NIODeadline
    /// The library has ended the connection for a fault of the peer.
    private var isFaulty = false
    private var unsent: (bytes: Int, since: NIODeadline)?

    private init(core: GatewayCore) {
        self.core = core
        gate = FrameGate(allowance: core.configuration.maximumControlFrames)
        deadline = core.loop.now + core.configuration.idleTimeout
    }

    /// Adds the handlers to a channel on which HTTP/2 was agreed.
    static func configure(_ channel: any Channel, core: GatewayCore) throws -> HTTP2Connection {
        let connection = HTTP2Connection(core: core)
        let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(connection.gate)
        // The sequence of new streams is not read, so it ends here; they are configured as they come.
        _ = try pipeline.configureAsyncHTTP2Pipeline(
            mode: .server, streamDelegate: nil, frameDelegate: connection, configuration: configuration(core.configuration)
        ) { stream in
            stream.eventLoop.makeCompletedFuture { try bound.value.configure(stream) }
        }
        try pipeline.addHandler(connection)
        return connection
    }

    private static func configuration(_ own: GatewayConfiguration) -> NIOHTTP2Handler.Configuration {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: own.maximumStreams),
            // Fields count 32 bytes more here than in HTTP/1; what is too long by its measure is to get an answer.
            HTTP2Setting(parameter: .maxHeaderListSize, value: own.maximumHeaderLength * 2),
            HTTP2Setting(parameter: .initialWindowSize, value: own.streamWindow),
        ]
        connection.targetWindowSize = own.connectionWindow
        connection.maximumSequentialContinuationFrames = own.maximumContinuationFrames
        connection.maximumSequentialEmptyDataFrames = own.maximumEmptyFrames
        connection.controlFrameRateLimit.maximumCount = own.maximumControlFrames
        connection.maximumBufferedControlFrames = own.maximumControlFrames
        connection.maximumConnectionGlitches = own.maximumResets
        // What is still on its way to a stream that was reset is no fault while the reset is remembered.
        connection.maximumRecentlyResetStreams = own.maximumStreams * 2
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = own.streamWindow
        stream.outboundBufferSizeHighWatermark = 64 * 1024
        stream.outboundBufferSizeLowWatermark = 32 * 1024
        stream.streamResetFrameRateLimit.maximumCount = own.maximumResets
        stream.streamErrorRateLimit.maximumCount = own.maximumResets
        return NIOHTTP2Handler.Configuration(connection: connection, stream: stream)
    }

    // MARK: Streams

    /// Whether bytes that are written now leave soon; while they do not, no stream can be blamed for it.
    var isWritable: Bool { context?.channel.isWritable ?? false }

    private func configure(_ stream: any Channel) throws {
        guard phase == .open || phase == .leaving, core.hasRoomForStream else {
            core.statistics.refusedStreams += 1
            try stream.pipeline.syncOperations.addHandler(StreamRefusal())
            return
        }
        if let id = try stream.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID) { lastStreamID = max(lastStreamID, id) }
        try stream.pipeline.syncOperations.addHandlers(
            HTTP2RequestDecoder(core.configuration), ConnectionHandler(core: core, parent: self))
    }

    func streamOpened() {
        streams += 1
        if phase == .open { deadline = .distantFuture }
    }

    func streamClosed() {
        streams -= 1
        guard streams == 0 else { return }
        switch phase {
        case .open: deadline = core.loop.now + core.configuration.idleTimeout
        case .left:
            // The library is still busy with the frame that closed the stream.
            let bound = NIOLoopBound(self, eventLoop: core.loop)
            core.loop.execute { bound.value.finish() }
        // A stream may still be on its way.
        case .leaving, .finishing, .closed: break
        }
    }

    // MARK: Channel events

    func list() { core.opened(self) }

    func unlist() {
        phase = .closed
        core.closed(self)
    }

    /// Frames of the connection itself.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data).payload {
        case .ping(let data, ack: true): if data == Self.farewell { takeNoMore() }
        case .goAway: leave()
        default: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unsent = context.channel.isWritable ? nil : (Int.max, core.loop.now)
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        // The peer may have closed only its sending side: what it has asked is answered.
        if phase == .open || phase == .leaving { phase = .left }
        if streams == 0 { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case _ where isFaulty: shut()
        // A header that was not sent although the library counts it as sent: from now on the ends mean different fields by an index.
        case is NIOHTTP2Errors.UnableToSerializeFrame, is NIOHTTP2Errors.IOOnClosedConnection: shut()
        // A stream's, which the library resets or whose channel it tells.
        case is any NIOHTTP2Error: break
        default: context.close(promise: nil)
        }
    }

    // MARK: Ending

    /// Asks the peer for no more streams; the connection ends when those that are there and those that cross this have ended.
    func leave() {
        guard phase == .open, let context else { return }
        phase = .leaving
        deadline = core.loop.now + core.configuration.lingerTimeout
        gate.sendGoAway(.maxID)
        context.writeAndFlush(Self.wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: .ping(Self.farewell, ack: false))), promise: nil)
    }

    private func takeNoMore() {
        guard phase == .leaving else { return }
        phase = .left
        if streams == 0 { return finish() }
        gate.sendGoAway(lastStreamID)
    }

    private func finish() {
        guard phase == .left, streams == 0, let context else { return }
        phase = .finishing
        deadline = core.loop.now + core.configuration.writeTimeout
        // When this frame has been sent, so has every answer before it, which a close at once would drop.
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in self.context?.close(promise: nil) }
        gate.sendGoAway(lastStreamID, promise: promise)
    }

    /// What still comes is not looked at.
    private func shut() {
        gate.shut()
        // The library may have written why, but not sent it yet.
        context?.flush()
        context?.close(promise: nil)
    }
}

extension HTTP2Connection: NIOHTTP2FrameDelegate {
    func wroteFrame(_ frame: HTTP2Frame) {
        switch frame.payload {
        // The library reports faults of streams and of the connection alike; only the latter make it write this.
        case .goAway: isFaulty = true
        // Also an answer without a body: clients widen a stream's window when they begin it.
        case .headers: gate.sent(0)
        case .data(let part): gate.sent(part.data.readableBytes)
        default: break
        }
    }
}

extension HTTP2Connection: GatewayConnection {
    var isOfFunction: Bool { false }

    func checkDeadlines(_ now: NIODeadline) {
        checkSending(now)
        gate.renewAllowance(now)
        guard now >= deadline else { return }
        switch phase {
        case .open: leave()
        case .leaving: takeNoMore()
        case .finishing: shut()
        case .left, .closed: break
        }
    }

    private func checkSending(_ now: NIODeadline) {
        guard let unsent, let context else { return }
        let waiting = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? nil
        if let waiting, waiting != unsent.bytes {
            self.unsent = (waiting, now)
        } else if now >= unsent.since + core.configuration.writeTimeout {
            core.statistics.timeouts += 1
            shut()
        }
    }

    func closeWhenIdle(awaitsFirst: Bool) {
        guard awaitsFirst, phase == .open, lastStreamID == .rootStream else { return leave() }
        deadline = min(deadline, core.loop.now + core.configuration.lingerTimeout)
    }

    func abort() {
        leave()
        takeNoMore()
    }

    func cut() { shut() }
}

/// A stream that is not taken: nothing of it was looked at, so it can be sent again.
private final class StreamRefusal: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(Self.wrapOutboundOut(.rstStream(.refusedStream)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
