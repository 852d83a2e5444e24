import FunctionModel
import JSONValues
import Synchronization
import Testing

@testable import LogsAPI

/// Logs in memory.
private struct FakeStore: LogStore {
    var logs: [(owner: LogOwner, events: [LogEvent])]

    func owners(account: String, region: String) async -> [LogOwner] {
        logs.map(\.owner).filter { $0.function.account == account && $0.function.region == region }
    }

    func read(_ owner: LogOwner, since: Int64?, after position: LogPosition?, _ visit: @Sendable (LogEvent) -> Bool) async throws -> LogPosition {
        for event in logs.first(where: { $0.owner == owner })?.events ?? [] where position.map({ event.position >= $0 }) ?? true {
            guard visit(event) else { return event.position }
        }
        return LogPosition(file: .max, offset: 0)
    }

    func size(of owner: LogOwner) async throws -> Int { logs.first { $0.owner == owner }?.events.reduce(0) { $0 + $1.message.utf8.count } ?? 0 }
}

/// Logs of two functions that grow while they are read: each reading is followed by a line of the first, and by one of the second a
/// millisecond later, which is when the first writes its next.
private final class BusyStore: LogStore {
    private struct State {
        var logs: [LogOwner: [LogEvent]] = [:]
        var written: [(time: Int64, message: String)] = []
    }

    private let names: [LogOwner]
    private let state = Mutex(State())

    init(_ owners: [LogOwner]) { names = owners }

    func written(before time: Int64) -> [String] { state.withLock { $0.written.filter { $0.time < time }.map(\.message) } }

    func owners(account: String, region: String) async -> [LogOwner] { names }

    func read(_ owner: LogOwner, since: Int64?, after position: LogPosition?, _ visit: @Sendable (LogEvent) -> Bool) async throws -> LogPosition {
        let events = state.withLock { $0.logs[owner] ?? [] }
        state.withLock { state in
            for writer in names {
                let count = state.written.count
                let position = LogPosition(file: 1, offset: UInt64(state.logs[writer]?.count ?? 0))
                let event = LogEvent(time: 1000 + Int64(count + 1) / 2, stream: "s", message: "\(count)", position: position)
                state.logs[writer, default: []].append(event)
                state.written.append((event.time, event.message))
            }
        }
        for event in events where event.position.offset >= position?.offset ?? 0 && event.time >= since ?? 0 { guard visit(event) else { return event.position } }
        return LogPosition(file: 1, offset: UInt64(events.count))
    }

    func size(of owner: LogOwner) async throws -> Int { 0 }
}

@Suite struct LogsServiceTests {
    private let caller = LogsService.Caller(account: "123456789012", region: "us-east-1")

    private func owner(_ name: String, group: String? = nil, region: String = "us-east-1") -> LogOwner {
        LogOwner(function: FunctionKey(account: "123456789012", region: region, name: name), customGroup: group, created: 1)
    }

    /// Lines at 1000, 1001 … whose messages are their numbers, in streams `s0` and `s1` by turns.
    private func events(_ count: Int, from time: Int64 = 1000) -> [LogEvent] {
        (0..<count).map { index in
            LogEvent(time: time + Int64(index), stream: "s\(index % 2)", message: "\(index)", position: LogPosition(file: 7, offset: UInt64(index * 10)))
        }
    }

    private func service(_ logs: [(owner: LogOwner, events: [LogEvent])]) -> LogsService { LogsService(store: FakeStore(logs: logs)) }

    private func messages(_ answer: JSON) -> [String] { (answer["events"]?.array ?? []).compactMap { $0["message"]?.string } }

    private func ask(_ service: LogsService, _ operation: String, _ body: String) async throws -> JSON {
        try await service.perform(operation, try JSON(parsing: body), caller)
    }

    @Test func pagesOfFilteredEventsHaveEachOnceAndInOrder() async throws {
        let service = service([(owner("a"), events(25))])
        var seen: [String] = [], token: String?
        repeat {
            let next = token.map { #","nextToken":"\#($0)""# } ?? ""
            let page = try await ask(service, "FilterLogEvents", #"{"logGroupName":"/aws/lambda/a","limit":10\#(next)}"#)
            seen += messages(page)
            token = page["nextToken"]?.string
        } while token != nil
        #expect(seen == (0..<25).map(String.init))
    }

    @Test func aSharedGroupIsReadInTheOrderOfTime() async throws {
        let service = service([(owner("a", group: "/shared"), events(3)), (owner("b", group: "/shared"), events(3, from: 999)), (owner("c"), events(9))])
        let first = try await ask(service, "FilterLogEvents", #"{"logGroupName":"/shared","limit":4}"#)
        #expect(messages(first) == ["0", "0", "1", "1"])
        let rest = try await ask(service, "FilterLogEvents", #"{"logGroupName":"/shared","nextToken":"\#(first["nextToken"]?.string ?? "")"}"#)
        #expect(messages(rest) == ["2", "2"] && rest["nextToken"] == nil)
    }

    /// As `aws logs tail --follow` does: pages to the last one, then on from the newest event's time, without the events already shown.
    @Test(arguments: [3, 9, 10_000]) func whoFollowsASharedGroupMissesNothing(_ limit: Int) async throws {
        let store = BusyStore([owner("a", group: "/shared"), owner("b", group: "/shared")])
        let service = LogsService(store: store)
        var seen: [String: String] = [:], newest: Int64 = 0, token: String?
        for _ in 0..<60 {
            let next = token.map { #","nextToken":"\#($0)""# } ?? ""
            let page = try await ask(service, "FilterLogEvents", #"{"logGroupName":"/shared","limit":\#(limit),"startTime":\#(newest)\#(next)}"#)
            token = page["nextToken"]?.string
            var last = newest
            for event in page["events"]?.array ?? [] {
                seen[event["eventId"]?.string ?? ""] = event["message"]?.string
                last = max(last, Int64(event["timestamp"]?.integer ?? 0))
            }
            // What a page's token leaves behind is shown by no later one.
            let missing = Set(store.written(before: last)).subtracting(seen.values)
            #expect(missing.isEmpty)
            if token == nil { newest = last }
        }
        #expect(seen.count > 50)
    }

    @Test func eventsOfTwoFunctionsInOnePlaceHaveTwoIDs() async throws {
        let service = service([(owner("a", group: "/shared"), events(2)), (owner("b", group: "/shared"), events(2))])
        let events = try await ask(service, "FilterLogEvents", #"{"logGroupName":"/shared"}"#)["events"]?.array ?? []
        let ids = events.compactMap { $0["eventId"]?.string }
        #expect(ids.count == 4 && Set(ids).count == 4 && ids.allSatisfy { $0.utf8.count == 56 })
    }

    @Test func timesStreamsAndPatternsSelect() async throws {
        let service = service([(owner("a"), events(10))])
        #expect(messages(try await ask(service, "FilterLogEvents", #"{"logGroupName":"/aws/lambda/a","startTime":1003,"endTime":1005}"#)) == ["3", "4", "5"])
        #expect(messages(try await ask(service, "FilterLogEvents", #"{"logGroupName":"/aws/lambda/a","logStreamNames":["s1"]}"#)) == ["1", "3", "5", "7", "9"])
        #expect(messages(try await ask(service, "FilterLogEvents", #"{"logGroupName":"/aws/lambda/a","filterPattern":"?4 ?7"}"#)) == ["4", "7"])
        #expect(messages(try await ask(service, "FilterLogEvents", #"{"logGroupIdentifier":"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/a"}"#)).count == 10)
    }

    @Test func aStreamIsReadFromItsEndAndBothWays() async throws {
        let service = service([(owner("a"), events(20))])
        func page(_ more: String) async throws -> JSON {
            try await ask(service, "GetLogEvents", #"{"logGroupName":"/aws/lambda/a","logStreamName":"s0","limit":3\#(more)}"#)
        }
        let last = try await page("")
        #expect(messages(last) == ["14", "16", "18"])
        let before = try await page(#","nextToken":"\#(last["nextBackwardToken"]?.string ?? "")""#)
        #expect(messages(before) == ["8", "10", "12"])
        let after = try await page(#","nextToken":"\#(before["nextForwardToken"]?.string ?? "")""#)
        #expect(messages(after) == ["14", "16", "18"])
        let end = try await page(#","nextToken":"\#(after["nextForwardToken"]?.string ?? "")""#)
        #expect(messages(end).isEmpty && end["nextForwardToken"] == after["nextForwardToken"])
        #expect(messages(try await page(#","startFromHead":true"#)) == ["0", "2", "4"])
    }

    @Test func streamsAreListedByNameAndByTime() async throws {
        let service = service([(owner("a"), events(4))])
        func names(_ more: String) async throws -> [String] {
            let answer = try await ask(service, "DescribeLogStreams", #"{"logGroupName":"/aws/lambda/a"\#(more)}"#)
            return (answer["logStreams"]?.array ?? []).compactMap { $0["logStreamName"]?.string }
        }
        #expect(try await names("") == ["s0", "s1"])
        #expect(try await names(#","orderBy":"LastEventTime","descending":true"#) == ["s1", "s0"])
        let first = try await ask(service, "DescribeLogStreams", #"{"logGroupName":"/aws/lambda/a","limit":1}"#)
        #expect(try await names(#","nextToken":"\#(first["nextToken"]?.string ?? "")""#) == ["s1"])
    }

    @Test func groupsAreListedInPages() async throws {
        let service = service((0..<5).map { (owner("f\($0)"), events($0)) } + [(owner("x", region: "eu-west-1"), [])])
        let first = try await ask(service, "DescribeLogGroups", #"{"limit":3}"#)
        let rest = try await ask(service, "DescribeLogGroups", #"{"nextToken":"\#(first["nextToken"]?.string ?? "")"}"#)
        let names = [first, rest].flatMap { ($0["logGroups"]?.array ?? []).compactMap { $0["logGroupName"]?.string } }
        #expect(names == (0..<5).map { "/aws/lambda/f\($0)" } && rest["nextToken"] == nil)
        let found = try await ask(service, "DescribeLogGroups", #"{"logGroupNamePattern":"f3"}"#)
        #expect(found["logGroups"]?.array?.first?["storedBytes"]?.integer == 3)
    }

    @Test(arguments: [
        ("FilterLogEvents", #"{"logGroupName":"/aws/lambda/none"}"#, LogsError.Kind.resourceNotFound), ("FilterLogEvents", "{}", .invalidParameter),
        ("FilterLogEvents", #"{"logGroupName":"/aws/lambda/a","limit":0}"#, .invalidParameter),
        ("FilterLogEvents", #"{"logGroupName":"/aws/lambda/a","limit":"x"}"#, .serialization),
        ("FilterLogEvents", #"{"logGroupName":"/aws/lambda/a","nextToken":"bad"}"#, .invalidParameter),
        ("FilterLogEvents", #"{"logGroupName":"bad name"}"#, .invalidParameter),
        ("FilterLogEvents", #"{"logGroupIdentifier":"arn:aws:logs:us-east-1:999999999999:log-group:/aws/lambda/a"}"#, .resourceNotFound),
        ("GetLogEvents", #"{"logGroupName":"/aws/lambda/a"}"#, .invalidParameter),
        ("GetLogEvents", #"{"logGroupName":"/aws/lambda/a","logStreamName":"none"}"#, .resourceNotFound),
        ("DescribeLogStreams", #"{"logGroupName":"/aws/lambda/a","orderBy":"LastEventTime","logStreamNamePrefix":"s"}"#, .invalidParameter),
        ("DescribeLogGroups", #"{"limit":51}"#, .invalidParameter), ("PutLogEvents", "{}", .invalidOperation),
        ("StartQuery", "{}", .unknownOperation),
    ])
    func refusalsNameTheirKind(_ operation: String, _ body: String, _ kind: LogsError.Kind) async throws {
        let service = service([(owner("a"), events(4))])
        await #expect { _ = try await ask(service, operation, body) } throws: { ($0 as? LogsError)?.kind == kind }
    }
}
