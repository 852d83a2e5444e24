import NIOCore
import WorkerNode

/// Lambda's shape of a function error that the platform found.
enum ErrorPayload {
    static func make(type: String, message: String) -> ByteBuffer {
        var json = JSONText()
        json.object {
            $0.field("errorType", type)
            $0.field("errorMessage", message)
        }
        return json.buffer
    }
}
