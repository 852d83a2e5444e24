import Auditing
import FunctionModel
import JSONValues
import LambdaAPI
import NIOCore

/// What the audit log keeps of a management call.
struct Audited: Sendable {
    /// Members and parameters that name what a call is about, of Lambda's and the other services' requests. Others may be secret.
    private static let names: Set = [
        "AliasName", "FunctionName", "LayerName", "EventSourceArn", "EventBusName", "QueueName", "QueueUrl", "Rule", "Name", "ResourceARN", "ResourceArn", "name",
        "account", "function",
    ]
    /// Bytes of a body that is looked into, without its archive: as many as any request may have that uploads nothing.
    private static let maximumBody = 8 << 20
    /// Characters of a name that a client gives.
    private static let maximumName = 64

    private let request: ControlRequest
    private let operation: String
    /// Of a call whose operation the path does not say.
    private let call: SharedPathCall?

    /// nil for a call that is not kept.
    init?(_ request: ControlRequest, _ route: ControlRoute) {
        guard route.access != .open, route.isAudited else { return nil }
        call = SQSRoutes.patterns.contains(route.pattern) ? SharedPathCall(request) : nil
        // What the client says about a path of one operation only counts for nothing.
        let named = call.map(\.operation) ?? ServiceModel.lambda.operation(method: request.method, path: request.path, query: request.query)?.name
        guard AuditScope.covers(method: request.method, operation: named) else { return nil }
        self.request = request
        operation = named.flatMap { $0.isEmpty ? nil : String($0.prefix(Self.maximumName)) } ?? "\(route.method) \(route.pattern)"
    }

    func entry(_ result: Result<ControlResponse, ServiceError>, time: Int64) -> AuditEntry {
        let status: Int
        var error: String?
        switch result {
        case .success(let response):
            status = response.status
            error = response.headers.first { ASCIIText.equalIgnoringCase($0.name, "x-amzn-errortype") }?.value
        case .failure(let refusal):
            status = refusal.code.exception.status
            error = refusal.code.exception.name
        }
        return AuditEntry(
            time: time, requestID: request.requestID, account: request.caller.account, region: request.caller.region,
            accessKeyID: request.caller.accessKeyID, sourceAddress: request.sourceAddress, operation: operation, resource: resource, status: status,
            error: error)
    }

    private var resource: String {
        let inPath = request.parameters.sorted { $0.key < $1.key }.map(\.value)
        // Both protocols take a queue's address from the request before they take the path's.
        if let call { return (inPath + (call.target == nil ? Self.named(call.parameters) : inBody)).joined(separator: " ") }
        return (inPath.isEmpty ? inBody : inPath).joined(separator: " ")
    }

    private var inBody: [String] {
        guard let body = try? UploadedArchive.withoutArchive(request.body), body.count <= Self.maximumBody, let json = try? JSON(parsing: body),
            case .object(let members) = json
        else { return [] }
        return Self.named(members.map { ($0.name, $0.value.string ?? "") })
    }

    private static func named(_ members: [(name: String, value: String)]) -> [String] {
        members.filter { names.contains($0.name) && !$0.value.isEmpty }.map(\.value)
    }
}
