public import DurableQueue
public import FunctionModel

/// What the bus knows of functions.
public struct FunctionTargets: Sendable {
    public let exists: @Sendable (FunctionKey, _ qualifier: String?) -> Bool
    /// Why it takes no events of a bus; nil where it does, or is not there.
    public let refusal: @Sendable (FunctionKey) -> ServiceError?
    /// The queue of its asynchronous invocations.
    public let queue: @Sendable (FunctionKey) -> QueueKey
    /// What a message in that queue has beside its payload.
    public let attributes: @Sendable (_ qualifier: String?) -> [UInt8]

    public init(
        exists: @escaping @Sendable (FunctionKey, String?) -> Bool, refusal: @escaping @Sendable (FunctionKey) -> ServiceError? = { _ in nil },
        queue: @escaping @Sendable (FunctionKey) -> QueueKey,
        attributes: @escaping @Sendable (String?) -> [UInt8]
    ) {
        self.exists = exists
        self.refusal = refusal
        self.queue = queue
        self.attributes = attributes
    }
}

/// Why a target does not get an event; the code is one of those that dead letters have.
///
/// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
struct DeliveryFault: Error, Hashable {
    enum Code: String {
        case noResource = "NO_RESOURCE"
        case throttling = "THROTTLING"
        case invalidParameter = "INVALID_PARAMETER"
        case circle = "CIRCLE"
        case connectionFailure = "CONNECTION_FAILURE"
        case noPermissions = "NO_PERMISSIONS"
        /// An endpoint answered that it cannot take the event now.
        case requestFailed = "REQUEST_FAILED"
    }

    let code: Code
    let message: String

    var isRetriable: Bool { code == .throttling || code == .connectionFailure || code == .requestFailed }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: ServiceError) {
        switch error.code {
        case .resourceNotFound: self.init(.noResource, error.message)
        case .tooManyRequests, .unavailable: self.init(.throttling, error.message)
        default: self.init(.invalidParameter, error.message)
        }
    }
}

/// One event for one target.
struct PlannedDelivery: Sendable {
    let rule: RuleKey
    let target: RuleTarget
    let event: BusEvent
    let result: Result<Settlement.Delivery, DeliveryFault>
}

/// What an event leads to.
struct EventPlan: Sendable {
    var deliveries: [PlannedDelivery] = []
    /// Rules that want it, on every bus that it came to.
    var matched: [RuleKey] = []
}

/// Decides which targets get an event. Pure.
struct EventRouter: Sendable {
    /// Buses that an event may go through; it is on each only once.
    static let maximumBuses = 5
    /// Of one event, over all buses.
    static let maximumDeliveries = 10_000

    let functions: FunctionTargets

    /// - Throws: `.limitExceeded` for an event that more targets want than can be kept at once.
    func plan(_ event: BusEvent, on bus: EventBusKey, _ table: EventBusRegistry.Table) throws(EventBusError) -> EventPlan {
        var plan = EventPlan()
        try add(to: &plan, event, on: bus, table)
        return plan
    }

    private func add(to plan: inout EventPlan, _ event: BusEvent, on bus: EventBusKey, _ table: EventBusRegistry.Table) throws(EventBusError) {
        for rule in table.lists[bus]?.matching(event) ?? [] {
            try add(to: &plan, event, targets: rule.targets, of: rule.key, table)
        }
    }

    /// For the event of a rule's own schedule, too.
    func plan(_ event: BusEvent, of rule: EventRule, _ table: EventBusRegistry.Table) throws(EventBusError) -> EventPlan {
        var plan = EventPlan()
        try add(to: &plan, event, targets: rule.targets, of: rule.key, table)
        return plan
    }

    private func add(
        to plan: inout EventPlan, _ event: BusEvent, targets: [RuleTarget], of rule: RuleKey, _ table: EventBusRegistry.Table
    ) throws(EventBusError) {
        plan.matched.append(rule)
        for target in targets {
            guard plan.deliveries.count < Self.maximumDeliveries else {
                throw EventBusError(.limitExceeded, "The event has more than \(Self.maximumDeliveries) targets, which is the limit of one event.")
            }
            guard case .eventBus(let next) = target.destination else {
                plan.deliveries.append(PlannedDelivery(rule: rule, target: target, event: event, result: delivery(of: event, to: target, rule, table)))
                continue
            }
            let forwarded = event.forwarded(from: rule.bus)
            if let fault = fault(of: forwarded, to: next, table) {
                plan.deliveries.append(PlannedDelivery(rule: rule, target: target, event: event, result: .failure(fault)))
            } else {
                try add(to: &plan, forwarded, on: next, table)
            }
        }
    }

    private func fault(of event: BusEvent, to bus: EventBusKey, _ table: EventBusRegistry.Table) -> DeliveryFault? {
        guard table.hasBus(bus) else { return DeliveryFault(.noResource, "the event bus \(bus.name) does not exist") }
        guard event.path.count < Self.maximumBuses, !event.path.contains(bus.name) else {
            return DeliveryFault(.circle, "the event was on the buses \(event.path.joined(separator: ", ")) already: an event is on a bus once, and on \(Self.maximumBuses) at most")
        }
        return nil
    }

    /// - Parameter target: anything but a bus.
    func delivery(
        of event: BusEvent, to target: RuleTarget, _ rule: RuleKey, _ table: EventBusRegistry.Table
    ) -> Result<Settlement.Delivery, DeliveryFault> {
        let payload = target.payload(of: event, rule: rule)
        let key = event.deduplicationKey.map { "\($0) \(rule.name)/\(target.id)" }
        switch target.destination {
        case .function(let function, let qualifier):
            guard functions.exists(function, qualifier) else {
                let name = qualifier.map { "\(function.name):\($0)" } ?? function.name
                return .failure(DeliveryFault(.noResource, "the function \(name) does not exist"))
            }
            // There may be another function of this name by now.
            if let refusal = functions.refusal(function) { return .failure(DeliveryFault(.invalidParameter, refusal.message)) }
            return .success(
                Settlement.Delivery(
                    to: functions.queue(function),
                    NewMessage(
                        body: payload, attributes: functions.attributes(qualifier), deduplicationKey: key, trace: event.trace, origin: "bus")))
        case .queue(let queue):
            let isFIFO = queue.name.hasSuffix(".fifo")
            return .success(
                Settlement.Delivery(
                    to: queue,
                    NewMessage(
                        body: payload, group: target.groupID, deduplicationKey: isFIFO ? key ?? event.id : key, trace: event.trace, origin: "bus")))
        case .endpoint(let endpoint):
            guard table.endpoints[endpoint]?.arn == target.arn else {
                return .failure(DeliveryFault(.noResource, "the API destination \(endpoint.name) does not exist"))
            }
            var message = BusMessage.outgoing(event, rule: rule, target: target)
            message.deduplicationKey = key
            return .success(Settlement.Delivery(to: endpoint.queue, message))
        case .eventBus(let bus): return .failure(DeliveryFault(.invalidParameter, "the event bus \(bus.name) takes events through its rules"))
        }
    }
}
