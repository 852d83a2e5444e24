internal import DurableQueue
internal import EventDispatch
internal import EventSourceMappings
internal import FunctionModel
internal import Glibc
internal import InvocationPipeline
internal import NIOCore
internal import Registry
internal import SQLiteStore
internal import Synchronization
internal import Telemetry

/// The durable queues of this server and what delivers from them.
struct Events: Sendable {
    let store: SQLiteQueueStore
    let dispatcher: NIOLoopBound<EventDispatcher>
    let clock: SteadyClock
    private let loop: any EventLoop
    private let keeper: QueueKeeper
    private let pollers: NIOLoopBound<QueuePollers>
    private let external: NIOLoopBound<ExternalPollers>
    private let mappings: EventSourceMappingRegistry

    init(
        _ configuration: ServerConfiguration, _ pipeline: NIOLoopBound<InvocationPipeline>, snapshot: RegistrySnapshot, loop: any EventLoop,
        mappings: EventSourceMappingRegistry, metrics: ServerMetrics
    ) async throws {
        var limits = QueueLimits()
        // SQS counts 1 MiB of body and attributes; the attributes' JSON may be twice as long.
        limits.messageBytes = 5 << 19
        limits.messagesPerQueue = configuration.queues.messagesPerQueue
        limits.messages = configuration.queues.totalMessages
        limits.bytes = configuration.queues.totalMB << 20
        limits.bytesPerQueue = limits.bytes
        let store: SQLiteQueueStore
        do { store = try await SQLiteQueueStore.open(path: "queue.sqlite", limits: limits) } catch {
            throw CommandFailure("opening queue.sqlite in the data directory \(configuration.data) failed: \(error)")
        }
        store.observe { activity in
            for (queue, count) in activity.deadLetters { metrics.deadLetters.with(queue.name).increment(by: UInt64(count)) }
        }
        let clock = SteadyClock()
        var settings = EventConfiguration()
        settings.maximumInFlight = configuration.async.maximumInFlight > 0 ? configuration.async.maximumInFlight : max(1, configuration.nodeConcurrency / 2)
        settings.nodeConcurrency = configuration.nodeConcurrency
        settings.retryDelays = configuration.async.retryDelays.map { Int64($0 * 1_000) }
        let eventSettings = settings
        dispatcher = try await loop.submit {
            NIOLoopBound(
                EventDispatcher(
                    store: store, invoker: pipeline.value, snapshot: snapshot, loop: loop, configuration: eventSettings,
                    observer: EventObserver(
                        accepted: { metrics.eventsAccepted.with($0.name).increment() }, retried: { metrics.eventRetries.with($0.name).increment() },
                        gaveUp: { key, _ in metrics.eventsGivenUp.with(key.name).increment() },
                        failure: { what, key, reason in
                            metrics.eventFaults.with(key.name).increment()
                            Log.error("an event could not be handled", ["what": .init(what), "function": .init(key.description), "reason": .init(reason)])
                        }),
                    now: { clock.milliseconds() }),
                eventLoop: loop)
        }.get()
        let nodeConcurrency = configuration.nodeConcurrency
        pollers = try await loop.submit {
            NIOLoopBound(
                QueuePollers(
                    store: store, invoker: pipeline.value, registry: mappings, snapshot: snapshot, loop: loop, nodeConcurrency: nodeConcurrency,
                    now: { clock.milliseconds() },
                    report: { what, queue, reason in Log.error("an event source has a fault", ["what": .init(what), "queue": .init(queue.description), "reason": .init(reason)]) }),
                eventLoop: loop)
        }.get()
        external = try await loop.submit {
            NIOLoopBound(
                ExternalPollers(
                    store: store, invoker: pipeline.value, registry: mappings, connectors: SourceConnectors.builtIn, secrets: SecretFiles(), snapshot: snapshot,
                    loop: loop, nodeConcurrency: nodeConcurrency, now: { clock.milliseconds() },
                    report: { what, mapping, reason in
                        Log.warning("an event source has a fault", ["what": .init(what), "source": .init(mapping.source.summary), "function": .init(mapping.function.description), "reason": .init(reason)])
                    }),
                eventLoop: loop)
        }.get()
        self.mappings = mappings
        self.store = store
        self.clock = clock
        self.loop = loop
        keeper = QueueKeeper(store: store, now: { clock.milliseconds() }) { Log.error("due messages could not be looked for", ["error": .init(describing: $0)]) }
    }

    /// Until the task is cancelled.
    func run() async { await keeper.run() }

    func start() async {
        try? await loop.submit { dispatcher.value.start() }.get()
        await mappings.observe { [loop, pollers, external] mappings in
            try? await loop.submit {
                pollers.value.apply(mappings)
                external.value.apply(mappings)
            }.get()
        }
    }

    /// Returns when what is on its way is settled.
    func drain() async {
        try? await loop.flatSubmit { [loop, dispatcher, pollers, external] in
            EventLoopFuture.andAllSucceed([dispatcher.value.beginDrain(), pollers.value.beginDrain(), external.value.beginDrain()], on: loop)
        }.get()
    }

    /// Returns when events meet the snapshot's functions and nothing is left of a function that is gone.
    func apply(_ snapshot: RegistrySnapshot, changed: FunctionKey) async {
        let gone: [QueueKey] = (try? await loop.submit {
            pollers.value.apply(snapshot)
            external.value.apply(snapshot)
            return dispatcher.value.apply(snapshot, changed: changed)
        }.get()) ?? []
        if snapshot.functions[changed] == nil { try? await mappings.deleteAll(of: changed) }
        for queue in gone { try? await store.delete(queue) }
    }

    /// Returns when the event is durable.
    /// - Parameter event: at most 1 MiB of JSON.
    /// - Returns: the request ID that it runs under: the first one's, where it repeats another by its key.
    /// - Throws: `ServiceError`: why it is refused.
    func accept(
        _ event: ByteBuffer, for function: FunctionKey, qualifier: String?, requestID: RequestID, trigger: Trigger, deduplicationKey: String?
    ) async throws -> RequestID {
        try await loop.flatSubmit { [loop, dispatcher, clock] in
            let promise = loop.makePromise(of: RequestID.self)
            dispatcher.value.accept(
                Invocation(
                    requestID: requestID, function: function, qualifier: qualifier, trigger: trigger, event: event, arrived: .now(),
                    arrivedMilliseconds: clock.milliseconds(), deduplicationKey: deduplicationKey)
            ) { promise.completeWith($0.mapError { $0 as any Error }) }
            return promise.futureResult
        }.get()
    }

    func queueExists(_ key: QueueKey) async throws -> Bool { try await queue(key) != nil }

    /// nil where there is none. Names of the platform's own queues are nobody's target.
    func queue(_ key: QueueKey) async throws -> QueueRecord? {
        do {
            let queue = try await store.queue(key)
            return queue.kind == .internal ? nil : queue
        } catch let error as ServiceError where error.code == .resourceNotFound {
            return nil
        }
    }
}

/// Milliseconds since 1970 that never run backwards: a clock that is set back must not hold up what is due. Until the
/// server starts again its time then stays ahead; a clock that is set forward is followed.
final class SteadyClock: Sendable {
    /// What is added to the time since the machine's start.
    private let offset = Mutex<Int64>(.min)

    func milliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        let running = Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
        let wall = wallMilliseconds()
        return offset.withLock { offset in
            offset = max(offset, wall - running)
            return running + offset
        }
    }
}
