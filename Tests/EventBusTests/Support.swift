import DurableQueue
import EventBus
import Foundation
import FunctionModel
import JSONValues
import SQLiteStore
import Synchronization

/// A bus service over queues and rules in a folder of its own.
struct TestBus {
    static let caller = EventBusService.Caller(account: "123456789012", region: "us-east-1")
    static let functions: Set<String> = ["f", "g"]

    let folder: URL
    let queues: SQLiteQueueStore
    let store: SQLiteStore
    let registry: EventBusRegistry
    let service: EventBusService
    let clock = TestClock()
    let rules = TestRuleClock()
    let client = TestEndpoint()
    let counted = CountedDeliveries()
    let tenanted = TenantedFunctions()

    init(limits: QueueLimits = QueueLimits(), folder given: URL? = nil) async throws {
        folder = given ?? FileManager.default.temporaryDirectory.appendingPathComponent("bus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        queues = try await SQLiteQueueStore.open(path: folder.appendingPathComponent("queue.sqlite").path, limits: limits)
        store = try await SQLiteStore.open(path: folder.appendingPathComponent("martlet.db").path)
        registry = try await EventBusRegistry(store: store) { _, _ in }
        let (clock, counted, tenanted) = (clock, counted, tenanted)
        service = EventBusService(
            registry: registry, store: queues,
            functions: FunctionTargets(
                exists: { key, qualifier in Self.functions.contains(key.name) && qualifier != "7" },
                refusal: { tenanted.contains($0.name) ? ServiceError(.invalidParameterValue, "\($0.name) has tenants") : nil },
                queue: { QueueKey(account: $0.account, region: $0.region, name: "async:\($0.name)") }, attributes: { Array(($0 ?? "-").utf8) }),
            clock: rules, client: client,
            observer: EventBusObserver(accepted: { _ in }, matched: { _ in }, delivery: { _, kind in counted.add(kind) }, failure: { _, _, _ in }),
            now: { clock.time })
    }

    func end() { try? FileManager.default.removeItem(at: folder) }

    func call(_ action: String, _ body: String) async throws -> JSON { try await service.perform(action, JSON(parsing: body), Self.caller) }

    @discardableResult
    func put(_ detail: String = "{}", source: String = "shop", bus: String = "default") async throws -> JSON {
        let entry = JSON.object([
            .init("Source", .string(source)), .init("DetailType", .string("order")), .init("Detail", .string(detail)), .init("EventBusName", .string(bus)),
        ])
        return try await service.perform("PutEvents", .object([.init("Entries", .array([entry]))]), Self.caller)
    }

    func rule(_ name: String, _ pattern: String, targets: String = "[]", bus: String = "default") async throws {
        let text = JSON.string(pattern).text()
        _ = try await call("PutRule", "{\"Name\":\"\(name)\",\"EventBusName\":\"\(bus)\",\"EventPattern\":\(text)}")
        if targets != "[]" { _ = try await call("PutTargets", "{\"Rule\":\"\(name)\",\"EventBusName\":\"\(bus)\",\"Targets\":\(targets)}") }
    }

    func key(_ name: String) -> QueueKey { QueueKey(account: Self.caller.account, region: Self.caller.region, name: name) }

    func make(_ name: String, _ kind: QueueKind = .standard) async throws {
        _ = try await queues.create(QueueRecord(key: key(name), kind: kind, created: 1, modified: 1))
    }

    func messages(_ name: String) async throws -> [StoredMessage] { try await queues.peek(key(name), after: nil, limit: 100, now: clock.time) }
}

final class TestClock: Sendable {
    private let now = Mutex<Int64>(1_795_273_200_000)
    var time: Int64 { now.withLock { $0 } }
    func advance(_ milliseconds: Int64) { now.withLock { $0 += milliseconds } }
}

final class TestRuleClock: RuleClock {
    private let kept = Mutex<[String: String]>([:])
    var expressions: [String: String] { kept.withLock { $0 } }
    func set(_ rule: RuleKey, expression: String, isEnabled: Bool) async throws { kept.withLock { $0[rule.name] = isEnabled ? expression : "off" } }
    func remove(_ rule: RuleKey) async throws { kept.withLock { $0[rule.name] = nil } }
}

final class CountedDeliveries: Sendable {
    private let counts = Mutex<[EventBusObserver.Delivery: Int]>([:])
    func add(_ kind: EventBusObserver.Delivery) { counts.withLock { $0[kind, default: 0] += 1 } }
    subscript(_ kind: EventBusObserver.Delivery) -> Int { counts.withLock { $0[kind] ?? 0 } }
}

/// Functions that take no events of a bus.
final class TenantedFunctions: Sendable {
    private let names = Mutex<Set<String>>([])

    func insert(_ name: String) { names.withLock { _ = $0.insert(name) } }
    func contains(_ name: String) -> Bool { names.withLock { $0.contains(name) } }
}
