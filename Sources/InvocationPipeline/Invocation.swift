public import FunctionModel
public import NIOCore

/// One request to run a function, after HTTP has ended and before admission.
public struct Invocation {
    public let requestID: RequestID
    public let function: FunctionKey
    /// nil means `$LATEST`.
    public let qualifier: String?
    public let trigger: Trigger
    /// The event as JSON text, at most 6 MB.
    public let event: ByteBuffer
    /// True for `X-Amz-Log-Type: Tail`.
    public let wantsLogTail: Bool
    /// The decoded `X-Amz-Client-Context` JSON text.
    public let clientContext: String?
    /// `X-Amz-Tenant-Id`: for whom of the function's own customers it runs; only functions with a `TenancyConfig` have one, and always.
    public let tenantID: String?
    /// The caller's `X-Amzn-Trace-Id`, as `TraceHeader.readable` lets through; nil for one of the invocation's own.
    public let traceID: String?
    public let arrived: NIODeadline
    /// The same moment in milliseconds since 1970.
    public let arrivedMilliseconds: Int64
    /// From 1; more than that only for an event's further attempts.
    public let attempt: UInt32
    /// For an event: milliseconds from its acceptance to `arrived`.
    public let ageMilliseconds: UInt32
    /// Told what becomes of the attempt.
    public let watch: AttemptWatch?
    /// For an event: a second one of this key for the function within five minutes is accepted and dropped.
    public let deduplicationKey: String?
    /// Takes the answer while the function writes it; nil for an answer that comes whole.
    public private(set) var stream: ResponseStream?

    public init(
        requestID: RequestID, function: FunctionKey, qualifier: String? = nil, trigger: Trigger, event: ByteBuffer,
        wantsLogTail: Bool = false, clientContext: String? = nil, tenantID: String? = nil, traceID: String? = nil, arrived: NIODeadline,
        arrivedMilliseconds: Int64, attempt: UInt32 = 1, ageMilliseconds: UInt32 = 0, watch: AttemptWatch? = nil, deduplicationKey: String? = nil,
        stream: ResponseStream? = nil
    ) {
        self.requestID = requestID
        self.function = function
        self.qualifier = qualifier
        self.trigger = trigger
        self.event = event
        self.wantsLogTail = wantsLogTail
        self.clientContext = clientContext
        self.tenantID = tenantID
        self.traceID = traceID
        self.arrived = arrived
        self.arrivedMilliseconds = arrivedMilliseconds
        self.attempt = attempt
        self.ageMilliseconds = ageMilliseconds
        self.watch = watch
        self.deduplicationKey = deduplicationKey
        self.stream = stream
    }

    /// What led here; the function sees it with its own run in the lineage.
    var trace: String { traceID ?? TraceHeader.text(of: requestID, milliseconds: arrivedMilliseconds) }

    public func streaming(into stream: ResponseStream) -> Invocation {
        var invocation = self
        invocation.stream = stream
        return invocation
    }
}

/// What the sender of an attempt wants to know beside its answer. Confined to the loop.
public final class AttemptWatch {
    /// When a worker got the event; nil while none has. From then on the attempt has a usage record, whatever its answer.
    public internal(set) var dispatched: NIODeadline?
    public init() {}
}

/// The answer to an invocation that ran (or failed in its own code). Its usage record is already written.
public struct InvocationResult {
    public let requestID: RequestID
    /// `$LATEST` or a number: Lambda's `X-Amz-Executed-Version`.
    public let executedVersion: String
    public let outcome: Outcome
    /// The handler's JSON, or `{"errorMessage":…,"errorType":…,…}` when `outcome` is not `.success`.
    ///
    /// Of a streamed answer: empty, or the error that ended it.
    public let payload: ByteBuffer
    /// The media type that a streaming function gave its answer; nil for JSON.
    public let contentType: String?
    /// The last 4 KB of the invocation's log, when asked for.
    public let logTail: ByteBuffer?

    public init(
        requestID: RequestID, executedVersion: String, outcome: Outcome, payload: ByteBuffer, contentType: String? = nil, logTail: ByteBuffer?
    ) {
        self.requestID = requestID
        self.executedVersion = executedVersion
        self.outcome = outcome
        self.payload = payload
        self.contentType = contentType
        self.logTail = logTail
    }
}

/// What an edge needs of the pipeline. Confined to one event loop: call it there, it calls back there.
public protocol Invoker: AnyObject {
    /// Runs the invocation and calls `completion` exactly once.
    ///
    /// Fails with `ServiceError` for everything that is not the function's doing (unknown function, throttle, drain).
    /// - Returns: a ticket for `cancel`.
    func invoke(_ invocation: Invocation, completion: @escaping (Result<InvocationResult, ServiceError>) -> Void) -> InvocationTicket

    /// The client has gone: a queued invocation is dropped, one that streams its answer is ended, any other that runs goes on
    /// to its end. What ran is metered.
    func cancel(_ ticket: InvocationTicket)

    /// For `DryRun` and routing: whether the target exists and could be invoked; nil when it does.
    func refusal(function: FunctionKey, qualifier: String?) -> ServiceError?
}

/// Takes invocations that nobody waits for. Confined to one event loop: call it there, it calls back there.
public protocol EventAcceptor: AnyObject {
    /// Calls `completion` exactly once: when the event is durable, with the request ID that it runs under, or with why it is
    /// refused. The ID is another's where the event repeats one by its deduplication key.
    func accept(_ invocation: Invocation, completion: @escaping (Result<RequestID, ServiceError>) -> Void)
}

public struct InvocationTicket: Hashable, Sendable {
    public let value: UInt64
    public init(_ value: UInt64) { self.value = value }
}
