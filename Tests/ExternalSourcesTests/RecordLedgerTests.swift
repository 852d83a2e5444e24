import JSONValues
import Testing

@testable import ExternalSources

/// Records `text` of lane `lane`, positions counted up, through a ledger with a clock moved by hand.
private struct Desk {
    var ledger: RecordLedger
    var now: Int64 = 1_000_000
    private var number: Int64 = 0

    init(isOrdered: Bool, size: Int = 10, window: Int64 = 0, policy: SourceFailurePolicy = SourceFailurePolicy(), records: Int = 100, bytes: Int = 10_000) {
        ledger = RecordLedger(
            isOrdered: isOrdered, policy: policy,
            limits: RecordLedger.Limits(batchSize: size, window: window, batchBytes: 1_000, records: records, bytes: bytes))
    }

    mutating func add(_ text: String, lane: String = "", time: Int64? = nil, unfit: String? = nil) {
        number += 1
        ledger.add(
            SourceRecord(id: text, lane: lane, position: SourcePosition(text: lane, number: number), timestamp: time, members: [], content: .bytes([])),
            text: text, unfit: unfit, now: now)
    }

    /// A record that the filter left out.
    mutating func addFiltered(lane: String = "") {
        number += 1
        ledger.add(
            SourceRecord(id: "-", lane: lane, position: SourcePosition(text: lane, number: number), timestamp: nil, members: [], content: .bytes([])),
            text: "", now: now)
    }

    mutating func next() -> RecordLedger.Batch? { ledger.nextBatch(now: now) }

    /// Runs what is due and concludes it at once.
    mutating func run(_ outcome: RecordLedger.Outcome) -> (ran: [String], done: [Int64], givenUp: [String]) {
        guard let batch = next() else { return ([], [], []) }
        let conclusion = ledger.finish(batch, batch.condition == nil ? outcome : .givenUp, now: now)
        ledger.concluded(batch)
        return (batch.records.map(\.id), conclusion.done.map(\.position.number), conclusion.givenUp.map(\.id))
    }
}

@Suite struct RecordLedgerTests {
    @Test func aBatchIsWhatCameTogetherAndNeverMoreThanItsSize() {
        var desk = Desk(isOrdered: false, size: 3)
        for text in ["a", "b", "c", "d"] { desk.add(text) }
        #expect(desk.next()?.records.map(\.id) == ["a", "b", "c"])
        #expect(desk.next()?.records.map(\.id) == ["d"])
        #expect(desk.next() == nil)
    }

    @Test func aWindowHoldsABatchBackUntilItIsFullOrTheTimeIsOver() {
        var desk = Desk(isOrdered: false, size: 3, window: 500)
        desk.add("a")
        #expect(desk.next() == nil)
        #expect(desk.ledger.nextDue(now: desk.now) == desk.now + 500)
        desk.add("b")
        desk.add("c")
        #expect(desk.next()?.records.count == 3)
        desk.add("d")
        desk.now += 500
        #expect(desk.next()?.records.map(\.id) == ["d"])
    }

    @Test func aBatchHasNoMoreBytesThanAnEventMayHave() {
        var desk = Desk(isOrdered: false)
        let long = String(repeating: "x", count: 600)
        desk.add(long + "1")
        desk.add(long + "2")
        #expect(desk.next()?.records.count == 1)
        #expect(desk.next()?.records.count == 1)
    }

    @Test func oneBatchOfALaneIsOnItsWayAtATimeAndLanesDoNotWaitForEachOther() {
        var desk = Desk(isOrdered: true, size: 1)
        desk.add("a1", lane: "a")
        desk.add("a2", lane: "a")
        desk.add("b1", lane: "b")
        let first = desk.next()
        #expect(first?.records.map(\.id) == ["a1"])
        #expect(desk.next()?.records.map(\.id) == ["b1"])
        #expect(desk.next() == nil)
        if let first {
            _ = desk.ledger.finish(first, .succeeded, now: desk.now)
            #expect(desk.next() == nil, "what was given up may still be on its way to its destination")
            desk.ledger.concluded(first)
        }
        #expect(desk.next()?.records.map(\.id) == ["a2"])
    }

    @Test func aFailedBatchOfALaneHoldsUpWhatFollowsIt() {
        var desk = Desk(isOrdered: true, size: 1)
        desk.add("a1")
        desk.add("a2")
        #expect(desk.run(.failed(reason: "")).done == [])
        #expect(desk.next() == nil)
        desk.now += 1_000
        #expect(desk.run(.succeeded) == (["a1"], [1], []))
        #expect(desk.run(.succeeded) == (["a2"], [2], []))
        #expect(desk.ledger.isEmpty)
    }

    @Test func withoutOrderAFailedBatchHoldsUpNothing() {
        var desk = Desk(isOrdered: false, size: 1)
        desk.add("a1")
        desk.add("a2")
        _ = desk.run(.failed(reason: ""))
        #expect(desk.run(.succeeded).ran == ["a2"])
        desk.now += 1_000
        #expect(desk.run(.succeeded).ran == ["a1"])
    }

    @Test func aFilteredRecordOfALaneIsSettledAfterThoseBeforeIt() {
        var desk = Desk(isOrdered: true)
        desk.add("a1")
        desk.addFiltered()
        desk.add("a3")
        #expect(desk.run(.failed(reason: "")).done == [])
        desk.now += 1_000
        #expect(desk.run(.succeeded) == (["a1", "a3"], [1, 2, 3], []))
        desk.addFiltered()
        #expect(desk.run(.succeeded) == ([], [4], []))
    }

    @Test func inOrderTheLowestThatFailedIsTheCheckpoint() {
        var desk = Desk(isOrdered: true)
        for text in ["a", "b", "c", "d"] { desk.add(text) }
        #expect(desk.run(.partlyFailed([1, 3])) == (["a", "b", "c", "d"], [1], []))
        desk.now += 1_000
        #expect(desk.run(.succeeded) == (["b", "c", "d"], [2, 3, 4], []))
    }

    @Test func withoutOrderOnlyWhatIsNamedComesAgain() {
        var desk = Desk(isOrdered: false)
        for text in ["a", "b", "c"] { desk.add(text) }
        #expect(desk.run(.partlyFailed([1])) == (["a", "b", "c"], [1, 3], []))
        desk.now += 1_000
        #expect(desk.run(.succeeded) == (["b"], [2], []))
    }

    @Test func attemptsEndAndWhatFollowsGoesOn() {
        var desk = Desk(isOrdered: true, size: 1, policy: SourceFailurePolicy(maximumRetryAttempts: 2))
        desk.add("poison")
        desk.add("good")
        for _ in 0..<2 {
            #expect(desk.run(.failed(reason: "")).givenUp == [])
            desk.now += 60_000
        }
        #expect(desk.run(.failed(reason: "")).givenUp == ["poison"])
        #expect(desk.run(.succeeded).ran == ["good"])
    }

    /// Splitting alone finds the record at fault, and only its own attempts count.
    @Test(arguments: [true, false]) func splittingGivesUpTheRecordAtFaultAlone(isOrdered: Bool) {
        var desk = Desk(isOrdered: isOrdered, policy: SourceFailurePolicy(maximumRetryAttempts: 1, bisectsBatch: true))
        for number in 1...8 { desk.add("\(number)") }
        var done: [Int64] = []
        var givenUp: [String] = []
        for _ in 0..<40 where !desk.ledger.isEmpty {
            guard let batch = desk.next() else {
                desk.now += 60_000
                continue
            }
            let conclusion = desk.ledger.finish(batch, batch.records.contains { $0.id == "5" } ? .failed(reason: "") : .succeeded, now: desk.now)
            desk.ledger.concluded(batch)
            done += conclusion.done.map(\.position.number)
            givenUp += conclusion.givenUp.map(\.id)
        }
        #expect(givenUp == ["5"])
        #expect(done.sorted() == [1, 2, 3, 4, 6, 7, 8])
        if isOrdered { #expect(done == done.sorted()) }
    }

    /// A record that was tried more often than those before it is given up after them.
    @Test func attemptsOfALaterRecordDoNotEndItBeforeThoseBeforeIt() {
        var desk = Desk(isOrdered: true, policy: SourceFailurePolicy(maximumRetryAttempts: 1))
        desk.addFiltered()
        desk.add("a")
        desk.addFiltered()
        desk.add("b")
        #expect(desk.run(.failed(reason: "")) == (["a", "b"], [1], []))
        desk.now += 60_000
        #expect(desk.run(.failed(reason: "")) == (["a", "b"], [], ["a"]))
        desk.now += 60_000
        #expect(desk.run(.succeeded) == (["b"], [3, 4], []))
    }

    @Test func whatIsTooOldIsGivenUpInItsTurn() {
        var desk = Desk(isOrdered: true, policy: SourceFailurePolicy(maximumRecordAge: 60))
        desk.add("young")
        desk.add("old", time: desk.now - 61_000)
        desk.add("last")
        #expect(desk.run(.succeeded) == (["young"], [1], []))
        #expect(desk.run(.succeeded) == ([], [], ["old"]))
        #expect(desk.run(.succeeded) == (["last"], [3], []))
    }

    @Test func whatFitsIntoNoEventIsGivenUp() {
        var desk = Desk(isOrdered: false)
        desk.add("a")
        desk.add("huge", unfit: "too large")
        #expect(desk.run(.succeeded).givenUp == ["huge"])
        #expect(desk.run(.succeeded).ran == ["a"])
    }

    @Test func aBatchThatDidNotRunCostsNoAttempt() {
        var desk = Desk(isOrdered: true, policy: SourceFailurePolicy(maximumRetryAttempts: 0))
        desk.add("a")
        for _ in 0..<5 {
            #expect(desk.run(.notRun(until: desk.now + 100)).givenUp == [])
            #expect(desk.next() == nil)
            desk.now += 100
        }
        #expect(desk.run(.failed(reason: "")).givenUp == ["a"])
    }

    @Test func thereIsRoomForABoundedNumberAndForBoundedBytes() {
        var desk = Desk(isOrdered: false, records: 3, bytes: 500)
        #expect(desk.ledger.room == 3)
        desk.add("a")
        #expect(desk.ledger.room == 2)
        desk.add(String(repeating: "x", count: 600))
        #expect(desk.ledger.room == 0)
        while desk.next() != nil {}
        #expect(desk.ledger.room == 0, "what is on its way counts")
    }

    @Test func aLostLaneIsForgottenButForWhatIsOnItsWay() {
        var desk = Desk(isOrdered: true, size: 1)
        desk.add("a1", lane: "a")
        desk.add("a2", lane: "a")
        desk.add("b1", lane: "b")
        let running = desk.next()
        #expect(running?.records.map(\.id) == ["a1"])
        #expect(desk.ledger.drop(["a"]).map(\.id) == ["a2"])
        #expect(desk.ledger.count == 2)
        if let running {
            #expect(desk.ledger.finish(running, .succeeded, now: desk.now).done.map(\.id) == ["a1"])
            desk.ledger.concluded(running)
        }
        #expect(desk.run(.succeeded).ran == ["b1"])
        #expect(desk.ledger.isEmpty)
    }

    /// Whatever the order of outcomes: every record ends once, in an ordered lane settlements rise, and nothing stays behind.
    @Test(arguments: 0..<200) func everyRecordEndsOnce(seed: UInt64) {
        var random = SplitMix(seed)
        let isOrdered = seed % 2 == 0
        let policy = SourceFailurePolicy(maximumRetryAttempts: seed % 3 == 0 ? nil : 2, maximumRecordAge: seed % 5 == 0 ? 90 : nil, bisectsBatch: seed % 7 < 3)
        var desk = Desk(isOrdered: isOrdered, size: 1 + Int(seed % 7), window: Int64(seed % 4) * 300, policy: policy)
        var added: Int64 = 0
        var ended: [String: [Int64]] = [:]
        var running: [RecordLedger.Batch] = []
        func end(_ batch: RecordLedger.Batch, _ outcome: RecordLedger.Outcome) {
            let conclusion = desk.ledger.finish(batch, batch.condition == nil ? outcome : .givenUp, now: desk.now)
            for held in conclusion.done + conclusion.givenUp { ended[held.lane, default: []].append(held.position.number) }
            desk.ledger.concluded(batch)
        }
        for _ in 0..<400 {
            switch random.next() % 6 {
            case 0 where desk.ledger.room > 0:
                added += 1
                let lane = "p\(random.next() % 3)"
                if random.next() % 5 == 0 { desk.addFiltered(lane: lane) } else { desk.add("r\(added)", lane: lane, unfit: random.next() % 20 == 0 ? "large" : nil) }
            case 2: desk.now += Int64(random.next() % 5_000)
            case 3: if let batch = desk.next() { running.append(batch) }
            default:
                guard !running.isEmpty else { continue }
                let batch = running.remove(at: Int(random.next() % UInt64(running.count)))
                switch random.next() % 4 {
                case 0: end(batch, .failed(reason: ""))
                case 1 where !batch.records.isEmpty: end(batch, .partlyFailed([Int(random.next() % UInt64(batch.records.count))]))
                case 2: end(batch, .notRun(until: desk.now + 500))
                default: end(batch, .succeeded)
                }
            }
            if isOrdered { #expect(Set(running.map(\.lane)).count == running.count) }
        }
        for batch in running { end(batch, .succeeded) }
        for _ in 0..<2_000 where !desk.ledger.isEmpty {
            if let batch = desk.next() { end(batch, .succeeded) } else { desk.now += 60_000 }
        }
        #expect(desk.ledger.isEmpty, "seed \(seed)")
        #expect(ended.values.flatMap(\.self).sorted() == Array(1...max(added, 1)).prefix(Int(added)).map { $0 }, "seed \(seed)")
        if isOrdered { for numbers in ended.values { #expect(numbers == numbers.sorted(), "seed \(seed)") } }
    }
}

/// Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014.
private struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
