public import DurableQueue
public import EventSourceMappings
public import ExternalSources
import FunctionModel
public import InvocationPipeline
public import NIOCore
public import Registry

/// All mappings of external sources at work: one poller with a thread and a connection for each that is enabled. Confined to
/// the loop.
public final class ExternalPollers {
    let store: any QueueStore
    let invoker: any Invoker
    let registry: EventSourceMappingRegistry
    let secrets: any SourceSecrets
    let loop: any EventLoop
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    private let connectors: [ExternalSource.Kind: any SourceConnector]
    private let nodeConcurrency: Int
    private let log: @Sendable (_ what: String, EventSourceMapping, _ reason: String) -> Void
    private var snapshot: RegistrySnapshot
    private var pollers: [String: ExternalPoller] = [:]
    /// Told to end, with batches on their way.
    private var leaving: [ExternalPoller] = []
    private var isDraining = false
    private var drainWaiters: [EventLoopPromise<Void>] = []

    /// - Parameters:
    ///   - connectors: what this build has.
    ///   - report: for the operator's log.
    public init(
        store: any QueueStore, invoker: any Invoker, registry: EventSourceMappingRegistry, connectors: [ExternalSource.Kind: any SourceConnector],
        secrets: any SourceSecrets, snapshot: RegistrySnapshot, loop: any EventLoop, nodeConcurrency: Int, now: @escaping @Sendable () -> Int64,
        report: @escaping @Sendable (String, EventSourceMapping, String) -> Void
    ) {
        self.store = store
        self.invoker = invoker
        self.registry = registry
        self.connectors = connectors
        self.secrets = secrets
        self.snapshot = snapshot
        self.loop = loop
        self.nodeConcurrency = nodeConcurrency
        self.now = now
        log = report
    }

    /// From its return on, these are the mappings.
    public func apply(_ mappings: [EventSourceMapping]) {
        guard !isDraining else { return }
        let wanted = Dictionary(mappings.filter { $0.isEnabled && $0.source.external != nil }.map { ($0.id, $0) }) { first, _ in first }
        waiting = wanted
        refused = refused.filter { wanted[$0.key] == $0.value }
        for (id, poller) in pollers where wanted[id] != poller.mapping {
            pollers[id] = nil
            leave(poller)
        }
        for (id, mapping) in wanted where pollers[id] == nil && !leaving.contains(where: { $0.mapping.id == id }) { start(mapping) }
    }

    /// Mappings as they should be: one that is to run again waits for the end of what it was.
    private var waiting: [String: EventSourceMapping] = [:]
    /// Said once that they cannot be.
    private var refused: [String: EventSourceMapping] = [:]

    private func start(_ mapping: EventSourceMapping) {
        guard let source = mapping.source.external, refused[mapping.id] != mapping else { return }
        guard let connector = connectors[source.kind] else { return note(mapping, source.kind.notBuiltIn) }
        do {
            let poller = try ExternalPoller(mapping, of: source, connector: connector, shared: self)
            pollers[mapping.id] = poller
            poller.start()
        } catch {
            note(mapping, "\(error)")
        }
    }

    private func note(_ mapping: EventSourceMapping, _ reason: String) {
        refused[mapping.id] = mapping
        registry.note(mapping.id) { $0.lastResult = "PROBLEM: \(reason)" }
        report("an event source cannot be used", mapping, reason)
    }

    public func apply(_ snapshot: RegistrySnapshot) {
        if snapshot.generation >= self.snapshot.generation { self.snapshot = snapshot }
    }

    private func leave(_ poller: ExternalPoller) {
        leaving.append(poller)
        poller.stop()
    }

    // MARK: For pollers

    func limit(of mapping: EventSourceMapping) -> Int { mapping.concurrency(in: snapshot, nodeConcurrency: nodeConcurrency) }
    func report(_ what: String, _ mapping: EventSourceMapping, _ reason: String) { log(what, mapping, reason) }

    func rested() {
        let gone = leaving.filter { $0.isClosed }
        leaving.removeAll { $0.isClosed }
        if !isDraining {
            for poller in gone { if let mapping = waiting[poller.mapping.id], pollers[mapping.id] == nil { start(mapping) } }
        }
        // A connection that is still being made has nothing to settle.
        guard isDraining, leaving.allSatisfy({ !$0.isBusy }) else { return }
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
        let all = pollers.values
        pollers = [:]
        for poller in all { leave(poller) }
        rested()
        return promise.futureResult
    }
}

extension ExternalSource.Kind {
    /// For clients and operators of a build without it.
    public var notBuiltIn: String {
        "this martlet was built without \(trait): build it with swift build -c release --static-swift-stdlib --traits \(trait)"
    }
}
