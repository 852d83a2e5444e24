import DurableQueue
import FunctionModel
import Synchronization

/// Matches the events that lie in the buses' queues (of destinations and schedules), and tries again what a target could
/// not take at once.
public final class EventBusRunner: Sendable {
    private static let lease: Int64 = 60_000
    /// Messages in one transaction.
    private static let batch = 32
    /// Buses that are worked on at the same time.
    private static let width = 16

    private let store: any QueueStore
    private let registry: EventBusRegistry
    private let router: EventRouter
    private let poster: EventPoster
    private let observer: EventBusObserver
    private let now: @Sendable () -> Int64
    private let ready = Mutex<Set<EventBusKey>>([])
    private let pokes: AsyncStream<Void>
    private let poke: AsyncStream<Void>.Continuation

    init(
        store: any QueueStore, registry: EventBusRegistry, router: EventRouter, poster: EventPoster, observer: EventBusObserver,
        now: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.registry = registry
        self.router = router
        self.poster = poster
        self.observer = observer
        self.now = now
        (pokes, poke) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        store.observe { [weak self] activity in
            let buses = activity.ready.compactMap(EventBusKey.init)
            guard let self, !buses.isEmpty else { return }
            ready.withLock { $0.formUnion(buses) }
            poke.yield()
        }
    }

    /// Until the task is cancelled. To be run by one task.
    public func run() async {
        do {
            let waiting = try await store.queues(.internal).filter { $0.counts.total > 0 }.compactMap { EventBusKey($0.key) }
            ready.withLock { $0.formUnion(waiting) }
        } catch {
            observer.failure("events of an earlier run could not be taken up", "", "\(error)")
        }
        var iterator = pokes.makeAsyncIterator()
        while !Task.isCancelled {
            let keys = ready.withLock { ready in
                defer { ready = [] }
                return ready
            }
            await withTaskGroup(of: Void.self) { group in
                var running = 0
                for key in keys {
                    if running >= Self.width { await group.next() } else { running += 1 }
                    group.addTask { await self.work(on: key) }
                }
            }
            if ready.withLock({ $0.isEmpty }) { _ = await iterator.next() }
        }
    }

    private func work(on bus: EventBusKey) async {
        do {
            while !Task.isCancelled {
                let claimed = try await store.claim(from: bus.queue, limit: Self.batch, lease: Self.lease, now: now())
                guard !claimed.isEmpty else { return }
                try await work(on: bus, claimed)
            }
        } catch let error as ServiceError where error.code == .resourceNotFound {
            // The bus is gone.
        } catch {
            // The leases end, and everything comes again.
            observer.failure("events of a bus could not be worked on", bus.arn, "\(error)")
        }
    }

    private func work(on bus: EventBusKey, _ claimed: [ClaimedMessage]) async throws {
        var plans: [EventPlan] = []
        var claims: [Posting.Claim] = []
        for message in claimed {
            let claim = Posting.Claim(queue: bus.queue, receipt: message.receipt)
            do {
                let read = try BusMessage(message.message)
                if let target = read.target, let rule = read.rule {
                    try await tryAgain(message, read.event, RuleKey(bus: bus, name: rule), try RuleTarget(target, bus: bus), claim)
                    continue
                }
                plans.append(try plan(read, on: bus))
            } catch let error as ServiceError {
                throw error
            } catch {
                // It would be the same each time.
                observer.failure("an event of a bus cannot be handled", bus.arn, "\(error)")
                plans.append(EventPlan())
            }
            claims.append(claim)
        }
        for (plan, error) in zip(plans, try await poster.post(plans, claims: claims)) {
            if let error { observer.failure("an event waits for its lease to end", bus.arn, error.message) } else { poster.countMatches(plan) }
        }
    }

    private func plan(_ message: BusMessage, on bus: EventBusKey) throws(EventBusError) -> EventPlan {
        let table = registry.table
        guard let name = message.rule else {
            observer.accepted(bus)
            return try router.plan(message.event, on: bus, table)
        }
        // Its schedule has made it; by now the rule may be gone or resting.
        guard let rule = table.rule(RuleKey(bus: bus, name: name)), rule.stored.isEnabled else { return EventPlan() }
        return try router.plan(message.event, of: rule, table)
    }

    /// A further attempt of one delivery.
    private func tryAgain(_ claimed: ClaimedMessage, _ event: BusEvent, _ rule: RuleKey, _ target: RuleTarget, _ claim: Posting.Claim) async throws {
        let planned = PlannedDelivery(rule: rule, target: target, event: event, result: router.delivery(of: event, to: target, rule, registry.table))
        switch planned.result {
        case .success(let delivery):
            guard case .refused(let refusals)? = try await store.post([Posting(deliveries: [delivery], claim: claim)], now: now()).first,
                let error = refusals.values.first
            else { return poster.count(planned, .delivered, nil) }
            try await poster.failed(planned, DeliveryFault(error), claimed, claim)
        case .failure(let fault): try await poster.failed(planned, fault, claimed, claim)
        }
    }
}
