import JSONValues
import Schedules

/// Rules.
extension EventBusService {
    func putRule(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try ruleKey(members, caller, "Name")
        let pattern = try members.text("EventPattern", maximum: 4_096)
        let schedule = try members.text("ScheduleExpression", maximum: 256).flatMap { $0.isEmpty ? nil : $0 }
        let description = try members.text("Description", maximum: 512)
        let role = try members.text("RoleArn", maximum: 1_600)
        let isEnabled = try members.choice("State", ["ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"]) != "DISABLED"
        let tags = try Self.tags(members)
        guard pattern != nil || schedule != nil else {
            throw EventBusError.invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        }
        if let pattern { _ = try Self.pattern(pattern) }
        if let schedule { try Self.check(schedule, on: key.bus) }
        let time = now()
        let (before, _) = try await registry.changeRule(key) { old throws(EventBusError) in
            StoredRule(
                key: key, pattern: pattern, schedule: schedule, isEnabled: isEnabled, description: description, role: role,
                targets: old?.targets ?? [],
                // Of an existing rule they are changed by TagResource only.
                tags: old?.tags ?? tags, created: old?.created ?? time, modified: time)
        }
        try await keepTime(key, before)
        return .object([.init("RuleArn", .string(key.arn))])
    }

    private static func check(_ schedule: String, on bus: EventBusKey) throws(EventBusError) {
        guard bus.isDefault else { throw .invalid("ScheduleExpression is supported only on the default event bus.") }
        let expression: ScheduleExpression
        do throws(ScheduleError) { expression = try ScheduleExpression(schedule) } catch {
            throw .invalid("Parameter ScheduleExpression is not valid. Reason: \(error.description).")
        }
        guard !expression.isOneTime else {
            throw .invalid("Parameter ScheduleExpression is not valid. Reason: a rule has cron(…) or rate(…); at(…) is for EventBridge Scheduler.")
        }
    }

    /// Lets the rule's schedule follow what is stored now. A crash before this is made good at the next start.
    private func keepTime(_ key: RuleKey, _ before: StoredRule?) async throws {
        let after = registry.table.rule(key)?.stored
        guard before?.schedule != after?.schedule || before?.isEnabled != after?.isEnabled else { return }
        if let expression = after?.schedule {
            try await clock.set(key, expression: expression, isEnabled: after?.isEnabled == true)
        } else if before?.schedule != nil {
            try await clock.remove(key)
        }
    }

    func describeRule(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let rule = try rule(try ruleKey(members, caller, "Name"))
        return .object(Self.form(rule) + [.init("CreatedBy", .string(rule.key.bus.account))])
    }

    private static func form(_ rule: EventRule) -> [JSON.Member] {
        optional([
            ("Name", rule.key.name), ("Arn", rule.key.arn), ("EventPattern", rule.stored.pattern), ("ScheduleExpression", rule.stored.schedule),
            ("State", rule.stored.isEnabled ? "ENABLED" : "DISABLED"), ("Description", rule.stored.description), ("RoleArn", rule.stored.role),
            ("EventBusName", rule.key.bus.name),
        ])
    }

    func listRules(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let bus = try knownBus(members, caller)
        let prefix = try members.text("NamePrefix", maximum: 64) ?? ""
        let rules = registry.table.rules(of: bus).filter { $0.key.name.hasPrefix(prefix) }
        let (page, token) = try page(rules, members, name: \.key.name)
        return .object([.init("Rules", .array(page.map { .object(Self.form($0)) }))] + token)
    }

    func deleteRule(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try ruleKey(members, caller, "Name")
        // `Force` is for rules that a service of AWS manages; it does not let targets go.
        _ = try members.flag("Force")
        let deleted = try await registry.deleteRule(key) { rule throws(EventBusError) in
            guard rule.targets.isEmpty else { throw EventBusError.invalid("Rule can't be deleted since it has targets.") }
        }
        if deleted?.schedule != nil { try await clock.remove(key) }
        return .object([])
    }

    func enable(_ members: Members, _ caller: Caller, _ isEnabled: Bool) async throws -> JSON {
        let key = try ruleKey(members, caller, "Name")
        let time = now()
        let (before, _) = try await registry.changeRule(key) { old throws(EventBusError) in
            guard var rule = old else { throw Self.noRule(key) }
            rule.isEnabled = isEnabled
            rule.modified = time
            return rule
        }
        try await keepTime(key, before)
        return .object([])
    }
}
