public import AccessControl
public import NIOCore

/// What the edge allows. Times are how long a peer may take, sizes are bytes.
public struct GatewayConfiguration: Sendable {
    /// Accepts any credentials and guards management against web pages instead; for loopback only.
    public var developmentMode = false
    /// The account and region of unsigned requests in development mode.
    public var developmentAccount = "123456789012"
    public var developmentRegion = "us-east-1"
    /// What clients reach the server under; function URLs begin with it. No closing slash.
    public var baseURL = "http://127.0.0.1:9000"
    /// The port of `baseURL`; a foreign one in a management request's `Host` is refused in development mode.
    public var port = 9000

    /// Who may say in `X-Forwarded-…` for whom it speaks.
    public var trustedProxies = TrustedProxies()
    /// For each client address, whatever it asks for; nil for no limit. More is refused with 429 before its body is read.
    public var clientRate: RateLimit?
    /// For each access key, once its signature is known to be right; nil for no limit.
    public var keyRate: RateLimit?

    public var maximumConnections = 4096
    /// Streams of one HTTP/2 connection at once. Each counts among `maximumConnections`; what is beyond that is reset with
    /// REFUSED_STREAM.
    public var maximumStreams = 100
    /// Bytes of a request's body that may be on their way on one stream, and on all of one connection.
    public var streamWindow = 256 * 1024
    public var connectionWindow = 1024 * 1024
    /// The frames that a header may take after its first.
    public var maximumContinuationFrames = 8
    /// DATA frames without data in a row that are not the last.
    public var maximumEmptyFrames = 8
    /// PING, SETTINGS and PRIORITY frames of one connection in 30 s, and answers to them that its peer does not read; by itself
    /// also GOAWAY, WINDOW_UPDATE and unknown frames in 30 s, beside those with which its peer reads answers. More end it with
    /// ENHANCE_YOUR_CALM.
    public var maximumControlFrames = 1000
    /// Streams of one connection that its peer may reset in 30 s, and that may be reset for its faults in all; more end it with
    /// ENHANCE_YOUR_CALM.
    public var maximumResets = 200
    /// Request target.
    public var maximumURILength = 8 * 1024
    public var maximumHeaderFieldLength = 16 * 1024
    public var maximumHeaderLength = 64 * 1024
    public var maximumHeaderCount = 128
    /// Payload of an invocation, Lambda's limit: 6 MB.
    public var maximumPayload = 6 * 1024 * 1024
    /// Payload of an `Event` invocation, Lambda's limit: 1 MB.
    public var maximumEvent = 1024 * 1024
    /// Body of CreateFunction and UpdateFunctionCode: 50 MB of zip as base64, and the rest.
    public var maximumUpload = 70 * 1024 * 1024
    /// Body of every other management request.
    public var maximumControlBody = 1024 * 1024
    /// All request bodies and unsent answers together; more is refused with 503.
    public var maximumBytesInFlight = 256 * 1024 * 1024
    /// Requests that may wait on one connection behind the one being answered.
    public var maximumPipelined = 16
    /// Management requests at work at once; more is refused with 429.
    public var maximumControlRequests = 128
    /// Nesting of an event's JSON.
    public var maximumJSONDepth = 512

    /// Of TLS.
    public var handshakeTimeout = TimeAmount.seconds(10)
    /// From a request's first byte to the end of its header.
    public var headerTimeout = TimeAmount.seconds(10)
    /// How long a body may take, beside what `minimumBodyRate` grants for the bytes that came.
    public var bodyTimeout = TimeAmount.seconds(20)
    /// Bytes per second.
    public var minimumBodyRate = 4096
    public var idleTimeout = TimeAmount.seconds(75)
    /// How long an answer may make no progress at all.
    public var writeTimeout = TimeAmount.seconds(30)
    /// How long the rest of a refused request is read and dropped, so that the peer sees the refusal and not a reset.
    public var lingerTimeout = TimeAmount.seconds(2)

    public init() {}
}

/// The edge's own counters since start.
public struct GatewayStatistics: Sendable, Hashable {
    public var connections = 0
    public var acceptedConnections: UInt64 = 0
    public var refusedConnections: UInt64 = 0
    /// Of HTTP/2, at the moment.
    public var streams = 0
    public var refusedStreams: UInt64 = 0
    public var requests: UInt64 = 0
    public var requestsInFlight = 0
    public var bytesInFlight = 0
    /// By status class: index 2 counts 2xx.
    public var responses: [UInt64] = [0, 0, 0, 0, 0, 0]
    public var timeouts: UInt64 = 0

    public init() {}
}
