import DurableQueue
import FunctionModel
import SQLiteStore
import Testing

/// What every `QueueStore` promises, with two instances over one file and a clock that the test moves.
@Suite struct QueueStoreContractTests {
    private let temporary: TemporaryFolder
    private let first: any QueueStore
    private let second: any QueueStore
    private let orders = QueueKey(account: "111111111111", region: "us-east-1", name: "orders")
    private let dead = QueueKey(account: "111111111111", region: "us-east-1", name: "orders-dead")

    init() async throws {
        temporary = try TemporaryFolder()
        first = try await SQLiteQueueStore.open(path: temporary.database)
        second = try await SQLiteQueueStore.open(path: temporary.database)
    }

    private func make(_ key: QueueKey, _ kind: QueueKind = .standard, _ settings: QueueSettings = QueueSettings()) async throws {
        _ = try await first.create(QueueRecord(key: key, kind: kind, settings: settings, created: 1, modified: 1))
    }

    private func message(_ text: String, group: String? = nil, key: String? = nil, delay: Int64 = 0) -> NewMessage {
        NewMessage(body: Array(text.utf8), group: group, deduplicationKey: key, delay: delay, origin: "test")
    }

    @discardableResult
    private func send(_ text: String, group: String? = nil, key: String? = nil, delay: Int64 = 0, now: Int64 = 0) async throws -> Accepted {
        try #require(try await first.enqueue([message(text, group: group, key: key, delay: delay)], to: orders, now: now).first).get()
    }

    private func text(_ claimed: ClaimedMessage) -> String { String(decoding: claimed.message.body, as: UTF8.self) }

    private func claim(_ limit: Int = 10, lease: Int64 = 1_000, now: Int64) async throws -> [ClaimedMessage] {
        try await second.claim(from: orders, limit: limit, lease: lease, now: now)
    }

    private func isDone(_ result: Settlement.Result?) -> Bool { if case .done? = result { true } else { false } }
    private func isStale(_ result: Settlement.Result?) -> Bool { if case .stale? = result { true } else { false } }

    private func settle(_ message: ClaimedMessage, _ action: Settlement.Action, now: Int64) async throws -> Settlement.Result? {
        try await first.settle([Settlement(message.receipt, action)], of: orders, now: now).first
    }

    // MARK: Several queues at once

    @Test func firstMessageOfEachQueueIsClaimedAndSettledWithTheOthers() async throws {
        let gone = QueueKey(account: "111111111111", region: "us-east-1", name: "gone")
        try await make(orders)
        try await make(dead)
        try await send("a")
        try await send("b")
        _ = try await first.enqueue([message("c")], to: dead, now: 0)
        let claimed = try await second.claimFirst(of: [orders, gone, dead], lease: 1_000, now: 0)
        #expect(claimed.map(\.queue.key) == [orders, dead])
        #expect(claimed.map { text($0.claimed) } == ["a", "c"])
        let receipts = claimed.map(\.claimed.receipt)
        let results = try await first.settle(
            [
                (key: orders, settlement: Settlement(receipts[0], .acknowledge)), (key: gone, settlement: Settlement(receipts[0], .acknowledge)),
                (key: dead, settlement: Settlement(receipts[1], .release(delay: 500, nil))),
            ], now: 0)
        #expect(isDone(results[0]) && isStale(results[1]) && isDone(results[2]))
        #expect(try await first.counts(of: orders, now: 0).total == 1)
        #expect(try await second.claimFirst(of: [orders, dead], lease: 1_000, now: 500).map { text($0.claimed) } == ["b", "c"])
    }

    @Test func messageIsFoundInWhateverState() async throws {
        try await make(orders)
        let id = try await send("a", delay: 100).id
        #expect(try await second.find(id, in: orders, now: 0)?.state == .delayed)
        #expect(try await claim(now: 100).count == 1)
        #expect(try await second.find(id, in: orders, now: 100)?.state == .inFlight)
        #expect(try await first.discard(id, from: orders, now: 100) == false, "what runs cannot be taken away")
    }

    // MARK: Queues

    @Test func queueComesBackAsItWasMade() async throws {
        let record = QueueRecord(
            key: orders, kind: .fifo, settings: QueueSettings(retention: 5, maximumReceives: 3, deadLetters: dead),
            attributes: ["VisibilityTimeout": "30", "Quote": "'\"\u{0}"], tags: ["team": "birds"], created: 10, modified: 11)
        #expect(try await first.create(record) == record)
        #expect(try await second.queue(orders) == record)
        var other = record
        other.tags = [:]
        #expect(try await second.create(other) == record, "the one that is there stays")
        other.modified = 12
        try await second.update(other)
        #expect(try await first.queue(orders) == other)
        #expect(try await first.sources(of: dead) == [orders])
    }

    /// The form that makes no task says and does the same.
    @Test func oneMessageIsAcceptedOrRefusedThroughItsCompletion() async throws {
        func accept(_ message: NewMessage, _ key: QueueKey) async throws -> Accepted {
            try await withCheckedThrowingContinuation { continuation in first.enqueue(message, to: key, now: 5) { continuation.resume(with: $0) } }
        }
        let none = await #expect(throws: ServiceError.self) { try await accept(message("a"), orders) }
        #expect(none?.code == .resourceNotFound)
        try await make(orders)
        let accepted = try await accept(message("a", key: "k"), orders)
        #expect(!accepted.isDuplicate)
        #expect(try await accept(message("b", key: "k"), orders) == Accepted(id: accepted.id, sequence: accepted.sequence, isDuplicate: true))
        let large = await #expect(throws: ServiceError.self) { try await accept(message(String(repeating: "x", count: 2 << 20)), orders) }
        #expect(large?.code == .requestTooLarge)
        #expect(try await claim(now: 5).map(text) == ["a"])
    }

    /// With nothing else to write they come by themselves.
    @Test func whatMayWaitIsDoneAllTheSame() async throws {
        try await make(orders)
        for index in 0..<100 { try await send("\(index)") }
        var receipts: [Receipt] = []
        while receipts.count < 100 {
            let claimed = try await second.claimSoon(from: orders, limit: 10, lease: 1_000, now: 1)
            #expect(claimed.count == 10)
            receipts += claimed.map(\.receipt)
        }
        #expect(Set(receipts).count == 100)
        let results = try await withThrowingTaskGroup(of: [Settlement.Result].self) { group in
            for (index, receipt) in receipts.enumerated() {
                group.addTask { [first, orders] in
                    let settlement = Settlement(receipt, .acknowledge)
                    guard index.isMultiple(of: 2) else { return try await first.settleSoon([settlement], of: orders, now: 2) }
                    return try await withCheckedThrowingContinuation { continuation in
                        first.settleSoon(settlement, of: orders, now: 2) { result in continuation.resume(with: result.map { [$0] }) }
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(results.count == 100 && results.allSatisfy { isDone($0) })
        #expect(try await second.counts(of: orders, now: 2).total == 0)
    }

    @Test func unknownQueueIsSaid() async throws {
        let error = await #expect(throws: ServiceError.self) { try await first.enqueue([message("a")], to: orders, now: 0) }
        #expect(error?.code == .resourceNotFound)
        #expect(error?.message.contains("orders") == true)
    }

    @Test func listsAreByNameInPages() async throws {
        for name in ["b", "a", "ab", "c"] { try await make(QueueKey(account: "1", region: "r", name: name)) }
        try await make(QueueKey(account: "2", region: "r", name: "a"))
        func names(_ prefix: String, _ after: String?, _ limit: Int) async throws -> [String] {
            try await second.queues(account: "1", region: "r", prefix: prefix, after: after, limit: limit).map(\.key.name)
        }
        #expect(try await names("", nil, 10) == ["a", "ab", "b", "c"])
        #expect(try await names("a", nil, 10) == ["a", "ab"])
        #expect(try await names("", "ab", 1) == ["b"])
        #expect(try await second.queues(.standard).count == 5)
        #expect(try await second.queues(.internal).isEmpty)
    }

    @Test func deletedQueueIsGoneAtOnceAndItsNameFree() async throws {
        try await make(orders)
        for index in 0..<1_200 { _ = try await first.enqueue([message("\(index)")], to: orders, now: 0) }
        try await first.delete(orders)
        await #expect(throws: ServiceError.self) { try await second.queue(orders) }
        try await make(orders)
        try await send("new")
        #expect(try await claim(now: 0).map(text) == ["new"])
        while try await second.advance(now: 1) == 1 {}
        #expect(try await first.counts(of: orders, now: 1).total == 1)
    }

    // MARK: Standard queues

    @Test func acceptedMessageIsClaimedByAnotherStoreWithAllItCameWith() async throws {
        try await make(orders)
        let id = RequestID.random()
        let sent = NewMessage(
            id: id, body: [0, 255, 10], attributes: [7], group: "g", deduplicationKey: "k", trace: "Root=1", origin: "invoke")
        _ = try await first.enqueue([sent], to: orders, now: 42)
        let claimed = try #require(try await claim(now: 50).first)
        #expect(claimed.message.id == id)
        #expect(claimed.message.body == [0, 255, 10])
        #expect(claimed.message.attributes == [7])
        #expect(claimed.message.group == "g")
        #expect(claimed.message.deduplicationKey == "k")
        #expect(claimed.message.trace == "Root=1")
        #expect(claimed.message.origin == "invoke")
        #expect(claimed.message.sent == 42)
        #expect(claimed.message.firstReceived == 50)
        #expect(claimed.message.receives == 1)
        #expect(Receipt(claimed.receipt.description) == claimed.receipt)
    }

    @Test func emptyBodyIsABody() async throws {
        try await make(orders)
        try await send("")
        #expect(try await claim(now: 0).map(text) == [""])
    }

    @Test func claimedMessageIsOutOfSightUntilItsLeaseEnds() async throws {
        try await make(orders)
        try await send("a")
        let one = try #require(try await claim(lease: 1_000, now: 10).first)
        #expect(try await claim(now: 1_009).isEmpty)
        let two = try #require(try await claim(lease: 1_000, now: 1_010).first)
        #expect(two.message.receives == 2)
        #expect(two.message.firstReceived == 10)
        #expect(isStale(try await settle(one, .acknowledge, now: 1_011)), "somebody else works on it")
        #expect(isDone(try await settle(two, .acknowledge, now: 1_012)))
        #expect(isStale(try await settle(two, .acknowledge, now: 1_013)))
        #expect(try await claim(now: 9_999).isEmpty)
    }

    @Test func lateAcknowledgementCountsWhileNobodyElseHasBegun() async throws {
        try await make(orders)
        try await send("a")
        let one = try #require(try await claim(lease: 1_000, now: 0).first)
        _ = try await first.advance(now: 5_000)
        #expect(isStale(try await settle(one, .extend(1_000), now: 5_000)))
        #expect(isDone(try await settle(one, .acknowledge, now: 5_000)))
        #expect(try await first.counts(of: orders, now: 5_000).total == 0)
    }

    @Test func postingIsDoneWhollyOrNotAtAllAndNamesWhatStandsInTheWay() async throws {
        let ordered = QueueKey(account: orders.account, region: orders.region, name: "orders.fifo")
        let nobody = QueueKey(account: orders.account, region: orders.region, name: "nobody")
        try await make(orders)
        try await make(dead)
        try await make(ordered, .fifo)
        try await send("cause")
        let cause = try #require(try await claim(1, now: 0).first)
        let claim = Posting.Claim(queue: orders, receipt: cause.receipt)
        let good = [Settlement.Delivery(to: dead, message("a")), Settlement.Delivery(to: ordered, message("b", group: "g"))]
        let bad = [Settlement.Delivery(to: nobody, message("c")), Settlement.Delivery(to: ordered, message("d"))]
        // One that is refused holds up nothing but itself.
        let results = try await first.post([Posting(deliveries: [good[0], bad[0], good[1], bad[1]], claim: claim), Posting(deliveries: [good[0]])], now: 1)
        guard case .refused(let refusals)? = results.first, case .done? = results.last else { throw Unexpected(results: results) }
        #expect(refusals.mapValues(\.code) == [1: .resourceNotFound, 3: .invalidParameterValue])
        #expect(try await second.counts(of: dead, now: 1).total == 1)
        #expect(try await second.counts(of: ordered, now: 1).total == 0)
        #expect(try await second.counts(of: orders, now: 1).inFlight == 1)
        guard case .done? = try await second.post([Posting(deliveries: good, claim: claim)], now: 2).first else { throw Unexpected(results: results) }
        #expect(try await first.counts(of: dead, now: 2).total == 2)
        #expect(try await first.counts(of: orders, now: 2).total == 0)
        // What led to it is done with: a second time it is nobody's.
        guard case .stale? = try await first.post([Posting(deliveries: good, claim: claim)], now: 3).first else { throw Unexpected(results: results) }
        #expect(try await first.counts(of: dead, now: 3).total == 2)
    }

    @Test func postingCountsAllOfItsMessagesAgainstABoundAndDropsDuplicates() async throws {
        var limits = QueueLimits()
        limits.messagesPerQueue = 2
        let bounded = try await SQLiteQueueStore.open(path: temporary.database, limits: limits)
        try await make(orders)
        let three = Posting(deliveries: (0..<3).map { Settlement.Delivery(to: orders, message("\($0)")) })
        guard case .refused(let refusals)? = try await bounded.post([three], now: 1).first else { throw Unexpected(results: []) }
        #expect(refusals.mapValues(\.code) == [2: .tooManyRequests])
        let twice = Posting(deliveries: [Settlement.Delivery(to: orders, message("x", key: "k"))])
        for _ in 0..<2 {
            guard case .done? = try await bounded.post([twice], now: 1).first else { throw Unexpected(results: []) }
        }
        #expect(try await bounded.counts(of: orders, now: 1).total == 1)
    }

    private struct Unexpected: Error { let results: [Posting.Result] }

    @Test func consumerThatStartsAgainHasAllOfTheOneBefore() async throws {
        try await make(orders, .internal)
        for index in 0..<600 { try await send("\(index)") }
        let held = try await claim(550, lease: 1_000_000, now: 0)
        #expect(try await second.reclaim(orders, now: 1) == 550)
        #expect(try await first.counts(of: orders, now: 1) == QueueCounts(visible: 600, bytes: 1_690, oldest: 0))
        #expect(try await claim(600, now: 1).count == 600)
        #expect(isStale(try await settle(held[0], .release(delay: 0, nil), now: 2)))
    }

    @Test func attemptsOfThePlatformsOwnQueuesAreCountedOnAfterAMove() async throws {
        try await make(orders, .internal)
        try await make(dead, .internal)
        let id = try await send("a").id
        let claimed = try #require(try await claim(now: 0).first)
        _ = try await settle(claimed, .move(to: dead, .init(kind: "K", reason: "r")), now: 1)
        #expect(try await first.redrive(dead, to: nil, id: id, limit: 1, now: 5) == 1)
        let again = try #require(try await claim(now: 5).first)
        #expect(again.message.receives == 2)
        #expect(again.message.errors == 0)
        #expect(again.message.sent == 5)
        #expect(again.message.failures.count == 1)
    }

    @Test func extendedLeaseHoldsLonger() async throws {
        try await make(orders)
        try await send("a")
        let one = try #require(try await claim(lease: 1_000, now: 0).first)
        #expect(isDone(try await settle(one, .extend(5_000), now: 500)))
        #expect(try await claim(now: 5_499).isEmpty)
        #expect(try await claim(now: 5_500).count == 1)
    }

    @Test func releasedMessageComesBackAfterItsDelayWithTheReason() async throws {
        try await make(orders)
        try await send("a")
        var claimed = try #require(try await claim(now: 0).first)
        _ = try await settle(claimed, .release(delay: 100, .init(kind: "Boom", reason: "it broke")), now: 10)
        #expect(try await claim(now: 109).isEmpty)
        claimed = try #require(try await claim(now: 110).first)
        #expect(claimed.message.receives == 2)
        #expect(claimed.message.errors == 1)
        #expect(claimed.message.failures == [DeliveryFailure(attempt: 1, time: 10, kind: "Boom", reason: "it broke", isCounted: true)])
        _ = try await settle(claimed, .release(delay: 0, .init(kind: "Throttled", reason: "busy", isCounted: false, takesBackReceive: true)), now: 120)
        claimed = try #require(try await claim(now: 120).first)
        #expect(claimed.message.receives == 2, "nothing was run")
        #expect(claimed.message.errors == 1)
        #expect(claimed.message.failures.map(\.kind) == ["Boom", "Throttled"])
    }

    @Test func failuresKeptAreTheLast() async throws {
        try await make(orders)
        try await send("a")
        for index in 1...30 {
            let claimed = try #require(try await claim(now: Int64(index)).first)
            _ = try await settle(claimed, .release(delay: 0, .init(kind: "\(index)", reason: String(repeating: "x", count: 9_000))), now: Int64(index))
        }
        let message = try #require(try await first.peek(orders, after: nil, limit: 1, now: 31).first)
        #expect(message.failures.map(\.kind) == (11...30).map(String.init))
        #expect(message.failures.allSatisfy { $0.reason.utf8.count == DeliveryFailure.maximumReason })
        #expect(message.errors == 30)
    }

    @Test func delayedMessageWaits() async throws {
        try await make(orders)
        try await send("a", delay: 500)
        #expect(try await claim(now: 499).isEmpty)
        #expect(try await first.counts(of: orders, now: 499) == QueueCounts(delayed: 1, bytes: 1, oldest: 0))
        #expect(try await claim(now: 500).count == 1)
    }

    @Test func advanceTellsWhenThereIsMoreToDo() async throws {
        try await make(orders)
        #expect(try await first.advance(now: 0) == nil)
        try await send("a", delay: 500)
        try await send("b", delay: 300)
        #expect(try await second.advance(now: 0) == 300)
        #expect(try await second.advance(now: 300) == 500)
        #expect(try await second.advance(now: 600) == nil)
        _ = try await claim(1, lease: 50, now: 600)
        #expect(try await second.advance(now: 610) == 650)
    }

    @Test func oneGroupWithManyMessagesDoesNotHoldUpAnother() async throws {
        try await make(orders)
        for index in 0..<50 { try await send("loud\(index)", group: "loud") }
        for index in 0..<3 { try await send("quiet\(index)", group: "quiet") }
        try await send("none")
        let texts = try await claim(8, now: 0).map(text)
        #expect(Set(texts) == ["loud0", "quiet0", "none", "loud1", "quiet1", "loud2", "quiet2", "loud3"])
    }

    @Test func poisonGoesBehindTheOthers() async throws {
        try await make(orders)
        try await send("poison")
        for index in 0..<5 { try await send("good\(index)") }
        let poison = try #require(try await claim(1, now: 0).first)
        _ = try await settle(poison, .release(delay: 0, nil), now: 0)
        #expect(try await claim(5, now: 0).map(text) == (0..<5).map { "good\($0)" })
    }

    // MARK: Dead letters

    @Test func messageReceivedTooOftenMovesToTheDeadLetters() async throws {
        try await make(dead)
        try await make(orders, .standard, QueueSettings(maximumReceives: 2, deadLetters: dead))
        let id = try await send("a", now: 5).id
        for now in [Int64(10), 20] { _ = try await claim(lease: 5, now: now) }
        #expect(try await claim(now: 30).isEmpty)
        #expect(try await first.counts(of: orders, now: 30).total == 0)
        let message = try #require(try await first.peek(dead, after: nil, limit: 9, now: 30).first)
        #expect(message.id == id)
        #expect(message.source == orders)
        #expect(message.sent == 5)
        #expect(message.failures.last?.kind == "MaximumReceives")
        #expect(try await second.redrive(dead, to: nil, id: nil, limit: 10, now: 40) == 1)
        let again = try #require(try await claim(now: 40).first)
        #expect(again.message.receives == 1)
        #expect(again.message.id == id)
    }

    @Test func moveAndDeliveriesAreOneStep() async throws {
        try await make(orders)
        try await make(dead)
        try await send("a")
        let claimed = try #require(try await claim(now: 0).first)
        let nowhere = QueueKey(account: "1", region: "r", name: "nowhere")
        let refused = try await first.settle(
            [Settlement(claimed.receipt, .acknowledge, deliveries: [.init(to: dead, message("x")), .init(to: nowhere, message("y"))])],
            of: orders, now: 1)
        guard case .refused(let reason)? = refused.first else {
            Issue.record("\(refused)")
            return
        }
        #expect(reason.contains("nowhere"))
        #expect(try await first.counts(of: dead, now: 1).total == 0)
        #expect(try await first.counts(of: orders, now: 1).inFlight == 1)
        let done = try await first.settle(
            [Settlement(claimed.receipt, .move(to: dead, .init(kind: "K", reason: "r")), deliveries: [.init(to: dead, message("x"))])], of: orders, now: 2)
        #expect(isDone(done.first))
        #expect(try await first.peek(dead, after: nil, limit: 9, now: 2).map { String(decoding: $0.body, as: UTF8.self) } == ["a", "x"])
        #expect(try await first.counts(of: orders, now: 2).total == 0)
        let stale = try await first.settle(
            [Settlement(claimed.receipt, .acknowledge, deliveries: [.init(to: dead, message("z"))])], of: orders, now: 3)
        #expect(isStale(stale.first))
        #expect(try await first.counts(of: dead, now: 3).total == 2, "what is stale delivers nothing")
    }

    // MARK: FIFO

    @Test func groupKeepsItsOrderAndIsLockedWhileInFlight() async throws {
        try await make(orders, .fifo)
        for index in 0..<4 { try await send("a\(index)", group: "a") }
        try await send("b0", group: "b")
        let one = try await claim(1, now: 0)
        #expect(one.map(text) == ["a0"])
        #expect(try await claim(10, now: 0).map(text) == ["b0"], "group a is locked")
        #expect(try await claim(10, now: 0).isEmpty)
        _ = try await settle(try #require(one.first), .acknowledge, now: 1)
        let batch = try await claim(2, now: 1)
        #expect(batch.map(text) == ["a1", "a2"], "a consumer may have several of a group")
        _ = try await settle(batch[0], .release(delay: 0, nil), now: 2)
        #expect(try await claim(now: 2).isEmpty, "a2 is still out")
        _ = try await settle(batch[1], .acknowledge, now: 2)
        #expect(try await claim(now: 2).map(text) == ["a1", "a3"])
    }

    @Test func lostLeaseOfAGroupGivesTheSameMessageAgain() async throws {
        try await make(orders, .fifo)
        for index in 0..<3 { try await send("a\(index)", group: "a") }
        #expect(try await claim(2, lease: 100, now: 0).map(text) == ["a0", "a1"])
        #expect(try await claim(1, lease: 100, now: 100).map(text) == ["a0"])
        #expect(try await claim(1, now: 150).isEmpty)
        #expect(try await claim(3, now: 200).map(text) == ["a0", "a1", "a2"])
    }

    @Test func delayHoldsUpTheWholeGroup() async throws {
        try await make(orders, .fifo)
        try await send("a0", group: "a", delay: 100)
        try await send("a1", group: "a")
        try await send("b0", group: "b")
        #expect(try await claim(now: 50).map(text) == ["b0"])
        #expect(try await claim(now: 100).map(text) == ["a0", "a1"])
    }

    @Test func messageWithoutGroupIsRefused() async throws {
        try await make(orders, .fifo)
        let results = try await first.enqueue([message("a"), message("b", group: "g")], to: orders, now: 0)
        #expect(throws: ServiceError.self) { try results[0].get() }
        #expect(try results[1].get().isDuplicate == false)
    }

    @Test func duplicateWithinFiveMinutesIsTheFirst() async throws {
        try await make(orders, .fifo)
        let one = try await send("a", group: "g", key: "k", now: 0)
        let two = try await send("other", group: "g", key: "k", now: 299_999)
        #expect(two == Accepted(id: one.id, sequence: one.sequence, isDuplicate: true))
        #expect(try await first.counts(of: orders, now: 299_999).total == 1)
        #expect(try await send("a", group: "g", key: "k", now: 300_000).isDuplicate == false)
        let claimed = try await claim(now: 300_000)
        for message in claimed { _ = try await settle(message, .acknowledge, now: 300_000) }
        #expect(try await send("a", group: "g", key: "k", now: 300_001).isDuplicate, "also when the first is done")
    }

    // MARK: Bounds and tidying

    @Test func fullQueueRefusesAndSaysWhichLimit() async throws {
        var limits = QueueLimits()
        limits.messagesPerQueue = 2
        limits.bytes = 10
        let store = try await SQLiteQueueStore.open(path: temporary.database, limits: limits)
        try await make(orders)
        try await make(dead)
        var results = try await store.enqueue([message("a"), message("b"), message("c")], to: orders, now: 0)
        #expect(throws: Never.self) { try results[1].get() }
        var error = #expect(throws: ServiceError.self) { try results[2].get() }
        #expect(error?.code == .tooManyRequests)
        #expect(error?.message.contains("orders is full") == true)
        results = try await store.enqueue([message("12345678"), message("9")], to: dead, now: 0)
        #expect(throws: Never.self) { try results[0].get() }
        error = #expect(throws: ServiceError.self) { try results[1].get() }
        #expect(error?.message.contains("server's queues are full") == true)
        #expect(try await store.purge(orders, now: 0) == 2)
        #expect(throws: Never.self) { try results[0].get() }
        _ = try #require(try await store.enqueue([message("a")], to: orders, now: 0).first).get()
    }

    @Test func messageOverTheSizeLimitIsRefused() async throws {
        try await make(orders)
        let most = NewMessage(body: [UInt8](repeating: 65, count: 1 << 20), origin: "test")
        let more = NewMessage(body: [UInt8](repeating: 65, count: 1 << 20), attributes: [1], origin: "test")
        let results = try await first.enqueue([most, more], to: orders, now: 0)
        #expect(throws: Never.self) { try results[0].get() }
        let error = #expect(throws: ServiceError.self) { try results[1].get() }
        #expect(error?.code == .requestTooLarge)
        #expect(try await claim(now: 0).first?.message.body == most.body)
    }

    @Test func retentionAndExpiryDropWhatIsTooOld() async throws {
        try await make(orders, .standard, QueueSettings(retention: 1_000))
        try await send("old", now: 0)
        try await send("young", now: 500)
        var short = message("short")
        short.expires = 700
        _ = try await first.enqueue([short], to: orders, now: 600)
        #expect(try await first.advance(now: 600) == 700)
        _ = try await first.advance(now: 700)
        #expect(try await first.counts(of: orders, now: 700).visible == 2)
        #expect(try await claim(now: 1_000).map(text) == ["young"])
    }

    @Test func purgeDeletesWhatIsThereAlsoInFlightAndBehindAHead() async throws {
        try await make(orders, .fifo)
        for index in 0..<1_100 { try await send("\(index)", group: "\(index % 7)") }
        _ = try await claim(3, now: 0)
        #expect(try await second.purge(orders, now: 1) == 1_100)
        #expect(try await first.counts(of: orders, now: 1) == QueueCounts())
        try await send("next", group: "0")
        #expect(try await claim(now: 1).map(text) == ["next"])
    }

    @Test func peekShowsInPagesWithoutClaiming() async throws {
        try await make(orders)
        for index in 0..<7 { try await send("\(index)", delay: index == 3 ? 1_000 : 0, now: Int64(index)) }
        _ = try await claim(1, now: 10)
        var shown: [StoredMessage] = []
        while true {
            let page = try await second.peek(orders, after: shown.last, limit: 3, now: 10)
            if page.isEmpty { break }
            shown += page
        }
        #expect(shown.map { String(decoding: $0.body, as: UTF8.self) } == (0..<7).map(String.init))
        #expect(shown.map(\.state) == [.inFlight, .ready, .ready, .delayed, .ready, .ready, .ready])
        #expect(shown[1].receives == 0)
        #expect(try await first.counts(of: orders, now: 10) == QueueCounts(visible: 5, inFlight: 1, delayed: 1, bytes: 7, oldest: 0))
    }

    @Test func messageIsFoundAndDiscardedByItsID() async throws {
        try await make(orders)
        let id = try await send("a", delay: 100).id
        let other = try await send("b").id
        #expect(try await second.find(id, in: orders, now: 0)?.state == .delayed)
        #expect(try await second.discard(id, from: orders, now: 0))
        #expect(try await second.discard(id, from: orders, now: 0) == false)
        _ = try await claim(now: 0)
        #expect(try await second.discard(other, from: orders, now: 0) == false, "somebody works on it")
        #expect(try await second.discard(.random(), from: orders, now: 0) == false)
    }

    @Test func observerIsToldOfWhatBecomesVisible() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: QueueActivity.self)
        first.observe { continuation.yield($0) }
        try await make(orders)
        try await send("a")
        try await send("b", delay: 70, now: 5)
        _ = try await first.advance(now: 75)
        var iterator = stream.makeAsyncIterator()
        #expect(await iterator.next()?.ready == [orders])
        #expect(await iterator.next()?.nextDue == 75)
        #expect(await iterator.next()?.ready == [orders])
    }

    @Test func storesOverOneFileNeverHandOutAMessageTwice() async throws {
        try await make(orders)
        for start in stride(from: 0, to: 600, by: 10) {
            _ = try await first.enqueue((start..<start + 10).map { message("\($0)") }, to: orders, now: 0)
        }
        let texts = try await withThrowingTaskGroup(of: [String].self) { group in
            for index in 0..<120 {
                group.addTask { [first, second] in
                    try await (index % 2 == 0 ? first : second).claim(from: orders, limit: 7, lease: 1_000, now: 0)
                        .map { String(decoding: $0.message.body, as: UTF8.self) }
                }
            }
            return try await group.reduce(into: [String]()) { $0 += $1 }
        }
        #expect(texts.count == 600)
        #expect(Set(texts).count == 600)
    }
}
