import FunctionModel
import JSONValues
import Synchronization
import Testing

@testable import LogsAPI

/// Logs in memory to which more can be written.
private final class GrowingStore: LogStore {
    private let logs: Mutex<[LogOwner: [LogEvent]]>

    init(_ owners: [LogOwner]) { logs = Mutex(Dictionary(uniqueKeysWithValues: owners.map { ($0, []) })) }

    func write(_ owner: LogOwner, _ messages: [String], stream: String = "s", at time: Int64) {
        logs.withLock { logs in
            for message in messages {
                let position = LogPosition(file: 1, offset: UInt64(logs[owner]?.count ?? 0))
                logs[owner, default: []].append(LogEvent(time: time, stream: stream, message: message, position: position))
            }
        }
    }

    func owners(account: String, region: String) async -> [LogOwner] {
        logs.withLock { $0.keys.filter { $0.function.account == account && $0.function.region == region } }
    }

    func read(_ owner: LogOwner, since: Int64?, after position: LogPosition?, _ visit: @Sendable (LogEvent) -> Bool) async throws -> LogPosition {
        let events = logs.withLock { $0[owner] ?? [] }
        for event in events where event.position.offset >= position?.offset ?? 0 && event.time >= since ?? 0 { guard visit(event) else { return event.position } }
        return LogPosition(file: 1, offset: UInt64(events.count))
    }

    func size(of owner: LogOwner) async throws -> Int { 0 }
}

@Suite struct LiveTailTests {
    private let caller = LogsService.Caller(account: "123456789012", region: "us-east-1")
    private let first = LogOwner(function: FunctionKey(account: "123456789012", region: "us-east-1", name: "a"), customGroup: nil, created: 1)
    private let second = LogOwner(function: FunctionKey(account: "123456789012", region: "us-east-1", name: "b"), customGroup: nil, created: 1)
    private let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/a"

    private func start(_ service: LogsService, _ body: String) async throws -> LiveTailSession {
        try await service.startLiveTail(try JSON(parsing: body), requestID: "r", sessionID: "s", now: 1000, caller)
    }

    private func messages(_ update: JSON) -> [String] { (update["sessionResults"]?.array ?? []).compactMap { $0["message"]?.string } }

    @Test func eachUpdateHasWhatCameSinceTheLastAndNothingFromBefore() async throws {
        let store = GrowingStore([first, second])
        store.write(first, ["old"], at: 999)
        let session = try await start(LogsService(store: store), #"{"logGroupIdentifiers":["\#(arn)"]}"#)
        #expect(try await session.update()["sessionResults"] == .array([]))
        store.write(first, ["1", "2"], at: 1000)
        store.write(second, ["another group's"], at: 1000)
        #expect(messages(try await session.update()) == ["1", "2"])
        store.write(first, ["3"], at: 1001)
        let update = try await session.update()
        #expect(messages(update) == ["3"] && update["sessionMetadata"]?["sampled"] == .bool(false))
        #expect(update["sessionResults"]?.array?.first?["logGroupIdentifier"]?.string == arn)
    }

    @Test func aFunctionThatComesLaterIsSeen() async throws {
        let store = GrowingStore([LogOwner(function: first.function, customGroup: "/shared", created: 1)])
        let session = try await start(LogsService(store: store), #"{"logGroupIdentifiers":["/shared"]}"#)
        store.write(LogOwner(function: second.function, customGroup: "/shared", created: 2), ["new"], at: 1000)
        #expect(messages(try await session.update()) == ["new"])
    }

    @Test(arguments: [
        (#""logStreamNames":["y"]"#, ["y error", "y fine"]), (#""logStreamNamePrefixes":["x","z"]"#, ["x error", "x fine"]),
        (#""logEventFilterPattern":"error""#, ["x error", "y error"]), (#""logStreamNames":["y"],"logEventFilterPattern":"fine""#, ["y fine"]),
    ])
    func onlyWhatIsAskedForIsShown(_ members: String, _ expected: [String]) async throws {
        let store = GrowingStore([first])
        let session = try await start(LogsService(store: store), #"{"logGroupIdentifiers":["/aws/lambda/a"],\#(members)}"#)
        for stream in ["x", "y"] { store.write(first, ["\(stream) error", "\(stream) fine"], stream: stream, at: 1000) }
        #expect(Set(messages(try await session.update())) == Set(expected))
    }

    @Test func ofManyEventsFiveHundredAreDrawnInOrder() async throws {
        let store = GrowingStore([first])
        let session = try await start(LogsService(store: store), #"{"logGroupIdentifiers":["/aws/lambda/a"]}"#)
        store.write(first, (0..<2_000).map(String.init), at: 1000)
        let update = try await session.update()
        let numbers = messages(update).compactMap { Int($0) }
        #expect(numbers.count == 500 && numbers == numbers.sorted() && Set(numbers).count == 500)
        #expect(update["sessionMetadata"]?["sampled"] == .bool(true) && (numbers.last ?? 0) > 500)
        #expect(messages(try await session.update()).isEmpty)
    }

    @Test func anUpdateHasABoundOfBytes() async throws {
        let store = GrowingStore([first])
        let session = try await start(LogsService(store: store), #"{"logGroupIdentifiers":["/aws/lambda/a"]}"#)
        store.write(first, (0..<40).map { _ in String(repeating: "x", count: 100_000) }, at: 1000)
        let update = try await session.update()
        #expect((1...10).contains(messages(update).count) && update["sessionMetadata"]?["sampled"] == .bool(true))
        store.write(first, [String(repeating: "y", count: 2_000_000)], at: 1000)
        #expect(messages(try await session.update()).count == 1)
    }

    @Test func anAccountHasSoManySessionsAndAnEndedOneMakesRoom() async throws {
        let service = LogsService(store: GrowingStore([first]))
        var sessions: [LiveTailSession] = []
        for _ in 0..<15 { sessions.append(try await start(service, #"{"logGroupIdentifiers":["/aws/lambda/a"]}"#)) }
        await #expect { _ = try await start(service, #"{"logGroupIdentifiers":["/aws/lambda/a"]}"#) } throws: { ($0 as? LogsError)?.kind == .limitExceeded }
        sessions.removeLast()
        sessions.append(try await start(service, #"{"logGroupIdentifiers":["/aws/lambda/a"]}"#))
        #expect(sessions.count == 15)
    }

    @Test(arguments: [
        ("{}", LogsError.Kind.invalidParameter), (#"{"logGroupIdentifiers":[]}"#, .invalidParameter), (#"{"logGroupIdentifiers":"x"}"#, .serialization),
        (#"{"logGroupIdentifiers":["/aws/lambda/none"]}"#, .resourceNotFound),
        (#"{"logGroupIdentifiers":["arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/a:*"]}"#, .invalidParameter),
        (#"{"logGroupIdentifiers":["arn:aws:logs:us-east-1:999999999999:log-group:/aws/lambda/a"]}"#, .resourceNotFound),
        (#"{"logGroupIdentifiers":["/aws/lambda/a","arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/a"]}"#, .invalidParameter),
        (#"{"logGroupIdentifiers":["/aws/lambda/a","/aws/lambda/b"],"logStreamNames":["x"]}"#, .invalidParameter),
        (#"{"logGroupIdentifiers":["/aws/lambda/a"],"logStreamNames":["x"],"logStreamNamePrefixes":["x"]}"#, .invalidParameter),
        (#"{"logGroupIdentifiers":["/aws/lambda/a"],"logEventFilterPattern":"{ $.a ~ 1 }"}"#, .invalidParameter),
    ])
    func refusalsNameTheirKind(_ body: String, _ kind: LogsError.Kind) async throws {
        let service = LogsService(store: GrowingStore([first, second]))
        await #expect { _ = try await start(service, body) } throws: { ($0 as? LogsError)?.kind == kind }
    }
}
