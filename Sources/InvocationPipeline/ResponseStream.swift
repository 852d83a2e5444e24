public import NIOCore

/// Where a function's answer goes while the function still writes it. Made by the edge, confined to the event loop.
///
/// Used only by functions that stream; the answer of any other comes whole, with the invocation's completion. `begin` is
/// called once, before the first part; the completion comes after the last.
public final class ResponseStream {
    /// Lambda's limit of a streamed answer, bytes.
    public static let maximumBytes = 200 << 20

    public struct Head {
        /// `$LATEST` or a number.
        public let executedVersion: String
        /// As the function gave it, `application/octet-stream` otherwise.
        public let contentType: String

        public init(executedVersion: String, contentType: String) {
            self.executedVersion = executedVersion
            self.contentType = contentType
        }
    }

    private let begin: (Head) -> Void
    private let take: (ByteBuffer) -> Void
    /// Set while a worker streams.
    var onPause: ((Bool) -> Void)?

    public init(begin: @escaping (Head) -> Void, take: @escaping (ByteBuffer) -> Void) {
        self.begin = begin
        self.take = take
    }

    /// Whether the reader is behind: the function's writes wait then.
    public var isPaused = false {
        didSet { if isPaused != oldValue { onPause?(isPaused) } }
    }

    /// For who carries the answer: the pipeline, or its stand-in in tests.
    public func begins(_ head: Head) { begin(head) }

    public func takes(_ part: ByteBuffer) { take(part) }
}
