import NIOCore
import NIOHTTP1

/// What a subscriber answers to a batch. It runs user code: an answer longer than anybody needs ends the connection.
final class TelemetryAnswers: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let settled: (_ isAccepted: Bool) -> Void
    private let ended: () -> Void
    private var isAccepted = false
    private var taken = 0

    /// Bytes of a body, which is for nobody.
    static let longestAnswer = 64 << 10

    init(settled: @escaping (Bool) -> Void, ended: @escaping () -> Void) {
        self.settled = settled
        self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            isAccepted = head.status.code < 400
            taken = 0
        case .body(let part):
            taken += part.readableBytes
            if taken > Self.longestAnswer { context.close(promise: nil) }
        case .end: settled(isAccepted)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { ended() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// A subscriber that takes lines acknowledges nothing.
final class IgnoredAnswers: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let ended: () -> Void
    private var taken = 0

    init(ended: @escaping () -> Void) { self.ended = ended }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        taken += unwrapInboundIn(data).readableBytes
        if taken > TelemetryAnswers.longestAnswer { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { ended() }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
