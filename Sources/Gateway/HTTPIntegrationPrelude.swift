import NIOCore

/// The beginning of a streamed HTTP answer: a JSON object with `statusCode`, `headers` and `cookies`, then eight NUL bytes.
///
/// Source: Lambda Developer Guide, "Response streaming for Lambda functions"; the Node.js runtime's HttpResponseStream.
struct HTTPIntegrationPrelude {
    static let incomplete = FunctionURLResponse.Invalid(reason: "the stream ended before its prelude of status and headers was complete")
    private static let contentType = "application/vnd.awslambda.http-integration-response"
    private static let separatorLength = 8
    /// Bytes; the fields that come of it are bounded by themselves.
    private static let maximumLength = 2 * FunctionURLResponse.maximumFieldBytes

    private let maximumDepth: Int
    private let dropsCORS: Bool
    private var held = ByteBuffer()

    /// - Parameter dropsCORS: whether the function's fields for web pages are left out, because the URL has its own.
    init(maximumDepth: Int, dropsCORS: Bool = false) {
        self.maximumDepth = maximumDepth
        self.dropsCORS = dropsCORS
    }

    static func isContentType(_ type: String) -> Bool {
        type.prefix { $0 != ";" }.lowercased().filter { $0 != " " } == contentType
    }

    /// - Returns: nil while the prelude is not complete; then the answer without a body, and what of the body came with it.
    mutating func take(_ part: ByteBuffer) throws(FunctionURLResponse.Invalid) -> (FunctionURLResponse, body: ByteBuffer)? {
        held.writeImmutableBuffer(part)
        guard let end = separator() else {
            guard held.readableBytes <= Self.maximumLength + Self.separatorLength else {
                throw FunctionURLResponse.Invalid(reason: "the stream's prelude has more than \(Self.maximumLength) bytes")
            }
            return nil
        }
        guard let prelude = held.readSlice(length: end), held.readSlice(length: Self.separatorLength) != nil else { return nil }
        return (try FunctionURLResponse(payload: prelude, maximumDepth: maximumDepth, dropsCORS: dropsCORS, isPrelude: true), held)
    }

    /// JSON text has no NUL, so the first one begins the separator.
    private func separator() -> Int? {
        let view = held.readableBytesView
        guard let first = view.firstIndex(of: 0) else { return nil }
        let offset = first - view.startIndex
        return held.readableBytes - offset >= Self.separatorLength ? offset : nil
    }
}
