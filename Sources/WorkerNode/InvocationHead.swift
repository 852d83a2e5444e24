public import FunctionModel

/// What a worker learns of its invocation besides the event.
public struct InvocationHead: Sendable {
    public var requestID: RequestID
    /// Milliseconds since 1970.
    public var deadlineMilliseconds: Int64
    /// As the caller named the function: with the qualifier if one was given.
    public var arn: String
    public var traceID: String
    /// JSON.
    public var clientContext: String?
    public var tenantID: String?
    /// The caller takes the answer while it is written.
    public var streams: Bool

    /// - Parameters:
    ///   - deadlineMilliseconds: since 1970.
    ///   - traceID: of printable ASCII.
    public init(
        requestID: RequestID, deadlineMilliseconds: Int64, arn: String, clientContext: String?, tenantID: String? = nil, traceID: String, streams: Bool = false
    ) {
        self.requestID = requestID
        self.deadlineMilliseconds = deadlineMilliseconds
        self.arn = arn
        self.clientContext = clientContext
        self.tenantID = tenantID
        self.streams = streams
        self.traceID = traceID
    }
}
