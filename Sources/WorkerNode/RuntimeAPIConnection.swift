import NIOCore
import NIOHTTP1

/// One connection of an environment's processes to their Runtime API.
final class RuntimeAPIConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: RuntimeAPIServer
    private var context: ChannelHandlerContext?
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var isTooLarge = false
    /// The body is an answer whose parts go on as they come.
    private var isStreaming = false

    init(server: RuntimeAPIServer) { self.server = server }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) {
        if isStreaming { endStream(RuntimeStreamFailure.truncated) }
        self.context = nil
        server.letGo(body.readableBytes)
        body = ByteBuffer()
    }

    /// Whether an answer could still be sent.
    var isOpen: Bool { context != nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            server.act()
            self.head = head
            isTooLarge = false
            // curl would wait a second for this before it sends a large answer.
            if head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" }) {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
            }
            isStreaming = begins(head)
        case .body(let part) where isStreaming: server.streamed(part)
        case .body(var part):
            guard !isTooLarge, server.hold(part.readableBytes) else {
                isTooLarge = true
                return
            }
            if body.readableBytes == 0 { body = part } else { body.writeBuffer(&part) }
        case .end(let trailers) where isStreaming:
            head = nil
            accepted()
            endStream(RuntimeStreamFailure.payload(trailers))
        case .end(let trailers):
            guard let head else { return }
            self.head = nil
            let body = self.body
            self.body = ByteBuffer()
            server.letGo(body.readableBytes)
            if server.extensions.take(head, body, isTooLarge: isTooLarge, from: self) { return }
            let prefix = "/2018-06-01"
            guard head.uri.hasPrefix(prefix) else { return refuse(.notFound, "NotFound", "no such path") }
            let path = head.uri.dropFirst(prefix.count)
            guard server.servesRuntime else {
                return refuse(.forbidden, "InvalidStateTransition", "the runtime of this environment takes its invocations another way")
            }
            switch (head.method, path) {
            case (.GET, "/runtime/invocation/next"): server.asksNext(self)
            case (.GET, "/runtime/restore/next"):
                // Only a runtime that was told `snap-start` as its initialization type may ask, and none is.
                refuse(.forbidden, "InvalidStateTransition", "this environment is not restored from a snapshot")
            case (.POST, _):
                if path.hasSuffix("/response"), let failure = RuntimeStreamFailure.payload(trailers) {
                    server.failed(path, payload: failure, from: self)
                } else {
                    // Whatever is beyond the limit is answered as too large by who reads the answer's size.
                    server.posted(path, body: isTooLarge ? ByteBuffer(repeating: 0x20, count: FrameReader.maximumPayload) : body, from: self)
                }
            default: refuse(.methodNotAllowed, "MethodNotAllowed", "method not allowed")
            }
        }
    }

    // MARK: Streamed answers

    /// The documented header says so. Lambda's clients for Go and Swift leave it out: they send in chunks what has no length yet,
    /// and Lambda forwards that to a caller who takes parts. JSON is the whole answer of a function that does not stream.
    private static func streams(_ head: HTTPRequestHead, contentType: String) -> Bool {
        if head.headers["lambda-runtime-function-response-mode"].contains(where: { $0.lowercased() == "streaming" }) { return true }
        let isChunked = head.headers[canonicalForm: "transfer-encoding"].contains { $0.lowercased() == "chunked" }
        return isChunked && contentType.prefix { $0 != ";" && $0 != " " }.lowercased() != "application/json"
    }

    private func begins(_ head: HTTPRequestHead) -> Bool {
        let prefix = "/2018-06-01"
        guard head.method == .POST, head.uri.hasPrefix(prefix) else { return false }
        let type = head.headers.first(name: "content-type") ?? "application/octet-stream"
        guard Self.streams(head, contentType: type) else { return false }
        return server.beginsStream(head.uri.dropFirst(prefix.count), contentType: type, on: self)
    }

    private func endStream(_ failure: ByteBuffer?) {
        isStreaming = false
        setPaused(false)
        server.streamEnded(self, failure: failure)
    }

    func setPaused(_ isPaused: Bool) {
        guard let context else { return }
        try? context.channel.syncOptions?.setOption(.autoRead, value: !isPaused)
    }

    func respond(_ status: HTTPResponseStatus, _ headers: HTTPHeaders, _ body: ByteBuffer) {
        guard let context else { return }
        var headers = headers
        headers.add(name: "Content-Length", value: "\(body.readableBytes)")
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if body.readableBytes > 0 { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func accepted() { respond(.accepted, ["Content-Type": "application/json"], ByteBuffer(string: #"{"status":"OK"}"#)) }

    func refuse(_ status: HTTPResponseStatus, _ type: String, _ message: String) {
        respond(status, ["Content-Type": "application/json"], ByteBuffer(string: #"{"errorMessage":"\#(message)","errorType":"\#(type)"}"#))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
