import FoundationEssentials
import NIOCore
import NIOHTTP1

/// How a streamed answer of the Runtime API says that it failed midway: in trailers, since its status has been sent.
///
/// Source: Lambda Developer Guide, "Building a custom runtime", Implementing response streaming.
enum RuntimeStreamFailure {
    private static let typeField = "lambda-runtime-function-error-type"
    private static let bodyField = "lambda-runtime-function-error-body"

    /// The error as JSON; nil where the trailers tell of none. The body is base64 of the error object; without a readable one
    /// the type alone stands for it.
    static func payload(_ trailers: HTTPHeaders?) -> ByteBuffer? {
        guard let trailers else { return nil }
        let type = trailers.first(name: typeField), body = trailers.first(name: bodyField)
        guard type != nil || body != nil else { return nil }
        if let bytes = body.flatMap({ Data(base64Encoded: $0) }), bytes.first == UInt8(ascii: "{") { return ByteBuffer(bytes: bytes) }
        return error(type ?? "Runtime.Unknown", "the function failed after it had begun to stream its answer")
    }

    /// The connection ended in the middle of the body.
    static var truncated: ByteBuffer { error("Runtime.TruncatedResponse", "the streamed answer ended before it was complete") }

    private static func error(_ type: String, _ message: String) -> ByteBuffer {
        var json = JSONText()
        json.object {
            $0.field("errorType", type)
            $0.field("errorMessage", message)
        }
        return json.buffer
    }
}
