import Glibc

/// The four calls of the Lambda Runtime API, over one connection.
struct RuntimeAPI {
    private var connection: HTTPConnection
    private static let root = "/2018-06-01/runtime/"

    /// - Parameter address: `host:port`, the value of `AWS_LAMBDA_RUNTIME_API`.
    init(address: String) throws {
        connection = try HTTPConnection(address: address)
    }

    /// Waits for an event, however long that takes.
    mutating func next() throws -> (event: [UInt8], context: Context) {
        let response = try connection.exchange("GET", Self.root + "invocation/next")
        guard response.status == 200 else { throw RuntimeAPIError.status(response.status, "invocation/next") }
        guard let requestID = response.headers["lambda-runtime-aws-request-id"], !requestID.isEmpty else {
            throw RuntimeAPIError.malformed("invocation/next was answered without a request ID")
        }
        let context = Context(
            requestID: requestID,
            deadlineMilliseconds: response.headers["lambda-runtime-deadline-ms"].flatMap { Int64($0) } ?? 0,
            invokedFunctionARN: response.headers["lambda-runtime-invoked-function-arn"] ?? "",
            traceID: response.headers["lambda-runtime-trace-id"] ?? "",
            clientContext: response.headers["lambda-runtime-client-context"],
            tenantID: response.headers["lambda-runtime-aws-tenant-id"])
        return (response.body, context)
    }

    /// - Returns: false when the answer is larger than the server takes.
    mutating func postResponse(_ body: [UInt8], requestID: String) throws -> Bool {
        let path = "invocation/\(requestID)/response"
        let status = try connection.exchange("POST", Self.root + path, body: body).status
        if status == 413 { return false }
        guard (200..<300).contains(status) else { throw RuntimeAPIError.status(status, path) }
        return true
    }

    mutating func postError(_ error: HandlerError, requestID: String) throws {
        try post(error, "invocation/\(requestID)/error")
    }

    mutating func postInitError(_ error: HandlerError) throws {
        try post(error, "init/error")
    }

    private mutating func post(_ error: HandlerError, _ path: String) throws {
        let body: JSON = ["errorMessage": .string(error.message), "errorType": .string(error.type), "stackTrace": []]
        // The type goes into a header line, where not every character may stand.
        let type = String(error.type.unicodeScalars.filter { (0x21...0x7e).contains($0.value) }.prefix(256).map(Character.init))
        let status = try connection.exchange(
            "POST", Self.root + path, headers: "Lambda-Runtime-Function-Error-Type: \(type)\r\n",
            body: body.serialized()
        ).status
        guard (200..<300).contains(status) else { throw RuntimeAPIError.status(status, path) }
    }
}

enum RuntimeAPIError: Error, Equatable, CustomStringConvertible {
    case address(String)
    case system(step: String, errno: Int32)
    case closed
    case malformed(String)
    case status(Int, String)

    var description: String {
        switch self {
        case .address(let text):
            "AWS_LAMBDA_RUNTIME_API must be an IPv4 address and a port, as 127.0.0.1:9001, not \"\(text)\""
        case .system(let step, let code): "failed to \(step) the Runtime API: \(String(cString: strerror(code)))"
        case .closed: "the Runtime API closed the connection within an answer"
        case .malformed(let reason): "the Runtime API sent an answer that cannot be read: \(reason)"
        case .status(let status, let path): "the Runtime API answered \(path) with status \(status)"
        }
    }
}
