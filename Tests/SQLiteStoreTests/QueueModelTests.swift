import DurableQueue
import FunctionModel
import Glibc
import SQLiteStore
import Testing

/// A queue as it should be, in the simplest words; knows no rows, ranks or counters.
private struct ModelQueue {
    struct Message {
        let sequence: Int64
        let group: String?
        var visibleAt: Int64
        var receives = 0
        var lease: Int64?
        /// Whether the lease still holds: until `visibleAt`.
        var isClaimed = false
    }

    let isFIFO: Bool
    var messages: [Message] = []

    func isInFlight(_ message: Message, _ now: Int64) -> Bool { message.isClaimed && message.visibleAt > now }

    /// Sequences that may be handed out now.
    func claimable(_ now: Int64) -> Set<Int64> {
        guard isFIFO else { return Set(messages.filter { $0.visibleAt <= now }.map(\.sequence)) }
        var result: Set<Int64> = []
        for (_, members) in Dictionary(grouping: messages, by: \.group) {
            guard !members.contains(where: { isInFlight($0, now) }) else { continue }
            // In order, up to the first that must wait.
            for message in members.sorted(by: { $0.sequence < $1.sequence }) {
                guard message.visibleAt <= now else { break }
                result.insert(message.sequence)
            }
        }
        return result
    }
}

/// Random operations on two stores over one file against the model.
@Suite struct QueueModelTests {
    private let key = QueueKey(account: "1", region: "r", name: "q")

    @Test(arguments: [QueueKind.standard, .fifo])
    func randomOperationsGiveWhatTheModelGives(kind: QueueKind) async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let temporary = try TemporaryFolder()
        let stores = [try await SQLiteQueueStore.open(path: temporary.database), try await SQLiteQueueStore.open(path: temporary.database)]
        _ = try await stores[0].create(QueueRecord(key: key, kind: kind, created: 0, modified: 0))
        var model = ModelQueue(isFIFO: kind == .fifo)
        var now: Int64 = 0
        var receipts: [Receipt] = []
        for step in 0..<3_000 {
            let store = stores.randomElement(using: &generator) ?? stores[0]
            let label: Comment = "seed \(seed), step \(step)"
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<35:
                let group: String? = kind == .fifo || Bool.random(using: &generator) ? "g\(Int.random(in: 0..<4, using: &generator))" : nil
                let delay = kind == .standard && Int.random(in: 0..<4, using: &generator) == 0 ? Int64.random(in: 1...40, using: &generator) : 0
                let new = NewMessage(body: Array("x".utf8), group: group, delay: delay, origin: "test")
                let accepted = try #require(try await store.enqueue([new], to: key, now: now).first).get()
                model.messages.append(.init(sequence: accepted.sequence, group: group, visibleAt: now + delay))
            case 35..<60:
                let limit = Int.random(in: 1...6, using: &generator), lease = Int64.random(in: 1...50, using: &generator)
                let may = model.claimable(now)
                let claimed = try await store.claim(from: key, limit: limit, lease: lease, now: now)
                #expect(claimed.count == min(limit, may.count), label)
                #expect(Set(claimed.map(\.receipt.sequence)).isSubset(of: may), label)
                if kind == .fifo {
                    // In order within each group, without a gap.
                    for (group, taken) in Dictionary(grouping: claimed, by: \.message.group) {
                        let order = model.messages.filter { $0.group == group }.map(\.sequence).sorted()
                        #expect(taken.map(\.receipt.sequence) == Array(order.prefix(taken.count)), label)
                    }
                }
                for message in claimed {
                    let index = try #require(model.messages.firstIndex { $0.sequence == message.receipt.sequence })
                    model.messages[index].receives += 1
                    #expect(message.message.receives == model.messages[index].receives, label)
                    model.messages[index].visibleAt = now + lease
                    model.messages[index].lease = message.receipt.lease
                    model.messages[index].isClaimed = true
                    receipts.append(message.receipt)
                }
            case 60..<90:
                guard let receipt = receipts.randomElement(using: &generator) else { continue }
                // What is due counts as seen by everybody, so that model and store agree on what a late receipt is worth.
                _ = try await store.counts(of: key, now: now)
                let index = model.messages.firstIndex { $0.sequence == receipt.sequence && $0.lease == receipt.lease }
                let isHeld = index.map { model.isInFlight(model.messages[$0], now) } ?? false
                let choice = Int.random(in: 0..<3, using: &generator)
                let delay = kind == .standard || Bool.random(using: &generator) ? Int64.random(in: 0...30, using: &generator) : 0
                let action: Settlement.Action = choice == 0 ? .acknowledge : choice == 1 ? .release(delay: delay, nil) : .extend(delay + 1)
                let result = try #require(try await store.settle([Settlement(receipt, action)], of: key, now: now).first)
                var isDone = false
                if case .done = result { isDone = true }
                let mayLate = choice == 0 && index != nil && kind == .standard && model.messages[index!].isClaimed
                #expect(isDone == (isHeld || mayLate), label)
                guard isDone, let index else { continue }
                switch choice {
                case 0: model.messages.remove(at: index)
                case 1:
                    model.messages[index].visibleAt = now + delay
                    model.messages[index].isClaimed = false
                    model.messages[index].lease = delay > 0 || kind == .fifo ? nil : model.messages[index].lease
                    if delay == 0, kind == .standard { model.messages[index].isClaimed = true }
                default: model.messages[index].visibleAt = now + delay + 1
                }
            case 90..<98: now += Int64.random(in: 0...30, using: &generator)
            default:
                let counts = try await store.counts(of: key, now: now)
                let inFlight = model.messages.filter { model.isInFlight($0, now) }.count
                #expect(counts.total == model.messages.count, label)
                #expect(counts.bytes == model.messages.count, label)
                #expect(counts.inFlight == inFlight, label)
            }
        }
        // Everything can be finished in the end.
        now += 1_000
        while true {
            let rest = try await stores[0].claim(from: key, limit: 10, lease: 1_000, now: now)
            if rest.isEmpty { break }
            _ = try await stores[1].settle(rest.map { Settlement($0.receipt, .acknowledge) }, of: key, now: now)
            for message in rest { model.messages.removeAll { $0.sequence == message.receipt.sequence } }
        }
        #expect(model.messages.isEmpty, "seed \(seed)")
        #expect(try await stores[0].counts(of: key, now: now) == QueueCounts(), "seed \(seed)")
    }
}

@Suite struct QueueLogTests {
    /// Far more is written than the log may hold; what it may hold is the bound of a start after a crash, too.
    @Test func logStartsOverWhileMessagesCome() async throws {
        let temporary = try TemporaryFolder()
        let store = try await SQLiteQueueStore.open(path: temporary.database)
        let key = QueueKey(account: "1", region: "r", name: "q")
        _ = try await store.create(QueueRecord(key: key, kind: .standard, created: 0, modified: 0))
        let body = [UInt8](repeating: 65, count: 100_000)
        for _ in 0..<150 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<10 {
                    group.addTask { _ = try await store.enqueue([NewMessage(body: body, origin: "test")], to: key, now: 0).first?.get() }
                }
                try await group.waitForAll()
            }
        }
        var status = stat()
        #expect(stat(temporary.database + "-wal", &status) == 0)
        #expect(status.st_size < 120 << 20, "150 MB were written")
        #expect(try await store.counts(of: key, now: 0) == QueueCounts(visible: 1_500, bytes: 150_000_000, oldest: 0))
    }
}
