public import AccessControl
public import FunctionModel
import LambdaAPI
public import NIOCore
public import Roles

/// A management request whose sender is known.
public struct ControlRequest: Sendable {
    public let requestID: RequestID
    public let method: String
    /// As on the wire, without the query.
    public let path: String
    /// What stands for each `{name}` of the pattern, percent-decoded.
    public let parameters: [String: String]
    /// In order, percent-decoded.
    public let query: [(name: String, value: String)]
    public let headers: [(name: String, value: String)]
    public let body: ByteBuffer
    /// As on the wire, without `?`.
    public let rawQuery: String
    /// The peer's address; empty where there is none.
    public let sourceAddress: String
    /// For open routes an account and region of empty strings, unless the server is in development mode.
    public let caller: Caller
    /// What the caller's role lets it do; nil for one who is no function.
    public let role: RoleSession?

    public init(
        requestID: RequestID, method: String, path: String, parameters: [String: String] = [:],
        query: [(name: String, value: String)] = [], headers: [(name: String, value: String)] = [], body: ByteBuffer = ByteBuffer(),
        rawQuery: String = "", sourceAddress: String = "", caller: Caller, role: RoleSession? = nil
    ) {
        self.requestID = requestID
        self.method = method
        self.path = path
        self.parameters = parameters
        self.query = query
        self.headers = headers
        self.body = body
        self.rawQuery = rawQuery
        self.sourceAddress = sourceAddress
        self.caller = caller
        self.role = role
    }

    /// The sender's `X-Amzn-Trace-Id`, which code in a function sends by itself; nil where it cannot be sent on.
    var trace: String? { TraceHeader.readable(headers.first { ASCIIText.equalIgnoringCase($0.name, "x-amzn-trace-id") }?.value) }

    /// The first value of a query parameter; names are compared exactly.
    public func value(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// - Throws: `.invalidParameterValue` when the parameter is not a whole number in the range.
    public func integer(_ name: String, in range: ClosedRange<Int>) throws(ServiceError) -> Int? {
        guard let text = value(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw ServiceError(
                .invalidParameterValue,
                "Value '\(text.prefix(64))' at '\(name)' must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Reads the body as JSON; an empty one counts as `{}`.
    public func decode<Value: Decodable>(_ type: Value.Type) throws(ServiceError) -> Value {
        try LambdaJSON.decode(type, from: body.readableBytesView)
    }
}

public struct ControlResponse: Sendable {
    public var status: Int
    /// Beside `Content-Length`, `Date`, `Connection` and `x-amzn-RequestId`, which the gateway writes itself.
    public var headers: [(name: String, value: String)]
    public var body: ByteBuffer
    /// Gives the body's next part, nil at its end: for one that comes piece by piece instead of `body`. It is asked when the client
    /// has taken the last, and not again once that has gone or the server is about to end; its task is cancelled then.
    public var nextPart: (@Sendable () async -> ByteBuffer?)?

    public init(status: Int, headers: [(name: String, value: String)] = [], body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    public static func json(_ value: some Encodable, status: Int = 200) throws(ServiceError) -> ControlResponse {
        ControlResponse(
            status: status, headers: [("Content-Type", "application/json")], body: ByteBuffer(bytes: try LambdaJSON.encode(value)))
    }

    /// For JSON that is already text.
    public static func json(text: [UInt8], status: Int = 200) -> ControlResponse {
        ControlResponse(status: status, headers: [("Content-Type", "application/json")], body: ByteBuffer(bytes: text))
    }

    public static func text(_ text: String, type: String = "text/plain; charset=utf-8", status: Int = 200) -> ControlResponse {
        ControlResponse(status: status, headers: [("Content-Type", type)], body: ByteBuffer(string: text))
    }

    public static let noContent = ControlResponse(status: 204)
}

/// One operation outside the invocation path. Runs in a task of its own, which is cancelled when the client goes away.
public struct ControlRoute: Sendable {
    public enum Access: Sendable {
        /// Signed by a known key; in development mode guarded against web pages.
        case signed
        /// The same, and the key must be the operator's.
        case `operator`
        /// For anyone, from anywhere: health and metrics.
        case open
    }

    public typealias Handler = @Sendable (ControlRequest) async throws -> ControlResponse

    public let method: String
    /// `/2015-03-31/functions/{FunctionName}`; a parameter stands for one whole path segment, with `#` before its name for
    /// one of digits only.
    public let pattern: String
    public let access: Access
    /// Bytes; nil for the configuration's usual limit.
    public let maximumBody: Int?
    /// Requests of this pattern at the same time, for one that may wait; nil for a share in `maximumControlRequests`.
    public let maximumRequests: Int?
    /// Whether clients that do not speak JSON expect errors as the query protocol's XML.
    public let hasQueryErrors: Bool
    /// Whether the log of management calls has it, if it is no reading.
    public let isAudited: Bool
    public let handler: Handler
    let segments: [Substring]

    public init(
        _ method: String, _ pattern: String, access: Access = .signed, maximumBody: Int? = nil, maximumRequests: Int? = nil,
        hasQueryErrors: Bool = false, isAudited: Bool = true, handler: @escaping Handler
    ) {
        self.method = method
        self.pattern = pattern
        self.access = access
        self.maximumBody = maximumBody
        self.maximumRequests = maximumRequests
        self.hasQueryErrors = hasQueryErrors
        self.isAudited = isAudited
        self.handler = handler
        segments = pattern.split(separator: "/")
    }

    /// The same route with something around its handler.
    func with(_ handler: @escaping Handler) -> ControlRoute {
        ControlRoute(
            method, pattern, access: access, maximumBody: maximumBody, maximumRequests: maximumRequests, hasQueryErrors: hasQueryErrors,
            isAudited: isAudited, handler: handler)
    }
}

/// Finds the operation of a path.
struct ControlRouter: Sendable {
    enum Match {
        case route(ControlRoute, parameters: [String: String])
        /// The path exists, the method does not.
        case methods([String])
        case nothing
    }

    private let routes: [ControlRoute]

    init(_ routes: [ControlRoute]) { self.routes = routes }

    /// - Parameter path: as on the wire; a closing slash does not matter, as some clients send one.
    func match(method: String, path: Substring) -> Match {
        let segments = path.split(separator: "/", maxSplits: 12)
        var methods: [String] = []
        for route in routes where route.segments.count == segments.count {
            guard let parameters = Self.parameters(route.segments, segments) else { continue }
            if route.method == method { return .route(route, parameters: parameters) }
            methods.append(route.method)
        }
        return methods.isEmpty ? .nothing : .methods(methods)
    }

    private static func parameters(_ pattern: [Substring], _ segments: [Substring]) -> [String: String]? {
        var result: [String: String] = [:]
        for (expected, actual) in zip(pattern, segments) {
            if expected.first == "{" {
                guard let value = ASCIIText.percentDecoded(actual) else { return nil }
                var name = expected.dropFirst().dropLast()
                if name.first == "#" {
                    guard value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
                    name = name.dropFirst()
                }
                result[String(name)] = value
            } else if expected != actual {
                return nil
            }
        }
        return result
    }
}
