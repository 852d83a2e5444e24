import NIOCore

/// Frame types of the worker protocol: 8-byte little-endian header {u32 length, u8 type, u8 flags, u16 extra}, payload.
/// Bit 0 of the flags of an answer: the process ends after it.
enum FrameType: UInt8, Sendable {
    case initialize = 1
    case invoke = 2
    /// Environment variables of one copy, as a JSON object of texts. Only where INIT announces it.
    case variables = 3
    case ready = 16
    case initError = 17
    /// Part of an answer; more follows.
    case chunk = 18
    /// The rest of an answer.
    case end = 19
    case error = 20
    /// The answer is streamed: its media type as text. Chunks, END and ERROR follow.
    case stream = 21
}

enum Frames {
    static let headerSize = 8

    /// An INVOKE frame but for the event, which follows: u32 length of the head, the head as JSON.
    static func writeInvoke(_ head: InvocationHead, eventLength: Int, into buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        var json = JSONText(buffer)
        buffer = ByteBuffer()
        json.buffer.writeRepeatingByte(0, count: headerSize + 4)
        json.object {
            $0.field("requestId", head.requestID)
            $0.field("deadlineMs", Int(head.deadlineMilliseconds))
            $0.field("arn", head.arn)
            $0.field("traceId", head.traceID)
            if let context = head.clientContext { $0.field("clientContext", context) }
            if let tenant = head.tenantID { $0.field("tenantId", tenant) }
            if head.streams { $0.field("responseMode", "streaming") }
        }
        swap(&buffer, &json.buffer)
        let length = buffer.writerIndex - start - headerSize - 4
        buffer.setInteger(UInt32(4 + length + eventLength), at: start, endianness: .little)
        buffer.setInteger(FrameType.invoke.rawValue, at: start + 4)
        buffer.setInteger(UInt32(length), at: start + headerSize, endianness: .little)
    }

    static func write(_ type: FrameType, payloadLength: Int, into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(payloadLength), endianness: .little)
        buffer.writeInteger(type.rawValue)
        buffer.writeInteger(UInt8(0))
        buffer.writeInteger(UInt16(0))
    }
}

/// Cuts a worker's stream into frames. The peer runs user code: what is not a frame, or longer than allowed, ends it.
final class FrameReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// Answers are at most 6 MB; a little more is read so that "too large" can be told from a broken stream.
    static let maximumPayload = 8 << 20

    private let take: (_ type: FrameType, _ payload: ByteBuffer, _ extra: UInt16, _ isLast: Bool) -> Void
    private let readComplete: () -> Void
    private let ended: (_ violation: Bool) -> Void
    private var pending = ByteBuffer()
    private var isOver = false

    /// - Parameter readComplete: after all frames of one read were taken.
    init(
        take: @escaping (FrameType, ByteBuffer, UInt16, Bool) -> Void, readComplete: @escaping () -> Void = {}, ended: @escaping (Bool) -> Void
    ) {
        self.take = take
        self.readComplete = readComplete
        self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var buffer = unwrapInboundIn(data)
        if pending.readableBytes > 0 {
            pending.writeBuffer(&buffer)
            swap(&pending, &buffer)
            pending = ByteBuffer()
        }
        while buffer.readableBytes >= Frames.headerSize {
            let at = buffer.readerIndex
            guard let length: UInt32 = buffer.getInteger(at: at, endianness: .little), let code: UInt8 = buffer.getInteger(at: at + 4),
                let flags: UInt8 = buffer.getInteger(at: at + 5),
                let extra: UInt16 = buffer.getInteger(at: at + 6, endianness: .little),
                length <= UInt32(Self.maximumPayload), let type = FrameType(rawValue: code), code >= FrameType.ready.rawValue
            else { return finish(context, violation: true) }
            guard buffer.readableBytes >= Frames.headerSize + Int(length) else {
                buffer.reserveCapacity(Frames.headerSize + Int(length))
                break
            }
            buffer.moveReaderIndex(forwardBy: Frames.headerSize)
            guard let payload = buffer.readSlice(length: Int(length)) else { return finish(context, violation: true) }
            take(type, payload, extra, flags & 1 != 0)
            if isOver { return }
        }
        if buffer.readableBytes > 0 { pending = buffer }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !isOver { readComplete() }
    }

    func channelInactive(context: ChannelHandlerContext) { finish(context, violation: false) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { finish(context, violation: false) }

    private func finish(_ context: ChannelHandlerContext, violation: Bool) {
        guard !isOver else { return }
        isOver = true
        pending = ByteBuffer()
        context.close(promise: nil)
        ended(violation)
    }
}
