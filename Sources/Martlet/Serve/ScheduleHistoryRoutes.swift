internal import DurableQueue
internal import EventDispatch
internal import FunctionModel
internal import Gateway
internal import JSONValues
internal import Metering
internal import Scheduler
internal import Schedules
internal import SQLiteStore

/// What a schedule has run, and what became of each run, below /martlet/v1.
///
/// The schedule knows what it sent; the outcome is where every invocation's is: in its function's queues while it waits or
/// when it was given up, in the ledger of usage otherwise.
struct ScheduleHistoryRoutes: Sendable {
    let service: SchedulerService
    let events: Events
    let store: SQLiteStore
    let folder: UsageFolder

    var all: [ControlRoute] { [ControlRoute("GET", "/martlet/v1/schedules/{Name}/runs") { try await runs($0) }] }

    private func runs(_ request: ControlRequest) async throws -> ControlResponse {
        let limit = try request.integer("limit", in: 1...ScheduleRun.kept) ?? ScheduleRun.kept
        let caller = SchedulerService.Caller(account: request.caller.account, region: request.caller.region)
        let found: (target: String, runs: [ScheduleRun])
        do {
            found = try await service.runs(request.parameters["Name"] ?? "", group: request.value("groupName"), caller)
        } catch let error as SchedulerError {
            throw ServiceError(error.kind == .resourceNotFound ? .resourceNotFound : .invalidParameterValue, error.message)
        }
        try await folder.flushNow()
        var function: FunctionKey?
        if case .function(let key, _)? = EventDestination(arn: found.target) { function = key }
        var rows: [JSON] = []
        for run in found.runs.prefix(limit) { rows.append(try await row(run, function)) }
        return .json(text: Array(JSON.object([.init("target", .string(found.target)), .init("runs", .array(rows))]).text().utf8))
    }

    private func row(_ run: ScheduleRun, _ function: FunctionKey?) async throws -> JSON {
        var members: [JSON.Member] = [
            .init("scheduled", .string(ScheduleTime.text(run.due))), .init("fired", .integer(run.fired)), .init("latenessMs", .integer(run.lateness)),
        ]
        guard let id = run.id else {
            return .object(members + [.init("status", .string("notSent")), .init("error", .optional(run.error))])
        }
        guard let function else {
            return .object(members + [.init("messageId", .string(id.description)), .init("status", .string("sent"))])
        }
        let outcome = try await outcome(of: id, function)
        members += [
            .init("requestId", .string(id.description)), .init("status", .string(outcome.status)), .init("attempts", .integer(outcome.attempts)),
            .init("error", .optional(outcome.error)),
        ]
        return .object(members)
    }

    private func outcome(of id: RequestID, _ function: FunctionKey) async throws -> (status: String, attempts: Int, error: String?) {
        let records = try await store.record(requestID: id).filter { $0.key == function }.sorted { $0.attempt < $1.attempt }
        if records.last?.outcome == .success { return ("success", records.count, nil) }
        if let message = try await message(id, in: AsyncQueue.failed(function)) { return ("givenUp", records.count, Self.error(message)) }
        if let message = try await message(id, in: AsyncQueue.pending(function)) {
            return (message.state == .inFlight ? "running" : "waiting", records.count, Self.error(message))
        }
        // It was given up and handed on, or its function was deleted with all that waited.
        guard let last = records.last else { return ("gone", 0, nil) }
        return ("givenUp", records.count, "\(last.outcome)")
    }

    private func message(_ id: RequestID, in key: QueueKey) async throws -> StoredMessage? {
        do { return try await events.store.find(id, in: key, now: events.clock.milliseconds()) } catch let error as ServiceError
            where error.code == .resourceNotFound
        { return nil }
    }

    private static func error(_ message: StoredMessage) -> String? {
        message.failures.last.map { $0.reason.isEmpty ? $0.kind : "\($0.kind): \($0.reason)" }
    }
}
