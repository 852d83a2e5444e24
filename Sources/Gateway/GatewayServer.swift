public import AccessControl
public import Auditing
public import FunctionModel
import Glibc
public import HTTPRoutes
public import InvocationPipeline
public import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
public import Registry
public import ResourcePolicies
public import Roles

/// What the server needs of the rest of the program.
public struct GatewayServices: Sendable {
    /// Bound to the server's own loop.
    public var invoker: NIOLoopBound<any Invoker>
    /// Takes `Event` invocations; nil where none are offered. Bound to the server's own loop.
    public var events: NIOLoopBound<any EventAcceptor>?
    /// Management operations; `LambdaRoutes.all` and the program's own.
    public var routes: [ControlRoute]
    /// Who may call; see `GatewayServer.apply`.
    public var access: AccessSnapshot
    public var policies: PolicySnapshot
    /// Host names that belong to routes.
    public var domains: RouteSnapshot
    /// What functions may do that call the server.
    public var roles: RoleSnapshot
    /// What the listener shows in handshakes; nil for HTTP without TLS.
    public var tls: TLSIdentity?
    public var snapshot: RegistrySnapshot
    /// Milliseconds since 1970.
    public var wallClock: @Sendable () -> Int64
    /// Service errors with an underlying cause, for the log; called on the loop, must not block.
    public var report: @Sendable (ServiceError, RequestID) -> Void
    /// Keeps an entry of a management call, before the call is answered.
    public var audit: (@Sendable (AuditEntry) async -> Void)?

    public init(
        invoker: NIOLoopBound<any Invoker>, events: NIOLoopBound<any EventAcceptor>? = nil, routes: [ControlRoute], access: AccessSnapshot, policies: PolicySnapshot = PolicySnapshot(), domains: RouteSnapshot = RouteSnapshot(), roles: RoleSnapshot = RoleSnapshot(), tls: TLSIdentity? = nil, snapshot: RegistrySnapshot,
        wallClock: @escaping @Sendable () -> Int64, report: @escaping @Sendable (ServiceError, RequestID) -> Void = { _, _ in },
        audit: (@Sendable (AuditEntry) async -> Void)? = nil
    ) {
        self.invoker = invoker
        self.events = events
        self.routes = routes
        self.access = access
        self.policies = policies
        self.domains = domains
        self.roles = roles
        self.tls = tls
        self.snapshot = snapshot
        self.wallClock = wallClock
        self.report = report
        self.audit = audit
    }
}

/// The HTTP server: Lambda's API, function URLs and Martlet's own routes on one port and one event loop.
public final class GatewayServer: Sendable {
    private let loop: any EventLoop
    private let core: NIOLoopBound<GatewayCore>
    private let listener: any Channel

    private init(loop: any EventLoop, core: NIOLoopBound<GatewayCore>, listener: any Channel) {
        self.loop = loop
        self.core = core
        self.listener = listener
    }

    /// Serves from a socket that is bound and listening; takes it over, also when it throws.
    /// - Parameter isReady: what health says at first; see `setReady`.
    public static func start(
        listeningSocket: CInt, on loop: any EventLoop, configuration: GatewayConfiguration, services: GatewayServices, isReady: Bool = true
    ) async throws -> GatewayServer {
        let core = try await loop.submit {
            NIOLoopBound(
                GatewayCore(
                    configuration: configuration, loop: loop, invoker: services.invoker.value, events: services.events?.value, routes: services.routes,
                    access: services.access, policies: services.policies, domains: services.domains, roles: services.roles, tls: services.tls, snapshot: services.snapshot, isReady: isReady,
                    wallClock: services.wallClock, report: services.report, audit: services.audit),
                eventLoop: loop)
        }.get()
        let listener = try await ServerBootstrap(group: loop)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A second read would nearly always find nothing: what is still there makes the socket readable again.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try Self.configure(channel, core: core.value) }
            }
            .withBoundSocket(listeningSocket).get()
        return GatewayServer(loop: loop, core: core, listener: listener)
    }

    /// - Parameter session: whose connection it is, where it comes out of a function's own network: nobody can listen there, so it
    ///   is without TLS.
    static func configure(_ channel: any Channel, core: GatewayCore, session: FunctionSession? = nil) throws {
        guard core.hasRoom else {
            core.statistics.refusedConnections += 1
            guard core.tls == nil else {
                channel.close(promise: nil)
                return
            }
            let text: StaticString =
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
            try channel.pipeline.syncOperations.addHandler(RefusingHandler(text))
            return
        }
        core.statistics.acceptedConnections += 1
        guard session == nil, let tls = core.tls else {
            _ = try configureHTTP1(channel, core: core, session: session)
            return
        }
        try channel.pipeline.syncOperations.addHandlers(NIOSSLServerHandler(context: tls.context), ProtocolNegotiation(core: core))
    }

    static func configureHTTP1(_ channel: any Channel, core: GatewayCore, session: FunctionSession? = nil) throws -> ConnectionHandler {
        let connection = ConnectionHandler(core: core, session: session)
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = core.configuration.maximumHeaderFieldLength
        limits.maxHeaderListSize = core.configuration.maximumHeaderLength
        limits.maxHeaderFieldCount = core.configuration.maximumHeaderCount
        let decoder = HTTPRequestDecoder(
            leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop, limitConfiguration: limits)
        try channel.pipeline.syncOperations.addHandlers(ByteWatch(connection), ByteToMessageHandler(decoder), connection)
        return connection
    }

    /// Serves a connection that comes out of a function's own network; takes the socket over. On the loop.
    public func serve(_ socket: CInt, for session: FunctionSession) {
        guard core.value.hasRoomForFunctions else {
            close(socket)
            return
        }
        let bound = NIOLoopBound((core.value, session), eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (core, session) = bound.value
                    guard session.opened(channel) else { throw TooManyConnections() }
                    let end = NIOLoopBound((channel, session), eventLoop: channel.eventLoop)
                    channel.closeFuture.whenComplete { _ in end.value.1.closed(end.value.0) }
                    try Self.configure(channel, core: core, session: session)
                }
            }
            .withConnectedSocket(socket)
            .whenFailure { _ in }
    }

    /// The address that is served, with the port that was chosen.
    public var localAddress: SocketAddress? { listener.localAddress }

    /// Makes the snapshot count for every request from now on; returns when it does. For `FunctionRegistry.subscribe`.
    public func apply(_ snapshot: RegistrySnapshot) async {
        // Fails only when the loop has ended, and then nobody is served.
        try? await loop.submit { self.core.value.apply(snapshot) }.get()
    }

    /// Makes the keys count for every request from now on; returns when they do. For `TenantRegistry.subscribe`.
    public func apply(_ access: AccessSnapshot) async {
        try? await loop.submit { self.core.value.apply(access) }.get()
    }

    /// The same for `PolicyRegistry.subscribe`.
    public func apply(_ policies: PolicySnapshot) async {
        try? await loop.submit { self.core.value.apply(policies) }.get()
    }

    /// The same for `RouteRegistry.subscribe`.
    public func apply(_ domains: RouteSnapshot) async {
        try? await loop.submit { self.core.value.apply(domains) }.get()
    }

    /// The same for `RoleRegistry.subscribe`.
    public func apply(_ roles: RoleSnapshot) async {
        try? await loop.submit { self.core.value.apply(roles) }.get()
    }

    /// Connections from now on see this certificate; those that are there go on. Does nothing for a listener without TLS.
    public func apply(_ identity: TLSIdentity) async {
        try? await loop.submit { if self.core.value.tls != nil { self.core.value.tls = identity } }.get()
    }

    /// What `GET /martlet/v1/health` says; after `beginDrain` it stays 503.
    public func setReady(_ isReady: Bool) async {
        try? await loop.submit { self.core.value.isReady = isReady && !self.core.value.isDraining }.get()
    }

    /// The counters at this moment; those of a server that has done nothing once the loop has ended.
    public func statistics() async -> GatewayStatistics {
        (try? await loop.submit {
            var statistics = self.core.value.statistics
            statistics.bytesInFlight = self.core.value.bytes.used
            return statistics
        }.get()) ?? GatewayStatistics()
    }

    /// Health turns to 503 and every answer from now on closes its connection; requests are still taken.
    public func beginDrain() async {
        try? await loop.submit { self.core.value.beginDrain() }.get()
    }

    /// Stops accepting, closes idle connections (those of HTTP/2 when the peer knows), finishes accepted requests; at the limit the rest is answered
    /// with 503. Returns when no connection is left.
    /// - Parameter awaitsFirst: whether connections that have sent nothing yet get a moment for their first request.
    public func shutdown(limit: TimeAmount, awaitsFirst: Bool = false) async {
        await beginDrain()
        try? await listener.close().get()
        let core = self.core
        let ended = loop.submit {
            let ended = core.value.closeConnections(awaitsFirst: awaitsFirst)
            let timers = [
                self.loop.scheduleTask(in: limit) { core.value.abortConnections() },
                // A peer that does not take its 503 must not hold the process.
                self.loop.scheduleTask(in: limit + .milliseconds(500)) { core.value.cutConnections() },
            ]
            ended.whenComplete { _ in for timer in timers { timer.cancel() } }
            return ended
        }
        try? await ended.flatMap { $0 }.get()
    }
}

/// Of one execution environment.
private struct TooManyConnections: Error {}

/// Says no and closes, for connections over the limit.
private final class RefusingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let text: StaticString

    init(_ text: StaticString) { self.text = text }

    func channelActive(context: ChannelHandlerContext) {
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in bound.value.close(promise: nil) }
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(staticString: text)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}
