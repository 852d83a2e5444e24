public import DurableQueue
public import EventSourceMappings
import FunctionModel
public import InvocationPipeline
public import NIOCore
public import Registry

/// All event source mappings of a node at work: one poller for each that is enabled. Confined to the loop.
public final class QueuePollers {
    let store: any QueueStore
    let invoker: any Invoker
    let registry: EventSourceMappingRegistry
    let loop: any EventLoop
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    private let nodeConcurrency: Int
    private let report: @Sendable (_ what: String, QueueKey, _ reason: String) -> Void
    private let settler: EventSettler
    private var snapshot: RegistrySnapshot
    private var pollers: [String: QueuePoller] = [:]
    private var pollersOf: [QueueKey: Set<String>] = [:]
    /// Told to end, with batches on their way.
    private var leaving: [QueuePoller] = []
    private var settling = 0
    private var isDraining = false
    private var drainWaiters: [EventLoopPromise<Void>] = []

    /// - Parameter report: for the operator's log.
    public init(
        store: any QueueStore, invoker: any Invoker, registry: EventSourceMappingRegistry, snapshot: RegistrySnapshot, loop: any EventLoop,
        nodeConcurrency: Int, now: @escaping @Sendable () -> Int64, report: @escaping @Sendable (String, QueueKey, String) -> Void
    ) {
        self.store = store
        self.invoker = invoker
        self.registry = registry
        self.snapshot = snapshot
        self.loop = loop
        self.nodeConcurrency = nodeConcurrency
        self.now = now
        self.report = report
        settler = EventSettler(store: store, now: now)
        let bound = NIOLoopBound(self, eventLoop: loop)
        store.observe { activity in
            guard !activity.ready.isEmpty else { return }
            loop.execute { bound.value.ready(activity.ready) }
        }
    }

    /// From its return on, these are the mappings.
    public func apply(_ mappings: [EventSourceMapping]) {
        guard !isDraining else { return }
        let wanted = Dictionary(mappings.filter { $0.isEnabled && $0.source.queue != nil }.map { ($0.id, $0) }) { first, _ in first }
        for (id, poller) in pollers where wanted[id] != poller.mapping { remove(id, poller) }
        for (id, mapping) in wanted where pollers[id] == nil {
            guard let queue = mapping.source.queue else { continue }
            let poller = QueuePoller(mapping, of: queue, shared: self)
            pollers[id] = poller
            pollersOf[queue, default: []].insert(id)
            poller.poke()
        }
    }

    public func apply(_ snapshot: RegistrySnapshot) {
        if snapshot.generation >= self.snapshot.generation { self.snapshot = snapshot }
    }

    private func remove(_ id: String, _ poller: QueuePoller) {
        pollers[id] = nil
        pollersOf[poller.queue]?.remove(id)
        if pollersOf[poller.queue]?.isEmpty == true { pollersOf[poller.queue] = nil }
        poller.stop()
        if poller.isBusy { leaving.append(poller) }
    }

    private func ready(_ keys: Set<QueueKey>) {
        for key in keys { for id in pollersOf[key] ?? [] { pollers[id]?.poke() } }
    }

    // MARK: For pollers

    func limit(of mapping: EventSourceMapping) -> Int { mapping.concurrency(in: snapshot, nodeConcurrency: nodeConcurrency) }

    /// Whether one chain of requests has come to the function too often, so that it does not run for the message.
    func isLooping(_ message: StoredMessage, _ mapping: EventSourceMapping) -> Bool {
        guard let trace = TraceHeader.readable(message.trace), let record = snapshot.functions[mapping.function] else { return false }
        return (try? record.checkRecursion(trace: trace)) == nil
    }

    /// The function's time limit, milliseconds.
    func timeout(of mapping: EventSourceMapping) -> Int64 {
        Int64(snapshot.functions[mapping.function]?.versions(qualifier: mapping.qualifier).map(\.configuration.timeout).max() ?? 0) * 1_000
    }

    func settle(_ settlements: [Settlement], of key: QueueKey) {
        settling += 1
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (settler, loop) = (settler, loop)
        Task {
            let fault = await settler.settle(settlements, of: key)
            loop.execute { bound.value.settled(key, fault) }
        }
    }

    private func settled(_ key: QueueKey, _ fault: String?) {
        settling -= 1
        if let fault { report("messages could not be settled; they come again when their time is over", key, fault) }
        rested()
    }

    func rested() {
        leaving.removeAll { !$0.isBusy }
        guard isDraining, leaving.isEmpty, settling == 0 else { return }
        let waiters = drainWaiters
        drainWaiters = []
        for waiter in waiters { waiter.succeed() }
    }

    // MARK: Ending

    /// Takes nothing any more; the future is done when what is on its way is settled.
    public func beginDrain() -> EventLoopFuture<Void> {
        isDraining = true
        let promise = loop.makePromise(of: Void.self)
        drainWaiters.append(promise)
        for (id, poller) in pollers { remove(id, poller) }
        rested()
        return promise.futureResult
    }
}

extension EventSourceMapping {
    /// What is left of the function's concurrency when callers that wait have an eighth for themselves.
    func concurrency(in snapshot: RegistrySnapshot, nodeConcurrency: Int) -> Int {
        let most = min(snapshot.functions[function]?.reservedConcurrency ?? nodeConcurrency, nodeConcurrency)
        return min(maximumConcurrency ?? .max, max(1, most - most / 8))
    }
}
