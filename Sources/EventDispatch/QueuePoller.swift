import DurableQueue
import EventPatterns
import EventSourceMappings
import FunctionModel
import InvocationPipeline
import JSONValues
import NIOCore
import SQSAPI

/// One mapping at work: claims messages, filters and batches them, runs the function, and settles each message. Confined
/// to the loop.
///
/// A message is deleted only after its function has taken it; one that failed stays invisible for the rest of its queue's
/// visibility timeout and then comes again, until the queue's redrive policy moves it. The lease lasts longer than that where
/// the function's time limit does, so that no message is given to a second worker while the first one has it.
final class QueuePoller {
    private struct Held {
        let claimed: ClaimedMessage
        let record: SQSRecord
        let text: String
        /// When it comes again if it fails, milliseconds since 1970: its queue's visibility timeout after it was claimed.
        let visibleAt: Int64
    }

    /// Messages of one claim: what a poller holds is bounded by one event and one claim, each message at most 1 MiB.
    private static let claimSize = 10
    /// Bytes of records in one event; Lambda's limit of an event is 6 MB.
    private static let maximumBytes = 6_000_000
    /// What an invocation may take beyond its function's time limit before its messages are given to another.
    private static let leaseMargin: Int64 = 30_000
    private static let empty: [UInt8] = Array(#"{"Records":["#.utf8)

    let mapping: EventSourceMapping
    let queue: QueueKey
    private let filter: RecordFilter?
    private let shared: QueuePollers
    private var held: [Held] = []
    private var heldBytes = 0
    /// When the oldest held message must go, whatever else has come.
    private var dueAt: Int64 = .max
    private var isClaiming = false
    /// Whether the queue may have more; said anew with each message that becomes visible.
    private var mayHaveMore = true
    private var news = 0
    private var window = BatchWindow()
    private var inFlight = 0
    private var isStopped = false
    private var timer: Scheduled<Void>?

    init(_ mapping: EventSourceMapping, of queue: QueueKey, shared: QueuePollers) {
        self.mapping = mapping
        self.queue = queue
        self.shared = shared
        do throws(EventPatternError) { filter = mapping.filters.isEmpty ? nil : try RecordFilter(patterns: mapping.filters) } catch {
            // It was checked when it was made. Rather nothing runs than what nobody asked for.
            filter = nil
            isStopped = true
            note("PROBLEM: the filter cannot be read: \(error)")
        }
    }

    private var loop: any EventLoop { shared.loop }
    /// Something of it comes back yet.
    var isBusy: Bool { isClaiming || inFlight > 0 }

    func poke() {
        news += 1
        mayHaveMore = true
        pump()
    }

    /// What is held and not on its way goes back.
    func stop() {
        isStopped = true
        timer?.cancel()
        let rest = held
        held = []
        settle(rest.map { Settlement($0.claimed.receipt, .release(delay: 0, Self.unused)) })
    }

    private static let looping = Settlement.Failure(kind: "RecursiveInvocationException", reason: "the function is in a recursive loop, which was stopped")
    private static let unused = Settlement.Failure(kind: "NotRun", reason: "its batch was not run", isCounted: false, takesBackReceive: true)

    // MARK: Taking

    private func pump() {
        guard !isStopped else { return }
        let now = shared.now()
        let limit = shared.limit(of: mapping)
        while window.room(inFlight: inFlight, limit: limit, now: now) > 0, let batch = takeBatch(now) { run(batch) }
        let wanted = mapping.batchSize - held.count
        if !isClaiming, mayHaveMore, wanted > 0, heldBytes < Self.maximumBytes, window.room(inFlight: inFlight, limit: limit, now: now) > 0 {
            claim(min(wanted, Self.claimSize))
        }
        arm(now)
    }

    private func takeBatch(_ now: Int64) -> [Held]? {
        guard !held.isEmpty else { return nil }
        let isFull = held.count >= mapping.batchSize || heldBytes >= Self.maximumBytes
        // Without a window a batch is what one claim gave.
        guard isFull || now >= dueAt || (mapping.batchingWindow == 0 && !isClaiming) else { return nil }
        var bytes = 0
        let count = held.prefix(mapping.batchSize).prefix { message in
            bytes += message.text.utf8.count + 1
            return bytes <= Self.maximumBytes
        }.count
        let batch = Array(held.prefix(max(1, count)))
        held.removeFirst(batch.count)
        heldBytes -= batch.reduce(0) { $0 + $1.text.utf8.count }
        if held.isEmpty { dueAt = .max }
        return batch
    }

    private func claim(_ count: Int) {
        isClaiming = true
        let newsAtClaim = news
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (store, loop, now, key) = (shared.store, shared.loop, shared.now, queue)
        let extra = Int64(mapping.batchingWindow) * 1_000
        let shortest = shared.timeout(of: mapping) + Self.leaseMargin
        Task {
            do {
                let queue = try await store.queue(key)
                let lease = max(queue.visibilityTimeout, shortest) + extra
                let time = now()
                let messages = try await store.claim(from: key, limit: count, lease: lease, now: time)
                loop.execute { bound.value.claimed(messages, of: queue, asked: count, visibleAt: time + queue.visibilityTimeout, newsAtClaim) }
            } catch {
                let isGone = (error as? ServiceError)?.code == .resourceNotFound
                // A full or failing disk; a queue that is gone says so when it is there again.
                if !isGone { try? await Task.sleep(for: .seconds(1)) }
                loop.execute { bound.value.claimFailed(error, isGone: isGone) }
            }
        }
    }

    private func claimFailed(_ error: any Error, isGone: Bool) {
        isClaiming = false
        mayHaveMore = !isGone
        note("PROBLEM: \((error as? ServiceError)?.message ?? "the queue could not be read")")
        pump()
        shared.rested()
    }

    private func claimed(_ messages: [ClaimedMessage], of queue: QueueRecord, asked: Int, visibleAt: Int64, _ newsAtClaim: Int) {
        isClaiming = false
        if messages.count < asked { mayHaveMore = news != newsAtClaim }
        guard !isStopped else {
            settle(messages.map { Settlement($0.receipt, .release(delay: 0, Self.unused)) })
            return shared.rested()
        }
        var dropped: [Settlement] = []
        var looping: [Settlement] = []
        let now = shared.now()
        let wasEmpty = held.isEmpty
        for claimed in messages {
            // As after a failure: it comes again until its queue's redrive policy moves it.
            if shared.isLooping(claimed.message, mapping) {
                looping.append(Settlement(claimed.receipt, .release(delay: max(0, visibleAt - now), Self.looping)))
                continue
            }
            let record = SQSRecord(claimed, of: queue)
            if let filter, !filter.passes(body: record.body, record: record.members) {
                dropped.append(Settlement(claimed.receipt, .acknowledge))
                continue
            }
            let text = record.text
            held.append(Held(claimed: claimed, record: record, text: text, visibleAt: visibleAt))
            heldBytes += text.utf8.count
        }
        if !dropped.isEmpty {
            shared.registry.note(mapping.id) { $0.filtered += dropped.count }
            settle(dropped)
        }
        if !looping.isEmpty {
            shared.registry.note(mapping.id) { status in
                status.failures += looping.count
                status.lastResult = "PROBLEM: \(Self.looping.reason)"
            }
            settle(looping)
        }
        if wasEmpty, !held.isEmpty { dueAt = shared.now() + Int64(mapping.batchingWindow) * 1_000 }
        pump()
        shared.rested()
    }

    private func arm(_ now: Int64) {
        timer?.cancel()
        timer = nil
        var next = window.pausedUntil > now ? window.pausedUntil : Int64.max
        if !held.isEmpty, dueAt > now { next = min(next, dueAt) }
        guard next < .max else { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: .milliseconds(max(1, next - now))) {
            bound.value.timer = nil
            bound.value.pump()
        }
    }

    // MARK: Running

    private func run(_ batch: [Held]) {
        inFlight += 1
        var event = ByteBuffer()
        event.reserveCapacity(batch.reduce(16) { $0 + $1.text.utf8.count + 1 })
        event.writeBytes(Self.empty)
        for (index, message) in batch.enumerated() {
            if index > 0 { event.writeStaticString(",") }
            event.writeString(message.text)
        }
        event.writeStaticString("]}")
        let watch = AttemptWatch()
        let submitted = NIODeadline.now()
        let time = shared.now()
        let oldest = batch.map(\.claimed.message.sent).min() ?? time
        _ = shared.invoker.invoke(
            Invocation(
                requestID: .random(), function: mapping.function, qualifier: mapping.qualifier, trigger: .queue, event: event,
                traceID: Lineage.merged(batch.lazy.compactMap { TraceHeader.readable($0.claimed.message.trace) }), arrived: submitted,
                arrivedMilliseconds: time, ageMilliseconds: UInt32(clamping: time - oldest), watch: watch)
        ) { [self] result in
            let wait = watch.dispatched.map { ($0 - submitted).nanoseconds / 1_000_000 }
            switch result {
            case .success(let result): answered(batch, result, wait: wait ?? 0)
            // What is wrong with the event itself is as wrong the next time: the queue's redrive policy ends it.
            case .failure(let error) where error.code == .invalidParameterValue: unfit(batch, error)
            case .failure(let error): refused(batch, error)
            }
        }
    }

    private func answered(_ batch: [Held], _ result: InvocationResult, wait: Int64) {
        inFlight -= 1
        window.ran(wait: wait, limit: shared.limit(of: mapping))
        var failed: [Int: Settlement.Failure] = [:]
        if result.outcome != .success {
            let error = FunctionErrorText(payload: Array(result.payload.readableBytesView.prefix(65_536)))
            let failure = Settlement.Failure(kind: error.errorType ?? "\(result.outcome)", reason: error.errorMessage ?? "the function failed")
            for index in batch.indices { failed[index] = failure }
        } else if mapping.reportsBatchItemFailures {
            switch BatchResponse(result.payload.readableBytesView, ids: batch.map(\.claimed.message.id.description)) {
            case .allDone: break
            case .failed(let indices):
                for index in indices { failed[index] = Settlement.Failure(kind: "BatchItemFailure", reason: "the function named it in batchItemFailures") }
            case .unreadable(let reason):
                for index in batch.indices { failed[index] = Settlement.Failure(kind: "BatchResponse", reason: reason) }
            }
        }
        conclude(batch, failed, problem: "Function call failed")
    }

    private func unfit(_ batch: [Held], _ error: ServiceError) {
        inFlight -= 1
        let failure = Settlement.Failure(kind: "InvalidParameterValueException", reason: error.message)
        conclude(batch, Dictionary(uniqueKeysWithValues: batch.indices.map { ($0, failure) }), problem: error.message)
    }

    /// - Parameter failed: by index; the others leave the queue.
    private func conclude(_ batch: [Held], _ failed: [Int: Settlement.Failure], problem: String) {
        let now = shared.now()
        settle(batch.enumerated().map { index, message in
            Settlement(message.claimed.receipt, failed[index].map { .release(delay: max(0, message.visibleAt - now), $0) } ?? .acknowledge)
        })
        shared.registry.note(mapping.id) { status in
            status.batches += 1
            status.messages += batch.count
            status.failures += failed.count
            status.lastResult = failed.isEmpty ? "OK" : String("PROBLEM: \(problem)".prefix(512))
        }
        pump()
        shared.rested()
    }

    /// The function did not run: its messages wait, and no claim of theirs is counted.
    private func refused(_ batch: [Held], _ error: ServiceError) {
        inFlight -= 1
        let now = shared.now()
        window.refused(now: now)
        let failure = Settlement.Failure(kind: "\(error.code)", reason: error.message, isCounted: false, takesBackReceive: true)
        settle(batch.map { Settlement($0.claimed.receipt, .release(delay: max(0, window.pausedUntil - now), failure)) })
        mayHaveMore = true
        note("PROBLEM: \(error.message)")
        pump()
        shared.rested()
    }

    private func note(_ result: String) { shared.registry.note(mapping.id) { $0.lastResult = String(result.prefix(512)) } }

    private func settle(_ settlements: [Settlement]) {
        guard !settlements.isEmpty else { return }
        shared.settle(settlements, of: queue)
    }
}
