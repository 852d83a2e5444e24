import NIOCore
import NIOTLS

/// A connection with TLS up to the end of its handshake, which says what is spoken on it (ALPN): HTTP/2 where the peer offers
/// it, and HTTP/1.1 for everybody else.
final class ProtocolNegotiation: ListedHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let core: GatewayCore
    var context: ChannelHandlerContext?
    var isListed = false
    private var deadline = NIODeadline.distantFuture
    private var isClosing = false

    init(core: GatewayCore) { self.core = core }

    func list() {
        deadline = core.loop.now + core.configuration.handshakeTimeout
        core.opened(self)
    }

    func unlist() { core.closed(self) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { return context.close(promise: nil) }
        if case TLSUserEvent.handshakeCompleted(let negotiated)? = event as? TLSUserEvent { settle(negotiated, context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func settle(_ negotiated: String?, _ context: ChannelHandlerContext) {
        do {
            let connection: any GatewayConnection =
                negotiated == "h2"
                ? try HTTP2Connection.configure(context.channel, core: core) : try GatewayServer.configureHTTP1(context.channel, core: core)
            if isClosing { connection.closeWhenIdle(awaitsFirst: true) }
            // After the other is listed: no moment without a connection.
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

extension ProtocolNegotiation: GatewayConnection {
    var isOfFunction: Bool { false }

    func checkDeadlines(_ now: NIODeadline) {
        guard now >= deadline else { return }
        core.statistics.timeouts += 1
        cut()
    }

    func closeWhenIdle(awaitsFirst: Bool) {
        guard awaitsFirst else { return cut() }
        isClosing = true
        deadline = min(deadline, core.loop.now + core.configuration.lingerTimeout)
    }

    func abort() { cut() }

    func cut() { context?.close(promise: nil) }
}
