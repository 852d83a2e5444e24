import CChild
import Glibc
public import LinuxPrimitives
public import NIOCore
public import Sandbox

/// The server's line to the sandbox helper.
///
/// Sends happen on the event loop; receiving has a thread of its own, because descriptors cannot come through a channel
/// and the thread may block. It hands each message to the loop.
public final class HelperLink: Sendable {
    private let socket: Int32
    private let loop: any EventLoop

    /// - Parameter socket: the stream socket to the helper, which has sent nothing yet; owned from now on.
    public init(socket: Int32, loop: any EventLoop) {
        self.socket = socket
        self.loop = loop
    }

    /// Waits for the helper's first message: what this host gives. Blocks; call before the loop serves.
    public func facts() throws -> NodeFacts {
        guard let message = try receive(from: socket), message.head.op == HelperOperation.ready.rawValue else {
            throw LinuxError("starting the sandbox helper: it ended before it was ready", ECHILD)
        }
        return NodeFacts(encoded: message.payload)
    }

    /// Starts receiving. `take` runs on the loop for every message, `lost` once when the helper is gone.
    public func start(_ take: @escaping @Sendable (ReceivedMessage) -> Void, lost: @escaping @Sendable () -> Void) throws {
        let box = ThreadBody { [socket, loop] in
            while let message = try? receive(from: socket) {
                loop.execute { take(message) }
            }
            loop.execute { lost() }
        }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(box).toOpaque()
        let result = pthread_create(&thread, nil, runThreadBody, argument)
        if result != 0 { throw LinuxError("starting the helper's receiving thread", result) }
        pthread_detach(thread)
    }

    func send(_ operation: HelperOperation, slot: UInt32, value: Int32 = 0, a: UInt64 = 0, b: UInt64 = 0, payload: [UInt8] = [], descriptors: [Int32] = []) throws {
        try LinuxPrimitives.send(mc_message(operation, slot: slot, value: value, a: a, b: b), payload: payload, descriptors: descriptors, to: socket)
    }
}

final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
    return nil
}
