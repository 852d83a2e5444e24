internal import Glibc
internal import JSONValues
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization

struct APIRequest: Sendable {
    var method = "GET"
    /// Parts of the path; each is percent-encoded on its own.
    var path: [String]
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// Seconds until the answer must be complete.
    var timeout = 60

    init(_ method: String, _ path: [String], query: [(name: String, value: String)] = [], json: JSON? = nil) {
        self.method = method
        self.path = path
        self.query = query
        if let json {
            body = Array(json.text().utf8)
            headers = [("Content-Type", "application/json")]
        }
    }
}

struct APIResponse: Sendable {
    let status: Int
    let headers: [(name: String, value: String)]
    let body: [UInt8]

    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }

    /// - Throws: `CommandFailure` if the body is no JSON; an empty body counts as an empty object.
    func json() throws -> JSON {
        guard !body.isEmpty else { return .object([]) }
        do {
            return try JSON(parsing: body)
        } catch {
            throw CommandFailure("the server's answer cannot be read: \(error)")
        }
    }
}

/// One connection to a server, kept between requests, one request at a time.
///
/// Answers are held in memory up to 64 MB.
actor APIClient {
    nonisolated let endpoint: Endpoint
    private let signer: any RequestSigner
    private var connection: (any Channel)?
    private var handshake = Handshake()

    init(endpoint: Endpoint, signer: any RequestSigner) {
        self.endpoint = endpoint
        self.signer = signer
    }

    /// The answer to a request that succeeded (status below 400).
    ///
    /// - Throws: `CommandFailure` with the server's own message, or one that says how to reach a server.
    @discardableResult
    func send(_ request: APIRequest) async throws -> APIResponse {
        let response = try await exchange(request)
        guard response.status >= 400 else { return response }
        let failure = Self.failure(response)
        guard response.status == 403, signer.isMadeUp else { throw failure }
        throw CommandFailure(
            "\(failure) (no access keys were found here; on the server's machine `martlet credentials --export` prints them as AWS_* variables)",
            errorType: failure.errorType, status: failure.status)
    }

    /// As `send`, but a resource that is not there is nil.
    func find(_ request: APIRequest) async throws -> APIResponse? {
        do {
            return try await send(request)
        } catch let failure as CommandFailure where failure.isNotFound {
            return nil
        }
    }

    /// The answer whatever its status.
    func exchange(_ request: APIRequest) async throws -> APIResponse {
        let wasOpen = connection?.isActive == true
        do {
            return try await exchange(request, on: try await openConnection())
        } catch let error as ConnectionEnded where wasOpen && error.nothingArrived && request.method != "POST" {
            // The server closed the idle connection in the same moment. What a POST does must not happen twice.
            connection = nil
            return try await exchange(request, on: try await openConnection())
        } catch let error as ConnectionEnded where error.isHandshake {
            throw CommandFailure("no TLS connection to the server at \(endpoint): \(error.reason)")
        } catch let error as ConnectionEnded {
            throw CommandFailure("the server at \(endpoint) closed the connection before its answer was complete: \(error.reason)")
        }
    }

    private func exchange(_ request: APIRequest, on channel: any Channel) async throws -> APIResponse {
        let path = "/" + request.path.map(percentEncoded).joined(separator: "/")
        let query = request.query.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }.joined(separator: "&")
        var headers = [(name: "Host", value: endpoint.authority)] + request.headers
        headers += signer.sign(
            method: request.method, path: path, query: query, headers: headers, body: request.body, date: Int64(time(nil)))
        headers.append(("User-Agent", "martlet/\(martletVersion)"))
        if !request.body.isEmpty || request.method == "POST" || request.method == "PUT" {
            headers.append(("Content-Length", String(request.body.count)))
        }
        let head = HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: query.isEmpty ? path : "\(path)?\(query)",
            headers: HTTPHeaders(headers.map { ($0.name, $0.value) }))
        let promise = channel.eventLoop.makePromise(of: APIResponse.self)
        let exchange = Exchange(head: head, body: ByteBuffer(bytes: request.body), promise: promise)
        let timeout = channel.eventLoop.scheduleTask(in: .seconds(Int64(request.timeout))) {
            promise.fail(ConnectionEnded(nothingArrived: false, reason: "no answer within \(request.timeout) s"))
            channel.close(promise: nil)
        }
        // A handshake may fail before the request gets to the handler that waits for its answer.
        let written = channel.eventLoop.makePromise(of: Void.self)
        let handshake = self.handshake
        written.futureResult.whenFailure { error in
            let reason = ServerTrust.reason(error) ?? handshake.fault
            promise.fail(ConnectionEnded(nothingArrived: true, reason: reason ?? "\(error)", isHandshake: reason != nil))
        }
        channel.writeAndFlush(exchange, promise: written)
        defer { timeout.cancel() }
        return try await promise.futureResult.get()
    }

    private func openConnection() async throws -> any Channel {
        if let connection, connection.isActive { return connection }
        let trust = try endpoint.isSecure ? ServerTrust(environment: processEnvironment()) : nil
        let (endpoint, handshake) = (self.endpoint, Handshake())
        self.handshake = handshake
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(10))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let trust { try channel.pipeline.syncOperations.addHandler(trust.handler(for: endpoint)) }
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(ExchangeHandler(handshake))
                    }
                }
                .connect(host: endpoint.host, port: endpoint.port).get()
            connection = channel
            return channel
        } catch {
            throw CommandFailure(
                "no server answers at \(endpoint): start one with `martlet serve`, or name another with --endpoint or MARTLET_ENDPOINT"
            )
        }
    }

    /// The server's own words; the exception's name only where there are none.
    static func failure(_ response: APIResponse) -> CommandFailure {
        let body = try? JSON(parsing: response.body)
        let name = response.header("x-amzn-ErrorType")?.split(separator: ":").first.map(String.init)
        let message = body?["Message"]?.string ?? body?["message"]?.string ?? body?["errorMessage"]?.string
        return CommandFailure(message ?? "the server answered \(response.status)\(name.map { " \($0)" } ?? "")", errorType: name, status: response.status)
    }
}

/// RFC 3986: everything but unreserved characters, as signatures need it.
func percentEncoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"):
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
        }
    }
    return result
}

private struct ConnectionEnded: Error {
    let nothingArrived: Bool
    let reason: String
    /// Whether TLS did not come about, so that nothing was sent.
    var isHandshake = false
}

/// Why TLS did not come about on a connection that no request was waiting on.
private final class Handshake: Sendable {
    private let reason = Mutex<String?>(nil)

    var fault: String? { reason.withLock { $0 } }
    func failed(_ reason: String) { self.reason.withLock { $0 = reason } }
}

private struct Exchange: Sendable {
    let head: HTTPRequestHead
    let body: ByteBuffer
    let promise: EventLoopPromise<APIResponse>
}

/// Turns one `Exchange` at a time into request parts and the parts that come back into its answer.
private final class ExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Exchange
    typealias OutboundOut = HTTPClientRequestPart

    private static let answerLimit = 67_108_864
    private var promise: EventLoopPromise<APIResponse>?
    private var head: HTTPResponseHead?
    private var body = ByteBuffer()
    private let handshake: Handshake

    init(_ handshake: Handshake) { self.handshake = handshake }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        self.promise = exchange.promise
        head = nil
        body.clear()
        context.write(wrapOutboundOut(.head(exchange.head)), promise: nil)
        if exchange.body.readableBytes > 0 { context.write(wrapOutboundOut(.body(.byteBuffer(exchange.body))), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(var part):
            guard body.readableBytes + part.readableBytes <= Self.answerLimit else {
                return end(context, ConnectionEnded(nothingArrived: false, reason: "it has more than \(Self.answerLimit) bytes"))
            }
            body.writeBuffer(&part)
        case .end:
            guard let head else { return }
            // Interim answers (100 Continue) come before the real one.
            if (100..<200).contains(head.status.code) { return }
            let answer = APIResponse(
                status: Int(head.status.code), headers: head.headers.map { ($0.name, $0.value) }, body: Array(body.readableBytesView))
            let promise = self.promise
            self.promise = nil
            if !head.isKeepAlive { context.close(promise: nil) }
            promise?.succeed(answer)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context, ConnectionEnded(nothingArrived: head == nil, reason: "the connection ended"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason = ServerTrust.reason(error)
        if let reason { handshake.failed(reason) }
        end(context, ConnectionEnded(nothingArrived: head == nil, reason: reason ?? "\(error)", isHandshake: reason != nil))
    }

    private func end(_ context: ChannelHandlerContext, _ error: ConnectionEnded) {
        let promise = self.promise
        self.promise = nil
        promise?.fail(error)
        context.close(promise: nil)
    }
}
