internal import FunctionModel
internal import Gateway
internal import JSONValues
internal import Registry
internal import Synchronization
internal import Telemetry
internal import Triggers

/// Every event source of every kind in one listing, below /martlet/v1, and in the metrics.
final class TriggerRoutes: Sendable {
    /// Milliseconds for which the metrics stay as they were looked up: everybody may ask for them, and a look asks the store.
    private static let measureInterval: Int64 = 5_000

    let catalogs: [any TriggerCatalog]
    let registry: FunctionRegistry
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    private let measured = Mutex<Int64>(.min)

    init(catalogs: [any TriggerCatalog], registry: FunctionRegistry, now: @escaping @Sendable () -> Int64) {
        self.catalogs = catalogs
        self.registry = registry
        self.now = now
    }

    var all: [ControlRoute] { [ControlRoute("GET", "/martlet/v1/triggers") { try await self.list($0) }] }

    private func list(_ request: ControlRequest) async throws -> ControlResponse {
        let caller = request.caller
        let function = request.value("function").map { FunctionKey(account: caller.account, region: caller.region, name: $0) }
        if let function { _ = try await registry.snapshot.record(function) }
        let time = now()
        var rows: [JSON] = []
        for catalog in catalogs {
            for entry in try await catalog.triggers(account: caller.account, region: caller.region, now: time)
            where function == nil || entry.function == function {
                rows.append(Self.row(entry, time))
            }
        }
        return .json(text: Array(JSON.object([.init("triggers", .array(rows))]).text().utf8))
    }

    private static func row(_ entry: TriggerEntry, _ now: Int64) -> JSON {
        func optional(_ value: Int64?) -> JSON { value.map { .integer(Int($0)) } ?? .null }
        return .object([
            .init("kind", .string(entry.kind)), .init("name", .string(entry.name)), .init("source", .string(entry.source)),
            .init("target", .string(entry.target)), .init("function", .optional(entry.function?.name)), .init("state", .string(entry.state.rawValue)),
            .init("events", .integer(entry.events)), .init("faults", .integer(entry.faults)), .init("lastEvent", optional(entry.lastEvent)),
            .init("perMinute", .number(decimal(entry.perMinute))), .init("depth", entry.depth.map { .integer($0) } ?? .null),
            .init("oldestMs", optional(entry.oldest.map { max(0, now - $0) })), .init("lastError", .optional(entry.lastFault?.reason)),
            .init("lastErrorTime", optional(entry.lastFault?.time)),
        ])
    }

    /// With one place: a rate of events is no measurement.
    private static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Brings the metrics up to date, for the accounts that have functions.
    func measure(_ metrics: ServerMetrics) async {
        let time = now()
        let isDue = measured.withLock { measured in
            // A clock that went back must not stop it.
            guard measured == .min || abs(time - measured) >= Self.measureInterval else { return false }
            measured = time
            return true
        }
        guard isDue else { return }
        let tenants = Set(await registry.snapshot.functions.keys.map { [$0.account, $0.region] })
        var entries: [TriggerEntry] = []
        for tenant in tenants {
            for catalog in catalogs {
                // Without an answer what it said last stays.
                guard let found = try? await catalog.triggers(account: tenant[0], region: tenant[1], now: time) else { return }
                entries += found
            }
        }
        let names = Set(entries.map(\.name))
        for family in [metrics.triggerEvents, metrics.triggerFaults] { family.retain(names) }
        metrics.triggerLag.retain(names)
        for entry in entries {
            metrics.triggerEvents.with(entry.name, entry.kind).advance(to: UInt64(entry.events))
            metrics.triggerFaults.with(entry.name, entry.kind).advance(to: UInt64(entry.faults))
            if let depth = entry.depth { metrics.triggerLag.with(entry.name, entry.kind).set(depth) }
        }
    }
}
