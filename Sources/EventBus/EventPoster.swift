import DurableQueue
import FunctionModel
import JSONValues

/// What is told of events for metrics; must be quick.
public struct EventBusObserver: Sendable {
    public enum Delivery: String, Sendable, CaseIterable {
        case delivered
        /// Kept for another attempt.
        case retried
        case deadLettered = "dead_lettered"
        /// Given up, with no dead-letter queue that could take it.
        case dropped
    }

    public var accepted: @Sendable (EventBusKey) -> Void
    /// A rule matched.
    public var matched: @Sendable (EventBusKey) -> Void
    public var delivery: @Sendable (EventBusKey, Delivery) -> Void
    /// For the operator's log.
    public var failure: @Sendable (_ what: StaticString, _ arn: String, _ reason: String) -> Void

    public init(
        accepted: @escaping @Sendable (EventBusKey) -> Void, matched: @escaping @Sendable (EventBusKey) -> Void,
        delivery: @escaping @Sendable (EventBusKey, Delivery) -> Void,
        failure: @escaping @Sendable (StaticString, String, String) -> Void
    ) {
        self.accepted = accepted
        self.matched = matched
        self.delivery = delivery
        self.failure = failure
    }
}

/// Writes down an event's deliveries: all in one transaction, and for a target that cannot take its own, the next attempt
/// or the dead letter in the same transaction.
struct EventPoster: Sendable {
    /// Every delivery can be replaced this often: made queue, retry, made queue, dead letter.
    private static let rounds = 6

    /// What stands for one planned delivery.
    private enum Step {
        case send(Settlement.Delivery, hasMadeQueue: Bool)
        case retry(Settlement.Delivery, DeliveryFault, hasMadeQueue: Bool)
        case bury(Settlement.Delivery, DeliveryFault)
        case drop(DeliveryFault)

        var delivery: Settlement.Delivery? {
            switch self {
            case .send(let delivery, _), .retry(let delivery, _, _), .bury(let delivery, _): delivery
            case .drop: nil
            }
        }
    }

    private struct Entry {
        let planned: PlannedDelivery
        var step: Step
    }

    let store: any QueueStore
    let statistics: RuleStatistics
    let observer: EventBusObserver
    let now: @Sendable () -> Int64

    /// - Parameter claims: for each plan the message that is done with by it, if there is one.
    /// - Returns: for each plan why nothing of it was kept; nil where all of it is on the disk.
    func post(_ plans: [EventPlan], claims: [Posting.Claim?] = []) async throws -> [EventBusError?] {
        var entries = plans.map { plan in plan.deliveries.map { Entry(planned: $0, step: first($0)) } }
        var results = [EventBusError?](repeating: nil, count: plans.count)
        var open = plans.indices.filter { !plans[$0].deliveries.isEmpty || (claims.indices.contains($0) && claims[$0] != nil) }
        for _ in 0..<Self.rounds where !open.isEmpty {
            let answers = try await store.post(
                open.map { index in
                    Posting(deliveries: entries[index].compactMap(\.step.delivery), claim: claims.indices.contains(index) ? claims[index] : nil)
                }, now: now())
            var left: [Int] = []
            for (index, answer) in zip(open, answers) {
                guard case .refused(let refusals) = answer else {
                    if case .done = answer { entries[index].forEach(count) }
                    continue
                }
                do throws(EventBusError) {
                    try await replace(&entries[index], refusals)
                    left.append(index)
                } catch {
                    results[index] = error
                }
            }
            open = left
        }
        for index in open { results[index] = EventBusError(.throttling, "The event's targets changed while it was accepted: send it again.") }
        return results
    }

    private func first(_ planned: PlannedDelivery) -> Step {
        switch planned.result {
        case .success(let delivery): .send(delivery, hasMadeQueue: false)
        case .failure(let fault): buried(planned, fault)
        }
    }

    /// - Parameter refusals: by the place among those that have a delivery.
    private func replace(_ entries: inout [Entry], _ refusals: [Int: ServiceError]) async throws(EventBusError) {
        var place = 0
        for index in entries.indices where entries[index].step.delivery != nil {
            defer { place += 1 }
            guard let error = refusals[place] else { continue }
            entries[index].step = try await next(entries[index].planned, entries[index].step, error)
        }
    }

    private func next(_ planned: PlannedDelivery, _ step: Step, _ error: ServiceError) async throws(EventBusError) -> Step {
        switch step {
        case .send(let delivery, let hasMadeQueue):
            // The platform's own are made by their first event.
            if error.code == .resourceNotFound, delivery.queue.name.contains(":"), !hasMadeQueue {
                try await make(delivery.queue)
                return .send(delivery, hasMadeQueue: true)
            }
            let fault = DeliveryFault(error)
            guard fault.isRetriable, planned.target.maximumRetries > 0 else { return buried(planned, fault) }
            let message = BusMessage.retry(planned.event, rule: planned.rule, target: planned.target, delay: Self.firstBackoff)
            return .retry(Settlement.Delivery(to: planned.rule.bus.queue, message), fault, hasMadeQueue: false)
        case .retry(let delivery, let fault, let hasMadeQueue):
            guard error.code == .resourceNotFound, !hasMadeQueue else { throw EventBusError(error) }
            try await make(delivery.queue)
            return .retry(delivery, fault, hasMadeQueue: true)
        case .bury(let delivery, let fault):
            return .drop(DeliveryFault(fault.code, "\(fault.message); its dead-letter queue \(delivery.queue.name) cannot take it: \(error.message)"))
        case .drop: return step
        }
    }

    private func make(_ key: QueueKey) async throws(EventBusError) {
        let time = now()
        do { _ = try await store.create(QueueRecord(key: key, kind: .internal, created: time, modified: time)) } catch {
            throw EventBusError(error as? ServiceError ?? ServiceError(.internalFailure, "\(error)"))
        }
    }

    // MARK: Giving up

    private func buried(_ planned: PlannedDelivery, _ fault: DeliveryFault) -> Step {
        deadLetter(planned, fault).map { .bury($0, fault) } ?? .drop(fault)
    }

    /// The event as it came, with the reason; nil where the target has no dead-letter queue.
    func deadLetter(_ planned: PlannedDelivery, _ fault: DeliveryFault, exhausted: String? = nil, attempts: Int = 0) -> Settlement.Delivery? {
        guard let key = planned.target.deadLetters else { return nil }
        func text(_ value: String) -> JSON { .object([.init("DataType", .string("String")), .init("StringValue", .string(value))]) }
        var attributes: [JSON.Member] = [
            .init("RULE_ARN", text(planned.rule.arn)), .init("TARGET_ARN", text(planned.target.arn)), .init("ERROR_CODE", text(fault.code.rawValue)),
            .init("ERROR_MESSAGE", text(String(fault.message.unicodeScalars.prefix(1_024)))),
        ]
        if let exhausted {
            attributes += [.init("EXHAUSTED_RETRY_CONDITION", text(exhausted)), .init("RETRY_ATTEMPTS", text(String(attempts)))]
        }
        return Settlement.Delivery(
            to: key,
            NewMessage(
                body: Array(planned.event.json.text().utf8), attributes: Array(JSON.object(attributes).text().utf8), trace: planned.event.trace,
                origin: "bus"))
    }

    // MARK: Counting

    private func count(_ entry: Entry) {
        switch entry.step {
        case .send(let delivery, _):
            // What waits for an API destination is not there yet.
            if EndpointKey(delivery.queue) == nil { count(entry.planned, .delivered, nil) }
        case .retry(_, let fault, _): count(entry.planned, .retried, fault)
        case .bury(_, let fault): count(entry.planned, .deadLettered, fault)
        case .drop(let fault): count(entry.planned, .dropped, fault)
        }
    }

    func count(_ planned: PlannedDelivery, _ kind: EventBusObserver.Delivery, _ fault: DeliveryFault?) {
        let time = now()
        statistics.count(planned.rule) { counts in
            switch kind {
            case .delivered:
                counts.delivered += 1
                if counts.failingTarget == planned.target.id { counts.failingTarget = nil }
            case .retried: counts.retried += 1
            case .deadLettered, .dropped: break
            }
            if let fault {
                counts.failingTarget = planned.target.id
                counts.activity.failed("\(planned.target.id): \(fault.message)", count: kind == .retried ? 0 : 1, at: time)
            }
        }
        observer.delivery(planned.rule.bus, kind)
        if kind == .dropped, let fault {
            observer.failure("an event was given up and has no dead-letter queue that takes it", planned.rule.arn, fault.message)
        }
    }

    func countMatches(_ plan: EventPlan) {
        let time = now()
        for rule in plan.matched {
            statistics.count(rule) { $0.activity.took(at: time) }
            observer.matched(rule.bus)
        }
    }
}
