import NIOCore

/// A handler that the server counts among its connections or streams for as long as its channel is active.
protocol ListedHandler: ChannelInboundHandler {
    var context: ChannelHandlerContext? { get set }
    var isListed: Bool { get set }
    /// The channel is active. Called once.
    func list()
    /// The channel or the handler has gone. Called once after `list`.
    func unlist()
}

extension ListedHandler {
    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { opened() }
    }

    func channelActive(context: ChannelHandlerContext) {
        opened()
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ended()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    private func opened() {
        guard !isListed else { return }
        isListed = true
        list()
    }

    private func ended() {
        guard isListed else { return }
        isListed = false
        unlist()
    }
}
