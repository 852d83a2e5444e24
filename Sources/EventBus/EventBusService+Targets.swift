import JSONValues

/// Targets of rules.
extension EventBusService {
    func putTargets(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try ruleKey(members, caller, "Rule")
        guard let list = try members.list("Targets", 1...100) else { throw Members.fault("Targets", "null", "Member must not be null") }
        var targets: [RuleTarget] = []
        for json in list { targets.append(try RuleTarget(json, bus: key.bus)) }
        guard Set(targets.map(\.id)).count == targets.count else { throw EventBusError.invalid("Each of Targets must have an Id of its own.") }
        for target in targets {
            switch target.destination {
            case .eventBus(key.bus): throw EventBusError.invalid("Target \(target.id) is the rule's own event bus: an event would go in a circle.")
            case .function(let function, _):
                if let refusal = router.functions.refusal(function) { throw EventBusError.invalid("Target \(target.id) takes no events. \(refusal.message).") }
            case .eventBus, .queue, .endpoint: break
            }
        }
        let (added, time) = (targets, now())
        try await registry.changeRule(key) { old throws(EventBusError) in
            guard var rule = old else { throw Self.noRule(key) }
            for target in added {
                if let index = rule.targets.firstIndex(where: { $0["Id"]?.string == target.id }) {
                    rule.targets[index] = target.json
                } else {
                    rule.targets.append(target.json)
                }
            }
            guard rule.targets.count <= EventRule.maximumTargets else {
                throw EventBusError(
                    .limitExceeded,
                    "The requested resource exceeds the maximum number allowed: a rule has at most \(EventRule.maximumTargets) targets, this one would have \(rule.targets.count).")
            }
            rule.modified = time
            return rule
        }
        return Self.failed([])
    }

    func removeTargets(_ members: Members, _ caller: Caller) async throws -> JSON {
        let key = try ruleKey(members, caller, "Rule")
        let ids = try members.texts("Ids", 1...100)
        _ = try members.flag("Force")
        let time = now()
        let (before, _) = try await registry.changeRule(key) { old throws(EventBusError) in
            guard var rule = old else { throw Self.noRule(key) }
            rule.targets.removeAll { $0["Id"]?.string.map(ids.contains) == true }
            rule.modified = time
            return rule
        }
        let known = Set(before?.targets.compactMap { $0["Id"]?.string } ?? [])
        return Self.failed(
            ids.filter { !known.contains($0) }.map { id in (id, "Rule \(key.name) on EventBus \(key.bus.name) does not have a target with the Id \(id).") })
    }

    private static func failed(_ entries: [(id: String, message: String)]) -> JSON {
        .object([
            .init("FailedEntryCount", .integer(entries.count)),
            .init(
                "FailedEntries",
                .array(
                    entries.map { id, message in
                        .object([
                            .init("TargetId", .string(id)), .init("ErrorCode", .string(EventBusError.Kind.resourceNotFound.rawValue)),
                            .init("ErrorMessage", .string(message)),
                        ])
                    })),
        ])
    }

    func listTargets(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let rule = try rule(try ruleKey(members, caller, "Rule"))
        let (page, token) = try page(rule.targets.sorted { $0.id < $1.id }, members, name: \.id)
        return .object([.init("Targets", .array(page.map(\.json)))] + token)
    }

    func listRuleNames(_ members: Members, _ caller: Caller) throws(EventBusError) -> JSON {
        let bus = try knownBus(members, caller)
        let arn = try members.required("TargetArn", maximum: 1_600)
        let names = registry.table.rules(of: bus).filter { rule in rule.targets.contains { $0.arn == arn } }.map(\.key.name)
        let (page, token) = try page(names, members) { $0 }
        return .object([.init("RuleNames", .array(page.map(JSON.string)))] + token)
    }
}
