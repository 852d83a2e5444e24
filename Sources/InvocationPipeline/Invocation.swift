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
    public let arrived: NIODeadline
    /// The same moment in milliseconds since 1970.
    public let arrivedMilliseconds: Int64

    public init(
        requestID: RequestID, function: FunctionKey, qualifier: String? = nil, trigger: Trigger, event: ByteBuffer,
        wantsLogTail: Bool = false, clientContext: String? = nil, arrived: NIODeadline, arrivedMilliseconds: Int64
    ) {
        self.requestID = requestID
        self.function = function
        self.qualifier = qualifier
        self.trigger = trigger
        self.event = event
        self.wantsLogTail = wantsLogTail
        self.clientContext = clientContext
        self.arrived = arrived
        self.arrivedMilliseconds = arrivedMilliseconds
    }
}

/// The answer to an invocation that ran (or failed in its own code). Its usage record is already written.
public struct InvocationResult {
    public let requestID: RequestID
    /// `$LATEST` or a number: Lambda's `X-Amz-Executed-Version`.
    public let executedVersion: String
    public let outcome: Outcome
    /// The handler's JSON, or `{"errorMessage":…,"errorType":…,…}` when `outcome` is not `.success`.
    public let payload: ByteBuffer
    /// The last 4 KB of the invocation's log, when asked for.
    public let logTail: ByteBuffer?

    public init(requestID: RequestID, executedVersion: String, outcome: Outcome, payload: ByteBuffer, logTail: ByteBuffer?) {
        self.requestID = requestID
        self.executedVersion = executedVersion
        self.outcome = outcome
        self.payload = payload
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

    /// The client has gone: a queued invocation is dropped, a running one goes on to its end and is metered.
    func cancel(_ ticket: InvocationTicket)

    /// For `DryRun` and routing: whether the target exists and could be invoked; nil when it does.
    func refusal(function: FunctionKey, qualifier: String?) -> ServiceError?
}

public struct InvocationTicket: Hashable, Sendable {
    public let value: UInt64
    public init(_ value: UInt64) { self.value = value }
}
