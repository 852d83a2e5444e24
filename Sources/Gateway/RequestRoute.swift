import FunctionModel
import LambdaAPI
import NIOHTTP1
import Registry

/// What a request line and `Host` ask for.
enum RequestRoute {
    /// `POST /2015-03-31/functions/{name}/invocations`; the name is still percent-encoded.
    case invoke(name: Substring, query: Substring)
    /// `POST /2021-11-15/functions/{name}/response-streaming-invocations`: the answer as an event stream.
    case invokeWithResponseStream(name: Substring, query: Substring)
    /// `POST /2014-11-13/functions/{name}/invoke-async/`: as an `Event` invocation.
    case invokeAsync(name: Substring, query: Substring)
    /// A function's URL: who is meant, and the rest of the target.
    case functionURL(name: Substring, qualifier: Substring?, path: Substring, query: Substring)
    case health
    case control(path: Substring, query: Substring)

    private static let invokePrefix = "/2015-03-31/functions/"
    private static let invokeSuffix = "/invocations"
    private static let streamPrefix = "/2021-11-15/functions/"
    private static let streamSuffix = "/response-streaming-invocations"
    private static let legacyPrefix = "/2014-11-13/functions/"
    private static let urlPrefix = "/fn/"
    static let hostSuffix: StaticString = ".fn.localhost"

    /// - Parameters:
    ///   - target: begins with `/`.
    ///   - host: without port.
    static func parse(method: HTTPMethod, target: Substring, host: Substring) -> RequestRoute {
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = target[..<(mark ?? target.endIndex)]
        let query = mark.map { target[target.index(after: $0)...] } ?? ""
        if host.utf8.count > hostSuffix.utf8CodeUnitCount, ASCIIText.equalIgnoringCase(Substring(host.utf8.suffix(hostSuffix.utf8CodeUnitCount)), hostSuffix) {
            return .functionURL(name: Substring(host.utf8.dropLast(hostSuffix.utf8CodeUnitCount)), qualifier: nil, path: path, query: query)
        }
        if path.hasPrefix(urlPrefix) {
            let rest = path.dropFirst(urlPrefix.utf8.count)
            let slash = rest.utf8.firstIndex(of: UInt8(ascii: "/"))
            let name = rest[..<(slash ?? rest.endIndex)]
            let remainder = slash.map { rest[$0...] } ?? "/"
            guard let colon = name.utf8.firstIndex(of: UInt8(ascii: ":")) else {
                return .functionURL(name: name, qualifier: nil, path: remainder, query: query)
            }
            return .functionURL(name: name[..<colon], qualifier: name[name.index(after: colon)...], path: remainder, query: query)
        }
        if method == .POST, path.hasPrefix(invokePrefix), path.hasSuffix(invokeSuffix) {
            let name = path.dropFirst(invokePrefix.utf8.count).dropLast(invokeSuffix.utf8.count)
            if !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")) { return .invoke(name: name, query: query) }
        }
        if method == .POST, path.hasPrefix(streamPrefix), path.hasSuffix(streamSuffix) {
            let name = path.dropFirst(streamPrefix.utf8.count).dropLast(streamSuffix.utf8.count)
            if !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")) { return .invokeWithResponseStream(name: name, query: query) }
        }
        if method == .POST, path.hasPrefix(legacyPrefix) {
            let rest = path.dropFirst(legacyPrefix.utf8.count)
            for suffix in ["/invoke-async/", "/invoke-async"] where rest.hasSuffix(suffix) {
                let name = rest.dropLast(suffix.utf8.count)
                if !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")) { return .invokeAsync(name: name, query: query) }
            }
        }
        if path == "/martlet/v1/health", method == .GET || method == .HEAD { return .health }
        return .control(path: path, query: query)
    }

    static func parameters(_ query: Substring) -> [(name: String, value: String)] {
        query.split(separator: "&").map { pair in
            let equals = pair.firstIndex(of: "=")
            let name = pair[..<(equals ?? pair.endIndex)]
            let value = equals.map { pair[pair.index(after: $0)...] } ?? ""
            return (
                ASCIIText.percentDecoded(name, plusIsSpace: true) ?? String(name),
                ASCIIText.percentDecoded(value, plusIsSpace: true) ?? String(value)
            )
        }
    }
}

/// The header fields that decide how a request is treated, read in one pass.
struct RequestFields {
    var host: String?
    var contentLength: Int?
    var isChunked = false
    var expectsContinue = false
    var isUpgrade = false
    /// Present on requests that a web page makes.
    var origin: String?
    var fetchSite: String?
    var invocationType: String?
    var logType: String?
    var clientContext: String?
    var tenantID: String?
    var traceID: String?
    /// Martlet's own: of several `Event` invocations with one key, one runs.
    var idempotencyKey: String?

    /// Whether the framing is known, so that a body's end can be found.
    var isParsed = false

    init() {}

    /// - Throws: a `Refusal` for every form that two parsers could read differently (RFC 9112 §6.3, §11.2).
    init(_ head: HTTPRequestHead) throws(Refusal) {
        var expectation: String?
        for (name, value) in head.headers {
            switch name.utf8.count {
            case 4 where ASCIIText.equalIgnoringCase(name, "host"):
                guard host == nil else { throw Refusal(.badRequest, "the request has more than one Host header") }
                host = value
            case 6 where ASCIIText.equalIgnoringCase(name, "origin"): origin = value
            case 6 where ASCIIText.equalIgnoringCase(name, "expect"): expectation = value
            case 7 where ASCIIText.equalIgnoringCase(name, "upgrade"): isUpgrade = true
            case 14 where ASCIIText.equalIgnoringCase(name, "content-length"):
                guard contentLength == nil else { throw Refusal(.badRequest, "the request has more than one Content-Length header") }
                guard !value.isEmpty, value.utf8.count <= 15, value.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let length = Int(value)
                else { throw Refusal(.badRequest, "Content-Length must be a whole number") }
                contentLength = length
            case 14 where ASCIIText.equalIgnoringCase(name, "sec-fetch-site"): fetchSite = value
            case 14 where ASCIIText.equalIgnoringCase(name, "x-amz-log-type"): logType = value
            case 15 where ASCIIText.equalIgnoringCase(name, "x-amzn-trace-id"): traceID = value
            case 15 where ASCIIText.equalIgnoringCase(name, "x-amz-tenant-id"): tenantID = value
            case 20 where ASCIIText.equalIgnoringCase(name, "x-amz-client-context"): clientContext = value
            case 21 where ASCIIText.equalIgnoringCase(name, "x-amz-invocation-type"): invocationType = value
            case 25 where ASCIIText.equalIgnoringCase(name, "x-martlet-idempotency-key"): idempotencyKey = value
            case 17 where ASCIIText.equalIgnoringCase(name, "transfer-encoding"):
                guard !isChunked, ASCIIText.equalIgnoringCase(value, "chunked") else {
                    throw Refusal(.badRequest, "Transfer-Encoding must be 'chunked' and nothing else")
                }
                isChunked = true
            default: break
            }
        }
        if isChunked, contentLength != nil {
            throw Refusal(.badRequest, "the request has both Content-Length and Transfer-Encoding")
        }
        if isChunked, head.version == .http1_0 { throw Refusal(.badRequest, "HTTP/1.0 has no Transfer-Encoding") }
        if host == nil, head.version != .http1_0 { throw Refusal(.badRequest, "a request needs a Host header (in HTTP/2, an :authority)") }
        if let host, !Self.isHost(host) { throw Refusal(.badRequest, "the Host header has characters that a host name has not") }
        if let expectation, head.version != .http1_0 {
            guard ASCIIText.equalIgnoringCase(expectation, "100-continue") else {
                throw Refusal(.expectationFailed, "Expect: \(expectation.prefix(64)) cannot be met; only 100-continue can")
            }
            // In HTTP/2 a body needs no announcement.
            expectsContinue = head.version == .http2 ? contentLength != 0 : isChunked || (contentLength ?? 0) > 0
        }
        isParsed = true
    }

    /// - Throws: a `Refusal` for a proxy's header that is no host.
    mutating func replaceHost(_ text: String) throws(Refusal) {
        guard Self.isHost(text) else { throw Refusal(.badRequest, "the X-Forwarded-Host header has characters that a host name has not") }
        host = text
    }

    /// `Host` without its port.
    var hostName: Substring {
        guard let host else { return "" }
        return Self.name(of: host)
    }

    static func name(of host: String) -> Substring { host[..<nameEnd(of: host)] }

    var hostPort: Int? {
        guard let host else { return nil }
        let rest = host.utf8[Self.nameEnd(of: host)...]
        return rest.first == UInt8(ascii: ":") ? Int(Substring(rest.dropFirst())) ?? -1 : nil
    }

    /// An address of version 6 has colons within its brackets.
    private static func nameEnd(of host: String) -> String.Index {
        guard host.utf8.first == UInt8(ascii: "[") else { return host.utf8.firstIndex(of: UInt8(ascii: ":")) ?? host.endIndex }
        return host.utf8.firstIndex(of: UInt8(ascii: "]")).map { host.utf8.index(after: $0) } ?? host.endIndex
    }

    private static func isHost(_ text: String) -> Bool {
        text.utf8.count <= 255
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-._~:[]%!$&'()*+,;=".utf8.contains(byte)
                }
            }
    }
}

/// An answer that says no.
struct Refusal: Error {
    let exception: LambdaException
    let message: String
    let retryAfter: Int?

    init(_ exception: LambdaException, _ message: String, retryAfter: Int? = nil) {
        self.exception = exception
        self.message = message
        self.retryAfter = retryAfter
    }

    init(_ code: ServiceError.Code, _ message: String, retryAfter: Int? = nil) {
        self.init(code.exception, message, retryAfter: retryAfter)
    }

    init(_ error: ServiceError) {
        self.init(error.code.exception, error.message, retryAfter: error.retryAfter)
    }
}
