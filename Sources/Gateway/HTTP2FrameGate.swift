import NIOCore
import NIOHTTP2

/// Stands between a connection of HTTP/2 and the library's parser of frames: keeps from it what nobody will read or what nobody
/// has bounded, and sends what the library is not to know of.
final class FrameGate: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private static let period = TimeAmount.seconds(30)

    private let allowance: Int
    private var context: ChannelHandlerContext?
    private var isShut = false
    private var holdsRead = false
    private var counter = FrameCounter()
    /// Frames that may still come of those that the library does not count.
    private var remaining: Int
    private var renewal = NIODeadline.distantPast

    /// - Parameter allowance: frames that ask for nothing and answer nothing, in each 30 s.
    init(allowance: Int) {
        self.allowance = allowance
        remaining = allowance
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: Input

    /// While nothing leaves, what comes is left to the kernel and so to the peer: in here it would wait, frame by frame, in
    /// streams that read nothing. The socket's buffer alone decides this, so no window of HTTP/2 can hold it up.
    func read(context: ChannelHandlerContext) {
        if isShut || context.channel.isWritable { context.read() } else { holdsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        context.fireChannelWritabilityChanged()
        if context.channel.isWritable { resume() }
    }

    private func resume() {
        guard holdsRead else { return }
        holdsRead = false
        context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isShut else { return }
        remaining -= Self.unwrapInboundIn(data).withUnsafeReadableBytes { counter.feed($0) }
        guard remaining >= 0 else {
            sendGoAway(.rootStream, .enhanceYourCalm)
            shut()
            return context.close(promise: nil)
        }
        context.fireChannelRead(data)
    }

    /// From now on what comes is dropped.
    func shut() {
        isShut = true
        resume()
    }

    // MARK: Allowance

    /// Of an answer so many bytes have been sent: the peer may tell in small pieces that it has read them.
    func sent(_ bytes: Int) { remaining += 4 + bytes / 256 }

    func renewAllowance(_ now: NIODeadline) {
        guard now >= renewal else { return }
        renewal = now + Self.period
        remaining = max(remaining, allowance)
    }

    // MARK: Output

    /// Sends a GOAWAY frame behind what the library has written.
    ///
    /// Source: RFC 9113 §4.1, §6.8.
    func sendGoAway(_ last: HTTP2StreamID, _ code: HTTP2ErrorCode = .noError, promise: EventLoopPromise<Void>? = nil) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let (length, type): (UInt32, UInt8) = (8, 7)
        var frame = ByteBuffer()
        frame.writeInteger(length << 8 | UInt32(type))
        frame.writeMultipleIntegers(UInt8(0), UInt32(0), UInt32(Int(last)), UInt32(code.networkCode))
        context.writeAndFlush(Self.wrapOutboundOut(.byteBuffer(frame)), promise: promise)
    }
}

/// Counts the frames of a peer for which the library has no bound: GOAWAY, WINDOW_UPDATE, and those of types that nobody knows.
///
/// Source: RFC 9113 §3.4, §4.1, §6.
struct FrameCounter {
    private static let headerLength = 9
    private static let goAway: UInt8 = 7
    private static let windowUpdate: UInt8 = 8
    private static let lastKnown: UInt8 = 9

    /// Bytes up to the next frame; at first those of the connection's preface.
    private var skipped = 24
    /// Bytes of a frame's header that have come.
    private var taken = 0
    private var length = 0

    /// - Returns: how many such frames begin in these bytes.
    mutating func feed(_ bytes: UnsafeRawBufferPointer) -> Int {
        var (count, place) = (0, 0)
        while place < bytes.count {
            if skipped > 0 {
                let step = min(skipped, bytes.count - place)
                skipped -= step
                place += step
                continue
            }
            let byte = bytes[place]
            place += 1
            switch taken {
            case 0: length = Int(byte)
            case 1, 2: length = length << 8 | Int(byte)
            case 3: if byte == Self.windowUpdate || byte == Self.goAway || byte > Self.lastKnown { count += 1 }
            default: break
            }
            taken += 1
            if taken == Self.headerLength { (skipped, taken) = (length, 0) }
        }
        return count
    }
}
