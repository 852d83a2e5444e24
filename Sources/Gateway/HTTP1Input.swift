import LambdaAPI
import NIOCore
import NIOHTTP1

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
