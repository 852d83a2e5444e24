import BlockingThread
import DurableQueue
import EventPatterns
import EventSourceMappings
import ExternalSources
import FunctionModel
import InvocationPipeline
import JSONValues
import NIOCore

/// One mapping of an external source at work: receives records, filters and batches them, runs the function, and tells the
/// broker what became of each. Confined to the loop; what blocks is on the source's own thread.
///
/// The broker hears of a record only after its function has taken it, or its on-failure destination has it. When the connection
/// is lost, what is not on its way is forgotten, since the broker gives it again; what is on its way is settled on the next
/// connection where the broker allows that, before anything new is received.
final class ExternalPoller {
    private enum State {
        case connecting, connected, waiting, stopped
    }

    /// Bytes of records in one event; Lambda's limit of an event is 6 MB.
    static let eventBytes = 6_000_000
    /// Bytes of records that are held at once. A delivery may pass it by its own size.
    static let heldBytes = 12_000_000
    /// Milliseconds that a receive may wait while nothing else is to do, and while batches are on their way, whose settlements
    /// wait behind it.
    private static let idleWait: Int64 = 1_000
    private static let busyWait: Int64 = 50
    /// Milliseconds between signs of life to a broker from which nothing may be received for a while.
    private static let restInterval: Int64 = 5_000

    let mapping: EventSourceMapping
    let source: ExternalSource
    private let shared: ExternalPollers
    private let connector: any SourceConnector
    private let thread: SourceThread
    private let filter: RecordFilter?
    private var ledger: RecordLedger
    private var state = State.waiting
    private var traits = SourceThread.Traits(readsAhead: false, keepsPositions: false)
    private var isReceiving = false
    private var isClosing = false
    private var inFlight = 0
    /// Settled while no connection could be told.
    private var kept: [SourceSettlement] = []
    private var telling = 0
    /// Tells connections apart: what an old one gave means nothing to a new one.
    private var epoch = 0
    private var extending: [Int: [SourcePosition]] = [:]
    private var batches = 0
    private var extendAt: Int64 = .max
    private var restUntil: Int64 = 0
    private var delay = ReconnectDelay()
    private var window = BatchWindow()
    private var timer: Scheduled<Void>?

    /// - Throws: why it cannot run: it was checked when it was made, but this may be another build.
    init(_ mapping: EventSourceMapping, of source: ExternalSource, connector: any SourceConnector, shared: ExternalPollers) throws {
        self.mapping = mapping
        self.source = source
        self.shared = shared
        self.connector = connector
        filter = mapping.filters.isEmpty ? nil : try RecordFilter(patterns: mapping.filters, member: source.kind.filteredMember)
        thread = try SourceThread(name: "source-\(source.kind.rawValue)")
        ledger = RecordLedger(
            isOrdered: source.kind.isOrdered, policy: mapping.failurePolicy,
            limits: RecordLedger.Limits(
                batchSize: mapping.batchSize, window: Int64(mapping.batchingWindow) * 1_000, batchBytes: Self.eventBytes - 2_048,
                records: Self.prefetch(mapping), bytes: Self.heldBytes))
    }

    /// Two batches and what comes next, but never a heap.
    static func prefetch(_ mapping: EventSourceMapping) -> Int { min(20_000, max(100, mapping.batchSize * 2)) }

    private var loop: any EventLoop { shared.loop }
    /// Something of it comes back yet.
    var isBusy: Bool { inFlight > 0 || telling > 0 || isReceiving }
    private(set) var isClosed = false

    func start() { connect() }

    /// What is held and not on its way goes back to the broker; the connection ends when what is on its way is settled.
    func stop() {
        guard state != .stopped else { return }
        let wasConnected = state == .connected
        state = .stopped
        timer?.cancel()
        let rest = ledger.drop()
        if wasConnected { tell(rest.map { SourceSettlement($0.position, .released) }) }
        closeIfAtRest()
    }

    private func closeIfAtRest() {
        guard state == .stopped, !isBusy, !isClosing else { return }
        isClosing = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (thread, loop) = (thread, shared.loop)
        Task {
            await thread.close()
            loop.execute {
                bound.value.isClosed = true
                bound.value.shared.rested()
            }
        }
        shared.rested()
    }

    // MARK: The connection

    private func connect() {
        state = .connecting
        epoch += 1
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (thread, connector, loop, secrets, epoch) = (thread, connector, shared.loop, shared.secrets, epoch)
        let (source, account, reader, prefetch) = (source, mapping.function.account, mapping.id, Self.prefetch(mapping))
        Task {
            do throws(SourceFault) {
                let traits = try await thread.connect(connector) { () throws(SourceFault) in
                    SourceRequest(
                        source: source, reader: reader, prefetch: prefetch,
                        credentials: try source.credentials.map { name throws(SourceFault) in try secrets.credentials(name, account: account) },
                        rootCertificateFile: try source.rootCertificate.map { name throws(SourceFault) in try secrets.certificateFile(name, account: account) },
                        attempt: epoch)
                }
                loop.execute { bound.value.connected(traits) }
            } catch {
                loop.execute { bound.value.lost(error, epoch) }
            }
        }
    }

    private func connected(_ traits: SourceThread.Traits) {
        guard state != .stopped else { return closeIfAtRest() }
        self.traits = traits
        state = .connected
        restUntil = 0
        extendAt = traits.extensionInterval.map { shared.now() + $0 } ?? .max
        let settlements = kept
        kept = []
        if traits.keepsPositions { tell(settlements) }
        pump()
    }

    private func lost(_ fault: SourceFault, _ of: Int) {
        guard of == epoch, state == .connected || state == .connecting else { return }
        state = .waiting
        ledger.drop()
        note("PROBLEM: \(fault)")
        shared.report("the connection to an event source was lost", mapping, fault.description)
        let pause = delay.next(random: Double.random(in: 0..<1))
        timer?.cancel()
        let bound = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: .milliseconds(pause)) { bound.value.reconnect() }
    }

    /// What is on its way is settled first: read again it would run twice.
    private func reconnect() {
        timer?.cancel()
        timer = nil
        guard state == .waiting, inFlight == 0 else { return }
        connect()
    }

    // MARK: Receiving

    private func pump() {
        guard state == .connected else { return }
        let now = shared.now()
        let limit = shared.limit(of: mapping)
        while window.room(inFlight: inFlight, limit: limit, now: now) > 0, let batch = ledger.nextBatch(now: now) { run(batch) }
        extendHeld(now)
        receive(now)
        arm(now)
    }

    private func receive(_ now: Int64) {
        guard !isReceiving else { return }
        var limit = ledger.room
        if !traits.readsAhead { limit = inFlight == 0 && telling == 0 && ledger.isGathering ? max(0, mapping.batchSize - ledger.count) : 0 }
        if limit == 0 {
            guard now >= restUntil else { return }
            restUntil = now + Self.restInterval
        }
        isReceiving = true
        // While something is held or on its way, settlements and batches are not to wait behind this.
        var wait = inFlight > 0 || telling > 0 ? Self.busyWait : Self.idleWait
        if let due = ledger.nextDue(now: now) { wait = min(wait, max(1, due - now)) }
        if limit == 0 { wait = 0 }
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (thread, loop, epoch, count) = (thread, shared.loop, epoch, limit)
        Task {
            do throws(SourceFault) {
                let delivery = try await thread.receive(limit: count, wait: wait)
                loop.execute { bound.value.received(delivery, epoch) }
            } catch {
                loop.execute {
                    bound.value.isReceiving = false
                    bound.value.lost(error, epoch)
                    bound.value.closeIfAtRest()
                }
            }
        }
    }

    private func received(_ delivery: SourceDelivery, _ of: Int) {
        isReceiving = false
        guard of == epoch, state == .connected else {
            if of == epoch, state == .stopped { tell(delivery.records.map { SourceSettlement($0.position, .released) }) }
            return closeIfAtRest()
        }
        delay.succeeded()
        if let problem = delivery.problem { note("PROBLEM: \(problem)") }
        if !delivery.lostLanes.isEmpty { ledger.drop(delivery.lostLanes) }
        let now = shared.now()
        var leftOut: [SourceSettlement] = []
        var filtered = 0
        for record in delivery.records {
            if let filter, !passes(record, filter) {
                filtered += 1
                if source.kind.isOrdered { ledger.add(record, text: "", now: now) } else { leftOut.append(SourceSettlement(record.position, .done)) }
                continue
            }
            let text = record.size > Self.eventBytes ? "" : record.text
            let isUnfit = text.isEmpty || text.utf8.count > Self.eventBytes - 2_048
            ledger.add(record, text: text, unfit: isUnfit ? "a record of \(record.size) bytes does not fit into an event of 6 MB" : nil, now: now)
        }
        if filtered > 0 { shared.registry.note(mapping.id) { $0.filtered += filtered } }
        tell(leftOut)
        pump()
    }

    private func passes(_ record: SourceRecord, _ filter: RecordFilter) -> Bool {
        let others = record.members.filter { $0.name != source.kind.filteredMember }
        switch record.content {
        case .bytes(let bytes): return filter.passes(body: SourceValue.text(bytes), record: others)
        case .fields(let fields):
            let members = fields.map { field in
                let text = SourceValue.text(field.value)
                // An object or a list in a field may be looked into; anything else is text.
                let isNested = text.utf8.first == UInt8(ascii: "{") || text.utf8.first == UInt8(ascii: "[")
                return JSON.Member(field.name, (isNested ? try? JSON(parsing: text) : nil) ?? .string(text))
            }
            return filter.passes(value: .object(members), record: others)
        }
    }

    private func extendHeld(_ now: Int64) {
        guard let interval = traits.extensionInterval, now >= extendAt else { return }
        extendAt = now + interval
        let positions = ledger.waiting + extending.values.flatMap(\.self)
        guard !positions.isEmpty else { return }
        let (thread, loop, epoch) = (thread, shared.loop, epoch)
        let bound = NIOLoopBound(self, eventLoop: loop)
        Task {
            do throws(SourceFault) { try await thread.extend(positions) } catch {
                loop.execute { bound.value.lost(error, epoch) }
            }
        }
    }

    private func arm(_ now: Int64) {
        timer?.cancel()
        timer = nil
        var next = isReceiving ? .max : restUntil
        if let due = ledger.nextDue(now: now) { next = min(next, due) }
        if window.pausedUntil > now { next = min(next, window.pausedUntil) }
        if !ledger.isEmpty { next = min(next, extendAt) }
        guard next < .max else { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: .milliseconds(max(1, next - now))) {
            bound.value.timer = nil
            bound.value.pump()
        }
    }

    // MARK: Running

    private func run(_ batch: RecordLedger.Batch) {
        inFlight += 1
        batches += 1
        let number = batches
        extending[number] = batch.positions
        if batch.condition != nil || batch.records.isEmpty { return finish(batch, number, batch.condition == nil ? .succeeded : .givenUp, "") }
        let text = SourceEvent(of: source, lane: batch.lane, arn: mapping.arn).text(batch.records.lazy.map(\.text))
        let watch = AttemptWatch()
        let submitted = NIODeadline.now()
        let time = shared.now()
        let oldest = batch.records.map(\.born).min() ?? time
        _ = shared.invoker.invoke(
            Invocation(
                requestID: .random(), function: mapping.function, qualifier: mapping.qualifier, trigger: Trigger(source.kind), event: ByteBuffer(string: text),
                arrived: submitted, arrivedMilliseconds: time, ageMilliseconds: UInt32(clamping: time - oldest), watch: watch)
        ) { [self] result in
            switch result {
            case .success(let result):
                window.ran(wait: watch.dispatched.map { ($0 - submitted).nanoseconds / 1_000_000 } ?? 0, limit: shared.limit(of: mapping))
                let (outcome, reason) = outcome(of: batch, result)
                finish(batch, number, outcome, reason)
            // What is wrong with the event itself is as wrong the next time.
            case .failure(let error) where error.code == .invalidParameterValue: finish(batch, number, .failed(reason: error.message), error.message)
            case .failure(let error):
                let now = shared.now()
                window.refused(now: now)
                note("PROBLEM: \(error.message)")
                finish(batch, number, .notRun(until: max(window.pausedUntil, now + 1)), error.message)
            }
        }
    }

    private func outcome(of batch: RecordLedger.Batch, _ result: InvocationResult) -> (RecordLedger.Outcome, reason: String) {
        if result.outcome != .success {
            let error = FunctionErrorText(payload: Array(result.payload.readableBytesView.prefix(65_536)))
            let reason = "\(error.errorType ?? "\(result.outcome)"): \(error.errorMessage ?? "the function failed")"
            return (.failed(reason: reason), reason)
        }
        guard mapping.reportsBatchItemFailures else { return (.succeeded, "") }
        switch BatchResponse(result.payload.readableBytesView, ids: batch.records.map(\.id)) {
        case .allDone: return (.succeeded, "")
        case .failed(let indices): return (.partlyFailed(indices), "the function named it in batchItemFailures")
        case .unreadable(let reason): return (.failed(reason: reason), reason)
        }
    }

    private func finish(_ batch: RecordLedger.Batch, _ number: Int, _ outcome: RecordLedger.Outcome, _ reason: String) {
        let conclusion = ledger.finish(batch, outcome, now: shared.now())
        shared.registry.note(mapping.id) { status in
            if case .notRun = outcome { return }
            status.batches += 1
            status.messages += batch.records.count
            switch outcome {
            case .succeeded, .notRun: status.lastResult = batch.records.isEmpty ? status.lastResult : "OK"
            case .failed, .givenUp: (status.failures, status.lastResult) = (status.failures + batch.positions.count, "PROBLEM: Function call failed")
            case .partlyFailed(let indices): (status.failures, status.lastResult) = (status.failures + indices.count, "PROBLEM: Function call failed")
            }
            if !conclusion.condition.isEmpty { status.lastResult = "PROBLEM: \(conclusion.givenUp.count) records were given up: \(conclusion.condition)" }
        }
        tell(conclusion.done.map { SourceSettlement($0.position, .done) })
        guard !conclusion.givenUp.isEmpty else { return conclude(batch, number, []) }
        giveUp(batch, number, conclusion, reason)
    }

    /// Its destination has it before the broker hears of it.
    private func giveUp(_ batch: RecordLedger.Batch, _ number: Int, _ conclusion: RecordLedger.Conclusion, _ reason: String) {
        let records = conclusion.givenUp
        // What has a destination is done for the broker; otherwise its own dead letters get it, if it has them.
        let rejections = records.map { SourceSettlement($0.position, .rejected) }
        let settlements = records.map { SourceSettlement($0.position, .done) }
        let why = records.compactMap(\.unfit).first ?? (reason.isEmpty ? conclusion.condition : reason)
        shared.report("records were given up", mapping, "\(records.count) records: \(conclusion.condition): \(why)")
        guard let arn = mapping.failurePolicy.onFailure else { return conclude(batch, number, rejections) }
        let event = records.contains { $0.text.isEmpty } ? "" : SourceEvent(of: source, lane: batch.lane, arn: mapping.arn).text(records.map(\.text))
        let record = SourceFailureRecord(mapping: mapping, condition: conclusion.condition, records: records, reason: why, event: event)
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (sender, loop) = (SourceFailureSender(store: shared.store, now: shared.now), shared.loop)
        Task {
            let complaint = await sender.send(record, to: arn)
            loop.execute {
                if let complaint { bound.value.shared.report("records that were given up have no destination", bound.value.mapping, complaint) }
                bound.value.conclude(batch, number, complaint == nil ? settlements : rejections)
            }
        }
    }

    private func conclude(_ batch: RecordLedger.Batch, _ number: Int, _ settlements: [SourceSettlement]) {
        inFlight -= 1
        extending[number] = nil
        ledger.concluded(batch)
        tell(settlements)
        switch state {
        case .connected: pump()
        // A batch that failed while no connection was there is the broker's to give again.
        case .waiting, .connecting:
            ledger.drop()
            if state == .waiting, timer == nil { reconnect() }
        case .stopped:
            let rest = ledger.drop()
            tell(rest.map { SourceSettlement($0.position, .released) })
            closeIfAtRest()
        }
    }

    // MARK: Telling the broker

    private func tell(_ settlements: [SourceSettlement]) {
        guard !settlements.isEmpty else { return }
        guard state == .connected || state == .stopped else {
            kept += settlements
            return
        }
        telling += 1
        let bound = NIOLoopBound(self, eventLoop: loop)
        let (thread, loop, epoch) = (thread, shared.loop, epoch)
        Task {
            let fault: SourceFault?
            do throws(SourceFault) {
                try await thread.settle(settlements)
                fault = nil
            } catch { fault = error }
            loop.execute { bound.value.told(settlements, fault, epoch) }
        }
    }

    private func told(_ settlements: [SourceSettlement], _ fault: SourceFault?, _ of: Int) {
        telling -= 1
        if let fault {
            if traits.keepsPositions, state != .stopped { kept += settlements.filter { $0.verdict != .released } }
            lost(fault, of)
        }
        if state == .stopped { closeIfAtRest() } else { pump() }
    }

    private func note(_ result: String) { shared.registry.note(mapping.id) { $0.lastResult = String(result.prefix(512)) } }
}

extension Trigger {
    init(_ kind: ExternalSource.Kind) {
        self =
            switch kind {
            case .kafka: .kafka
            case .rabbitmq: .rabbitmq
            case .redis: .redis
            case .nats: .nats
            case .mqtt: .mqtt
            }
    }
}
