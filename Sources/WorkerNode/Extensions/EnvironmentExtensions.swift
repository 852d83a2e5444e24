import CChild
import Extensions
import FunctionModel
import Glibc
import LinuxPrimitives
import NIOCore
import NIOHTTP1

/// The extensions of one environment: what they ask, which events they are given, and their processes. Confined to the loop.
///
/// Source: Lambda Developer Guide, "Using the Lambda Extensions API".
final class EnvironmentExtensions {
    struct Handlers {
        /// The runtime and all extensions wait for an invocation, for the first time.
        let initialised: () -> Void
        /// No extension is at work for the last invocation any more.
        let atRest: () -> Void
        /// Only of a runtime that the supervisor runs.
        let runtimeEnded: (SandboxHandle.Exit) -> Void
        /// An extension's process has ended although nobody told it to: Lambda's type, and the cause.
        let failed: (_ type: String, _ cause: String) -> Void
        /// After `shutDown`: no extension's process is left.
        let ended: () -> Void
    }

    let settings: ExtensionSettings
    let telemetry: EnvironmentTelemetry
    private let loop: any EventLoop
    private let handlers: Handlers
    private var registry: ExtensionRegistry
    private var supervisor: SupervisorLine?
    /// Extensions' processes that live; the runtime is not among them.
    private var processes: Set<Int> = []
    private var isRuntimeStarted = false
    private var isRuntimeAlive = false
    private var reason: ShutdownReason?
    private var isToldOfShutdown = false
    private var deadline: Int64 = 0
    /// Requests for the next event that have no answer yet, by the extension's index.
    private var waiting: [Int: RuntimeAPIConnection] = [:]
    /// Events that nobody was there to take.
    private var untaken: [Int: String] = [:]
    private let startedAt: NIODeadline
    private(set) var isInitialised = false

    /// As on Lambda: for the runtime's end, within the time for all of the shutdown.
    private static let runtimeShutdownTime = TimeAmount.milliseconds(300)
    static let shutdownTime = TimeAmount.seconds(2)

    init(
        _ settings: ExtensionSettings, loop: any EventLoop, budget: TelemetryBudget, handlers: Handlers,
        makeSocket: @escaping (@escaping (Int32) -> Void) -> Void
    ) {
        self.settings = settings
        self.loop = loop
        self.handlers = handlers
        registry = ExtensionRegistry(external: settings.names)
        telemetry = EnvironmentTelemetry(settings, loop: loop, budget: budget, makeSocket: makeSocket)
        startedAt = .now()
        telemetry.tell(.platform, TelemetryRecord.initStart(settings.initialization, time: settings.timeText()))
    }

    /// Makes the line to the supervisor; returns its far end, which the caller hands on and closes.
    func openLine() throws -> Int32 {
        let (ours, theirs) = try socketPair()
        processes = Set(settings.names.indices.prefix(ExtensionRegistry.maximum))
        let me = NIOLoopBound(self, eventLoop: loop)
        supervisor = SupervisorLine(socket: ours, loop: loop) { program, exit in
            if program == 0 { me.value.runtimeEnded(exit) } else { me.value.extensionEnded(program - 1, exit) }
        }
        return theirs
    }

    var states: [ExtensionRegistry.Extension] { registry.extensions }

    /// Its processes are others than the environment's first one.
    var isSupervised: Bool { supervisor != nil }

    // MARK: Init

    /// The environment's first process is there.
    func started() {
        guard settings.names.count > ExtensionRegistry.maximum else { return }
        handlers.failed("Extension.LaunchError", "/opt/extensions has more than \(ExtensionRegistry.maximum) files")
    }

    /// The runtime waits for its first invocation.
    func runtimeIsReady() {
        guard !isInitialised else { return }
        registry.runtimeIsReady()
        telemetry.tell(.platform, TelemetryRecord.initRuntimeDone(settings.initialization, time: settings.timeText()))
        checkInitialised()
    }

    private func startRuntimeIfDue() {
        guard let supervisor, !isRuntimeStarted, registry.haveExternalsRegistered else { return }
        (isRuntimeStarted, isRuntimeAlive) = (true, true)
        supervisor.run()
    }

    private func checkInitialised() {
        guard !isInitialised, registry.isInitialised() else { return }
        isInitialised = true
        for one in registry.extensions { telemetry.tell(.platform, TelemetryRecord.state(of: one, time: settings.timeText())) }
        let milliseconds = Double((NIODeadline.now() - startedAt).nanoseconds) / 1e6
        telemetry.tell(.platform, TelemetryRecord.initReport(settings.initialization, milliseconds: milliseconds, time: settings.timeText()))
        telemetry.closeSubscription()
        handlers.initialised()
    }

    // MARK: Invocations

    var isAtRest: Bool { registry.isAtRest }

    func invoke(_ head: InvocationHead) {
        let told = registry.invoke()
        guard !told.isEmpty else { return }
        let event = ExtensionEventMessage.invoke(
            requestID: head.requestID, arn: head.arn, traceID: head.traceID, deadline: head.deadlineMilliseconds)
        for index in told { give(event, to: index) }
    }

    private func give(_ event: String, to index: Int) {
        guard let connection = waiting.removeValue(forKey: index), connection.isOpen else {
            untaken[index] = event
            return
        }
        connection.respond(
            .ok, ["Content-Type": "application/json", "Lambda-Extension-Event-Identifier": RequestID.random().description], ByteBuffer(string: event))
    }

    // MARK: The end

    /// Lambda's order: the runtime first, then the extensions are told; whoever is not told is killed.
    /// - Parameter time: until the environment is killed.
    func shutDown(_ reason: ShutdownReason, within time: TimeAmount) {
        guard self.reason == nil else { return }
        self.reason = reason
        deadline = settings.wallMilliseconds() + time.nanoseconds / 1_000_000
        guard isRuntimeAlive else { return tellShutdown() }
        supervisor?.signal(0, reason == .spindown ? SIGTERM : SIGKILL)
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: Self.runtimeShutdownTime) { if me.value.isRuntimeAlive { me.value.supervisor?.signal(0, SIGKILL) } }
    }

    private func tellShutdown() {
        guard let reason, !isToldOfShutdown else { return }
        isToldOfShutdown = true
        telemetry.finishLines()
        telemetry.flush()
        let told = registry.shutDown()
        let event = ExtensionEventMessage.shutdown(reason, deadline: deadline)
        for index in told { give(event, to: index) }
        for index in processes where !told.contains(index) { supervisor?.signal(index + 1, SIGKILL) }
        if processes.isEmpty { handlers.ended() }
    }

    private func runtimeEnded(_ exit: SandboxHandle.Exit) {
        guard isRuntimeAlive else { return }
        isRuntimeAlive = false
        if reason != nil { tellShutdown() } else { handlers.runtimeEnded(exit) }
    }

    /// It holds its line to the server no more, and can do nothing useful.
    func killRuntime() { supervisor?.signal(0, SIGKILL) }

    private func extensionEnded(_ index: Int, _ exit: SandboxHandle.Exit) {
        guard processes.remove(index) != nil else { return }
        registry.ended(index, couldNotStart: exit.executionError != 0)
        if reason != nil {
            if processes.isEmpty, isToldOfShutdown { handlers.ended() }
            return
        }
        telemetry.tell(.platform, TelemetryRecord.state(of: registry.extensions[index], time: settings.timeText()))
        let name = settings.names[index]
        let cause = exit.executionError == 0
            ? (exit.signal == 0 && exit.code == 0 ? "exit code 0" : exit.cause)
            : "fork/exec \(ExtensionSettings.path(name)): \(String(cString: strerror(exit.executionError)))"
        handlers.failed(registry.failureType(index), cause)
    }

    func close() {
        supervisor?.close()
        telemetry.close()
        waiting = [:]
        untaken = [:]
    }

    // MARK: Requests

    /// - Returns: false when the path is none of the extensions' APIs.
    func take(_ head: HTTPRequestHead, _ body: ByteBuffer, isTooLarge: Bool, from connection: RuntimeAPIConnection) -> Bool {
        guard let route = ExtensionRoute(head) else { return false }
        do throws(ExtensionFault) {
            guard !isTooLarge, body.readableBytes <= ExtensionRegistry.maximumRequest else { throw ExtensionFault.tooLarge }
            try answer(route, head.headers, body, connection)
        } catch {
            connection.respond(.init(statusCode: error.status), ["Content-Type": "application/json"], ByteBuffer(string: error.body))
        }
        return true
    }

    private func answer(
        _ route: ExtensionRoute, _ headers: HTTPHeaders, _ body: ByteBuffer, _ connection: RuntimeAPIConnection
    ) throws(ExtensionFault) {
        if case .register = route { return try register(headers, body, connection) }
        let index = try registry.find(headers.first(name: "lambda-extension-identifier"))
        let errorType = headers.first(name: "lambda-extension-function-error-type")
        switch route {
        case .register: break
        case .next: try asksNext(index, connection)
        case .initError:
            try registry.reportsInitError(index, type: errorType)
            connection.accepted()
        case .exitError:
            try registry.reportsExitError(index, type: errorType)
            connection.accepted()
            // An external one is expected to end.
            if !registry.extensions[index].isExternal, registry.isAtRest { handlers.atRest() }
        case .telemetry:
            try telemetry.subscribe(index, name: registry.extensions[index].name, TelemetrySubscription(parsing: body.readableBytesView))
            connection.respond(.ok, ["Content-Type": "application/json"], ByteBuffer(string: #""OK""#))
        }
    }

    private func register(_ headers: HTTPHeaders, _ body: ByteBuffer, _ connection: RuntimeAPIConnection) throws(ExtensionFault) {
        let name = headers.first(name: "lambda-extension-name") ?? ""
        guard !name.isEmpty else { throw ExtensionFault("Extension.InvalidExtensionName", "Empty extension name") }
        let identifier = RequestID.random()
        let events = try ExtensionRegistration.events(parsing: body.readableBytesView)
        _ = try registry.register(name: name, events: events, identifier: identifier)
        connection.respond(
            .ok, ["Content-Type": "application/json", "Lambda-Extension-Identifier": identifier.description],
            ByteBuffer(string: settings.facts.registered(features: headers.first(name: "lambda-extension-accept-feature"))))
        startRuntimeIfDue()
    }

    private func asksNext(_ index: Int, _ connection: RuntimeAPIConnection) throws(ExtensionFault) {
        if let event = untaken.removeValue(forKey: index) {
            waiting[index] = connection
            return give(event, to: index)
        }
        try registry.asksNext(index, isWaiting: waiting[index]?.isOpen ?? false)
        waiting[index] = connection
        // It has had its last event, and asks in vain.
        if isToldOfShutdown { return }
        checkInitialised()
        if registry.isAtRest { handlers.atRest() }
    }
}
