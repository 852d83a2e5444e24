internal import DurableQueue
internal import EventBus
internal import EventDispatch
internal import FunctionModel
internal import Gateway
internal import JSONValues
internal import Registry
internal import Scheduler
internal import SQLiteStore
internal import Synchronization
internal import Telemetry
internal import Triggers

extension Server {
    /// Event buses, whose rules send events to functions, queues and other buses.
    func makeEventBus(
        _ events: Events, _ registry: EventBusRegistry, functions: FunctionDirectory, scheduler: SchedulerService, client: HTTPEndpointClient,
        metrics: ServerMetrics
    ) -> (service: EventBusService, routes: EventBusRoutes) {
        let clock = events.clock
        let targets = FunctionTargets(
            exists: { functions.has($0, qualifier: $1) }, refusal: { functions.refusal(of: $0) }, queue: { AsyncQueue.pending($0) },
            attributes: { AsyncQueue.attributes(qualifier: $0) })
        let observer = EventBusObserver(
            accepted: { metrics.busEvents.with($0.name, "accepted").increment() },
            matched: { metrics.busEvents.with($0.name, "matched").increment() },
            delivery: { metrics.busDeliveries.with($0.name, $1.rawValue).increment() },
            failure: { what, arn, reason in Log.error(what, ["arn": .init(arn), "reason": .init(reason)]) })
        let service = EventBusService(
            registry: registry, store: events.store, functions: targets, clock: ScheduledRules(scheduler), client: client, observer: observer,
            now: { clock.milliseconds() })
        let routes = EventBusRoutes(service) { error, id in
            Log.error("a request for an event bus failed", ["error": .init(describing: error), "requestId": .init(id.description)])
        }
        return (service, routes)
    }
}

/// Rules of event buses.
struct EventBusTriggers: TriggerCatalog {
    let service: EventBusService

    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry] {
        service.triggers(EventBusService.Caller(account: account, region: region), now: now)
    }
}

/// Which functions there are, for those who cannot wait to ask the registry.
final class FunctionDirectory: Sendable {
    private let snapshot: Mutex<RegistrySnapshot>

    init(_ snapshot: RegistrySnapshot) { self.snapshot = Mutex(snapshot) }

    /// Takes a newer snapshot; an older one that comes late is dropped.
    func apply(_ next: RegistrySnapshot) { snapshot.withLock { if next.generation >= $0.generation { $0 = next } } }

    /// Why no rule may send it events; nil where one may, or where it is not there.
    func refusal(of key: FunctionKey) -> ServiceError? {
        do throws(ServiceError) {
            try snapshot.withLock { $0.functions[key] }?.refuseTenancy(for: "A rule")
            return nil
        } catch {
            return error
        }
    }

    func has(_ key: FunctionKey, qualifier: String?) -> Bool { snapshot.withLock { $0.functions[key] }?.version(qualifier: qualifier) != nil }
}

/// A rule's schedule is one of EventBridge Scheduler's in a group of its own, whose target is the rule.
struct ScheduledRules: RuleClock {
    /// No user's group begins so with EventBridge.
    static let group = "aws.events"

    private let scheduler: SchedulerService

    init(_ scheduler: SchedulerService) { self.scheduler = scheduler }

    func set(_ rule: RuleKey, expression: String, isEnabled: Bool) async throws {
        let caller = SchedulerService.Caller(account: rule.bus.account, region: rule.bus.region)
        // A bus has a few hundred rules, and this is asked for when one is changed and at start.
        let known = try await find(rule, caller)
        let state = isEnabled ? "ENABLED" : "DISABLED"
        if known?["ScheduleExpression"]?.string == expression, known?["State"]?.string == state { return }
        let body = JSON.object([
            .init("GroupName", .string(Self.group)), .init("ScheduleExpression", .string(expression)), .init("State", .string(state)),
            .init("FlexibleTimeWindow", .object([.init("Mode", .string("OFF"))])),
            .init(
                "Target",
                .object([
                    .init("Arn", .string(rule.arn)), .init("RoleArn", .string("arn:aws:iam::\(rule.bus.account):role/none")),
                    .init("Input", .string(Self.event(of: rule))),
                ])),
        ])
        do {
            if known == nil {
                try await makeGroup(caller)
                _ = try await scheduler.create(rule.name, body, caller)
            } else {
                _ = try await scheduler.update(rule.name, body, caller)
            }
        } catch let error as SchedulerError where error.kind == .validation {
            throw EventBusError(.validation, "Parameter ScheduleExpression is not valid. Reason: \(error.message)")
        }
    }

    func remove(_ rule: RuleKey) async throws {
        let caller = SchedulerService.Caller(account: rule.bus.account, region: rule.bus.region)
        guard try await find(rule, caller) != nil else { return }
        _ = try await scheduler.delete(rule.name, group: Self.group, caller)
    }

    private func find(_ rule: RuleKey, _ caller: SchedulerService.Caller) async throws -> JSON? {
        do { return try await scheduler.get(rule.name, group: Self.group, caller) } catch let error as SchedulerError where error.kind == .resourceNotFound {
            return nil
        }
    }

    private func makeGroup(_ caller: SchedulerService.Caller) async throws {
        do { _ = try await scheduler.createGroup(Self.group, .object([]), caller) } catch let error as SchedulerError where error.kind == .conflict {
            // It is there.
        }
    }

    /// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html, the event of a rule's schedule.
    private static func event(of rule: RuleKey) -> String {
        JSON.object([
            .init("version", .string("0")), .init("id", .string("<aws.scheduler.execution-id>")), .init("detail-type", .string("Scheduled Event")),
            .init("source", .string("aws.events")), .init("account", .string(rule.bus.account)),
            .init("time", .string("<aws.scheduler.scheduled-time>")),
            .init("region", .string(rule.bus.region)), .init("resources", .array([.string(rule.arn)])), .init("detail", .object([])),
        ]).text()
    }
}
