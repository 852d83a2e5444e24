import Extensions
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// Sends one subscriber its records, over one connection into the environment's own network, which is kept. A batch that was
/// not acknowledged is sent again. Confined to the loop.
final class TelemetryDelivery {
    let types: [TelemetrySubscription.Category]
    private let loop: any EventLoop
    private let budget: TelemetryBudget
    private let account: String
    /// A socket of the environment's network, not connected; -1 where there is none.
    private let makeSocket: (@escaping (Int32) -> Void) -> Void
    private let timeText: () -> String
    private var buffer: TelemetryBuffer
    private var reserved = 0
    private var channel: (any Channel)?
    private var isConnecting = false
    /// The batch has been written and nobody has acknowledged it.
    private var isWaiting = false
    private var isClosed = false
    private var timer: Scheduled<Void>?
    private var patience: Scheduled<Void>?
    private var pause = firstPause

    private static let firstPause = TimeAmount.milliseconds(20)
    private static let longestPause = TimeAmount.seconds(1)
    /// Who does not answer within this time is sent the batch again on another connection.
    private static let answerTime = TimeAmount.seconds(10)
    private static let connectTime = TimeAmount.seconds(1)

    init(
        _ subscription: TelemetrySubscription, loop: any EventLoop, budget: TelemetryBudget, account: String, timeText: @escaping () -> String,
        makeSocket: @escaping (@escaping (Int32) -> Void) -> Void
    ) {
        types = subscription.types
        buffer = TelemetryBuffer(subscription)
        self.loop = loop
        self.budget = budget
        self.account = account
        self.timeText = timeText
        self.makeSocket = makeSocket
    }

    private static func milliseconds(_ time: NIODeadline = .now()) -> Int64 { Int64(time.uptimeNanoseconds / 1_000_000) }

    func take(_ record: String) {
        guard !isClosed else { return }
        let size = record.utf8.count + 2
        guard budget.take(size, for: account) else { return buffer.drop(size - 2) }
        guard buffer.append(record.utf8, now: Self.milliseconds()) else { return budget.giveBack(size, of: account) }
        reserved += size
        arm()
    }

    /// What is there is sent now.
    func flush() {
        buffer.flush()
        arm()
    }

    func close() {
        isClosed = true
        timer?.cancel()
        patience?.cancel()
        channel?.close(promise: nil)
        channel = nil
        budget.giveBack(reserved, of: account)
        reserved = 0
    }

    // MARK: Batches

    private func arm() {
        guard !isClosed, let due = buffer.dueAt else { return }
        let now = Self.milliseconds()
        guard due > now else { return send() }
        guard timer == nil else { return }
        schedule(.milliseconds(due - now))
    }

    private func schedule(_ delay: TimeAmount) {
        timer?.cancel()
        let me = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: delay) {
            me.value.timer = nil
            if me.value.buffer.unsettled != nil { me.value.send() } else { me.value.arm() }
        }
    }

    private func send() {
        guard !isClosed, !isWaiting, let body = buffer.unsettled ?? buffer.take(now: Self.milliseconds()) else { return }
        guard let channel else { return connect() }
        isWaiting = true
        let me = NIOLoopBound(self, eventLoop: loop)
        let identity = ObjectIdentifier(channel)
        // Before it is written: what a socket takes at once is settled at once.
        patience = loop.scheduleTask(in: Self.answerTime) { me.value.lost(identity) }
        switch buffer.subscription.destination {
        case .http(let port, let path):
            let headers: HTTPHeaders = [
                "Host": "\(TelemetrySubscription.host):\(port)", "Content-Type": "application/json", "Content-Length": "\(body.count)",
            ]
            channel.write(HTTPClientRequestPart.head(HTTPRequestHead(version: .http1_1, method: .POST, uri: path, headers: headers)), promise: nil)
            channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        case .tcp:
            channel.writeAndFlush(ByteBuffer(bytes: body)).whenComplete { result in
                if case .success = result { me.value.settled(isAccepted: true) } else { me.value.lost(identity) }
            }
        }
    }

    fileprivate func settled(isAccepted: Bool) {
        guard isWaiting, !isClosed else { return }
        isWaiting = false
        patience?.cancel()
        guard isAccepted else { return retry() }
        pause = Self.firstPause
        buffer.delivered()
        let freed = buffer.isEmpty ? reserved : max(0, reserved - buffer.held)
        budget.giveBack(freed, of: account)
        reserved -= freed
        if types.contains(.platform), let dropped = buffer.takeDropped() { take(TelemetryRecord.dropped(dropped, time: timeText())) }
        arm()
    }

    fileprivate func lost(_ identity: ObjectIdentifier) {
        guard let channel, ObjectIdentifier(channel) == identity else { return }
        self.channel = nil
        channel.close(promise: nil)
        patience?.cancel()
        isWaiting = false
        if buffer.unsettled != nil { retry() }
    }

    private func retry() {
        guard !isClosed else { return }
        schedule(pause)
        pause = min(Self.longestPause, TimeAmount.nanoseconds(pause.nanoseconds * 2))
    }

    // MARK: The connection

    private func connect() {
        guard !isConnecting else { return }
        isConnecting = true
        makeSocket { [weak self] socket in
            guard let self, !self.isClosed else {
                if socket >= 0 { Glibc.close(socket) }
                return
            }
            guard socket >= 0 else { return self.notConnected() }
            self.connect(socket)
        }
    }

    private func connect(_ socket: Int32) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(buffer.subscription.destination.port).bigEndian)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7F00_0001).bigEndian)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 || errno == EINPROGRESS else {
            Glibc.close(socket)
            return notConnected()
        }
        finishConnecting(socket, until: .now() + Self.connectTime)
    }

    /// Within one network namespace a connection is made at once, or refused, unless the listener's queue is full.
    private func finishConnecting(_ socket: Int32, until deadline: NIODeadline) {
        var polled = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        if !isClosed, poll(&polled, 1, 0) == 0, .now() < deadline {
            let me = NIOLoopBound(self, eventLoop: loop)
            loop.scheduleTask(in: .milliseconds(5)) { me.value.finishConnecting(socket, until: deadline) }
            return
        }
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard !isClosed, polled.revents & Int16(POLLOUT) != 0, getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0, error == 0 else {
            Glibc.close(socket)
            return notConnected()
        }
        adopt(socket)
    }

    private func adopt(_ socket: Int32) {
        let me = NIOLoopBound(self, eventLoop: loop)
        let isHTTP = if case .http = buffer.subscription.destination { true } else { false }
        ClientBootstrap(group: loop)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let identity = ObjectIdentifier(channel)
                    let sync = channel.pipeline.syncOperations
                    guard isHTTP else { return try sync.addHandler(IgnoredAnswers { me.value.lost(identity) }) }
                    try sync.addHTTPClientHandlers()
                    try sync.addHandler(TelemetryAnswers(settled: { me.value.settled(isAccepted: $0) }, ended: { me.value.lost(identity) }))
                }
            }
            .withConnectedSocket(socket)
            .whenComplete { result in
                let delivery = me.value
                delivery.isConnecting = false
                switch result {
                case .success(let channel) where delivery.isClosed: channel.close(promise: nil)
                case .success(let channel):
                    delivery.channel = channel
                    delivery.send()
                case .failure: delivery.retry()
                }
            }
    }

    private func notConnected() {
        isConnecting = false
        retry()
    }
}
