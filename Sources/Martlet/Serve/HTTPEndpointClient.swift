internal import BlockingThread
internal import EventBus
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Sends events to HTTP endpoints: one connection for each request, five seconds from its begin to the answer's head.
///
/// Link-local addresses are refused after the name was resolved and before anything is connected: behind them lie the
/// metadata services of cloud machines.
struct HTTPEndpointClient: EndpointClient {
    private static let timeout = TimeAmount.seconds(5)

    private let loop: any EventLoop
    private let resolver: AddressResolver

    init(loop: any EventLoop) throws {
        self.loop = loop
        resolver = AddressResolver(try ThreadExecutor(name: "resolve"))
    }

    func send(_ request: OutgoingRequest) async -> OutgoingResult {
        do {
            let address = try await resolver.address(request.url.host, request.url.port)
            if let reason = Self.refusal(address) { return .forbidden("\(request.url.host) is \(reason), to which nothing is sent") }
            return .status(try await exchange(request, address))
        } catch {
            return .failed("\(error)")
        }
    }

    /// - Returns: what kind of address it is, if none that events are sent to.
    static func refusal(_ address: SocketAddress) -> String? {
        switch address {
        case .v4(let v4):
            let bytes = withUnsafeBytes(of: v4.address.sin_addr) { Array($0) }
            return refusal(bytes)
        case .v6(let v6):
            let bytes = withUnsafeBytes(of: v6.address.sin6_addr) { Array($0) }
            // IPv4 in IPv6.
            if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF { return refusal(Array(bytes[12...])) }
            if bytes[0] == 0xFE, bytes[1] & 0xC0 == 0x80 { return "a link-local address" }
            if bytes[0] == 0xFF { return "a multicast address" }
            return bytes.allSatisfy { $0 == 0 } ? "no address" : nil
        case .unixDomainSocket: return "no address"
        }
    }

    /// - Parameter bytes: four.
    private static func refusal(_ bytes: [UInt8]) -> String? {
        if bytes[0] == 169, bytes[1] == 254 { return "a link-local address" }
        if bytes[0] >= 224 { return "a multicast or reserved address" }
        return bytes[0] == 0 ? "no address" : nil
    }

    private func exchange(_ request: OutgoingRequest, _ address: SocketAddress) async throws -> Int {
        var headers = HTTPHeaders([("Host", request.url.authority), ("User-Agent", "martlet/\(martletVersion)"), ("Connection", "close")])
        for header in request.headers { headers.replaceOrAdd(name: header.name, value: header.value) }
        headers.replaceOrAdd(name: "Content-Length", value: String(request.body.count))
        let head = HTTPRequestHead(version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: request.url.target, headers: headers)
        let body = ByteBuffer(bytes: request.body)
        let (loop, limit) = (loop, Self.timeout)
        return try await loop.flatSubmit {
            let promise = loop.makePromise(of: Int.self)
            let bound = NIOLoopBound(EndpointHandler(promise), eventLoop: loop)
            let timer = loop.scheduleTask(in: limit) { bound.value.end(.failure(EndpointFault(description: "no answer within 5 s"))) }
            promise.futureResult.whenComplete { _ in timer.cancel() }
            ClientBootstrap(group: loop).connectTimeout(limit)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(bound.value)
                    }
                }
                .connect(to: address).whenComplete { result in
                    switch result {
                    case .failure(let error): bound.value.end(.failure(error))
                    case .success(let channel): bound.value.begin(on: channel, head, body)
                    }
                }
            return promise.futureResult
        }.get()
    }
}

private struct EndpointFault: Error, CustomStringConvertible {
    let description: String
}

/// Names are looked up by the C library, which blocks.
private actor AddressResolver {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ executor: ThreadExecutor) { self.executor = executor }

    func address(_ host: String, _ port: Int) throws -> SocketAddress {
        if let address = try? SocketAddress(ipAddress: host, port: port) { return address }
        do { return try SocketAddress.makeAddressResolvingHost(host, port: port) } catch {
            throw EndpointFault(description: "the name \(host) has no address")
        }
    }
}

/// One request and the status of its answer; the rest of the answer is nobody's.
private final class EndpointHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private var promise: EventLoopPromise<Int>?
    private var channel: (any Channel)?

    init(_ promise: EventLoopPromise<Int>) { self.promise = promise }

    func begin(on channel: any Channel, _ head: HTTPRequestHead, _ body: ByteBuffer) {
        guard promise != nil else { return channel.close(promise: nil) }
        self.channel = channel
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        if body.readableBytes > 0 { channel.write(HTTPClientRequestPart.body(.byteBuffer(body)), promise: nil) }
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    }

    func end(_ result: Result<Int, any Error>) {
        let promise = self.promise
        self.promise = nil
        promise?.completeWith(result)
        channel?.close(promise: nil)
        channel = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data), head.status.code >= 200 else { return }
        end(.success(Int(head.status.code)))
    }

    func channelInactive(context: ChannelHandlerContext) { end(.failure(EndpointFault(description: "the connection ended before an answer"))) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(.failure(error)) }
}
