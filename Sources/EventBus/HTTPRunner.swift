import DurableQueue
import FunctionModel
import JSONValues
import Synchronization

/// Sends what waits for API destinations, each destination at its own pace.
public final class HTTPRunner: Sendable {
    private static let lease: Int64 = 60_000
    /// Events on their way to one destination at the same time, and in one batch.
    private static let width = 16
    /// Of the data of one batch; a larger event goes alone.
    private static let maximumBatchBytes = 1 << 20

    private let store: any QueueStore
    private let registry: EventBusRegistry
    private let poster: EventPoster
    private let client: any EndpointClient
    private let observer: EventBusObserver
    private let now: @Sendable () -> Int64
    /// Destinations that have news, and those that are worked on.
    private let state = Mutex<(ready: Set<EndpointKey>, active: Set<EndpointKey>)>(([], []))
    private let pokes: AsyncStream<Void>
    private let poke: AsyncStream<Void>.Continuation

    init(
        store: any QueueStore, registry: EventBusRegistry, poster: EventPoster, client: any EndpointClient, observer: EventBusObserver,
        now: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.registry = registry
        self.poster = poster
        self.client = client
        self.observer = observer
        self.now = now
        (pokes, poke) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        store.observe { [weak self] activity in
            let keys = activity.ready.compactMap(EndpointKey.init)
            guard let self, !keys.isEmpty else { return }
            state.withLock { $0.ready.formUnion(keys) }
            poke.yield()
        }
    }

    /// Until the task is cancelled. To be run by one task.
    public func run() async {
        do {
            let waiting = try await store.queues(.internal).filter { $0.counts.total > 0 }.compactMap { EndpointKey($0.key) }
            state.withLock { $0.ready.formUnion(waiting) }
        } catch {
            observer.failure("events for API destinations could not be taken up", "", "\(error)")
        }
        await withDiscardingTaskGroup { group in
            var iterator = pokes.makeAsyncIterator()
            while !Task.isCancelled {
                for key in begin() {
                    group.addTask {
                        await self.work(on: key)
                        self.end(key)
                    }
                }
                _ = await iterator.next()
            }
            group.cancelAll()
        }
    }

    /// Those with news that nobody works on.
    private func begin() -> Set<EndpointKey> {
        state.withLock { state in
            let keys = state.ready.subtracting(state.active)
            state.ready.subtract(keys)
            state.active.formUnion(keys)
            return keys
        }
    }

    private func end(_ key: EndpointKey) {
        state.withLock { _ = $0.active.remove(key) }
        // News that came meanwhile.
        poke.yield()
    }

    private func work(on key: EndpointKey) async {
        do {
            while !Task.isCancelled {
                let claimed = try await store.claim(from: key.queue, limit: Self.width, lease: Self.lease, now: now())
                guard !claimed.isEmpty else { return }
                var waiting: [Waiting] = []
                for message in claimed { if let one = await self.waiting(message, of: key) { waiting.append(one) } }
                let requests = Self.requests(waiting)
                await withTaskGroup(of: Void.self) { group in
                    for request in requests { group.addTask { await self.deliver(request, to: key) } }
                }
                let rate = registry.table.endpoints[key]?.definition["InvocationRateLimitPerSecond"]?.integer ?? 300
                try await Task.sleep(for: .seconds(Double(requests.count) / Double(rate)))
            }
        } catch let error as ServiceError where error.code == .resourceNotFound {
            // Its queue is gone.
        } catch is CancellationError {
        } catch {
            observer.failure("events for an API destination could not be sent", key.name, "\(error)")
        }
    }

    /// A message that was claimed, read.
    private struct Waiting: Sendable {
        let claimed: ClaimedMessage
        let claim: Posting.Claim
        let planned: PlannedDelivery
        let outgoing: OutgoingEvent
    }

    /// - Returns: nil for one that says nothing to anybody, which is done with.
    private func waiting(_ claimed: ClaimedMessage, of key: EndpointKey) async -> Waiting? {
        let claim = Posting.Claim(queue: key.queue, receipt: claimed.receipt)
        do {
            let message = try BusMessage(claimed.message)
            guard let json = message.target, let rule = message.rule.flatMap(RuleKey.init(arn:)) else {
                _ = try await store.post([Posting(deliveries: [], claim: claim)], now: now())
                return nil
            }
            let target = try RuleTarget(json, bus: rule.bus)
            let planned = PlannedDelivery(rule: rule, target: target, event: message.event, result: .failure(DeliveryFault(.noResource, "")))
            return Waiting(claimed: claimed, claim: claim, planned: planned, outgoing: OutgoingEvent(message.event, for: target, rule: rule))
        } catch {
            observer.failure("an event for an API destination could not be read", key.name, "\(error)")
            return nil
        }
    }

    /// What goes out in one request: each event alone, but those for a target in batched mode, in their order.
    private static func requests(_ waiting: [Waiting]) -> [[Waiting]] {
        var requests: [[Waiting]] = []
        var open: [BatchKey: Int] = [:]
        for one in waiting {
            guard one.planned.target.http.mode == .batched else {
                requests.append([one])
                continue
            }
            let key = BatchKey(rule: one.planned.rule, target: one.planned.target.json)
            if let index = open[key], requests[index].reduce(one.outgoing.data.count, { $0 + $1.outgoing.data.count }) <= maximumBatchBytes {
                requests[index].append(one)
            } else {
                open[key] = requests.count
                requests.append([one])
            }
        }
        return requests
    }

    private struct BatchKey: Hashable {
        let rule: RuleKey
        let target: JSON
    }

    private func deliver(_ waiting: [Waiting], to key: EndpointKey) async {
        let fault = await fault(of: waiting, key)
        if let fault, !fault.isRetriable, waiting.count > 1 {
            // One of them may be what the endpoint does not like: no other is given up for it.
            for one in waiting { await deliver([one], to: key) }
            return
        }
        for one in waiting {
            do {
                guard let fault else {
                    _ = try await store.post([Posting(deliveries: [], claim: one.claim)], now: now())
                    poster.count(one.planned, .delivered, nil)
                    continue
                }
                try await poster.failed(one.planned, fault, one.claimed, one.claim)
            } catch {
                // The lease ends, and it comes again.
                observer.failure("an event for an API destination could not be settled", key.name, "\(error)")
            }
        }
    }

    /// - Returns: nil where the endpoint took them.
    private func fault(of waiting: [Waiting], _ key: EndpointKey) async -> DeliveryFault? {
        let table = registry.table
        guard let target = waiting.first?.planned.target else { return nil }
        guard let destination = table.endpoints[key], destination.arn == target.arn else {
            return DeliveryFault(.noResource, "the API destination \(key.name) does not exist")
        }
        let connection = (destination.definition["ConnectionArn"]?.string).flatMap { arn in
            EndpointKey(arn: arn).flatMap { table.endpoints[$0] }.flatMap { $0.arn == arn ? $0 : nil }
        }
        guard let connection else { return DeliveryFault(.noResource, "the connection of the API destination \(key.name) does not exist") }
        let request: OutgoingRequest
        do throws(EventBusError) {
            request = try OutgoingRequest(waiting.map(\.outgoing), target.http, destination: destination, connection: connection)
        } catch {
            return DeliveryFault(.invalidParameter, error.message)
        }
        switch await client.send(request) {
        case .status(200..<300): return nil
        // Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html, what is retried.
        case .status(let status) where [401, 407, 409, 429].contains(status) || status >= 500:
            return DeliveryFault(.requestFailed, "\(request.url.authority) answered \(status)")
        case .status(let status): return DeliveryFault(.invalidParameter, "\(request.url.authority) answered \(status)")
        case .failed(let reason): return DeliveryFault(.connectionFailure, "\(request.url.authority) could not be reached: \(reason)")
        case .forbidden(let reason): return DeliveryFault(.noPermissions, reason)
        }
    }
}
