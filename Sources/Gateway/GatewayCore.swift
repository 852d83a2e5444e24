import AccessControl
import Auditing
import FunctionModel
import Glibc
import HTTPRoutes
import InvocationPipeline
import LambdaAPI
import NIOCore
import Registry
import ResourcePolicies
import Roles

/// What the server asks of each of its connections. Confined to the event loop.
protocol GatewayConnection: AnyObject {
    /// It comes out of a function's own network.
    var isOfFunction: Bool { get }
    /// Called about once a second.
    func checkDeadlines(_ now: NIODeadline)
    /// - Parameter awaitsFirst: whether a connection that has not had its first request may still get it.
    func closeWhenIdle(awaitsFirst: Bool)
    /// The drain limit is over: what waits is refused.
    func abort()
    func cut()
}

/// What all connections of one server share. Confined to its event loop.
final class GatewayCore {
    let configuration: GatewayConfiguration
    let loop: any EventLoop
    let invoker: any Invoker
    let events: (any EventAcceptor)?
    let router: ControlRouter
    let verifier: SigV4Verifier
    private(set) var access: AccessSnapshot
    private(set) var policies: PolicySnapshot
    private(set) var routes: RouteSnapshot
    private(set) var roles: RoleSnapshot
    /// nil where the listener speaks HTTP without TLS.
    var tls: TLSIdentity?
    /// Milliseconds since 1970.
    let wallClock: @Sendable () -> Int64
    let audit: (@Sendable (AuditEntry) async -> Void)?
    let report: @Sendable (ServiceError, RequestID) -> Void

    var snapshot: RegistrySnapshot
    var bytes: ByteBudget
    var statistics = GatewayStatistics()
    var controlRequests = 0
    /// By pattern, of routes that have a bound of their own.
    private var waitingRequests: [String: Int] = [:]
    /// False until the server is ready, and again from the moment a drain begins.
    var isReady: Bool
    /// From now on every answer closes its connection.
    private(set) var isDraining = false
    /// From now on an idle connection is closed at once.
    private(set) var isClosing = false

    private var clientLimiter: RateLimiter?
    private var keyLimiter: RateLimiter?
    private var connections: [ObjectIdentifier: any GatewayConnection] = [:]
    /// Those among `connections` that come out of functions' own networks.
    private var functionConnections = 0
    /// Of HTTP/2 connections.
    private var streams: [ObjectIdentifier: ConnectionHandler] = [:]
    private var sweep: RepeatedTask?
    private var whenEmpty: [EventLoopPromise<Void>] = []
    private var randomness = BufferedRandomness()
    private var cachedSecond: Int64 = -1
    private var headerDate = ""
    private var logDate = ""

    init(
        configuration: GatewayConfiguration, loop: any EventLoop, invoker: any Invoker, events: (any EventAcceptor)? = nil, routes: [ControlRoute],
        access: AccessSnapshot, policies: PolicySnapshot = PolicySnapshot(), domains: RouteSnapshot = RouteSnapshot(), roles: RoleSnapshot = RoleSnapshot(), tls: TLSIdentity? = nil,
        snapshot: RegistrySnapshot, isReady: Bool, wallClock: @escaping @Sendable () -> Int64,
        report: @escaping @Sendable (ServiceError, RequestID) -> Void, audit: (@Sendable (AuditEntry) async -> Void)? = nil
    ) {
        self.report = report
        self.audit = audit
        self.configuration = configuration
        self.loop = loop
        self.invoker = invoker
        self.events = events
        router = ControlRouter(RoleAuthorization.complete(LambdaOperations.complete(routes)))
        self.access = access
        self.policies = policies
        self.routes = domains
        self.roles = roles
        self.tls = tls
        verifier = SigV4Verifier(keys: access.keys)
        self.snapshot = snapshot
        self.isReady = isReady
        self.wallClock = wallClock
        bytes = ByteBudget(limit: configuration.maximumBytesInFlight)
        clientLimiter = configuration.clientRate.map { RateLimiter($0) }
        keyLimiter = configuration.keyRate.map { RateLimiter($0) }
    }

    func milliseconds() -> Int64 { wallClock() }

    func newRequestID() -> RequestID { RequestID.random(using: &randomness, at: milliseconds()) }

    /// The moment's text for the `Date` header and for `requestContext.time`.
    func dates(_ milliseconds: Int64) -> (header: String, log: String) {
        let second = milliseconds / 1000
        if second != cachedSecond {
            cachedSecond = second
            headerDate = WallTime.headerText(second)
            logDate = WallTime.logText(second)
        }
        return (headerDate, logDate)
    }

    /// Takes a newer snapshot; an older one that comes late is dropped.
    func apply(_ next: RegistrySnapshot) {
        if next.generation >= snapshot.generation { snapshot = next }
    }

    func apply(_ next: AccessSnapshot) {
        guard next.generation >= access.generation else { return }
        access = next
        verifier.replaceKeys(next.keys)
    }

    func apply(_ next: PolicySnapshot) {
        if next.generation >= policies.generation { policies = next }
    }

    func apply(_ next: RouteSnapshot) {
        if next.generation >= routes.generation { routes = next }
    }

    func apply(_ next: RoleSnapshot) {
        if next.generation >= roles.generation { roles = next }
    }

    // MARK: Rates

    /// Counts a request.
    /// - Returns: whole seconds after which one may come, if this one came too early.
    func delay(client address: String) -> Int? { Self.seconds(clientLimiter?.delay(sender(address), now: steadyNanoseconds)) }

    func delay(key id: String) -> Int? { Self.seconds(keyLimiter?.delay(id, now: steadyNanoseconds)) }

    private var steadyNanoseconds: Int64 { Int64(clamping: loop.now.uptimeNanoseconds) }

    private static func seconds(_ nanoseconds: Int64?) -> Int? { nanoseconds.map { Int(($0 + 999_999_999) / 1_000_000_000) } }

    // MARK: Management requests

    /// - Returns: how many are at work, where that is the limit.
    func beginControlRequest(_ route: ControlRoute) -> Int? {
        guard let limit = route.maximumRequests else {
            if controlRequests >= configuration.maximumControlRequests { return controlRequests }
            controlRequests += 1
            return nil
        }
        let count = waitingRequests[route.pattern, default: 0]
        if count >= limit { return count }
        waitingRequests[route.pattern] = count + 1
        return nil
    }

    func endControlRequest(_ route: ControlRoute) {
        if route.maximumRequests == nil { controlRequests -= 1 } else { waitingRequests[route.pattern, default: 1] -= 1 }
    }

    // MARK: Connections

    var hasRoom: Bool { hasRoomForStream && !isClosing }

    /// A stream holds what a connection holds, so it counts as one.
    var hasRoomForStream: Bool { connections.count + streams.count < configuration.maximumConnections }

    /// Clients from outside keep three quarters of the connections.
    var hasRoomForFunctions: Bool { hasRoom && functionConnections < configuration.maximumConnections / 4 }

    func opened(_ connection: any GatewayConnection) {
        if connection.isOfFunction { functionConnections += 1 }
        connections[ObjectIdentifier(connection)] = connection
        statistics.connections = connections.count
        // One timer for all connections: a timer for each request would cost more than the request's parsing.
        if sweep == nil {
            let bound = NIOLoopBound(self, eventLoop: loop)
            sweep = loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in bound.value.sweepNow() }
        }
    }

    func openedStream(_ stream: ConnectionHandler) {
        streams[ObjectIdentifier(stream)] = stream
        statistics.streams = streams.count
    }

    func closedStream(_ stream: ConnectionHandler) {
        streams[ObjectIdentifier(stream)] = nil
        statistics.streams = streams.count
        endIfEmpty()
    }

    func closed(_ connection: any GatewayConnection) {
        if connections.removeValue(forKey: ObjectIdentifier(connection)) != nil, connection.isOfFunction { functionConnections -= 1 }
        statistics.connections = connections.count
        endIfEmpty()
    }

    private func endIfEmpty() {
        guard connections.isEmpty, streams.isEmpty else { return }
        sweep?.cancel()
        sweep = nil
        for promise in whenEmpty { promise.succeed() }
        whenEmpty = []
    }

    private func sweepNow() {
        let now = loop.now
        for stream in streams.values { stream.checkDeadlines(now) }
        for connection in connections.values { connection.checkDeadlines(now) }
    }

    // MARK: Ending

    func beginDrain() {
        isReady = false
        isDraining = true
    }

    /// Closes idle connections now, or in HTTP/2 when the peer knows, and the others after their answers; completes when none is left.
    /// - Parameter awaitsFirst: those that have not had their first request get a moment for it.
    func closeConnections(awaitsFirst: Bool = false) -> EventLoopFuture<Void> {
        beginDrain()
        isClosing = true
        for stream in streams.values { stream.endOpenAnswer() }
        for connection in connections.values { connection.closeWhenIdle(awaitsFirst: awaitsFirst) }
        let promise = loop.makePromise(of: Void.self)
        if connections.isEmpty, streams.isEmpty { promise.succeed() } else { whenEmpty.append(promise) }
        return promise.futureResult
    }

    /// Answers what still waits with 503 and closes.
    func abortConnections() {
        for stream in streams.values { stream.abort() }
        for connection in connections.values { connection.abort() }
    }

    func cutConnections() {
        for connection in connections.values { connection.cut() }
    }
}

/// Bounds the memory that bodies in flight may take.
struct ByteBudget {
    let limit: Int
    private(set) var used = 0

    init(limit: Int) { self.limit = limit }

    func hasRoom(_ count: Int) -> Bool { used + count <= limit }

    mutating func reserve(_ count: Int) -> Bool {
        guard hasRoom(count) else { return false }
        used += count
        return true
    }

    /// For answers, which cannot be refused any more; they keep new bodies out instead.
    mutating func add(_ count: Int) { used += count }

    mutating func release(_ count: Int) { used -= count }
}

/// The kernel's random numbers, many at a time: each request ID would take two system calls.
private struct BufferedRandomness: RandomNumberGenerator {
    private var words = [UInt64](repeating: 0, count: 32)
    private var used = 32

    mutating func next() -> UInt64 {
        if used == words.count {
            guard words.withUnsafeMutableBytes({ getentropy($0.baseAddress, $0.count) }) == 0 else {
                var system = SystemRandomNumberGenerator()
                return system.next()
            }
            used = 0
        }
        defer { used += 1 }
        return words[used]
    }
}
