public import DurableQueue
import FunctionModel
public import Schedules
import Synchronization
public import Triggers

/// Makes a run of each due time: the messages for the target and the schedule's next state in one transaction.
///
/// Schedules that are due together are claimed together and written together, so that the last of hundreds is not later
/// than the first by more than the disk takes twice.
public final class ScheduleRunner: Sendable {
    /// Finds the queue of an ARN, and makes it where it is one of the platform's own.
    /// - Throws: `ServiceError(.resourceNotFound)` or `.invalidParameterValue` where there is no such target.
    public typealias Resolver = @Sendable (_ arn: String, _ account: String, _ region: String) async throws -> ScheduleDestination

    private static let lease: Int64 = 60_000
    /// Schedules in one transaction; bounds what a commit holds up.
    private static let width = 256
    /// After a fault of the store, a full disk for example.
    private static let pause = Duration.seconds(1)

    /// What each schedule has run since the server started, by its ARN.
    public let activities = TriggerActivities()

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
                let keys = Array(ready.prefix(Self.width))
                ready.subtract(keys)
                return keys
            }
            if keys.isEmpty { _ = await iterator.next() } else { await work(on: keys) }
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
                let time = now()
                try await Self.arm(key, definition, from: time, now: time, store: store)
            }
        } catch {
            report("schedules of an earlier run could not be taken up", "", "\(error)")
        }
    }

    /// Puts a schedule's message in its place; nothing before `time` is due to it.
    /// - Parameter runs: its history so far.
    static func arm(
        _ key: QueueKey, _ definition: ScheduleDefinition, from time: Int64, now: Int64, runs: [ScheduleRun] = [], store: any QueueStore
    ) async throws {
        let begin = Self.begin(time)
        let tick = ScheduleTick(ScheduleState(created: begin), runs: runs)
        let next = definition.schedule.next(after: begin - 1).map { definition.schedule.moment(of: $0) }
        for result in try await store.enqueue([try tick.message(wake: next, now: now)], to: key, now: now) { _ = try result.get() }
    }

    /// The first second of which nothing can have run at that time: the one that has begun may have had its run.
    static func begin(_ time: Int64) -> Int64 { time / 1000 + (time % 1000 > 0 ? 1 : 0) }

    // MARK: Schedules that are due

    private func work(on keys: [QueueKey]) async {
        do {
            var targets: [String: Result<ScheduleDestination, ServiceError>] = [:]
            var steps: [ScheduleStep] = []
            for (record, claimed) in try await store.claimFirst(of: keys, lease: Self.lease, now: now()) {
                guard let name = ScheduleName(record.key) else { continue }
                steps.append(await step(claimed, record, name, &targets))
            }
            try await write(steps)
        } catch {
            report("schedules could not be worked on; they are tried again", "", "\(error)")
            try? await Task.sleep(for: Self.pause)
            ready.withLock { $0.formUnion(keys) }
        }
    }

    private func step(
        _ claimed: ClaimedMessage, _ record: QueueRecord, _ name: ScheduleName, _ targets: inout [String: Result<ScheduleDestination, ServiceError>]
    ) async -> ScheduleStep {
        do {
            let definition = try StoredSchedule(record, name, zones: zones).definition
            let arn = definition.target.arn
            // Of one moment only: a target may go at any time.
            let key = "\(name.account) \(name.region) \(arn)"
            let destination: Result<ScheduleDestination, ServiceError>
            if let known = targets[key] { destination = known } else { destination = try await self.destination(arn, name) }
            targets[key] = destination
            return try ScheduleStep(claimed, name, definition, destination: destination, now: now())
        } catch {
            // A time zone may have gone from this host: it is looked for again.
            return ScheduleStep(postponing: claimed.receipt, name, reason: (error as? ServiceError)?.message ?? "\(error)")
        }
    }

    private func destination(_ arn: String, _ name: ScheduleName) async throws -> Result<ScheduleDestination, ServiceError> {
        do {
            return .success(try await resolve(arn, name.account, name.region))
        } catch let error as ServiceError where error.code == .resourceNotFound || error.code == .invalidParameterValue {
            return .failure(error)
        }
    }

    private func write(_ steps: [ScheduleStep]) async throws {
        let results = try await store.settle(steps.map { (key: $0.name.queue, settlement: $0.settlement) }, now: now())
        var refused: [ScheduleStep] = []
        for (step, result) in zip(steps, results) {
            if let problem = step.problem { report("a schedule's run found no way", step.name.arn, problem) }
            switch result {
            case .done:
                note(step)
                if step.isOver { try await store.delete(step.name.queue) }
            case .refused(let reason):
                report("a schedule's run is put off", step.name.arn, reason)
                refused.append(ScheduleStep(postponing: step.settlement.receipt, step.name, reason: reason))
            // Changed or deleted meanwhile: nothing was done.
            case .stale: break
            }
        }
        if !refused.isEmpty { _ = try await store.settle(refused.map { (key: $0.name.queue, settlement: $0.settlement) }, now: now()) }
    }

    private func note(_ step: ScheduleStep) {
        guard !step.runs.isEmpty else { return }
        activities.note(step.name.arn) { activity in
            for run in step.runs {
                if let error = run.error { activity.failed(error, at: run.fired) } else { activity.took(at: run.fired) }
            }
        }
    }
}
