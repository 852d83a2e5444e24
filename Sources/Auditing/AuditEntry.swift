public import FunctionModel
public import JSONValues

/// One management call that was answered: who did what to what, and what came of it.
public struct AuditEntry: Hashable, Sendable {
    /// Milliseconds since 1970 at which the answer was ready.
    public var time: Int64
    public var requestID: RequestID
    public var account: String
    public var region: String
    /// Empty for unsigned calls in development mode.
    public var accessKeyID: String
    public var sourceAddress: String
    /// As AWS names it, `CreateFunction`; for Martlet's own routes the method and the pattern.
    public var operation: String
    /// What it was done to; empty where the call names nothing.
    public var resource: String
    /// HTTP status of the answer.
    public var status: Int
    /// The exception's name, for a refusal.
    public var error: String?

    /// Characters kept of a resource.
    public static let maximumResource = 512

    public init(
        time: Int64, requestID: RequestID, account: String, region: String, accessKeyID: String, sourceAddress: String, operation: String,
        resource: String, status: Int, error: String?
    ) {
        self.time = time
        self.requestID = requestID
        self.account = account
        self.region = region
        self.accessKeyID = accessKeyID
        self.sourceAddress = sourceAddress
        self.operation = operation
        self.resource = String(resource.unicodeScalars.prefix(Self.maximumResource))
        self.status = status
        self.error = error
    }

    public var json: JSON {
        .object([
            .init("time", .integer(time)), .init("requestId", .string(requestID.description)), .init("account", .string(account)),
            .init("region", .string(region)), .init("accessKeyId", .string(accessKeyID)), .init("sourceIp", .string(sourceAddress)),
            .init("operation", .string(operation)), .init("resource", .string(resource)), .init("status", .integer(status)),
            .init("error", .optional(error)),
        ])
    }

    /// nil for what `json` does not write.
    public init?(_ json: JSON) {
        guard let time = json["time"]?.integer, let id = json["requestId"]?.string.flatMap(RequestID.init), let account = json["account"]?.string,
            let region = json["region"]?.string, let key = json["accessKeyId"]?.string, let source = json["sourceIp"]?.string,
            let operation = json["operation"]?.string, let resource = json["resource"]?.string, let status = json["status"]?.integer
        else { return nil }
        self.init(
            time: Int64(time), requestID: id, account: account, region: region, accessKeyID: key, sourceAddress: source, operation: operation,
            resource: resource, status: status, error: json["error"]?.string)
    }
}
