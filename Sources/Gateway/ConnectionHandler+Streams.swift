import FunctionModel
import NIOCore
import NIOHPACK
import NIOHTTP2

/// Answers as the frames of an HTTP/2 stream. A stream has one request; when both sides have ended, its channel closes by itself.
extension ConnectionHandler {
    /// Bytes of a DATA frame: what every peer takes, and the step in which one that reads slowly is seen to read at all.
    private static let frameLength = 16 * 1024

    /// Bytes of a header in its compressed form: the library sends one in one frame, and this is what every peer takes.
    static let maximumHeaderBlock = 16 * 1024
    /// Bytes of lines that fit in, however badly they compress: the longest code of a byte has 30 bits.
    private static let surelyFitting = 4096
    /// The peer's say on the size of its table, which goes before a header.
    private static let tableSizeLength = 64

    /// Why a stream's header cannot be sent; nil where it can. Asked before anything is sent: the library finds out when it has
    /// counted the header as sent, and then the connection is of no use any more.
    private func headerFault(_ status: Int, _ fields: ByteBuffer) -> String? {
        guard parent != nil, fields.readableBytes > Self.surelyFitting else { return nil }
        // With no table a header takes no less than with what the connection's has by now, and the same each time.
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator(), maxDynamicTableSize: 0)
        var block = ByteBuffer()
        do {
            try encoder.encode(headers: HPACKHeaders(status: status, fields: fields), to: &block)
        } catch {
            return "the answer's headers cannot be packed for HTTP/2: \(error)"
        }
        guard block.readableBytes > Self.maximumHeaderBlock - Self.tableSizeLength else { return nil }
        return "the answer's headers take more than the \(Self.maximumHeaderBlock) bytes that HTTP/2 has for them: make them shorter or ask with HTTP/1.1"
    }

    /// Answers otherwise where the header is one that a stream cannot have.
    /// - Returns: whether it did.
    func refusesHeader(_ status: Int, _ fields: ByteBuffer) -> Bool {
        guard let reason = headerFault(status, fields) else { return false }
        // The fields for web pages may be what is too long.
        request.cors = nil
        switch request.target {
        case _ where request.isRouted: answerRouteFault(502, reason: reason)
        case .functionURL, .preflight: answerBadGateway(reason: reason)
        case .none, .health, .invoke, .route, .message, .control: refuse(Refusal(ServiceError(.internalFailure, reason)))
        }
        return true
    }

    func sendStreamContinue() {
        send(.headers(.init(headers: [":status": "100"])))
        context?.flush()
    }

    /// - Parameters:
    ///   - fields: complete lines, as HTTP/1 has them.
    ///   - promise: for the last frame.
    func sendStreamAnswer(_ status: Int, _ fields: ByteBuffer, body: ByteBuffer?, promise: EventLoopPromise<Void>?) {
        let headers = HPACKHeaders(status: status, fields: fields)
        if let body {
            send(.headers(.init(headers: headers)))
            sendData(body, isLast: true, promise: promise)
        } else {
            send(.headers(.init(headers: headers, endStream: true)), promise: promise)
        }
        context?.flush()
    }

    func startStreamParts(_ status: Int, _ fields: ByteBuffer) {
        // Also without a body the end comes with the function's: the end of a stream is the end of what runs for it.
        send(.headers(.init(headers: HPACKHeaders(status: status, fields: fields))))
        context?.flush()
    }

    func sendStreamPart(_ bytes: ByteBuffer) {
        sendData(bytes, isLast: false)
        context?.flush()
    }

    func finishStreamParts(_ promise: EventLoopPromise<Void>?) {
        send(.data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)), promise: promise)
        context?.flush()
    }

    private func sendData(_ bytes: ByteBuffer, isLast: Bool, promise: EventLoopPromise<Void>? = nil) {
        var rest = bytes
        while let piece = rest.readSlice(length: min(rest.readableBytes, Self.frameLength)), piece.readableBytes > 0 {
            let ends = isLast && rest.readableBytes == 0
            send(.data(.init(data: .byteBuffer(piece), endStream: ends)), promise: ends ? promise : progress())
        }
    }

    private func send(_ payload: HTTP2Frame.FramePayload, promise: EventLoopPromise<Void>? = nil) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(NIOAny(payload), promise: promise)
    }

    // MARK: Time and end

    private func progress() -> EventLoopPromise<Void>? {
        guard let promise = context?.eventLoop.makePromise(of: Void.self) else { return nil }
        promise.futureResult.assumeIsolated().whenSuccess { [self] in progressed(core.loop.now) }
        return promise
    }

    private func progressed(_ now: NIODeadline) {
        if unsent != nil { unsent = (Int.max, now) }
        if phase == .lingering { deadline = max(deadline, now + core.configuration.writeTimeout) }
    }

    /// A channel of a stream does not say how much of it waits.
    func checkStreamSending(_ now: NIODeadline, since: NIODeadline, _ parent: HTTP2Connection) {
        // While nothing leaves the connection, its own limit counts.
        guard parent.isWritable else { return progressed(now) }
        guard now >= since + core.configuration.writeTimeout else { return }
        core.statistics.timeouts += 1
        context?.close(promise: nil)
    }

    func nextStreamPhase() -> Phase {
        dropQueue()
        pendingRefusal = nil
        deadline = core.loop.now + core.configuration.writeTimeout
        if core.isDraining { parent?.leave() }
        return request.isComplete || !canDiscardRest ? .lingering : .discarding
    }

    /// The rest of a request that has its answer already is of no use (RFC 9113 §8.1).
    func streamAnswered() {
        guard !request.isComplete else { return }
        send(.rstStream(.noError))
        context?.flush()
    }
}

extension HPACKHeaders {
    /// - Parameter fields: lines `Name: value`, each closed by CR LF.
    init(status: Int, fields: ByteBuffer) {
        self.init([(":status", String(status))])
        for line in fields.readableBytesView.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            var value = line[line.index(after: colon)...]
            while let first = value.first, Self.isSpace(first) { value = value.dropFirst() }
            while let last = value.last, Self.isSpace(last) { value = value.dropLast() }
            add(name: String(decoding: line[..<colon], as: UTF8.self).lowercased(), value: String(decoding: value, as: UTF8.self))
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r") }
}
