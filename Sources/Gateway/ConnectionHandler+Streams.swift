import NIOCore
import NIOHPACK
import NIOHTTP2

/// Answers as the frames of an HTTP/2 stream. A stream has one request; when both sides have ended, its channel closes by itself.
extension ConnectionHandler {
    /// Bytes of a DATA frame: what every peer takes, and the step in which one that reads slowly is seen to read at all.
    private static let frameLength = 16 * 1024

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
