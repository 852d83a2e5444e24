public import CChild
import Glibc

extension mc_message {
    public init(_ op: mc_op, slot: UInt32 = 0, value: Int32 = 0, a: UInt64 = 0, b: UInt64 = 0, c: UInt64 = 0, d: UInt64 = 0) {
        self.init()
        self.op = op.rawValue
        self.slot = slot
        self.value = value
        self.a = a
        self.b = b
        self.c = c
        self.d = d
    }
}

/// Sends one message of the sandbox protocols (see `cchild.h`) with its descriptors; the caller keeps and closes its own.
public func send(_ message: mc_message, payload: [UInt8] = [], descriptors: [Int32] = [], to socket: Int32) throws {
    var message = message
    message.length = UInt32(payload.count)
    let result = mc_send(socket, &message, payload, descriptors, Int32(descriptors.count))
    if result != 0 { throw LinuxError("sending message \(message.op)", -result) }
}

public struct ReceivedMessage: Sendable {
    public let head: mc_message
    public let payload: [UInt8]
    /// Close-on-exec; the receiver owns them.
    public let descriptors: [Int32]
}

/// The next message; nil at the end of the stream. Blocks unless the socket is non-blocking (then EAGAIN is thrown).
public func receive(from socket: Int32, capacity: Int = Int(MC_MAX_PAYLOAD)) throws -> ReceivedMessage? {
    var head = mc_message()
    var descriptors = [Int32](repeating: -1, count: Int(MC_MAX_FDS))
    var count = Int32(descriptors.count)
    var payload: [UInt8] = []
    var result: Int32 = 0
    payload = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
        result = mc_receive(socket, &head, buffer.baseAddress, buffer.count, &descriptors, &count, 0)
        initialized = result == 1 ? Int(head.length) : 0
    }
    if result == 0 { return nil }
    if result < 0 { throw LinuxError("receiving a sandbox message", -result) }
    return ReceivedMessage(head: head, payload: payload, descriptors: Array(descriptors[0..<Int(count)]))
}

/// Both ends of a close-on-exec stream socket pair.
public func socketPair() throws -> (Int32, Int32) {
    var pair: [Int32] = [-1, -1]
    try check("making a socket pair") { socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) }
    return (pair[0], pair[1])
}

/// The name of a stage that init reports, for messages.
public func stageName(_ stage: Int32) -> String { String(cString: mc_stage(stage)) }
