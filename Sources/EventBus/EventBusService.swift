public import DurableQueue
import FunctionModel
public import JSONValues

/// Makes events of a rule's `ScheduleExpression` fall due: whoever keeps time puts them into the bus's queue.
public protocol RuleClock: Sendable {
    /// - Throws: `EventBusError(.validation)` for an expression that is none.
    func set(_ rule: RuleKey, expression: String, isEnabled: Bool) async throws
    /// Nothing happens if there is none.
    func remove(_ rule: RuleKey) async throws
}

/// EventBridge's operations on event buses: members in, members out. Any task may call.
public final class EventBusService: Sendable {
    /// Who asks, as the signature says.
    public struct Caller: Sendable {
        public let account: String
        public let region: String
        /// The request's `X-Amzn-Trace-Id`; events that name another have that.
        public let trace: String?

        public init(account: String, region: String, trace: String? = nil) {
            self.account = account
            self.region = region
            self.trace = trace
        }
    }

    let registry: EventBusRegistry
    let store: any QueueStore
    let clock: any RuleClock
    let router: EventRouter
    let poster: EventPoster
    let observer: EventBusObserver
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    /// Runs beside the service, or what lies in the buses' queues stays there.
    public let runner: EventBusRunner
    /// Likewise, for what waits for API destinations.
    public let sender: HTTPRunner

    public init(
        registry: EventBusRegistry, store: any QueueStore, functions: FunctionTargets, clock: any RuleClock, client: any EndpointClient,
        observer: EventBusObserver, now: @escaping @Sendable () -> Int64
    ) {
        self.registry = registry
        self.store = store
        self.clock = clock
        self.observer = observer
        self.now = now
        router = EventRouter(functions: functions)
        poster = EventPoster(store: store, statistics: registry.statistics, observer: observer, now: now)
        runner = EventBusRunner(store: store, registry: registry, router: router, poster: poster, observer: observer, now: now)
        sender = HTTPRunner(store: store, registry: registry, poster: poster, client: client, observer: observer, now: now)
    }

    /// Makes good what a crash left between two stores: the queue of each bus, the schedule of each rule.
    public func start() async throws {
        for bus in registry.table.buses.keys { try await makeQueue(of: bus) }
        for rule in registry.allRules {
            guard let expression = rule.stored.schedule else { continue }
            do { try await clock.set(rule.key, expression: expression, isEnabled: rule.stored.isEnabled) } catch {
                observer.failure("a rule's schedule could not be taken up", rule.key.arn, "\(error)")
            }
        }
    }

    public func perform(_ action: String, _ body: JSON, _ caller: Caller) async throws -> JSON {
        let members = Members(body)
        return switch action {
        case "PutEvents": try await putEvents(members, caller)
        case "TestEventPattern": try testPattern(members)
        case "PutRule": try await putRule(members, caller)
        case "DescribeRule": try describeRule(members, caller)
        case "ListRules": try listRules(members, caller)
        case "DeleteRule": try await deleteRule(members, caller)
        case "EnableRule": try await enable(members, caller, true)
        case "DisableRule": try await enable(members, caller, false)
        case "PutTargets": try await putTargets(members, caller)
        case "RemoveTargets": try await removeTargets(members, caller)
        case "ListTargetsByRule": try listTargets(members, caller)
        case "ListRuleNamesByTarget": try listRuleNames(members, caller)
        case "CreateEventBus": try await createBus(members, caller)
        case "UpdateEventBus": try await updateBus(members, caller)
        case "DeleteEventBus": try await deleteBus(members, caller)
        case "DescribeEventBus": try describeBus(members, caller)
        case "ListEventBuses": try listBuses(members, caller)
        case "CreateConnection": try await createConnection(members, caller)
        case "DescribeConnection": try describeConnection(members, caller)
        case "ListConnections": try listConnections(members, caller)
        case "DeleteConnection": try await deleteConnection(members, caller)
        case "CreateApiDestination": try await createAPIDestination(members, caller)
        case "UpdateApiDestination": try await updateAPIDestination(members, caller)
        case "DescribeApiDestination": try describeAPIDestination(members, caller)
        case "ListApiDestinations": try listAPIDestinations(members, caller)
        case "DeleteApiDestination": try await deleteAPIDestination(members, caller)
        case "TagResource": try await tag(members, caller)
        case "UntagResource": try await untag(members, caller)
        case "ListTagsForResource": try listTags(members, caller)
        default:
            throw EventBusError(
                .unknownOperation, "The operation \(action.prefix(100)) of EventBridge is not supported by Martlet: it has event buses, rules, targets and events.")
        }
    }

    // MARK: Names

    func bus(named text: String?, _ caller: Caller) throws(EventBusError) -> EventBusKey {
        guard let text else { return EventBusKey(account: caller.account, region: caller.region, name: EventBusKey.defaultName) }
        var name = text[...]
        if text.hasPrefix("arn:") {
            guard case .eventBus(caller.account, caller.region, let own)? = EventDestination(arn: text) else { throw Self.noBus(text) }
            name = own[...]
        }
        guard EventBusKey.isName(name, maximum: 256) else {
            throw Members.fault("EventBusName", text, "Member must be a name of letters, digits, '.', '-' and '_', or the ARN of an event bus")
        }
        return EventBusKey(account: caller.account, region: caller.region, name: String(name))
    }

    /// The bus of `EventBusName`, which is there.
    func knownBus(_ members: Members, _ caller: Caller, _ member: String = "EventBusName") throws(EventBusError) -> EventBusKey {
        let key = try bus(named: try members.text(member, maximum: 1_600), caller)
        guard registry.hasBus(key) else { throw Self.noBus(key.name) }
        return key
    }

    func ruleKey(_ members: Members, _ caller: Caller, _ member: String) throws(EventBusError) -> RuleKey {
        let name = try members.name(member, maximum: 64)
        return RuleKey(bus: try knownBus(members, caller), name: name)
    }

    /// The rule, which is there.
    func rule(_ key: RuleKey) throws(EventBusError) -> EventRule {
        guard let rule = registry.table.rule(key) else { throw Self.noRule(key) }
        return rule
    }

    static func noBus(_ name: String) -> EventBusError { EventBusError(.resourceNotFound, "Event bus \(name.prefix(256)) does not exist.") }

    static func noRule(_ key: RuleKey) -> EventBusError {
        EventBusError(.resourceNotFound, "Rule \(key.name) does not exist on EventBus \(key.bus.name).")
    }

    // MARK: Pages

    /// A page of what is in order; a token is the last name of the page before.
    func page<Element>(
        _ all: [Element], _ members: Members, name: (Element) -> String
    ) throws(EventBusError) -> (page: ArraySlice<Element>, token: [JSON.Member]) {
        let limit = try members.integer("Limit", in: 1...100) ?? 100
        let after = try members.text("NextToken", maximum: 2_048)
        let rest = all.drop { element in after.map { name(element) <= $0 } ?? false }
        let page = rest.prefix(limit)
        guard page.count < rest.count, let last = page.last else { return (page, []) }
        return (page, [.init("NextToken", .string(name(last)))])
    }

    static func optional(_ members: [(name: String, value: String?)]) -> [JSON.Member] {
        members.compactMap { member in member.value.map { JSON.Member(member.name, .string($0)) } }
    }
}
