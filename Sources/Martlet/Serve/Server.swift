internal import AccessControl
internal import Auditing
internal import DeploymentPackages
internal import DurableQueue
internal import EventBus
internal import EventPatterns
internal import EventSourceMappings
internal import FunctionLogs
internal import FunctionModel
internal import Gateway
internal import Glibc
internal import HTTPRoutes
internal import InvocationPipeline
internal import LinuxPrimitives
internal import Metering
internal import NIOCore
internal import NIOPosix
internal import ObjectEvents
internal import Registry
internal import ResourcePolicies
internal import Roles
internal import Sandbox
internal import SQLiteStore
internal import Telemetry
internal import Tenants
internal import Triggers
internal import WarmPool
internal import WatchedFolders
internal import Webhooks
internal import WorkerNode

/// The network-facing process: one event loop for every request, the control plane beside it.
struct Server {
    let configuration: ServerConfiguration

    init(_ configuration: ServerConfiguration) { self.configuration = configuration }

    func run() async throws {
        watchSupervisor()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let link = HelperLink(socket: Supervisor.helperDescriptor, loop: loop)
        // The helper builds its roots meanwhile.
        let credentials = try Credentials.loadOrCreate(directory: AT_FDCWD, account: configuration.account, region: configuration.region)
        let prices = try priceTable()
        let store: SQLiteStore
        let sealer = try EnvironmentKey.load(path: configuration.environmentKey, data: configuration.data)
        do { store = try await SQLiteStore.open(path: "martlet.db", sealer: sealer) } catch {
            throw CommandFailure("opening martlet.db in the data directory \(configuration.data) failed: \(error)")
        }
        let sealed = try await store.sealEnvironments { sealer.isCurrent($0, for: $1) }
        if sealed > 0 {
            Log.info("environment variables were sealed anew with the first key: those below it are of use for older backups only", ["versions": .init(sealed)])
        }
        let packages = try LocalPackageStore(directory: ".")
        let usageLog = try UsageLog(directory: "usage")
        let folder = try UsageFolder(log: usageLog, store: store) { Log.error("usage could not be folded", ["error": .init(describing: $0)]) }
        let recovery = try await folder.recover()
        if recovery.records > 0 || recovery.interrupted > 0 {
            Log.info("usage of an earlier run was taken in", ["records": .init(recovery.records), "interrupted": .init(recovery.interrupted)])
        }
        let facts: NodeFacts
        do { facts = try link.facts() } catch {
            // It has said on stderr what is wrong.
            throw CommandFailure("the sandbox helper could not start")
        }
        for gap in facts.gaps { Log.warning("this host lacks something", ["what": .init(gap)]) }

        let registry = try await FunctionRegistry(
            store: store, packages: packages, runtimes: RuntimeCatalog(offered: facts.runtimes.map(\.name)), now: wallMilliseconds)
        let layers = try await LayerRegistry(store: store, packages: packages, now: wallMilliseconds)
        let codeSigning = try await CodeSigningRegistry(store: store, functions: registry, now: wallMilliseconds)
        let snapshot = await registry.snapshot
        let metrics = ServerMetrics()
        let calls = CallActivities()
        let pipeline = try await makePipeline(loop, link: link, facts: facts, snapshot: snapshot, usageLog: usageLog, metrics: metrics, calls: calls)
        let folding = Task { await folder.run() }
        let mappings = try await EventSourceMappingRegistry(store: store, now: wallMilliseconds)
        let events = try await Events(configuration, pipeline, snapshot: snapshot, loop: loop, mappings: mappings, metrics: metrics)
        let keeping = Task { await events.run() }

        let logReader = try FunctionLogReader(directory: "logs")
        let (host, port) = boundAddress()
        let certificates = try configuration.tls.isOn ? CertificateFiles(certificate: configuration.tls.certificate, key: configuration.tls.key) : nil
        let baseURL = "\(certificates == nil ? "http" : "https")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        var gatewayConfiguration = GatewayConfiguration()
        gatewayConfiguration.developmentMode = configuration.dev
        gatewayConfiguration.developmentAccount = configuration.account
        gatewayConfiguration.developmentRegion = configuration.region
        gatewayConfiguration.baseURL = baseURL
        gatewayConfiguration.port = port
        gatewayConfiguration.maximumBytesInFlight = configuration.bodyBytesInFlight
        gatewayConfiguration.trustedProxies = TrustedProxies(configuration.trustedProxies.compactMap { AddressBlock($0) })
        gatewayConfiguration.clientRate = configuration.rates.clientRate
        gatewayConfiguration.keyRate = configuration.rates.keyRate
        let webhooks = try await WebhookRegistry(store: store, now: wallMilliseconds)
        let tenants = try await TenantRegistry(
            store: store,
            operatorKey: AccessKey(id: credentials.accessKeyId, secret: credentials.secretAccessKey, account: credentials.account, created: 0),
            now: wallMilliseconds)
        let policies = try await PolicyRegistry(store: store)
        let domains = try await RouteRegistry(
            store: store, rules: DomainRules(reserved: [host.lowercased(), "localhost"], defaults: (configuration.account, configuration.region)),
            now: wallMilliseconds)
        let roles = try await RoleRegistry(store: store)
        let hooks = WebhookRoutes(webhooks: webhooks, functions: registry, baseURL: baseURL, port: port, now: wallMilliseconds) { delivery in
            if await tenants.snapshot.suspendedAccounts.contains(delivery.function.account) {
                throw ServiceError(.accessDenied, "the owner of this webhook is suspended")
            }
            return try await events.accept(
                delivery.event, for: delivery.function, qualifier: delivery.qualifier, requestID: delivery.requestID, trigger: delivery.trigger,
                deduplicationKey: delivery.deduplicationKey)
        }
        let scheduler = makeScheduler(events, registry)
        let buses = try await EventBusRegistry(store: store) { Log.error("a rule cannot be read", ["rule": .init($0.arn), "reason": .init($1)]) }
        let directory = FunctionDirectory(snapshot)
        let eventBus = makeEventBus(events, buses, functions: directory, scheduler: scheduler.service, client: try HTTPEndpointClient(loop: loop), metrics: metrics)
        let sqs = makeSQS(
            events, baseURL: baseURL, eventBus: eventBus.routes, logs: FunctionLogStore(registry: registry, reader: logReader))
        let watcher = try await FolderWatcher(store: store, wall: wallMilliseconds) { change, folder, key in
            _ = try await events.accept(
                ByteBuffer(string: ObjectChange.event([change]).text()), for: folder.function, qualifier: folder.qualifier, requestID: .random(),
                trigger: .objects, deduplicationKey: key)
        }
        let watches = WatchRoutes(watcher: watcher, functions: registry, data: realPath(".") ?? configuration.data, now: wallMilliseconds)
        let catalogs: [any TriggerCatalog] = [
            WebhookTriggers(webhooks: webhooks, baseURL: baseURL), ScheduleTriggers(service: scheduler.service, activities: scheduler.runner.activities),
            FolderTriggers(watcher: watcher), EventSourceMappingTriggers(mappings: mappings, store: events.store),
            EventBusTriggers(service: eventBus.service),
            FunctionURLTriggers(
                registry: registry, activities: calls.urls,
                addresses: FunctionURLAddresses(baseURL: baseURL, defaults: (configuration.account, configuration.region))),
            RouteTriggers(domains: domains, activities: calls.routes),
        ]
        let gatewayMetrics = GatewayMetrics(metrics.http)
        let admin = AdminRoutes(
            registry: registry, packages: packages, store: store, folder: folder, prices: prices, logs: logReader, pipeline: pipeline,
            loop: loop, facts: facts, defaultNetwork: configuration.network.standard, isLoopbackOnly: configuration.listen.isLoopback, metrics: metrics, gatewayMetrics: gatewayMetrics,
            queues: QueueRoutes(events: events, registry: registry),
            triggers: TriggerRoutes(catalogs: catalogs, registry: registry, now: wallMilliseconds))
        let archives = try makeArchives(packages)
        let lambda = LambdaRoutes(
            registry: registry, layers: layers, codeSigning: codeSigning, archives: archives, baseURL: baseURL, defaults: (configuration.account, configuration.region),
            describe: { version in try await loop.submit { pipeline.value.describe(version) }.get() },
            busExists: { buses.hasBus(EventBusKey(account: $0, region: $1, name: $2)) }
        ) {
            try await events.queueExists(QueueKey(account: $0, region: $1, name: $2))
        }
        let mappingRoutes = EventSourceMappingRoutes(
            mappings: mappings, functions: registry, now: wallMilliseconds, missing: { SourceConnectors.builtIn[$0] == nil ? $0.notBuiltIn : nil },
            queue: { try await events.queue($0) })
        let history = ScheduleHistoryRoutes(service: scheduler.service, events: events, store: store, folder: folder)
        let routes: [[ControlRoute]] = [
            lambda.all, LayerRoutes(layers: layers, archives: archives, baseURL: baseURL).all, mappingRoutes.all, PolicyRoutes(policies, functions: registry).all, RoleRoutes(roles).all,
            CodeSigningRoutes(codeSigning, functions: registry).all, TagRoutes(functions: registry, mappings: mappings, codeSigning: codeSigning).all,
            TenantRoutes(tenants).all, RouteDomainRoutes(domains: domains, functions: registry, baseURL: baseURL, port: port).all,
            StackRoutes(store: store, now: wallMilliseconds).all, hooks.all, watches.all, admin.all, sqs.routes, scheduler.routes, eventBus.routes.all, history.all,
        ]
        let auditLog = configuration.audit.totalMB > 0 ? try AuditLog(folder: "audit", maximumBytes: configuration.audit.totalMB << 20) : nil
        let services = GatewayServices(
            invoker: try await loop.submit { NIOLoopBound(pipeline.value as any Invoker, eventLoop: loop) }.get(),
            events: try await loop.submit { NIOLoopBound(events.dispatcher.value as any EventAcceptor, eventLoop: loop) }.get(),
            routes: [ControlRoute](routes.joined()) + AuditRoutes(log: auditLog).all,
            access: await tenants.snapshot, policies: await policies.snapshot, domains: await domains.snapshot, roles: await roles.snapshot, tls: try await certificates?.load(),
            snapshot: snapshot, wallClock: wallMilliseconds,
            report: { error, id in Log.error("a request failed", ["error": .init(describing: error), "requestId": .init(id.description)]) },
            audit: auditLog.map { log in AuditRoutes.keeping(log) })
        // Before anything can be deployed: a package whose record is not saved yet looks like garbage.
        _ = try? await packages.collectGarbage(keeping: registry.referencedPackages().union(layers.referencedPackages()))
        let gateway = try await GatewayServer.start(
            listeningSocket: Supervisor.listenerDescriptor, on: loop, configuration: gatewayConfiguration, services: services, isReady: false)
        gatewayMetrics.started(gateway)
        let suspend: TenantRegistry.Subscriber = { access in
            try? await loop.submit { pipeline.value.suspendedAccounts = access.suspendedAccounts }.get()
            await gateway.apply(access)
        }
        await tenants.subscribe(suspend)
        await suspend(await tenants.snapshot)
        await policies.subscribe { await gateway.apply($0) }
        await domains.subscribe { await gateway.apply($0) }
        await roles.subscribe { await gateway.apply($0) }
        try await loop.submit { pipeline.value.whenCalled = { gateway.serve($0, for: $1) } }.get()
        await registry.subscribe { snapshot, changed in
            directory.apply(snapshot)
            await gateway.apply(snapshot)
            try? await loop.submit { pipeline.value.apply(snapshot, changed: changed) }.get()
            await events.apply(snapshot, changed: changed)
            let record = snapshot.functions[changed]
            try? await policies.keepOnly(of: changed) { $0.map { record?.version(qualifier: $0) != nil } ?? (record != nil) }
            if snapshot.functions[changed] == nil {
                try? await webhooks.deleteAll(of: changed)
                try? await watcher.deleteAll(of: changed)
            }
        }

        // Ends: a signal, or the helper's end.
        let ending = Ending()
        try await loop.submit {
            try link.start({ pipeline.value.node.take($0) }, lost: {
                pipeline.value.helperLost()
                ending.end(.helperLost)
            })
        }.get()
        ending.waitForSignal()
        // What changed between the start and the subscription; older than what is known is left alone.
        let latest = await registry.snapshot
        directory.apply(latest)
        await gateway.apply(latest)
        try? await loop.submit { for key in latest.functions.keys { pipeline.value.apply(latest, changed: key) } }.get()
        await events.start()
        try await eventBus.service.start()
        let scheduling = Task { await scheduler.runner.run() }
        let routing = Task { await eventBus.service.runner.run() }
        let sending = Task { await eventBus.service.sender.run() }
        let watching = Task { await watcher.run() }
        let certifying = Task { await certificates?.watch { await gateway.apply($0) } }
        await gateway.setReady(true)
        announce(baseURL, facts)
        let reason = await ending.reason()
        scheduling.cancel()
        routing.cancel()
        sending.cancel()
        watching.cancel()
        certifying.cancel()
        sqs.service.beginDrain()
        if reason == .signal || reason == .handover {
            async let settled: Void = events.drain()
            if reason == .handover { await handOver(gateway) }
            await drain(gateway: gateway, pipeline: pipeline, loop: loop)
            await settled
        } else {
            await gateway.shutdown(limit: .milliseconds(500))
        }
        sqs.service.stop()
        await archives?.stop()
        folding.cancel()
        keeping.cancel()
        try? await folder.flushNow()
        // The supervisor starts both again.
        if reason == .helperLost { throw Exit(status: 75) }
        exit(0)
    }

    /// Readiness goes down, accepted requests finish, the rest is interrupted at the limit.
    private func drain(gateway: GatewayServer, pipeline: NIOLoopBound<InvocationPipeline>, loop: any EventLoop) async {
        await gateway.beginDrain()
        let limit = TimeAmount.seconds(Int64(configuration.drainSeconds))
        let margin = TimeAmount.milliseconds(min(500, Int64(configuration.drainSeconds) * 100))
        let answered = loop.flatSubmit {
            let timer = loop.scheduleTask(in: limit - margin) { pipeline.value.interruptAll() }
            let done = pipeline.value.beginDrain()
            done.whenComplete { _ in timer.cancel() }
            return done
        }
        try? await answered.get()
        await gateway.shutdown(limit: margin)
    }

    /// Another process will accept from the same socket: connections of this one get all their answers before anything is
    /// refused, since nobody told their peers to stay away.
    private func handOver(_ gateway: GatewayServer) async {
        await gateway.shutdown(limit: .milliseconds(Int64(configuration.drainSeconds) * 900), awaitsFirst: true)
    }

    private func makePipeline(
        _ loop: any EventLoop, link: HelperLink, facts: NodeFacts, snapshot: RegistrySnapshot, usageLog: UsageLog, metrics: ServerMetrics,
        calls: CallActivities
    ) async throws -> NIOLoopBound<InvocationPipeline> {
        var settings = PipelineConfiguration()
        settings.nodeConcurrency = configuration.nodeConcurrency
        settings.nodeMemoryMB = configuration.nodeMemoryMB
        settings.queueDepth = configuration.queueDepthPerFunction
        settings.idleSeconds = Double(configuration.idleSeconds)
        settings.spareSeconds = Double(configuration.spareSeconds)
        settings.templateMaxAgeSeconds = Double(configuration.templateMaxAgeSeconds)
        settings.outputLimit = configuration.logs.outputLimitBytes
        let pipelineSettings = settings
        var logSettings = FunctionLogWriter.Configuration()
        logSettings.totalBytes = configuration.logs.totalMB << 20
        let logConfiguration = logSettings
        let clock = wallMilliseconds
        let network = configuration.network.standard
        return try await loop.submit {
            let meter = InvocationMeter(metrics, calls: calls)
            let pipeline = InvocationPipeline(
                node: SandboxNode(link: link, facts: facts, defaultNetwork: network, loop: loop), snapshot: snapshot, usage: UsageSegmentWriter(log: usageLog),
                logs: try FunctionLogWriter(directory: "logs", configuration: logConfiguration), configuration: pipelineSettings,
                observer: PipelineObserver(
                    finished: { meter.finished($0) }, refused: { meter.refused($0, $1) }, deleted: { meter.deleted($0) },
                    failure: { what, version, reason in
                        Log.error("a function could not be served", ["what": .init(what), "function": .init(version.key.description), "reason": .init(reason)])
                    }),
                wallClock: clock)
            return NIOLoopBound(pipeline, eventLoop: loop)
        }.get()
    }

    private func priceTable() throws -> PriceTable {
        guard let perMillion = DecimalText.parse(configuration.prices.perMillionRequests, scale: 12),
            let perSecond = DecimalText.parse(configuration.prices.perGBSecond, scale: 12)
        else { throw ConfigurationFault(faults: ["prices: a price needs at most 12 decimals"]) }
        return PriceTable(currency: configuration.prices.currency, picoPerMillionRequests: perMillion, picoPerGigabyteSecond: perSecond)
    }

    /// What the kernel bound, which for port 0 the configuration does not know.
    private func boundAddress() -> (String, Int) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let port = withUnsafeMutablePointer(to: &storage) { pointer -> Int in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(Supervisor.listenerDescriptor, $0, &length) }
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { Int(UInt16(bigEndian: $0.pointee.sin_port)) }
        }
        let host = configuration.listen.host
        return (host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host, port)
    }

    private func announce(_ url: String, _ facts: NodeFacts) {
        Terminal.print("martlet \(martletVersion) serves on \(url), data in \(configuration.data)")
        for gap in facts.gaps { Terminal.print("  note: \(gap)") }
        if configuration.dev { Terminal.print("  --dev: any credentials are accepted from this machine") }
    }

    /// The supervisor holds the other end; when that closes it is gone, and nobody would clean up after us.
    private func watchSupervisor() {
        var thread = pthread_t()
        pthread_create(&thread, nil, { _ in
            var byte: UInt8 = 0
            while read(Supervisor.lifetimeDescriptor, &byte, 1) < 0 && errno == EINTR {}
            _exit(1)
        }, nil)
        pthread_detach(thread)
    }
}

@Sendable func wallMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}

/// Why the server ends, told once.
private final class Ending: Sendable {
    enum Reason { case signal, handover, helperLost }

    private let stream: AsyncStream<Reason>
    private let continuation: AsyncStream<Reason>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1)) }

    func end(_ reason: Reason) { continuation.yield(reason) }

    func reason() async -> Reason {
        for await reason in stream { return reason }
        return .signal
    }

    /// SIGTERM, SIGINT, SIGHUP and SIGUSR1 are blocked in every thread; this one takes them.
    func waitForSignal() {
        var thread = pthread_t()
        pthread_create(&thread, nil, { argument in
            guard let argument else { return nil }
            let ending = Unmanaged<Ending>.fromOpaque(argument).takeRetainedValue()
            var signals = sigset_t()
            sigemptyset(&signals)
            for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1] { sigaddset(&signals, signal) }
            var signal: Int32 = 0
            sigwait(&signals, &signal)
            ending.end(signal == SIGUSR1 ? .handover : .signal)
            return nil
        }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }
}

/// Turns records into metrics. Confined to the loop.
private final class InvocationMeter {
    private let metrics: ServerMetrics
    private let calls: CallActivities
    private var functions: [String: FunctionMetrics] = [:]

    init(_ metrics: ServerMetrics, calls: CallActivities) {
        self.metrics = metrics
        self.calls = calls
    }

    private func function(_ name: String) -> FunctionMetrics {
        if let known = functions[name] { return known }
        let made = metrics.function(name)
        // Beyond the registry's own bound every further name shares one handle, so this stays bounded as well.
        if functions.count < 1_000 { functions[name] = made }
        return made
    }

    func finished(_ record: UsageRecord) {
        metrics.usageRecordsWritten.increment()
        guard record.trigger != .initialization else {
            return function(record.key.name).initialised(microseconds: UInt64(record.initMicroseconds))
        }
        guard record.trigger.isInvocation else { return }
        function(record.key.name).finished(
            record.outcome, start: record.startKind, handlerMicroseconds: UInt64(record.handlerMicroseconds),
            queueMicroseconds: UInt64(record.queueMicroseconds))
        if record.trigger.isEvent { metrics.eventLag.with(record.key.name).observe(microseconds: UInt64(record.ageMilliseconds) * 1_000) }
        switch record.trigger {
        case .functionURL: called(record, calls.urls)
        case .route: called(record, calls.routes)
        default: break
        }
    }

    private func called(_ record: UsageRecord, _ activities: TriggerActivities) {
        let time = record.startMilliseconds
        activities.note(FunctionURLTriggers.name(record.key)) { activity in
            activity.took(at: time)
            if record.outcome != .success, record.outcome != .cancelled { activity.failed("\(record.outcome)", at: time) }
        }
    }

    func deleted(_ key: FunctionKey) {
        functions[key.name] = nil
        metrics.remove(function: key.name)
    }

    func refused(_ key: FunctionKey, _ reason: PoolRefusal) {
        switch reason {
        case .throttledFunction: function(key.name).throttled(.concurrency)
        case .queueFull, .deadline: function(key.name).throttled(.queue)
        case .unavailable: function(key.name).throttled(.node)
        case .initFailed, .draining: break
        }
    }
}
