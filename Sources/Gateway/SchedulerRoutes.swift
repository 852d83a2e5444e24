public import FunctionModel
import JSONValues
import NIOCore
public import Scheduler

/// EventBridge Scheduler's operations as routes: decode, call, encode.
public struct SchedulerRoutes: Sendable {
    private static let maximumPage = 100

    private let service: SchedulerService
    private let report: @Sendable (ServiceError, RequestID) -> Void

    /// - Parameter report: told of what no caller could mend.
    public init(_ service: SchedulerService, report: @escaping @Sendable (ServiceError, RequestID) -> Void) {
        self.service = service
        self.report = report
    }

    private typealias Operation = @Sendable (ControlRequest, SchedulerService.Caller) async throws -> JSON

    public var all: [ControlRoute] {
        let service = self.service
        return [
            route("POST", "/schedules/{Name}") { try await service.create(Self.name($0), Self.body($0), $1) },
            route("PUT", "/schedules/{Name}") { try await service.update(Self.name($0), Self.body($0), $1) },
            route("GET", "/schedules/{Name}") { try await service.get(Self.name($0), group: $0.value("groupName"), $1) },
            route("DELETE", "/schedules/{Name}") { try await service.delete(Self.name($0), group: $0.value("groupName"), $1) },
            route("GET", "/schedules") {
                try await service.list(
                    group: $0.value("ScheduleGroup"), prefix: $0.value("NamePrefix"), state: $0.value("State"), limit: Self.limit($0),
                    token: $0.value("NextToken"), $1)
            },
            route("POST", "/schedule-groups/{Name}") { try await service.createGroup(Self.name($0), Self.body($0), $1) },
            route("GET", "/schedule-groups/{Name}") { try await service.getGroup(Self.name($0), $1) },
            route("DELETE", "/schedule-groups/{Name}") { try await service.deleteGroup(Self.name($0), $1) },
            route("GET", "/schedule-groups") {
                try await service.listGroups(prefix: $0.value("NamePrefix"), limit: Self.limit($0), token: $0.value("NextToken"), $1)
            },
            route("GET", "/tags/{ResourceArn}") { try await service.tags($0.parameters["ResourceArn"] ?? "", $1) },
            route("POST", "/tags/{ResourceArn}") { try await service.tag($0.parameters["ResourceArn"] ?? "", Self.body($0), $1) },
            route("DELETE", "/tags/{ResourceArn}") { request, caller in
                let names = request.query.filter { $0.name == "TagKeys" }.map(\.value)
                return try await service.untag(request.parameters["ResourceArn"] ?? "", names, caller)
            },
        ]
    }

    private func route(_ method: String, _ pattern: String, _ operation: @escaping Operation) -> ControlRoute {
        ControlRoute(method, pattern) { request in
            do {
                let caller = SchedulerService.Caller(account: request.caller.account, region: request.caller.region)
                return .json(text: Array(try await operation(request, caller).text().utf8))
            } catch {
                return answer(error, request)
            }
        }
    }

    private func answer(_ error: any Error, _ request: ControlRequest) -> ControlResponse {
        let answer = schedulerError(error, request)
        var response = ControlResponse.json(
            text: Array(JSON.object([.init("Message", .string(answer.message))]).text().utf8), status: answer.kind.status)
        response.headers.append(("x-amzn-ErrorType", answer.kind.rawValue))
        return response
    }

    private func schedulerError(_ error: any Error, _ request: ControlRequest) -> SchedulerError {
        if let error = error as? SchedulerError { return error }
        let failure = error as? ServiceError ?? ServiceError(.internalFailure, "failed to answer a request for a schedule", underlying: error)
        switch failure.code {
        case .resourceNotFound: return SchedulerError(.resourceNotFound, failure.message)
        case .tooManyRequests: return SchedulerError(.throttling, failure.message)
        case .invalidParameterValue, .requestTooLarge: return SchedulerError(.validation, failure.message)
        default:
            report(failure, request.requestID)
            return SchedulerError(.internalServer, "The request could not be processed because of an internal failure: send it again.")
        }
    }

    // MARK: Reading requests

    private static func name(_ request: ControlRequest) -> String { request.parameters["Name"] ?? "" }

    private static func limit(_ request: ControlRequest) throws(ServiceError) -> Int? { try request.integer("MaxResults", in: 1...maximumPage) }

    private static func body(_ request: ControlRequest) throws(SchedulerError) -> JSON {
        do throws(JSONFault) {
            let json = try JSON(parsing: request.body.readableBytesView, maximumDepth: 32)
            if case .object = json { return json }
        } catch {
            throw SchedulerError(.validation, "The body is not JSON: \(error)")
        }
        throw SchedulerError(.validation, "The body must be a JSON object.")
    }
}
