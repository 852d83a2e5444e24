import DurableQueue

/// A schedule at a glance.
public struct ScheduleOverview: Sendable {
    public let arn: String
    public let group: String
    public let name: String
    public let expression: String
    /// The ARN of its target.
    public let target: String
    public let isEnabled: Bool
    /// It is never due any more.
    public let isFinished: Bool
    /// Oldest first.
    public let runs: [ScheduleRun]
}

extension SchedulerService {
    /// Every schedule of an account and region, in the order of groups and names.
    public func all(_ caller: Caller) async throws -> [ScheduleOverview] {
        var found: [ScheduleOverview] = []
        var last: String?
        while true {
            let page = try await store.queues(
                account: caller.account, region: caller.region, prefix: ScheduleName.queuePrefix, after: last, limit: Self.maximumPage)
            for record in page {
                guard let name = ScheduleName(record.key), let stored = try? StoredSchedule(record, name, zones: zones) else { continue }
                // It may be deleted meanwhile.
                let runs = (try? await history(record.key)) ?? []
                let past = max(now() / 1000 - 1, runs.last?.due ?? .min)
                found.append(
                    ScheduleOverview(
                        arn: name.arn, group: name.group, name: name.name, expression: stored.definition.schedule.expression.text,
                        target: stored.definition.target.arn, isEnabled: stored.definition.isEnabled,
                        isFinished: stored.definition.schedule.next(after: past) == nil, runs: runs))
            }
            guard page.count == Self.maximumPage, let key = page.last?.key else { return found }
            last = key.name
        }
    }
}
