public import DurableQueue
import FunctionModel
import JSONValues
public import Schedules
import Synchronization

/// Where a target's runs are put.
public struct ScheduleDestination: Sendable {
    public let queue: QueueKey
    /// What the consumer of that queue wants beside the body.
    public let attributes: [UInt8]
    /// Whether a run that is too old is of no use to it.
    public let expires: Bool

    public init(queue: QueueKey, attributes: [UInt8] = [], expires: Bool) {
        self.queue = queue
        self.attributes = attributes
        self.expires = expires
    }
}

/// Makes a run of each due time: the messages for the target and the schedule's next state in one transaction.
public final class ScheduleRunner: Sendable {
    /// Finds the queue of an ARN, and makes it where it is one of the platform's own.
    /// - Throws: `ServiceError(.resourceNotFound)` where there is no such target.
    public typealias Resolver = @Sendable (_ arn: String, _ account: String, _ region: String) async throws -> ScheduleDestination

    private static let lease: Int64 = 60_000
    private static let retryDelay: Int64 = 5_000
    /// Due times in one transaction.
    private static let batch = 20
    /// Schedules that are worked on at the same time.
    private static let width = 16

    private let store: any QueueStore
    private let zones: TimeZoneDatabase
    private let resolve: Resolver
    private let now: @Sendable () -> Int64
    private let report: @Sendable (_ what: StaticString, _ schedule: String, _ reason: String) -> Void
    private let ready = Mutex<Set<QueueKey>>([])
    private let pokes: AsyncStream<Void>
    private let poke: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - now: milliseconds since 1970.
    ///   - report: told of runs that found no way, for the operator.
    public init(
        store: any QueueStore, zones: TimeZoneDatabase = TimeZoneDatabase(), now: @escaping @Sendable () -> Int64, resolve: @escaping Resolver,
        report: @escaping @Sendable (_ what: StaticString, _ schedule: String, _ reason: String) -> Void
    ) {
        self.store = store
        self.zones = zones
        self.now = now
        self.resolve = resolve
        self.report = report
        (pokes, poke) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        store.observe { [weak self] activity in
            let schedules = activity.ready.filter { $0.name.hasPrefix(ScheduleName.queuePrefix) }
            guard let self, !schedules.isEmpty else { return }
            ready.withLock { $0.formUnion(schedules) }
            poke.yield()
        }
    }

    /// Until the task is cancelled. To be run by one task.
    public func run() async {
        await takeUp()
        var iterator = pokes.makeAsyncIterator()
        while !Task.isCancelled {
            let keys = ready.withLock { ready in
                defer { ready = [] }
                return ready
            }
            await withTaskGroup(of: Void.self) { group in
                var running = 0
                for key in keys {
                    if running >= Self.width { await group.next() } else { running += 1 }
                    group.addTask { await self.work(on: key) }
                }
            }
            if ready.withLock({ $0.isEmpty }) { _ = await iterator.next() }
        }
    }

    /// What became due before this process began, and schedules that lost their message between two steps of an update.
    private func takeUp() async {
        do {
            for (key, counts) in try await store.queues(.internal) where key.name.hasPrefix(ScheduleName.queuePrefix) {
                if counts.total > 0 {
                    _ = ready.withLock { $0.insert(key) }
                    continue
                }
                guard let name = ScheduleName(key), let record = try? await store.queue(key),
                    let definition = try? StoredSchedule(record, name, zones: zones).definition, definition.isEnabled
                else { continue }
                try await Self.arm(key, definition, from: now(), store: store)
            }
        } catch {
            report("schedules of an earlier run could not be taken up", "", "\(error)")
        }
    }

    /// Puts a schedule's message in its place; nothing before `time` is due to it.
    static func arm(_ key: QueueKey, _ definition: ScheduleDefinition, from time: Int64, store: any QueueStore) async throws {
        // The second that has begun may have had its run.
        let begin = time / 1000 + (time % 1000 > 0 ? 1 : 0)
        let tick = ScheduleTick(ScheduleState(created: begin))
        let next = definition.schedule.next(after: begin - 1).map { definition.schedule.moment(of: $0) }
        for result in try await store.enqueue([try tick.message(wake: next, now: time)], to: key, now: time) { _ = try result.get() }
    }

    // MARK: One schedule

    private func work(on key: QueueKey) async {
        guard let name = ScheduleName(key) else { return }
        do {
            while let claimed = try await store.claim(from: key, limit: 1, lease: Self.lease, now: now()).first {
                guard try await run(claimed, name, key) else { return }
            }
        } catch let error as ServiceError where error.code == .resourceNotFound {
            // Deleted meanwhile.
        } catch {
            report("a schedule could not be worked on", name.arn, "\(error)")
        }
    }

    /// - Returns: whether there may be more to do at once.
    private func run(_ claimed: ClaimedMessage, _ name: ScheduleName, _ key: QueueKey) async throws -> Bool {
        let record = try await store.queue(key)
        var tick: ScheduleTick
        let definition: ScheduleDefinition
        do {
            tick = try ScheduleTick(claimed.message.body)
            definition = try StoredSchedule(record, name, zones: zones).definition
        } catch {
            // A time zone may have gone from this host: it is looked for again.
            return try await postpone(claimed, key, name, "\(error)")
        }
        let time = now()
        let step = tick.state.advance(definition.schedule, catchUp: definition.catchUp, now: time, limit: Self.batch)
        var deliveries: [Settlement.Delivery] = []
        if !step.due.isEmpty {
            do {
                let destination = try await resolve(definition.target.arn, name.account, name.region)
                deliveries = step.due.map { delivery(of: $0, definition, name, to: destination, now: time) }
            } catch let error as ServiceError where error.code == .resourceNotFound {
                report("a schedule's target is not there", name.arn, error.message)
                deliveries = deadLetters(step.due, definition, name, error.message)
            }
        }
        let isOver = step.wake == nil && definition.deletesItself
        if !isOver { deliveries.append(Settlement.Delivery(to: key, try tick.message(wake: step.wake, now: time))) }
        switch try await store.settle([Settlement(claimed.receipt, .acknowledge, deliveries: deliveries)], of: key, now: time).first {
        case .done?:
            if isOver { try await store.delete(key) }
            return step.wake.map { $0 <= time } ?? false
        case .refused(let reason)?: return try await postpone(claimed, key, name, reason)
        // Changed or deleted meanwhile: nothing was done.
        case .stale?, nil: return false
        }
    }

    private func postpone(_ claimed: ClaimedMessage, _ key: QueueKey, _ name: ScheduleName, _ reason: String) async throws -> Bool {
        report("a schedule's run is put off", name.arn, reason)
        let failure = Settlement.Failure(kind: "Postponed", reason: reason, isCounted: true)
        _ = try await store.settle([Settlement(claimed.receipt, .release(delay: Self.retryDelay, failure))], of: key, now: now())
        return false
    }

    private func delivery(
        of due: Int64, _ definition: ScheduleDefinition, _ name: ScheduleName, to destination: ScheduleDestination, now: Int64
    ) -> Settlement.Delivery {
        let id = RequestID.random()
        let isFIFO = destination.queue.name.hasSuffix(".fifo")
        return Settlement.Delivery(
            to: destination.queue,
            NewMessage(
                id: id, body: Array(definition.target.body(name: name, due: due, execution: id.description).utf8), attributes: destination.attributes,
                group: isFIFO ? definition.target.groupID ?? name.name : definition.target.groupID,
                deduplicationKey: isFIFO ? "\(name.group)/\(name.name)@\(due)" : nil,
                expires: destination.expires ? now + definition.target.maximumAge : nil, origin: "schedule"))
    }

    private func deadLetters(_ dues: [Int64], _ definition: ScheduleDefinition, _ name: ScheduleName, _ reason: String) -> [Settlement.Delivery] {
        guard let key = definition.target.deadLetters.flatMap(QueueKey.init(arn:)), key.account == name.account else { return [] }
        func text(_ value: String) -> JSON { .object([.init("DataType", .string("String")), .init("StringValue", .string(value))]) }
        // Source: Scheduler user guide, "Configuring a dead-letter queue": the attributes of a dead letter.
        let attributes = JSON.object([
            .init("ERROR_CODE", text("ResourceNotFoundException")), .init("ERROR_MESSAGE", text(reason)), .init("SCHEDULE_ARN", text(name.arn)),
            .init("TARGET_ARN", text(definition.target.arn)),
        ])
        return dues.map { due in
            let id = RequestID.random()
            return Settlement.Delivery(
                to: key,
                NewMessage(
                    id: id, body: Array(definition.target.body(name: name, due: due, execution: id.description).utf8),
                    attributes: Array(attributes.text().utf8), origin: "schedule"))
        }
    }
}
