import CChild
import NIOCore

/// Cuts the control stream into messages. The peer is init, whose messages are short.
final class MessageReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let take: (mc_message, ByteBuffer) -> Void
    private var pending = ByteBuffer()

    init(_ take: @escaping (mc_message, ByteBuffer) -> Void) {
        self.take = take
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if pending.readableBytes > 0 {
            pending.writeBuffer(&buffer)
            buffer = pending
            pending = ByteBuffer()
        }
        let size = MemoryLayout<mc_message>.size
        while buffer.readableBytes >= size {
            let head = buffer.withUnsafeReadableBytes { $0.loadUnaligned(as: mc_message.self) }
            guard head.length <= UInt32(MC_MAX_PAYLOAD) else { return context.close(promise: nil) }
            guard buffer.readableBytes >= size + Int(head.length) else { break }
            buffer.moveReaderIndex(forwardBy: size)
            let payload = buffer.readSlice(length: Int(head.length)) ?? ByteBuffer()
            take(head, payload)
        }
        if buffer.readableBytes > 0 { pending = buffer }
    }
}
