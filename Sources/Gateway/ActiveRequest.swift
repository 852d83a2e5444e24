import AccessControl
import FunctionModel
import InvocationPipeline
import NIOCore
import NIOHTTP1
import Roles

/// What is known of the request that is being received or answered.
struct ActiveRequest {
    enum Target {
        case none
        case health
        case invoke(name: Substring, query: Substring)
        case functionURL(FunctionURLTarget)
        case route(RouteTarget)
        /// What a domain answers by itself.
        case message(status: Int, String)
        /// A browser's question to a function URL or a domain that answers itself.
        case preflight(CORSPolicy, origin: String, status: Int)
        case control(ControlRoute, parameters: [String: String], path: Substring, query: Substring)
    }

    var id = RequestID(high: 0, low: 0)
    var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
    var fields = RequestFields()
    /// What a trusted proxy says of the client.
    var forwarding: Forwarding?
    /// Of the function URL or the domain that is asked.
    var cors: CORSPolicy?
    var arrived = NIODeadline.distantPast
    /// Since 1970.
    var arrivedMilliseconds: Int64 = 0
    var keepAlive = false
    /// Counted as in flight.
    var isActive = false
    /// The body is in to its end.
    var isComplete = false
    /// The last answer has left.
    var isSent = false
    var target = Target.none
    var operation = "HTTP"
    /// Bytes.
    var maximumBody = 0
    /// A domain's: errors look as API Gateway's do.
    var isRouted = false
    var received = 0
    /// Bytes of the budget that this request holds.
    var reserved = 0
    var body: ByteBuffer?
    var digest: PayloadDigest?
    /// Takes the body apart where its sender sends it in chunks.
    var chunks: ChunkedPayload?
    var signature: PendingSignature?
    var caller: Caller?
    /// What the sender's role lets it do; nil for one who is no function.
    var role: RoleSession?
    /// The answer may come in parts.
    var isStreaming = false
    var stream: ResponseStream?
    /// The answer goes on until its source, its client or the server ends.
    var isOpenEnded = false
    /// Goes on with an answer in parts when the client has taken what there is.
    var nextPart: (() -> Void)?
    var parts = Parts.none
    /// HTTP status of an answer in parts.
    var partsStatus = 0

    /// How an answer in parts is framed, once its head has been sent.
    enum Parts {
        case none
        case chunked
        /// Ends with the connection.
        case plain
        /// Of HTTP/2.
        case frames
        /// It has a head alone.
        case dropped
    }

    init() {}

    init(id: RequestID, head: HTTPRequestHead, arrived: NIODeadline, arrivedMilliseconds: Int64, keepAlive: Bool) {
        self.id = id
        self.head = head
        self.arrived = arrived
        self.arrivedMilliseconds = arrivedMilliseconds
        self.keepAlive = keepAlive
        isActive = true
    }
}

struct FunctionURLTarget {
    let record: FunctionRecord
    let url: FunctionURL
    let qualifier: String?
    let path: Substring
    let query: Substring
}
