import Glibc
import LinuxPrimitives
public import NIOCore
import NIOPosix
import Sandbox

/// The server's line to a template: its process is started, then INIT goes out and READY or INIT_ERROR comes back. Between
/// the two it may wait for its function. Confined to the loop.
public final class TemplateLine {
    public enum Answer {
        case ready
        /// Lambda's error JSON.
        case initError(ByteBuffer)
        /// The process ended without a word.
        case ended(SandboxHandle.Exit)
    }

    private var channel: (any Channel)?
    private var answered: ((Answer) -> Void)?
    /// When the sandbox was up and the process was started.
    public private(set) var processAt: NIODeadline?
    /// Before INIT or after its answer: the template has ended although nobody told it to.
    public var whenLost: ((SandboxHandle.Exit) -> Void)?
    private var isClosed = false
    /// Until there is a channel.
    private var unsent: ByteBuffer?

    /// Starts the process.
    public init(sandbox: SandboxHandle, program: EnvironmentProgram, loop: any EventLoop) throws {
        let (ours, theirs) = try socketPair()
        defer { Glibc.close(theirs) }
        let me = NIOLoopBound(self, eventLoop: loop)
        ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let line = me.value
                    try channel.pipeline.syncOperations.addHandler(
                        FrameReader(
                            take: { type, payload, _, _ in
                                switch type {
                                case .ready: line.answer(.ready)
                                case .initError: line.answer(.initError(payload))
                                default: line.spoiled()
                                }
                            }, ended: { violation in if violation { me.value.spoiled() } }))
                    line.channel = channel
                }
            }
            .withConnectedSocket(ours)
            .whenSuccess { channel in
                if let frame = me.value.unsent { channel.writeAndFlush(frame, promise: nil) }
                me.value.unsent = nil
            }
        try sandbox.startTemplate(
            program, worker: theirs,
            started: { me.value.processAt = .now() },
            ended: { exit in me.value.ended(exit) })
    }

    /// Has the template run init.
    public func initialise(_ payload: ByteBuffer, answered: @escaping (Answer) -> Void) {
        self.answered = answered
        var frame = ByteBufferAllocator().buffer(capacity: Frames.headerSize + payload.readableBytes)
        Frames.write(.initialize, payloadLength: payload.readableBytes, into: &frame)
        frame.writeImmutableBuffer(payload)
        if let channel, channel.isActive { channel.writeAndFlush(frame, promise: nil) } else { unsent = frame }
    }

    private func answer(_ answer: Answer) {
        guard let answered else { return }
        self.answered = nil
        // It has nothing more to say; the function's code could otherwise keep the loop busy with reading.
        channel?.close(promise: nil)
        answered(answer)
    }

    /// The function's code wrote something of its own to the line.
    private func spoiled() {
        answer(.initError(ByteBuffer(string: #"{"errorMessage":"the function wrote to the runtime's own channel","errorType":"Runtime.ExitError","stackTrace":[]}"#)))
    }

    private func ended(_ exit: SandboxHandle.Exit) {
        // INIT_ERROR may still be on its way when the end is reported: let the loop read what is there first.
        let me = self
        if let channel, answered != nil {
            let bound = NIOLoopBound(me, eventLoop: channel.eventLoop)
            channel.eventLoop.scheduleTask(in: .milliseconds(20)) { bound.value.answer(.ended(exit)) }
        } else if answered != nil {
            answer(.ended(exit))
        } else if !isClosed {
            whenLost?(exit)
        }
    }

    public func close() {
        isClosed = true
        answered = nil
        whenLost = nil
        channel?.close(promise: nil)
    }
}
