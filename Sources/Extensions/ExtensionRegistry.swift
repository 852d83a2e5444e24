public import FunctionModel

/// What extensions may be told of.
public enum ExtensionEvent: String, Sendable, CaseIterable {
    case invoke = "INVOKE"
    /// External extensions only: internal ones end with the runtime.
    case shutdown = "SHUTDOWN"
}

/// Which extensions one execution environment has and what each of them is at. Pure: the owner hands events out and kills.
///
/// Source: Lambda Developer Guide, "Using the Lambda Extensions API", Lambda execution environment lifecycle.
public struct ExtensionRegistry: Sendable {
    public enum State: String, Sendable {
        /// Its process runs. → `registered`
        case started = "Started"
        /// It has an identifier. → `ready` with its first request for an event, `initError`, `exitError`
        case registered = "Registered"
        /// It waits for an event. → `running` with one
        case ready = "Ready"
        /// It has an event. → `ready` when it asks for the next one, `exitError`, `exited`
        case running = "Running"
        /// Failed by its own word; its process is expected to end.
        case initError = "InitError"
        case exitError = "ExitError"
        /// Its process is gone.
        case exited = "Exited"
        /// Its program could not be executed.
        case launchError = "LaunchError"
    }

    public struct Extension: Sendable {
        public let name: String
        /// A process of its own, from a file of this name.
        public let isExternal: Bool
        public fileprivate(set) var state: State
        /// In the order of `ExtensionEvent`.
        public fileprivate(set) var events: [ExtensionEvent] = []
        public fileprivate(set) var identifier: RequestID?
        /// What it said of its failure.
        public fileprivate(set) var errorType: String?
    }

    public static let maximum = FunctionLayers.maximumExtensions
    /// Bytes of a request's body.
    public static let maximumRequest = 64 << 10
    private static let maximumName = 255

    /// The external ones first, then as they registered.
    public private(set) var extensions: [Extension]
    /// Whether an extension may still register or subscribe: until the runtime and all extensions are initialised.
    public private(set) var isOpen = true
    private var isRuntimeReady = false

    /// - Parameter names: of the external extensions' files.
    public init(external names: [String]) {
        extensions = names.map { Extension(name: $0, isExternal: true, state: .started) }
    }

    // MARK: What extensions ask

    /// - Parameter identifier: what it is known by from now on.
    /// - Returns: its index.
    public mutating func register(name: String, events: [String], identifier: RequestID) throws(ExtensionFault) -> Int {
        guard !name.isEmpty else { throw ExtensionFault("Extension.InvalidExtensionName", "Empty extension name") }
        guard name.utf8.count <= Self.maximumName else {
            throw ExtensionFault("Extension.InvalidExtensionName", "Extension name is longer than \(Self.maximumName) bytes")
        }
        let known = extensions.firstIndex { $0.name == name }
        let isExternal = known.map { extensions[$0].isExternal } ?? false
        var wanted: Set<ExtensionEvent> = []
        for text in events {
            guard let event = ExtensionEvent(rawValue: text) else { throw ExtensionFault("Extension.InvalidEventType", "\(text): ErrorInvalidEventType") }
            guard isExternal || event != .shutdown else {
                throw ExtensionFault("Extension.InvalidEventType", "\(text): ShutdownEventNotSupportedForInternalExtension")
            }
            wanted.insert(event)
        }
        let index: Int
        if let known {
            guard isExternal else { throw ExtensionFault("Extension.InvalidExtensionState", "Extension with this name already registered") }
            guard extensions[known].state == .started else { throw .transition(of: name, from: extensions[known].state, to: .registered) }
            index = known
        } else {
            guard isOpen, !isRuntimeReady else { throw ExtensionFault("Extension.RegistrationClosed", "Extension registration closed already") }
            guard extensions.count < Self.maximum else {
                throw ExtensionFault("Extension.TooManyExtensions", "Extension limit (\(Self.maximum)) reached")
            }
            index = extensions.count
            extensions.append(Extension(name: name, isExternal: false, state: .started))
        }
        extensions[index].events = ExtensionEvent.allCases.filter(wanted.contains)
        extensions[index].identifier = identifier
        extensions[index].state = .registered
        return index
    }

    /// - Parameter text: the header `Lambda-Extension-Identifier`.
    public func find(_ text: String?) throws(ExtensionFault) -> Int {
        guard let text, !text.isEmpty else {
            throw ExtensionFault("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
        }
        guard let identifier = RequestID(text) else {
            throw ExtensionFault("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
        }
        guard let index = extensions.firstIndex(where: { $0.identifier == identifier }) else {
            throw ExtensionFault("Extension.UnknownExtensionIdentifier", "Unknown extension \(text)")
        }
        return index
    }

    /// It asks for its next event.
    /// - Parameter isWaiting: another request of its still waits for one.
    public mutating func asksNext(_ index: Int, isWaiting: Bool) throws(ExtensionFault) {
        switch extensions[index].state {
        case .registered, .running: extensions[index].state = .ready
        case .ready where !isWaiting: break
        case let state: throw .transition(of: extensions[index].identifier?.description ?? "", from: state, to: .ready)
        }
    }

    public mutating func reportsInitError(_ index: Int, type: String?) throws(ExtensionFault) {
        try reports(index, .initError, type, from: [.registered])
    }

    public mutating func reportsExitError(_ index: Int, type: String?) throws(ExtensionFault) {
        try reports(index, .exitError, type, from: [.registered, .ready, .running])
    }

    private mutating func reports(_ index: Int, _ failure: State, _ type: String?, from states: Set<State>) throws(ExtensionFault) {
        guard let type, !type.isEmpty else {
            throw ExtensionFault("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
        }
        let state = extensions[index].state
        // Only the first error counts; saying it again is no mistake.
        if state == failure { return }
        guard states.contains(state) else { throw .transition(of: extensions[index].identifier?.description ?? "", from: state, to: failure) }
        extensions[index].state = failure
        extensions[index].errorType = type
    }

    // MARK: What the owner tells

    /// Whether the runtime may be started.
    public var haveExternalsRegistered: Bool { extensions.allSatisfy { !$0.isExternal || $0.state != .started } }

    /// The runtime's own init is over: who has not registered by now does so no more.
    public mutating func runtimeIsReady() { isRuntimeReady = true }

    /// Whether the environment can serve; from then on nothing is subscribed to any more.
    public mutating func isInitialised() -> Bool {
        guard isRuntimeReady, extensions.allSatisfy({ $0.state == .ready }) else { return false }
        isOpen = false
        return true
    }

    /// An invocation begins.
    /// - Returns: who is to be told.
    public mutating func invoke() -> [Int] { give(.invoke) { _ in true } }

    /// Nobody is at work for the last invocation any more.
    public var isAtRest: Bool { !extensions.contains { $0.state == .running } }

    /// The environment is to end.
    /// - Returns: who is to be told: an extension that is at work gets the event when it asks.
    public mutating func shutDown() -> [Int] { give(.shutdown) { $0.isExternal } }

    private mutating func give(_ event: ExtensionEvent, _ isMeant: (Extension) -> Bool) -> [Int] {
        let told = extensions.indices.filter { index in
            let one = extensions[index]
            return one.events.contains(event) && isMeant(one) && (one.state == .ready || event == .shutdown && one.state == .running)
        }
        for index in told { extensions[index].state = .running }
        return told
    }

    /// Its process has ended, or was never there.
    public mutating func ended(_ index: Int, couldNotStart: Bool = false) {
        switch extensions[index].state {
        case .initError, .exitError: break
        case .started, .registered, .ready, .running, .exited, .launchError: extensions[index].state = couldNotStart ? .launchError : .exited
        }
    }

    /// Lambda's type of the failure that the end of this extension's process is.
    public func failureType(_ index: Int) -> String {
        switch extensions[index].state {
        case .initError: "Extension.InitError"
        case .exitError: "Extension.ExitError"
        case .launchError: "Extension.LaunchError"
        case .started, .registered, .ready, .running, .exited: "Extension.Crash"
        }
    }
}
