/// What is held of one source: forms batches, keeps order where the source has one, and decides what is tried again, what is
/// done and what is given up. Pure; times are milliseconds since 1970.
///
/// In an ordered lane one batch is on its way at a time, and settlements come in the order of the records: a record that the
/// filter left out waits for those before it.
public struct RecordLedger: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Records of one batch.
        public var batchSize: Int
        /// Milliseconds that a batch may wait to become full.
        public var window: Int64
        /// Bytes of the records of one batch.
        public var batchBytes: Int
        /// Records held at once.
        public var records: Int
        /// Bytes held at once; the last delivery may pass it.
        public var bytes: Int

        public init(batchSize: Int, window: Int64, batchBytes: Int, records: Int, bytes: Int) {
            self.batchSize = batchSize
            self.window = window
            self.batchBytes = batchBytes
            self.records = records
            self.bytes = bytes
        }
    }

    /// One record on its way through.
    public struct Held: Hashable, Sendable {
        public let id: String
        public let lane: String
        public let position: SourcePosition
        /// Since when its age counts.
        public let born: Int64
        /// Its part of the event; empty if it does not run.
        public let text: String
        /// Why it never can run; it is given up when its turn comes.
        public let unfit: String?
        /// Attempts that have failed.
        public var attempts = 0

        var size: Int { max(text.utf8.count + 1, 64) }
        var runs: Bool { !text.isEmpty }
    }

    public struct Batch: Hashable, Sendable {
        public let lane: String
        fileprivate let all: [Held]
        /// What the function gets; may be empty, then nothing is to be run.
        public let records: [Held]
        /// Why all of it is to be given up instead of run; nil: it runs.
        public let condition: String?

        public var positions: [SourcePosition] { all.map(\.position) }

        fileprivate init(lane: String, _ all: [Held], condition: String? = nil) {
            self.lane = lane
            self.all = all
            self.condition = condition
            records = condition == nil ? all.filter(\.runs) : []
        }
    }

    public enum Outcome: Hashable, Sendable {
        case succeeded
        /// All of it.
        case failed(reason: String)
        /// Indices into `Batch.records`.
        case partlyFailed(Set<Int>)
        /// It is not to run at all.
        case givenUp
        /// It did not run, and is due again then.
        case notRun(until: Int64)
    }

    public struct Conclusion: Hashable, Sendable {
        /// Whose function has taken them, or that were left out.
        public var done: [Held] = []
        public var givenUp: [Held] = []
        /// Why, in Lambda's words.
        public var condition = ""
    }

    fileprivate struct Group {
        var records: [Held]
        var bytes: Int
        var dueAt: Int64
        let isRetry: Bool
    }

    fileprivate struct Lane {
        var groups: [Group] = []
        var inFlight = 0
    }

    private let isOrdered: Bool
    private let policy: SourceFailurePolicy
    private let limits: Limits
    private var lanes: [String: Lane] = [:]
    /// Whose turn it is, the longest waiting first.
    private var turns: [String] = []
    public private(set) var count = 0
    private var bytes = 0

    public init(isOrdered: Bool, policy: SourceFailurePolicy, limits: Limits) {
        self.isOrdered = isOrdered
        self.policy = policy
        self.limits = limits
    }

    /// Records that may be asked for.
    public var room: Int { bytes >= limits.bytes ? 0 : max(0, limits.records - count) }
    public var isEmpty: Bool { count == 0 }
    /// Whether everything that is held waits for its first batch to fill.
    public var isGathering: Bool {
        count < limits.batchSize && lanes.values.allSatisfy { $0.inFlight == 0 && $0.groups.allSatisfy { !$0.isRetry } }
    }

    /// Of all that is not on its way.
    public var waiting: [SourcePosition] { lanes.values.flatMap { $0.groups.flatMap { $0.records.map(\.position) } } }

    // MARK: Taking in

    /// - Parameters:
    ///   - text: empty where the filter left it out; in a source without order such a record is not added at all.
    ///   - unfit: why it can never run.
    public mutating func add(_ record: SourceRecord, text: String, unfit: String? = nil, now: Int64) {
        let held = Held(id: record.id, lane: record.lane, position: record.position, born: record.timestamp ?? now, text: unfit == nil ? text : "", unfit: unfit)
        count += 1
        bytes += held.size
        let key = isOrdered ? record.lane : ""
        if lanes[key] == nil {
            lanes[key] = Lane()
            turns.append(key)
        }
        lanes[key]?.append(held, limits, now)
    }

    /// Forgets what is not on its way: the broker gives it again.
    /// - Parameter lanes: nil for all.
    /// - Returns: what was forgotten.
    @discardableResult
    public mutating func drop(_ lost: Set<String>? = nil) -> [Held] {
        var dropped: [Held] = []
        for key in turns where lost?.contains(key) ?? true {
            dropped += lanes[key]?.groups.flatMap(\.records) ?? []
            lanes[key]?.groups = []
            forgetIfEmpty(key)
        }
        for held in dropped { release(held) }
        return dropped
    }

    // MARK: Batches

    /// When the next batch is due, unless something comes before; nil while nothing waits for its time.
    public func nextDue(now: Int64) -> Int64? {
        var next: Int64?
        for lane in lanes.values where !(isOrdered && lane.inFlight > 0) {
            for group in isOrdered ? Array(lane.groups.prefix(1)) : lane.groups where group.dueAt > now { next = min(next ?? .max, group.dueAt) }
        }
        return next
    }

    public mutating func nextBatch(now: Int64) -> Batch? {
        for (place, key) in turns.enumerated() {
            guard let lane = lanes[key], !(isOrdered && lane.inFlight > 0) else { continue }
            let due = isOrdered ? (lane.groups.first.map { $0.dueAt <= now } ?? false ? 0 : nil) : lane.groups.firstIndex { $0.dueAt <= now }
            guard let due else { continue }
            guard let group = lanes[key]?.groups.remove(at: due) else { continue }
            lanes[key]?.inFlight += 1
            turns.append(turns.remove(at: place))
            let (batch, rest) = cut(group, key, now)
            if !rest.isEmpty { putBack([Group(records: rest, bytes: size(rest), dueAt: now, isRetry: group.isRetry)], key) }
            return batch
        }
        return nil
    }

    /// A batch is run or given up, not both: what is over makes one of its own. In an ordered lane only what comes next may
    /// be concluded, so it ends where the other kind begins.
    private func cut(_ group: Group, _ key: String, _ now: Int64) -> (Batch, rest: [Held]) {
        let over = group.records.map { condition($0, now) }
        guard let first = over.firstIndex(where: { $0 != nil }) else { return (Batch(lane: key, group.records), []) }
        if !isOrdered {
            let gone = group.records.indices.filter { over[$0] == over[first] }
            let rest = group.records.indices.filter { over[$0] != over[first] }
            return (Batch(lane: key, gone.map { group.records[$0] }, condition: over[first]), rest.map { group.records[$0] })
        }
        let end = first > 0 ? first : over.firstIndex { $0 != over[first] } ?? over.endIndex
        return (Batch(lane: key, Array(group.records[..<end]), condition: over[0]), Array(group.records[end...]))
    }

    private func condition(_ held: Held, _ now: Int64) -> String? {
        if held.unfit != nil { return "RecordTooLarge" }
        guard held.runs, let age = policy.maximumRecordAge, now - held.born > Int64(age) * 1_000 else { return nil }
        return "RecordAgeExceeded"
    }

    /// - Returns: what the broker is to be told. The lane stays closed until `concluded`.
    public mutating func finish(_ batch: Batch, _ outcome: Outcome, now: Int64) -> Conclusion {
        var conclusion = Conclusion()
        switch outcome {
        case .succeeded: conclusion.done = batch.all
        case .givenUp: (conclusion.givenUp, conclusion.condition) = (batch.all, batch.condition ?? "")
        case .notRun(let until): putBack([Group(records: batch.all, bytes: size(batch.all), dueAt: until, isRetry: true)], batch.lane)
        case .failed: retry(batch.all, isNamed: { _ in true }, splits: policy.bisectsBatch, batch, &conclusion, now)
        case .partlyFailed(let indices):
            let named = Set(indices.map { batch.records[$0].position })
            if isOrdered {
                // The lowest that failed is the checkpoint: what follows it runs again.
                let first = batch.all.firstIndex { named.contains($0.position) } ?? 0
                conclusion.done = Array(batch.all[..<first])
                let head = batch.all[first].position
                retry(Array(batch.all[first...]), isNamed: { $0.position == head }, splits: false, batch, &conclusion, now)
            } else {
                conclusion.done = batch.all.filter { !named.contains($0.position) }
                retry(batch.all.filter { named.contains($0.position) }, isNamed: { _ in true }, splits: false, batch, &conclusion, now)
            }
        }
        for held in conclusion.done + conclusion.givenUp { release(held) }
        return conclusion
    }

    /// The batch's conclusion is written down: its lane goes on.
    public mutating func concluded(_ batch: Batch) {
        lanes[batch.lane]?.inFlight -= 1
        forgetIfEmpty(batch.lane)
    }

    private mutating func retry(
        _ records: [Held], isNamed: (Held) -> Bool, splits: Bool, _ batch: Batch, _ conclusion: inout Conclusion, _ now: Int64
    ) {
        // Splitting finds the record at fault; only one that fails alone, or a batch that is not split, uses up an attempt.
        let running = records.filter(\.runs)
        let isSplit = splits && running.count > 1
        var rest: [Held] = []
        for var held in records {
            let hasFailed = !isSplit && held.runs && isNamed(held)
            if hasFailed { held.attempts += 1 }
            // In order, nothing is concluded behind a record that is to run again.
            let mayEnd = !isOrdered || rest.isEmpty
            if mayEnd, hasFailed, let most = policy.maximumRetryAttempts, held.attempts > most {
                conclusion.givenUp.append(held)
            } else if mayEnd, isOrdered, !held.runs, conclusion.givenUp.isEmpty {
                conclusion.done.append(held)
            } else {
                rest.append(held)
            }
        }
        conclusion.condition = conclusion.givenUp.isEmpty ? "" : "RetryAttemptsExhausted"
        guard !rest.isEmpty else { return }
        let dueAt = now + (isSplit ? 0 : SourceFailurePolicy.pause(after: rest.map(\.attempts).max() ?? 1))
        let parts = isSplit ? [Array(rest.prefix((rest.count + 1) / 2)), Array(rest.dropFirst((rest.count + 1) / 2))] : [rest]
        putBack(parts.map { Group(records: $0, bytes: size($0), dueAt: dueAt, isRetry: true) }, batch.lane)
    }

    private mutating func putBack(_ groups: [Group], _ key: String) { lanes[key]?.groups.insert(contentsOf: groups, at: 0) }

    private func size(_ records: [Held]) -> Int { records.reduce(0) { $0 + $1.size } }

    private mutating func release(_ held: Held) {
        count -= 1
        bytes -= held.size
    }

    private mutating func forgetIfEmpty(_ key: String) {
        guard let lane = lanes[key], lane.inFlight == 0, lane.groups.isEmpty else { return }
        lanes[key] = nil
        turns.removeAll { $0 == key }
    }
}

extension RecordLedger.Lane {
    fileprivate mutating func append(_ held: RecordLedger.Held, _ limits: RecordLedger.Limits, _ now: Int64) {
        let last = groups.indices.last
        if let last, !groups[last].isRetry, groups[last].records.count < limits.batchSize, groups[last].bytes + held.size <= limits.batchBytes {
            groups[last].records.append(held)
            groups[last].bytes += held.size
        } else {
            // The one before cannot grow any more: it need not wait.
            if let last, !groups[last].isRetry { groups[last].dueAt = min(groups[last].dueAt, now) }
            groups.append(RecordLedger.Group(records: [held], bytes: held.size, dueAt: now + limits.window, isRetry: false))
        }
        if let end = groups.indices.last, groups[end].records.count >= limits.batchSize { groups[end].dueAt = min(groups[end].dueAt, now) }
    }
}
