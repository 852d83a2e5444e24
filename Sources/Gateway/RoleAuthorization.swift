import FunctionModel
import JSONValues
import LambdaAPI
import NIOCore
import Roles

/// Which action of which service a function's request is, and on what, so that its role can be asked. What is no action of AWS's
/// is for no function: Martlet's own routes, whose callers are people and tools.
enum RoleAuthorization {
    /// Wraps each route, whoever registered it: one that is added later is closed to functions until it is known here.
    static func complete(_ routes: [ControlRoute], model: ServiceModel = .lambda) -> [ControlRoute] {
        routes.map { route in
            let handler = route.handler
            return route.with { request in
                if let role = request.role { try check(request, route, role, model) }
                return try await handler(request)
            }
        }
    }

    private static func check(_ request: ControlRequest, _ route: ControlRoute, _ role: RoleSession, _ model: ServiceModel) throws(ServiceError) {
        // Several services share these; each asks for itself when it knows the operation.
        if SQSRoutes.patterns.contains(route.pattern) { return }
        if let action = schedulerActions["\(route.method) \(route.pattern)"] { return try role.check("scheduler:\(action)", on: nil) }
        guard route.pattern.hasPrefix("/20"), let operation = model.operation(method: request.method, path: request.path, query: request.query) else {
            throw ServiceError(.accessDenied, "User: \(role.arn) is not authorized to use \(request.method) \(request.path.prefix(200)): functions have AWS's operations alone")
        }
        try role.check("lambda:\(operation.name)", on: resource(request))
        switch operation.name {
        case "CreateFunction", "UpdateFunctionConfiguration": try passRole(role)
        case "UpdateFunctionCode":
            // Martlet takes settings beside the code: they are worth the operation that is there for them.
            let settings = members(request).map { $0.subtracting(model.members(of: operation)).subtracting(ownCodeMembers) }
            if settings?.isEmpty != true { try role.check(settingsAction, on: resource(request)) }
            if settings?.contains("Role") != false { try passRole(role) }
        case "TagResource" where hasSettings(members(request, of: "Tags")): try role.check(settingsAction, on: taggedFunction(request))
        case "UntagResource" where hasSettings(Set(request.query.filter { $0.name == "tagKeys" }.map(\.value))):
            try role.check(settingsAction, on: taggedFunction(request))
        default: break
        }
    }

    private static let settingsAction = "lambda:UpdateFunctionConfiguration"
    /// Of UpdateFunctionCode: another way to name the code.
    private static let ownCodeMembers: Set = ["MartletSha256"]

    /// Who gives a function a role acts with its rights.
    private static func passRole(_ role: RoleSession) throws(ServiceError) { try role.check("iam:PassRole", on: nil) }

    /// The names in the body, or in one of its objects; nil where they cannot be told, so that everything is asked for.
    private static func members(_ request: ControlRequest, of name: String? = nil) -> Set<String>? {
        guard let body = try? UploadedArchive.withoutArchive(request.body), case .object(let members)? = try? JSON(parsing: body) else { return nil }
        guard let name else { return Set(members.map(\.name)) }
        var found: Set<String> = []
        // Of several with that name it is not said here which one counts.
        for member in members where member.name == name {
            guard case .object(let inner) = member.value else { return nil }
            found.formUnion(inner.map(\.name))
        }
        return found
    }

    /// Tags of Martlet's own are settings.
    private static func hasSettings(_ tags: Set<String>?) -> Bool { tags?.contains { $0.hasPrefix("martlet:") } != false }

    /// Nil for what is no function: it has no settings in tags, and who may set them on each function may tag it so.
    private static func taggedFunction(_ request: ControlRequest) -> String? {
        let (account, region) = (request.caller.account, request.caller.region)
        let target = try? FunctionTarget(request.parameters["Resource"] ?? "", qualifier: nil, account: account, region: region)
        return target?.key.arn
    }

    /// Nil where the path does not name one.
    private static func resource(_ request: ControlRequest) -> String? {
        let (account, region) = (request.caller.account, request.caller.region)
        if let name = request.parameters["FunctionName"],
            let target = try? FunctionTarget(name, qualifier: request.value("Qualifier"), account: account, region: region)
        {
            return target.qualifier.map { "\(target.key.arn):\($0)" } ?? target.key.arn
        }
        if let mapping = request.parameters["UUID"] { return "arn:aws:lambda:\(region):\(account):event-source-mapping:\(mapping)" }
        return nil
    }

    private static let schedulerActions = [
        "POST /schedules/{Name}": "CreateSchedule", "PUT /schedules/{Name}": "UpdateSchedule", "GET /schedules/{Name}": "GetSchedule",
        "DELETE /schedules/{Name}": "DeleteSchedule", "GET /schedules": "ListSchedules", "POST /schedule-groups/{Name}": "CreateScheduleGroup",
        "GET /schedule-groups/{Name}": "GetScheduleGroup", "DELETE /schedule-groups/{Name}": "DeleteScheduleGroup",
        "GET /schedule-groups": "ListScheduleGroups", "GET /tags/{ResourceArn}": "ListTagsForResource", "POST /tags/{ResourceArn}": "TagResource",
        "DELETE /tags/{ResourceArn}": "UntagResource",
    ]

    /// - Parameter operation: of EventBridge: `PutEvents`.
    static func checkEvents(_ operation: String, _ request: ControlRequest) throws(ServiceError) {
        guard let role = request.role else { return }
        let entries = operation == "PutEvents" ? (try? JSON(parsing: request.body.readableBytesView, maximumDepth: 32))?["Entries"]?.array ?? [] : []
        guard !entries.isEmpty else { return try role.check("events:\(operation)", on: nil) }
        for entry in entries {
            // Of an ARN only the bus counts: others than the account's own are refused by who reads it.
            let name = entry["EventBusName"]?.string?.split(separator: "/").last ?? "default"
            try role.check("events:PutEvents", on: "arn:aws:events:\(request.caller.region):\(request.caller.account):event-bus/\(name)")
        }
    }
}
