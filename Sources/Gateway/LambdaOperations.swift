import FunctionModel
import JSONValues
import LambdaAPI
import NIOCore

/// What is done for every operation of Lambda's API, whoever registered it: a request is validated against the service model
/// before its handler sees it, and an operation that nobody registered says so.
enum LambdaOperations {
    /// They never come to a management route.
    private static let elsewhere: Set = ["Invoke", "InvokeAsync"]

    /// - Parameter routes: the registered ones; they win over what is added here.
    static func complete(_ routes: [ControlRoute], model: ServiceModel = .lambda) -> [ControlRoute] {
        let operations = model.operations.filter { !elsewhere.contains($0.name) }
        let known = routes.map { route in operations.contains { matches(route, $0) } ? validated(route, model) : route }
        let missing = operations.filter { operation in !routes.contains { matches($0, operation) } }
        return known + missing.map { unsupported($0, model) }
    }

    private static func matches(_ route: ControlRoute, _ operation: ServiceModel.Operation) -> Bool {
        let segments = operation.path.split(separator: "/")
        return route.method == operation.method && route.segments.count == segments.count
            && zip(route.segments, segments).allSatisfy { $0.first == "{" && $1.first == "{" || $0 == $1 }
    }

    private static func validated(_ route: ControlRoute, _ model: ServiceModel) -> ControlRoute {
        let handler = route.handler
        return route.with { request in
            if let operation = model.operation(method: request.method, path: request.path, query: request.query) {
                try validate(request, operation)
            }
            return try await handler(request)
        }
    }

    private static func unsupported(_ operation: ServiceModel.Operation, _ model: ServiceModel) -> ControlRoute {
        ControlRoute(operation.method, operation.path) { request in
            // Another operation may have the same path.
            let meant = model.operation(method: request.method, path: request.path, query: request.query) ?? operation
            throw ServiceError(.unsupportedOperation, "\(meant.name) is not supported by Martlet")
        }
    }

    /// - Throws: `.unsupportedMediaType`, `.serialization`, `.validation`.
    private static func validate(_ request: ControlRequest, _ operation: ServiceModel.Operation) throws(ServiceError) {
        try checkContentType(request)
        var path: [String: String] = [:]
        for (name, value) in zip(operation.path.split(separator: "/"), request.path.split(separator: "/")) where name.first == "{" {
            path[String(name.dropFirst().dropLast())] = ASCIIText.percentDecoded(value)
        }
        let body: [UInt8]
        do throws(JSONFault) { body = try UploadedArchive.withoutArchive(request.body) } catch {
            throw ServiceError(.serialization, "Could not parse request body into json: \(error.description)")
        }
        try ModelRequest(operation, path: path, query: request.query, headers: request.headers, body: body).validate()
    }

    /// What the model has against the target of an invocation. Asked only of a target that was not found: what the model
    /// refuses can be no function's name, and the way of an invocation is spared the check.
    static func invokeFault(name: String, qualifier: String?, model: ServiceModel = .lambda) -> ServiceError? {
        guard let operation = model.operation(named: "Invoke") else { return nil }
        do throws(ServiceError) {
            let query = qualifier.map { [(name: "Qualifier", value: $0)] } ?? []
            try ModelRequest(operation, path: ["FunctionName": name], query: query, headers: [], body: [UInt8]()).validate()
            return nil
        } catch {
            return error
        }
    }

    /// Types that say the body is something else than JSON. What is said by default by clients that do not care is let through.
    /// What Lambda itself does with such types could not be confirmed; the exception is the model's for them.
    private static func checkContentType(_ request: ControlRequest) throws(ServiceError) {
        guard request.body.readableBytes > 0, let header = request.headers.first(where: { $0.name.lowercased() == "content-type" })?.value else { return }
        let type = header.lowercased().split(separator: ";").first?.trimmed ?? ""
        let isTaken = type.isEmpty || type.contains("json") || type == "application/x-www-form-urlencoded" || type.hasSuffix("/octet-stream")
        guard isTaken else {
            throw ServiceError(.unsupportedMediaType, "Content-Type '\(header.prefix(100))' is not supported: send application/json")
        }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var text = self
        while text.last == " " { text.removeLast() }
        while text.first == " " { text.removeFirst() }
        return String(text)
    }
}
