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
    /// The caller takes the answer while it is written.
    public var streams: Bool

    /// - Parameters:
    ///   - arrivedMilliseconds: since 1970; its seconds are in the trace ID.
    ///   - traceID: the caller's, of printable ASCII; nil to make one of the request ID.
    public init(
        requestID: RequestID, arrivedMilliseconds: Int64, deadlineMilliseconds: Int64, arn: String, clientContext: String?, traceID: String? = nil,
        streams: Bool = false
    ) {
        self.requestID = requestID
        self.deadlineMilliseconds = deadlineMilliseconds
        self.arn = arn
        self.clientContext = clientContext
        self.streams = streams
        self.traceID = traceID ?? Self.traceID(requestID, seconds: UInt32(truncatingIfNeeded: arrivedMilliseconds / 1000))
    }

    /// `Root=1-SSSSSSSS-` and the last 24 digits of the request ID, `;Sampled=0`.
    private static func traceID(_ id: RequestID, seconds: UInt32) -> String {
        func digits(_ value: UInt64, _ count: Int) -> String {
            let text = String(value, radix: 16)
            return text.utf8.count < count ? String(repeating: "0", count: count - text.utf8.count) + text : text
        }
        return "Root=1-\(digits(UInt64(seconds), 8))-\(digits(id.high & 0xFFFF_FFFF, 8))\(digits(id.low, 16));Sampled=0"
    }
}
