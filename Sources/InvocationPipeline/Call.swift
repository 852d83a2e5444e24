import FunctionLogs
import FunctionModel
import NIOCore
import WarmPool
import WorkerNode

/// One invocation on its way through the pipeline, from arrival to answer. Confined to the loop.
final class Call {
    let invocation: Invocation
    let ticket: InvocationTicket
    private var completion: ((Result<InvocationResult, ServiceError>) -> Void)?
    var pending: PendingID?
    weak var host: FunctionHost?
    var environment: Environment?
    var startKind = StartKind.ready
    var dispatched = NIODeadline.distantPast
    var peakAtDispatch: UInt64 = 0
    /// When it is cut off; set with its dispatch.
    var deadline = NIODeadline.distantFuture
    /// What has ended it from our side.
    var isTimedOut = false
    var isOutOfMemory = false
    /// The client went away in the middle of its stream.
    var isAbandoned = false
    /// The type of the failure that an extension ended it with.
    var extensionFailure: String?
    /// The answer is being streamed.
    var isStreaming = false
    /// When the first part of a streamed answer came.
    var answerBegan: NIODeadline?
    /// Bytes of a streamed answer so far.
    var streamedBytes = 0
    var log: InvocationLog

    init(_ invocation: Invocation, ticket: InvocationTicket, outputLimit: Int, completion: @escaping (Result<InvocationResult, ServiceError>) -> Void) {
        self.invocation = invocation
        self.ticket = ticket
        self.completion = completion
        log = InvocationLog(limit: outputLimit)
    }

    var isAnswered: Bool { completion == nil }

    func answer(_ result: Result<InvocationResult, ServiceError>) {
        guard let completion else { return }
        self.completion = nil
        completion(result)
    }

    /// The client went away. The completion is called all the same: what was held for the invocation is let go there.
    var isClientGone = false
}

/// The output of one invocation: bounded, cut into whole lines, with its last 4 KB at hand.
struct InvocationLog {
    static let tailLimit = 4096
    private let limit: Int
    private var taken = 0
    private(set) var dropped = 0
    private var lines = LogLineBuffer()
    private(set) var tail: [UInt8] = []
    /// Whole lines that are not on the disk yet.
    private(set) var unwritten: [UInt8] = []
    var hasBegun = false

    init(limit: Int) { self.limit = limit }

    mutating func platform(_ line: String) {
        unwritten.append(contentsOf: line.utf8)
        unwritten.append(UInt8(ascii: "\n"))
    }

    mutating func output(_ bytes: UnsafeRawBufferPointer) {
        let room = max(0, limit - taken)
        let kept = UnsafeRawBufferPointer(rebasing: bytes.prefix(room))
        dropped += bytes.count - kept.count
        taken += kept.count
        guard !kept.isEmpty else { return }
        var fresh: [UInt8] = []
        lines.append(kept) { fresh.append(contentsOf: $0) }
        unwritten.append(contentsOf: fresh)
    }

    mutating func finish() {
        var rest: [UInt8] = []
        lines.finish { rest.append(contentsOf: $0) }
        unwritten.append(contentsOf: rest)
        if !unwritten.isEmpty && unwritten.last != UInt8(ascii: "\n") { unwritten.append(UInt8(ascii: "\n")) }
        if dropped > 0 { platform("[\(dropped) bytes of output beyond \(limit) were dropped]") }
        dropped = 0
    }

    /// What was not written goes to `write` and into the tail.
    mutating func flush(_ write: (UnsafeRawBufferPointer) -> Void) {
        guard !unwritten.isEmpty else { return }
        unwritten.withUnsafeBytes(write)
        if unwritten.count >= Self.tailLimit {
            tail = Array(unwritten.suffix(Self.tailLimit))
        } else {
            let excess = tail.count + unwritten.count - Self.tailLimit
            if excess > 0 { tail.removeFirst(excess) }
            tail.append(contentsOf: unwritten)
        }
        unwritten.removeAll(keepingCapacity: true)
    }
}
