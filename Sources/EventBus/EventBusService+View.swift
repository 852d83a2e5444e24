public import JSONValues
public import Triggers

/// What Martlet's own API shows: rules with what has come of them since the server started.
extension EventBusService {
    /// `{"buses": [{"name", "arn", "description", "rules"}]}`
    public func overview(_ caller: Caller) -> JSON {
        let buses = registry.buses(account: caller.account, region: caller.region).map { bus in
            JSON.object([
                .init("name", .string(bus.key.name)), .init("arn", .string(bus.key.arn)), .init("description", .optional(bus.description)),
                .init("rules", .integer(registry.rules(of: bus.key).count)),
            ])
        }
        return .object([.init("buses", .array(buses))])
    }

    /// `{"bus", "rules": [{"name", "arn", "state", "pattern", "schedule", "targets", "matched", …}]}`
    public func rulesOverview(_ name: String, _ caller: Caller) throws -> JSON {
        let key = try bus(named: name, caller)
        guard registry.hasBus(key) else { throw Self.noBus(name) }
        let rules = registry.rules(of: key).map { rule, counts in
            JSON.object([
                .init("name", .string(rule.key.name)), .init("arn", .string(rule.key.arn)),
                .init("state", .string(rule.stored.isEnabled ? "enabled" : "disabled")),
                .init("pattern", .optional(rule.stored.pattern)), .init("schedule", .optional(rule.stored.schedule)),
                .init("description", .optional(rule.stored.description)), .init("targets", .array(rule.targets.map { .string($0.arn) })),
                .init("matched", .integer(counts.activity.events)), .init("delivered", .integer(counts.delivered)),
                .init("retried", .integer(counts.retried)),
                .init("failed", .integer(counts.activity.faults)), .init("lastMatch", counts.activity.lastEvent.map { .integer($0) } ?? .null),
                .init("lastError", .optional(counts.activity.lastFault?.reason)),
                .init("lastErrorTime", counts.activity.lastFault.map { .integer($0.time) } ?? .null),
            ])
        }
        return .object([.init("bus", .string(key.name)), .init("rules", .array(rules))])
    }

    /// Rules as event sources, each with its first target.
    public func triggers(_ caller: Caller, now: Int64) -> [TriggerEntry] {
        registry.buses(account: caller.account, region: caller.region).flatMap { bus in
            registry.rules(of: bus.key).map { rule, counts in
                let isFailing = rule.targets.contains { $0.id == counts.failingTarget }
                return TriggerEntry(
                    kind: "rule", name: "\(bus.key.name)/\(rule.key.name)", source: rule.stored.schedule ?? bus.key.arn,
                    target: rule.targets.first?.arn ?? "",
                    state: !rule.stored.isEnabled ? .disabled : isFailing ? .failing : .enabled, activity: counts.activity, now: now)
            }
        }
    }
}
