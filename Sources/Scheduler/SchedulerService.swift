public import DurableQueue
import FunctionModel
public import JSONValues
public import Schedules

/// The operations of EventBridge Scheduler over the queue store: members in, members out.
public final class SchedulerService: Sendable {
    public struct Caller: Sendable {
        public let account: String
        public let region: String

        public init(account: String, region: String) {
            self.account = account
            self.region = region
        }
    }

    static let maximumPage = 100
    private static let maximumTags = 50
    private static let shownRuns = 5

    let store: any QueueStore
    let zones: TimeZoneDatabase
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    private let checkTarget: ScheduleRunner.Resolver

    /// - Parameter checkTarget: refuses at once what no run could reach.
    public init(
        store: any QueueStore, zones: TimeZoneDatabase = TimeZoneDatabase(), now: @escaping @Sendable () -> Int64,
        checkTarget: @escaping ScheduleRunner.Resolver
    ) {
        self.store = store
        self.zones = zones
        self.now = now
        self.checkTarget = checkTarget
    }

    // MARK: Schedules

    public func create(_ name: String, _ body: JSON, _ caller: Caller) async throws -> JSON {
        let name = try self.name(name, group: Fields(body).text("GroupName"), caller)
        let time = now()
        let definition = try await self.definition(body, name, created: time / 1000, caller)
        try await requireGroup(name.group, caller)
        if (try? await store.queue(name.queue)) != nil { throw SchedulerError(.conflict, "Schedule \(name.name) already exists.") }
        let record = QueueRecord(
            key: name.queue, kind: .internal, attributes: [StoredSchedule.attribute: definition.json.text()], created: time, modified: time)
        let kept = try await store.create(record)
        guard kept.created == time, kept.attributes == record.attributes else { throw SchedulerError(.conflict, "Schedule \(name.name) already exists.") }
        // A schedule that is new has not had the run of the second that has begun.
        if definition.isEnabled { try await ScheduleRunner.arm(name.queue, definition, from: time / 1000 * 1000, now: time, store: store) }
        return .object([.init("ScheduleArn", .string(name.arn))])
    }

    public func update(_ name: String, _ body: JSON, _ caller: Caller) async throws -> JSON {
        let stored = try await schedule(name, group: Fields(body).text("GroupName"), caller)
        let time = now()
        let definition = try await self.definition(body, stored.name, created: stored.record.created / 1000, caller)
        guard definition.schedule.next(after: ScheduleRunner.begin(time) - 1) != nil else {
            throw SchedulerError.invalid("\(definition.schedule.expression.text) is never due from now on")
        }
        var record = stored.record
        record.attributes[StoredSchedule.attribute] = definition.json.text()
        record.modified = time
        try await store.update(record)
        let runs = try await history(record.key)
        // A run that is on its way finds its message gone and does nothing; the schedule begins anew from now.
        try await store.purge(record.key, now: time)
        if definition.isEnabled {
            try await ScheduleRunner.arm(record.key, definition, from: time, now: time, runs: runs, store: store)
        } else if !runs.isEmpty {
            try await rest(record.key, runs, from: time)
        }
        return .object([.init("ScheduleArn", .string(stored.name.arn))])
    }

    public func get(_ name: String, group: String?, _ caller: Caller) async throws -> JSON {
        let stored = try await schedule(name, group: group, caller)
        let next = stored.definition.isEnabled ? stored.definition.schedule.upcoming(Self.shownRuns, after: now() / 1000) : []
        return .object(stored.json.members + [.init("MartletNextRuns", .array(next.map { .string(ScheduleTime.text($0)) }))])
    }

    /// What a schedule has run, the newest first; `ScheduleRun.kept` at most.
    /// - Returns: with the ARN of its target.
    public func runs(_ name: String, group: String?, _ caller: Caller) async throws -> (target: String, runs: [ScheduleRun]) {
        let stored = try await schedule(name, group: group, caller)
        return (stored.definition.target.arn, try await history(stored.record.key).reversed())
    }

    func history(_ key: QueueKey) async throws -> [ScheduleRun] {
        try await store.peek(key, after: nil, limit: 1, now: now()).first.flatMap { try? ScheduleTick($0.body).runs } ?? []
    }

    /// A schedule that is disabled keeps its history in a message that nobody takes up.
    private func rest(_ key: QueueKey, _ runs: [ScheduleRun], from time: Int64) async throws {
        let tick = ScheduleTick(ScheduleState(created: time / 1000), runs: runs)
        for result in try await store.enqueue([try tick.message(wake: nil, now: time)], to: key, now: time) { _ = try result.get() }
    }

    public func delete(_ name: String, group: String?, _ caller: Caller) async throws -> JSON {
        try await store.delete(schedule(name, group: group, caller).name.queue)
        return .object([])
    }

    public func list(group: String?, prefix: String?, state: String?, limit: Int?, token: String?, _ caller: Caller) async throws -> JSON {
        if let group { try await requireGroup(group, caller) }
        let start = ScheduleName.queuePrefix + (group.map { "\($0)/" } ?? "")
        var last = try token.map { token throws(SchedulerError) in
            guard token.hasPrefix(ScheduleName.queuePrefix) else { throw .invalid("NextToken is not one that a list has given") }
            return token
        }
        let limit = limit ?? Self.maximumPage
        var found: [StoredSchedule] = []
        // Names are only a prefix of the key when the group is known.
        while found.count < limit {
            let page = try await store.queues(
                account: caller.account, region: caller.region, prefix: start + (group == nil ? "" : prefix ?? ""), after: last, limit: limit)
            for record in page where found.count < limit {
                last = record.key.name
                guard let name = ScheduleName(record.key), name.name.hasPrefix(prefix ?? "") else { continue }
                guard let stored = try? StoredSchedule(record, name, zones: zones) else { continue }
                if let state, (state == "ENABLED") != stored.definition.isEnabled { continue }
                found.append(stored)
            }
            if page.count < limit { break }
        }
        var members: [JSON.Member] = [.init("Schedules", .array(found.map(\.summary)))]
        if found.count == limit, let last { members.append(.init("NextToken", .string(last))) }
        return .object(members)
    }

    private func name(_ name: String, group: String?, _ caller: Caller) throws(SchedulerError) -> ScheduleName {
        try ScheduleName(account: caller.account, region: caller.region, group: group ?? ScheduleName.defaultGroup, name: name)
    }

    private func schedule(_ name: String, group: String?, _ caller: Caller) async throws -> StoredSchedule {
        let name = try self.name(name, group: group, caller)
        guard let record = try await record(name.queue) else { throw SchedulerError(.resourceNotFound, "Schedule \(name.name) does not exist.") }
        return try StoredSchedule(record, name, zones: zones)
    }

    private func definition(_ body: JSON, _ name: ScheduleName, created: Int64, _ caller: Caller) async throws -> ScheduleDefinition {
        let definition = try ScheduleDefinition(body, name: name, zones: zones, created: created)
        do {
            let destination = try await checkTarget(definition.target.arn, caller.account, caller.region)
            if destination.attributes != nil { try Self.checkInput(definition.target, name) }
        } catch let error as ServiceError where error.code == .resourceNotFound || error.code == .invalidParameterValue {
            throw SchedulerError.invalid("the target \(definition.target.arn.prefix(200)) cannot be reached: \(error.message)")
        }
        return definition
    }

    /// A function's event is JSON, also with everything put in that is to be.
    private static func checkInput(_ target: ScheduleTarget, _ name: ScheduleName) throws(SchedulerError) {
        guard target.input != nil else { return }
        let body = target.body(name: name, due: 0, execution: RequestID.random().description, attempt: "1")
        do throws(JSONFault) { _ = try JSON(parsing: Array(body.utf8), maximumDepth: 128) } catch {
            throw .invalid("Input must be JSON for a function: \(error)")
        }
    }

    private func record(_ key: QueueKey) async throws -> QueueRecord? {
        do {
            return try await store.queue(key)
        } catch let error as ServiceError where error.code == .resourceNotFound {
            return nil
        }
    }

    // MARK: Groups

    private func groupKey(_ name: String, _ caller: Caller) throws(SchedulerError) -> QueueKey {
        guard ScheduleName.isName(name) else { throw .invalid("Name '\(name.prefix(64))' must have 1 to 64 letters, digits, '-', '_' and '.'") }
        return QueueKey(account: caller.account, region: caller.region, name: ScheduleName.groupPrefix + name)
    }

    /// The default group is always there.
    private func groupRecord(_ name: String, _ caller: Caller) async throws -> QueueRecord {
        let key = try groupKey(name, caller)
        if let record = try await record(key) { return record }
        guard name == ScheduleName.defaultGroup else { throw SchedulerError(.resourceNotFound, "Schedule group \(name) does not exist.") }
        let time = now()
        return try await store.create(QueueRecord(key: key, kind: .internal, created: time, modified: time))
    }

    private func requireGroup(_ name: String, _ caller: Caller) async throws {
        if name != ScheduleName.defaultGroup { _ = try await groupRecord(name, caller) }
    }

    public func createGroup(_ name: String, _ body: JSON, _ caller: Caller) async throws -> JSON {
        let key = try groupKey(name, caller)
        let tags = try Self.tags(body)
        guard name != ScheduleName.defaultGroup, try await record(key) == nil else { throw SchedulerError(.conflict, "Schedule group \(name) already exists.") }
        let time = now()
        _ = try await store.create(QueueRecord(key: key, kind: .internal, tags: tags, created: time, modified: time))
        return .object([.init("ScheduleGroupArn", .string(Self.groupARN(key)))])
    }

    public func getGroup(_ name: String, _ caller: Caller) async throws -> JSON { Self.groupJSON(try await groupRecord(name, caller)) }

    /// The schedules of a group go with it.
    public func deleteGroup(_ name: String, _ caller: Caller) async throws -> JSON {
        guard name != ScheduleName.defaultGroup else { throw SchedulerError.invalid("The default schedule group cannot be deleted.") }
        let key = try await groupRecord(name, caller).key
        while true {
            let page = try await store.queues(
                account: caller.account, region: caller.region, prefix: "\(ScheduleName.queuePrefix)\(name)/", after: nil, limit: Self.maximumPage)
            if page.isEmpty { break }
            for record in page { try await store.delete(record.key) }
        }
        try await store.delete(key)
        return .object([])
    }

    public func listGroups(prefix: String?, limit: Int?, token: String?, _ caller: Caller) async throws -> JSON {
        _ = try await groupRecord(ScheduleName.defaultGroup, caller)
        let limit = limit ?? Self.maximumPage
        let page = try await store.queues(
            account: caller.account, region: caller.region, prefix: ScheduleName.groupPrefix + (prefix ?? ""), after: token, limit: limit)
        var members: [JSON.Member] = [.init("ScheduleGroups", .array(page.map(Self.groupJSON)))]
        if page.count == limit, let last = page.last { members.append(.init("NextToken", .string(last.key.name))) }
        return .object(members)
    }

    private static func groupARN(_ key: QueueKey) -> String {
        "arn:aws:scheduler:\(key.region):\(key.account):schedule-group/\(key.name.dropFirst(ScheduleName.groupPrefix.count))"
    }

    private static func groupJSON(_ record: QueueRecord) -> JSON {
        .object([
            .init("Arn", .string(groupARN(record.key))), .init("Name", .string(String(record.key.name.dropFirst(ScheduleName.groupPrefix.count)))),
            .init("State", .string("ACTIVE")), .init("CreationDate", StoredSchedule.date(record.created)),
            .init("LastModificationDate", StoredSchedule.date(record.modified)),
        ])
    }

    // MARK: Tags

    public func tags(_ arn: String, _ caller: Caller) async throws -> JSON {
        let tags = try await tagged(arn, caller).tags.sorted { $0.key < $1.key }
        return .object([.init("Tags", .array(tags.map { .object([.init("Key", .string($0.key)), .init("Value", .string($0.value))]) }))])
    }

    public func tag(_ arn: String, _ body: JSON, _ caller: Caller) async throws -> JSON {
        let added = try Self.tags(body)
        return try await change(arn, caller) { $0.merge(added) { _, new in new } }
    }

    public func untag(_ arn: String, _ names: [String], _ caller: Caller) async throws -> JSON {
        try await change(arn, caller) { tags in for name in names { tags[name] = nil } }
    }

    private func change(_ arn: String, _ caller: Caller, _ body: (inout [String: String]) -> Void) async throws -> JSON {
        var record = try await tagged(arn, caller)
        body(&record.tags)
        guard record.tags.count <= Self.maximumTags else { throw SchedulerError.invalid("a schedule group has at most \(Self.maximumTags) tags") }
        record.modified = now()
        try await store.update(record)
        return .object([])
    }

    private func tagged(_ arn: String, _ caller: Caller) async throws -> QueueRecord {
        let prefix = "arn:aws:scheduler:\(caller.region):\(caller.account):schedule-group/"
        guard arn.hasPrefix(prefix) else { throw SchedulerError(.resourceNotFound, "\(arn.prefix(200)) is not a schedule group of this account.") }
        return try await groupRecord(String(arn.dropFirst(prefix.count)), caller)
    }

    private static func tags(_ body: JSON) throws(SchedulerError) -> [String: String] {
        var tags: [String: String] = [:]
        for tag in body["Tags"]?.array ?? [] {
            guard let name = tag["Key"]?.string, let value = tag["Value"]?.string, (1...128).contains(name.utf8.count), (1...256).contains(value.utf8.count)
            else { throw .invalid("each of Tags needs a Key of 1 to 128 and a Value of 1 to 256 bytes") }
            tags[name] = value
        }
        guard tags.count <= maximumTags else { throw .invalid("a schedule group has at most \(maximumTags) tags") }
        return tags
    }
}
