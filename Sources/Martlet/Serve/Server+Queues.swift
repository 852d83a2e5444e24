internal import DurableQueue
internal import EventBus
internal import EventDispatch
internal import FunctionModel
internal import Gateway
internal import LogsAPI
internal import Registry
internal import Scheduler
internal import SQSAPI
internal import Telemetry

extension Server {
    /// SQS over the server's durable queues.
    /// - Parameters:
    ///   - eventBus: shares their path.
    ///   - logs: what CloudWatch Logs' operations on the same path read.
    func makeSQS(_ events: Events, baseURL: String, eventBus: EventBusRoutes, logs: FunctionLogStore) -> (service: SQSService, routes: [ControlRoute]) {
        let clock = events.clock
        let service = SQSService(store: events.store, configuration: SQSService.Configuration(baseURL: baseURL), now: { clock.milliseconds() })
        let endpoint = SQSEndpoint(service) { error, id in Self.report("a request for a queue failed", error, id) }
        let logsRoutes = LogsRoutes(LogsService(store: logs), now: { clock.milliseconds() }) { error, id in Self.report("a request for logs failed", error, id) }
        return (service, SQSRoutes(endpoint, eventBus: eventBus, logs: logsRoutes).all)
    }

    /// Schedules, whose runs are events for functions and messages for queues.
    func makeScheduler(_ events: Events, _ registry: FunctionRegistry) -> (runner: ScheduleRunner, service: SchedulerService, routes: [ControlRoute]) {
        let (clock, store) = (events.clock, events.store)
        let resolve: ScheduleRunner.Resolver = { arn, account, region in
            // The rule's own schedule: what it makes goes to the rule's targets.
            if let rule = RuleKey(arn: arn), rule.bus == EventBusKey(account: account, region: region, name: EventBusKey.defaultName) {
                let time = clock.milliseconds()
                _ = try await store.create(QueueRecord(key: rule.bus.queue, kind: .internal, created: time, modified: time))
                return ScheduleDestination(queue: rule.bus.queue) { _ in BusMessage.attributes(ofSchedule: rule.name) }
            }
            guard let destination = EventDestination(arn: arn), destination.account == account, destination.region == region else {
                throw ServiceError(.invalidParameterValue, "a target is the ARN of a function or a queue of the same account and region")
            }
            switch destination {
            case .function(let function, let qualifier):
                try await registry.snapshot.eventTarget(function, qualifier: qualifier, of: "A schedule")
                let queue = AsyncQueue.pending(function)
                let time = clock.milliseconds()
                _ = try await store.create(QueueRecord(key: queue, kind: .internal, created: time, modified: time))
                return ScheduleDestination(queue: queue) { AsyncQueue.attributes(qualifier: qualifier, terms: DeliveryTerms($0)) }
            case .queue(let account, let region, let name):
                let key = QueueKey(account: account, region: region, name: name)
                guard try await events.queueExists(key) else { throw ServiceError(.resourceNotFound, "the queue \(name) does not exist") }
                return ScheduleDestination(queue: key)
            case .eventBus:
                throw ServiceError(.invalidParameterValue, "a schedule has a function or a queue as its target; what puts events on a bus by the clock is a rule of the bus")
            }
        }
        let runner = ScheduleRunner(store: store, now: { clock.milliseconds() }, resolve: resolve) { what, schedule, reason in
            Log.error(what, ["schedule": .init(schedule), "reason": .init(reason)])
        }
        let service = SchedulerService(store: store, now: { clock.milliseconds() }, checkTarget: resolve)
        let routes = SchedulerRoutes(service) { error, id in Self.report("a request for a schedule failed", error, id) }
        return (runner, service, routes.all)
    }

    private static func report(_ what: StaticString, _ error: ServiceError, _ id: RequestID) {
        Log.error(what, ["error": .init(describing: error), "requestId": .init(id.description)])
    }
}

extension DeliveryTerms {
    /// A schedule's own rules for the attempts of its runs.
    init(_ terms: ScheduleTerms) {
        self.init(
            maximumRetries: terms.maximumRetries, maximumAge: terms.maximumAge, deadLetters: terms.deadLetters,
            letter: terms.deadLetters == nil ? nil : terms.letter, attemptPlaceholder: terms.numbersAttempts ? ScheduleTerms.attemptPlaceholder : nil)
    }
}
