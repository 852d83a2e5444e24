import CChild
import Glibc
import LinuxPrimitives
import NIOCore
import NIOPosix

/// The server's line to the supervisor of an environment with extensions: the runtime is program 0, extensions count from 1.
/// Confined to the loop.
final class SupervisorLine {
    private var channel: (any Channel)?
    private var unsent: [mc_message] = []
    private var isClosed = false

    /// - Parameters:
    ///   - socket: owned from now on.
    ///   - ended: a program's end.
    init(socket: Int32, loop: any EventLoop, ended: @escaping (_ program: Int, SandboxHandle.Exit) -> Void) {
        let me = NIOLoopBound(self, eventLoop: loop)
        let told = NIOLoopBound(ended, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        MessageReader { message, _ in
                            guard message.op == MC_ENDED.rawValue, message.slot <= UInt32(MC_MAX_EXTENSIONS) else { return }
                            told.value(
                                Int(message.slot),
                                SandboxHandle.Exit(
                                    status: message.value, cpuMicroseconds: 0, maxResidentKiB: message.b, outOfMemory: false,
                                    executionError: Int32(truncatingIfNeeded: message.a)))
                        })
                }
            }
            .withConnectedSocket(socket)
            .whenSuccess { channel in me.value.opened(channel) }
    }

    private func opened(_ channel: any Channel) {
        guard !isClosed else { return channel.close(promise: nil) }
        self.channel = channel
        let waiting = unsent
        unsent = []
        for message in waiting { send(message) }
    }

    func run() { send(mc_message(MC_RUN)) }

    func signal(_ program: Int, _ number: Int32) { send(mc_message(MC_SIGNAL, slot: UInt32(program), value: number)) }

    private func send(_ message: mc_message) {
        guard let channel else { return unsent.append(message) }
        var message = message
        channel.writeAndFlush(ByteBuffer(bytes: withUnsafeBytes(of: &message) { Array($0) }), promise: nil)
    }

    /// Ends every process of the environment.
    func close() {
        isClosed = true
        channel?.close(promise: nil)
        channel = nil
    }
}
