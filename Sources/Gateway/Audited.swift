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
    /// Bytes of a body that is looked into, without its archive.
    private static let maximumBody = 256 << 10

    private let request: ControlRequest
    private let operation: String

    /// nil for a call that is not kept.
    init?(_ request: ControlRequest, _ route: ControlRoute) {
        guard route.access != .open, route.isAudited else { return nil }
        let named = Self.operation(request, isQueryProtocol: route.hasQueryErrors)
        guard AuditScope.covers(method: request.method, operation: named) else { return nil }
        self.request = request
        operation = named ?? "\(route.method) \(route.pattern)"
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

    /// As AWS names it.
    private static func operation(_ request: ControlRequest, isQueryProtocol: Bool) -> String? {
        if let target = request.headers.first(where: { ASCIIText.equalIgnoringCase($0.name, "x-amz-target") })?.value {
            return target.split(separator: ".").last.map { String($0.prefix(64)) }
        }
        // Also at a queue's own address, where older clients send their messages.
        if isQueryProtocol {
            return parameters(request).first { $0.name == "Action" }.map { String($0.value.prefix(64)) } ?? ""
        }
        return ServiceModel.lambda.operation(method: request.method, path: request.path, query: request.query)?.name
    }

    /// Of the query protocol: in the query, or in a form's body.
    private static func parameters(_ request: ControlRequest) -> [(name: String, value: String)] {
        guard request.body.readableBytes <= maximumBody else { return request.query }
        return request.query + RequestRoute.parameters(Substring(String(buffer: request.body)))
    }

    private var resource: String {
        if !request.parameters.isEmpty { return request.parameters.sorted { $0.key < $1.key }.map(\.value).joined(separator: " ") }
        let isForm = request.headers.contains { ASCIIText.equalIgnoringCase($0.name, "content-type") && $0.value.hasPrefix("application/x-www-form-urlencoded") }
        if isForm { return Self.parameters(request).filter { Self.names.contains($0.name) }.map(\.value).joined(separator: " ") }
        guard let body = try? UploadedArchive.withoutArchive(request.body), body.count <= Self.maximumBody, let json = try? JSON(parsing: body),
            case .object(let members) = json
        else { return "" }
        return members.filter { Self.names.contains($0.name) }.compactMap(\.value.string).joined(separator: " ")
    }
}
