import DurableQueue
import Foundation
import FunctionModel
import JSONValues
import SQLiteStore
import Scheduler
import Schedules
import Synchronization
import Testing

/// A scheduler over a store of its own, with a clock that the test moves. The target is the queue `target`.
private final class World: Sendable {
    final class Clock: Sendable {
        /// 2026-11-21T15:00:00Z
        let time = Mutex<Int64>(1_795_273_200_000)
    }

    static let target = QueueKey(account: "123456789012", region: "us-east-1", name: "target")

    let clock = Clock()
    let store: SQLiteQueueStore
    let service: SchedulerService
    let reports: Reports
    private let resolve: ScheduleRunner.Resolver
    private let folder: URL
    private let caller = SchedulerService.Caller(account: "123456789012", region: "us-east-1")

    final class Reports: Sendable {
        let all = Mutex<[String]>([])
    }

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("scheduler-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let store = try await SQLiteQueueStore.open(path: folder.appendingPathComponent("queues.db").path)
        self.store = store
        reports = Reports()
        resolve = { arn, _, _ in
            guard let key = QueueKey(arn: arn) else { throw ServiceError(.invalidParameterValue, "no ARN of a queue") }
            _ = try await store.queue(key)
            return ScheduleDestination(queue: key)
        }
        let clock = self.clock
        service = SchedulerService(store: store, now: { clock.time.withLock { $0 } }, checkTarget: resolve)
        _ = try await store.create(QueueRecord(key: Self.target, kind: .standard, created: 0, modified: 0))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var now: Int64 { clock.time.withLock { $0 } }

    /// A process's life: what is due by now is done.
    func live(passing seconds: Int64 = 0) async throws {
        clock.time.withLock { $0 += seconds * 1000 }
        let clock = self.clock
        let reports = self.reports
        let runner = ScheduleRunner(store: store, now: { clock.time.withLock { $0 } }, resolve: resolve) { what, _, reason in
            reports.all.withLock { $0.append("\(what): \(reason)") }
        }
        let running = Task { await runner.run() }
        // Over when no schedule's message is due or on its way.
        while true {
            let next = try await store.advance(now: now)
            let busy = try await store.queues(.internal).contains { $0.key.name.hasPrefix("schedule:") && ($0.counts.visible > 0 || $0.counts.inFlight > 0) }
            if !busy, next ?? .max > now { break }
            await Task.yield()
        }
        running.cancel()
        await running.value
    }

    func create(_ name: String, _ expression: String, _ more: String = "") async throws {
        let body = """
            {"ScheduleExpression":"\(expression)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"\(Self.target.arn)","RoleArn":"r","Input":"<aws.scheduler.scheduled-time>"}\(more)}
            """
        _ = try await service.create(name, JSON(parsing: body), caller)
    }

    func update(_ name: String, _ expression: String, _ more: String = "") async throws {
        let body = """
            {"ScheduleExpression":"\(expression)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"\(Self.target.arn)","RoleArn":"r","Input":"new"}\(more)}
            """
        _ = try await service.update(name, JSON(parsing: body), caller)
    }

    func get(_ name: String) async throws -> JSON { try await service.get(name, group: nil, caller) }
    func delete(_ name: String) async throws { _ = try await service.delete(name, group: nil, caller) }
    func list() async throws -> [String] {
        try await service.list(group: nil, prefix: nil, state: nil, limit: nil, token: nil, caller)["Schedules"]?.array?.compactMap { $0["Name"]?.string } ?? []
    }

    func history(_ name: String) async throws -> [ScheduleRun] { try await service.runs(name, group: nil, caller).runs }

    /// The clock is set by hand, as an administrator does it.
    func set(_ seconds: Int64) { clock.time.withLock { $0 += seconds * 1000 } }

    /// What the target has got, taken away.
    func runs() async throws -> [String] {
        var bodies: [String] = []
        while case let claimed = try await store.claim(from: Self.target, limit: 100, lease: 1000, now: now), !claimed.isEmpty {
            bodies += claimed.map { String(decoding: $0.message.body, as: UTF8.self) }
            _ = try await store.settle(claimed.map { Settlement($0.receipt, .acknowledge) }, of: Self.target, now: now)
        }
        return bodies.sorted()
    }
}

@Suite struct SchedulerTests {
    @Test func eachDueTimeMakesOneRun() async throws {
        let world = try await World()
        try await world.create("hourly", "cron(0 * * * ? *)")
        try await world.live()
        #expect(try await world.runs() == ["2026-11-21T15:00:00Z"])
        try await world.live(passing: 3599)
        #expect(try await world.runs().isEmpty)
        try await world.live(passing: 1)
        // Another process later, at the same time: nothing again.
        try await world.live()
        #expect(try await world.runs() == ["2026-11-21T16:00:00Z"])
        #expect(try await world.get("hourly")["MartletNextRuns"]?.array?.first?.string == "2026-11-21T17:00:00Z")
    }

    @Test(arguments: [
        ("last", ["2026-11-21T20:00:00Z"]), ("skip", []),
        ("all", ["2026-11-21T15:00:00Z", "2026-11-21T16:00:00Z", "2026-11-21T17:00:00Z", "2026-11-21T18:00:00Z", "2026-11-21T19:00:00Z", "2026-11-21T20:00:00Z"]),
    ])
    func policyDecidesAfterAStandstill(_ policy: String, _ expected: [String]) async throws {
        let world = try await World()
        try await world.create("s", "cron(0 * * * ? *)", ",\"MartletCatchUp\":\"\(policy)\"")
        try await world.live(passing: 5 * 3600 + 600)
        #expect(try await world.runs() == expected)
    }

    @Test func manyMissedOnesComeInSeveralTransactions() async throws {
        let world = try await World()
        try await world.create("s", "rate(1 minute)", #","MartletCatchUp":"all""#)
        try await world.live(passing: 6_000)
        #expect(try await world.runs().count == 101)
    }

    @Test func oneTimeScheduleRunsOnceAndMayDeleteItself() async throws {
        let world = try await World()
        try await world.create("keep", "at(2026-11-21T15:30:00)")
        try await world.create("drop", "at(2026-11-21T15:30:00)", #","ActionAfterCompletion":"DELETE""#)
        try await world.live(passing: 1800)
        #expect(try await world.runs().count == 2)
        #expect(try await world.list() == ["keep"])
        try await world.live(passing: 86_400)
        #expect(try await world.runs().isEmpty)
    }

    @Test func scheduleThatIsMadeWithinItsSecondRuns() async throws {
        let world = try await World()
        world.clock.time.withLock { $0 += 700 }
        try await world.create("s", "at(2026-11-21T15:00:00)")
        try await world.live()
        #expect(try await world.runs() == ["2026-11-21T15:00:00Z"])
        // It has had its run: a change within the second makes no other.
        await #expect(throws: SchedulerError.self) { try await world.update("s", "at(2026-11-21T15:00:00)") }
        try await world.live(passing: 10)
        #expect(try await world.runs().isEmpty)
    }

    @Test func disabledScheduleRestsAndAnUpdateBeginsAnew() async throws {
        let world = try await World()
        try await world.create("s", "rate(1 hour)", #","State":"DISABLED""#)
        try await world.live(passing: 7_200)
        #expect(try await world.runs().isEmpty)
        try await world.update("s", "cron(30 * * * ? *)")
        try await world.live(passing: 1_800)
        #expect(try await world.runs() == ["new"])
        try await world.delete("s")
        try await world.live(passing: 7_200)
        #expect(try await world.runs().isEmpty)
    }

    /// Between the steps of an update a crash leaves a schedule without its message.
    @Test func scheduleWithoutItsMessageIsTakenUp() async throws {
        let world = try await World()
        try await world.create("s", "cron(0 * * * ? *)")
        try await world.live()
        _ = try await world.runs()
        let key = QueueKey(account: "123456789012", region: "us-east-1", name: "schedule:default/s")
        try await world.store.purge(key, now: world.now)
        try await world.live(passing: 1_800)
        try await world.live(passing: 1_800)
        #expect(try await world.runs() == ["2026-11-21T16:00:00Z"])
    }

    @Test func clockThatJumpsAheadRunsByThePolicyAndOnceMoreBackNothingTwice() async throws {
        let world = try await World()
        try await world.create("s", "cron(0 * * * ? *)", #","MartletCatchUp":"all""#)
        try await world.live()
        world.set(3 * 3_600)
        try await world.live()
        let ahead = ["2026-11-21T15:00:00Z", "2026-11-21T16:00:00Z", "2026-11-21T17:00:00Z", "2026-11-21T18:00:00Z"]
        #expect(try await world.runs() == ahead)
        // Back to where it was: each hour comes once more, and has run.
        world.set(-3 * 3_600)
        for _ in 0..<3 { try await world.live(passing: 3_600) }
        #expect(try await world.runs().isEmpty)
        try await world.live(passing: 3_600)
        #expect(try await world.runs() == ["2026-11-21T19:00:00Z"])
        #expect(try await world.history("s").count == 5)
    }

    @Test func clockThatJumpsBackBeyondTheCreationRunsNothingUntilItsTimeComes() async throws {
        let world = try await World()
        try await world.create("s", "rate(1 hour)")
        try await world.live()
        #expect(try await world.runs() == ["2026-11-21T15:00:00Z"])
        world.set(-86_400)
        for _ in 0..<24 { try await world.live(passing: 3_600) }
        #expect(try await world.runs().isEmpty)
        try await world.live(passing: 3_600)
        #expect(try await world.runs() == ["2026-11-21T16:00:00Z"])
    }

    @Test func hundredsThatAreDueTogetherRunOnceEach() async throws {
        let world = try await World()
        for number in 0..<300 { try await world.create("s\(number)", "cron(0 * * * ? *)") }
        try await world.live(passing: 3_600)
        _ = try await world.runs()
        try await world.live(passing: 3_600)
        try await world.live()
        #expect(try await world.runs() == Array(repeating: "2026-11-21T17:00:00Z", count: 300))
    }

    @Test func historyTellsEachRunOfTheLastFifty() async throws {
        let world = try await World()
        try await world.create("s", "rate(1 minute)", #","MartletCatchUp":"all""#)
        try await world.live()
        let first = try #require(try await world.history("s").first)
        #expect(first.due == 1_795_273_200 && first.fired == world.now && first.lateness == 0)
        #expect(first.id != nil && first.error == nil)
        try await world.live(passing: 60 * 60)
        let runs = try await world.history("s")
        #expect(runs.count == ScheduleRun.kept)
        #expect(runs.first?.due == 1_795_273_200 + 3_600 && runs.last?.due == 1_795_273_200 + 3_600 - 49 * 60)
        #expect(runs.last?.lateness == Int64(49 * 60_000))
        // A change begins the schedule anew, not its history; a rest keeps it too.
        try await world.update("s", "rate(1 day)", #","State":"DISABLED""#)
        #expect(try await world.history("s") == runs)
        try await world.live(passing: 400 * 86_400)
        #expect(try await world.runs().allSatisfy { $0 != "new" })
        #expect(try await world.list() == ["s"])
    }

    @Test func runThatFoundNoTargetIsInTheHistoryWithItsReason() async throws {
        let world = try await World()
        try await world.create("s", "rate(1 hour)")
        try await world.store.delete(World.target)
        try await world.live()
        let run = try #require(try await world.history("s").first)
        #expect(run.id == nil && run.error?.contains("target") == true)
    }

    @Test func runWithoutATargetGoesToTheDeadLetters() async throws {
        let world = try await World()
        let dead = QueueKey(account: "123456789012", region: "us-east-1", name: "dead")
        _ = try await world.store.create(QueueRecord(key: dead, kind: .standard, created: 0, modified: 0))
        let body = """
            {"ScheduleExpression":"rate(1 hour)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"\(World.target.arn)","RoleArn":"r","DeadLetterConfig":{"Arn":"\(dead.arn)"}}}
            """
        _ = try await world.service.create("s", JSON(parsing: body), .init(account: "123456789012", region: "us-east-1"))
        try await world.store.delete(World.target)
        try await world.live()
        let claimed = try await world.store.claim(from: dead, limit: 10, lease: 1000, now: world.now)
        #expect(claimed.count == 1)
        let event = try JSON(parsing: claimed.first?.message.body ?? [])
        #expect(event["source"]?.string == "aws.scheduler")
        #expect(event["resources"]?.array?.first?.string == "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s")
        #expect(try JSON(parsing: claimed.first?.message.attributes ?? [])["TARGET_ARN"]?["StringValue"]?.string == World.target.arn)
        #expect(world.reports.all.withLock { $0.count } == 1)
    }

    @Test(arguments: [
        #"{"ScheduleExpression":"rate(1 hour)","FlexibleTimeWindow":{"Mode":"OFF"}}"#,
        #"{"ScheduleExpression":"cron(0 0 30 2 ? *)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r"}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r"}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","FlexibleTimeWindow":{"Mode":"FLEXIBLE"},"Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r"}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:none","RoleArn":"r"}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","FlexibleTimeWindow":{"Mode":"OFF"},"ScheduleExpressionTimezone":"Mars/Base","Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r"}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r","RetryPolicy":{"MaximumRetryAttempts":186}}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r","RetryPolicy":{"MaximumEventAgeInSeconds":59}}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","StartDate":"2027-01-01","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r"}}"#,
        #"{"ScheduleExpression":"rate(1 hour)","State":"ON","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:sqs:us-east-1:123456789012:target","RoleArn":"r"}}"#,
    ])
    func faultyDefinitionIsRefused(_ body: String) async throws {
        let world = try await World()
        await #expect { try await world.service.create("s", JSON(parsing: body), .init(account: "123456789012", region: "us-east-1")) } throws: {
            ($0 as? SchedulerError)?.kind == .validation
        }
        #expect(try await world.list().isEmpty)
    }
}
