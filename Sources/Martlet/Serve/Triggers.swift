internal import DurableQueue
internal import EventDispatch
internal import EventSourceMappings
internal import ExternalSources
internal import FunctionModel
internal import Gateway
internal import HTTPRoutes
internal import Registry
internal import Scheduler
internal import Schedules
internal import Triggers
internal import Webhooks

/// Webhooks; what came to each is counted where it is verified.
struct WebhookTriggers: TriggerCatalog {
    let webhooks: WebhookRegistry
    let baseURL: String

    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry] {
        webhooks.list(account: account, region: region).map { webhook, activity in
            let function = webhook.function.arn
            return TriggerEntry(
                kind: "webhook", name: webhook.name, source: baseURL + webhook.path, target: webhook.qualifier.map { "\(function):\($0)" } ?? function,
                state: .enabled, activity: activity, now: now)
        }
    }
}

/// Event source mappings, with the depth of the queue that each takes from; brokers outside are not asked for theirs.
struct EventSourceMappingTriggers: TriggerCatalog {
    let mappings: EventSourceMappingRegistry
    let store: any QueueStore

    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry] {
        var entries: [TriggerEntry] = []
        for mapping in mappings.list(account: account, region: region) {
            let queue = mapping.source.queue
            let counts = if let queue { try await counts(queue, now: now) } else { QueueCounts?.none }
            let status = mappings.status(mapping.id)
            let isFailing = (queue != nil && counts == nil) || status.lastResult.hasPrefix("PROBLEM")
            entries.append(
                TriggerEntry(
                    kind: mapping.source.external?.kind.rawValue ?? "queue", name: mapping.id, source: mapping.source.summary, target: mapping.functionARN,
                    state: !mapping.isEnabled ? .disabled : isFailing ? .failing : .enabled, activity: status.activity, now: now,
                    depth: counts?.total, oldest: counts?.oldest))
        }
        return entries
    }

    /// Nil for a queue that was deleted.
    private func counts(_ key: QueueKey, now: Int64) async throws -> QueueCounts? {
        do { return try await store.counts(of: key, now: now) } catch let error as ServiceError where error.code == .resourceNotFound { return nil }
    }
}

/// Schedules; what each has run is in its history.
struct ScheduleTriggers: TriggerCatalog {
    let service: SchedulerService
    let activities: TriggerActivities

    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry] {
        // A rule's schedule is shown as the rule.
        try await service.all(SchedulerService.Caller(account: account, region: region)).filter { $0.group != ScheduledRules.group }.map { schedule in
            let isFailing = schedule.runs.last?.error != nil
            let state: TriggerEntry.State = !schedule.isEnabled ? .disabled : isFailing ? .failing : schedule.isFinished ? .finished : .enabled
            var entry = TriggerEntry(
                kind: "schedule", name: schedule.group == "default" ? schedule.name : "\(schedule.group)/\(schedule.name)",
                source: schedule.expression, target: schedule.target, state: state, activity: activities.activity(schedule.arn), now: now)
            // A schedule's last run may have been long before the server started.
            entry.lastEvent = entry.lastEvent ?? schedule.runs.last { $0.error == nil }?.fired
            if entry.lastFault == nil, let run = schedule.runs.last(where: { $0.error != nil }) {
                entry.lastFault = TriggerActivity.Fault(time: run.fired, reason: run.error ?? "")
            }
            return entry
        }
    }
}

/// Function URLs; calls are counted where their usage is recorded, for a function and its aliases together.
struct FunctionURLTriggers: TriggerCatalog {
    let registry: FunctionRegistry
    let activities: TriggerActivities
    let addresses: FunctionURLAddresses

    /// - Returns: the name under which a function's calls are counted.
    static func name(_ key: FunctionKey) -> String { key.description }

    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry] {
        await registry.functions(account: account, region: region).flatMap { record in
            let own = record.url.map { [entry(record, $0, alias: nil, now: now)] } ?? []
            return own + record.aliasURLs.sorted { $0.key < $1.key }.map { entry(record, $0.value, alias: $0.key, now: now) }
        }
    }

    private func entry(_ record: FunctionRecord, _ url: FunctionURL, alias: String?, now: Int64) -> TriggerEntry {
        let suffix = alias.map { ":\($0)" } ?? ""
        return TriggerEntry(
            kind: "url", name: record.key.name + suffix, source: String(addresses.address(of: url, record.key, alias: alias).dropLast()),
            target: record.key.arn + suffix, state: record.reservedConcurrency == 0 ? .disabled : .enabled,
            activity: activities.activity(Self.name(record.key)), now: now)
    }
}

/// Calls that came straight from outside, by function.
struct CallActivities: Sendable {
    let urls = TriggerActivities()
    let routes = TriggerActivities()
}

/// Routes; requests are counted where their usage is recorded, for all routes of a function together.
struct RouteTriggers: TriggerCatalog {
    let domains: RouteRegistry
    let activities: TriggerActivities

    func triggers(account: String, region: String, now: Int64) async throws -> [TriggerEntry] {
        await domains.list(account: account, region: region).flatMap { domain in
            domain.definition.routes.map { route in
                let key = domain.function(of: route)
                return TriggerEntry(
                    kind: "route", name: "\(domain.name) \(route.key)", source: domain.name, target: key.arn + (route.qualifier.map { ":\($0)" } ?? ""),
                    state: .enabled, activity: activities.activity(FunctionURLTriggers.name(key)), now: now)
            }
        }
    }
}
