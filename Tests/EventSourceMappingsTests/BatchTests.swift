import Testing

@testable import EventSourceMappings

@Suite struct BatchResponseTests {
    private func read(_ text: String) -> BatchResponse { BatchResponse(Array(text.utf8), ids: ["a", "b", "c"]) }

    @Test(arguments: [#"{}"#, "null", #"{"batchItemFailures":[]}"#, #"{"batchItemFailures":null}"#])
    func anAnswerThatNamesNothingMeansThatAllIsDone(text: String) {
        #expect(read(text) == .allDone)
    }

    @Test func namedMessagesAloneHaveFailed() {
        #expect(read(#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#) == .failed([0, 2]))
    }

    @Test(arguments: [
        "", "x", "[]", #""text""#, #"{"other":1}"#, #"{"batchItemFailures":{}}"#, #"{"batchItemFailures":[{}]}"#,
        #"{"batchItemFailures":[{"itemIdentifier":""}]}"#, #"{"batchItemFailures":[{"itemIdentifier":"d"}]}"#,
        #"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":null}]}"#,
    ])
    func anAnswerThatCannotBeTrustedFailsTheWholeBatch(text: String) {
        guard case .unreadable = read(text) else {
            Issue.record("\(text) was taken for \(read(text))")
            return
        }
    }
}

@Suite struct BatchWindowTests {
    @Test func itGrowsWhileBatchesFindAWorkerAndStaysWithinTheLimit() {
        var window = BatchWindow()
        #expect(window.room(inFlight: 0, limit: 100, now: 0) == 5)
        #expect(window.room(inFlight: 3, limit: 100, now: 0) == 2)
        #expect(window.room(inFlight: 0, limit: 2, now: 0) == 2)
        for _ in 0..<50 { window.ran(wait: 0, limit: 20) }
        #expect(window.room(inFlight: 0, limit: 100, now: 0) == 20)
        for _ in 0..<50 { window.ran(wait: 1_000, limit: 20) }
        #expect(window.room(inFlight: 0, limit: 100, now: 0) == 1)
    }

    @Test func refusalsPauseItLongerEachTimeUntilOneRuns() {
        var window = BatchWindow()
        var now: Int64 = 0
        var pauses: [Int64] = []
        for _ in 0..<8 {
            window.refused(now: now)
            // Those that were refused with the first say nothing new.
            window.refused(now: now)
            #expect(window.room(inFlight: 0, limit: 10, now: now) == 0)
            pauses.append(window.pausedUntil - now)
            now = window.pausedUntil
            #expect(window.room(inFlight: 0, limit: 10, now: now) >= 1)
        }
        #expect(pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
        window.ran(wait: 0, limit: 10)
        window.refused(now: now)
        #expect(window.pausedUntil - now == 1_000)
    }
}
