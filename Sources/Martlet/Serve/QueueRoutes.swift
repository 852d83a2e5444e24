internal import DurableQueue
internal import EventDispatch
internal import FoundationEssentials
internal import FunctionModel
internal import Gateway
internal import LambdaAPI
internal import NIOCore
internal import Registry
internal import Telemetry

/// Queues and asynchronous invocations for people, below /martlet/v1.
struct QueueRoutes: Sendable {
    /// Of a body in a listing.
    private static let shownBytes = 4_096
    /// Lambda's and SQS's default.
    private static let retention: Int64 = 4 * 86_400_000

    let events: Events
    let registry: FunctionRegistry

    private var store: any QueueStore { events.store }

    var all: [ControlRoute] {
        let queues = "/martlet/v1/queues"
        let asynchronous = "/martlet/v1/async"
        return [
            ControlRoute("GET", queues) { try await list($0) },
            ControlRoute("PUT", "\(queues)/{Queue}") { try await create($0) },
            ControlRoute("DELETE", "\(queues)/{Queue}") { request in
                try await store.delete(try queue(request))
                return .noContent
            },
            ControlRoute("GET", "\(queues)/{Queue}/messages") { try await peek($0) },
            ControlRoute("POST", "\(queues)/{Queue}/messages", maximumBody: 1 << 20, isAudited: false) { try await send($0) },
            ControlRoute("POST", "\(queues)/{Queue}/purge") { request in
                .json(text: Self.count("purged", try await store.purge(try queue(request), now: now)))
            },
            ControlRoute("POST", "\(queues)/{Queue}/redrive") { try await redrive($0) },
            ControlRoute("GET", asynchronous) { try await waiting($0) },
            ControlRoute("POST", "\(asynchronous)/{FunctionName}/retry") { try await retry($0) },
            ControlRoute("POST", "\(asynchronous)/{FunctionName}/discard") { try await discard($0) },
        ]
    }

    private var now: Int64 { events.clock.milliseconds() }

    // MARK: Queues

    /// - Throws: `.invalidParameterValue` for a name that no client's queue can have: the platform's own are out of reach.
    private func queue(_ request: ControlRequest, named name: String? = nil) throws -> QueueKey {
        let name = name ?? request.parameters["Queue"] ?? ""
        let stem = name.hasSuffix(".fifo") ? name.dropLast(5) : name[...]
        guard (1...80).contains(name.utf8.count), FunctionTarget.isName(stem) else {
            throw ServiceError(
                .invalidParameterValue, "'\(name.prefix(100))' is no name of a queue: 1 to 80 letters, digits, '-' and '_', with '.fifo' at the end for a FIFO queue")
        }
        return QueueKey(account: request.caller.account, region: request.caller.region, name: name)
    }

    private func list(_ request: ControlRequest) async throws -> ControlResponse {
        let caller = request.caller
        let prefix = request.value("prefix") ?? ""
        var rows: [String] = []
        var after: String?
        while true {
            let page = try await store.queues(account: caller.account, region: caller.region, prefix: prefix, after: after, limit: 500)
            for record in page where record.kind != .internal { rows.append(try await Self.row(record, store.counts(of: record.key, now: now), now)) }
            guard page.count == 500, let last = page.last else { break }
            after = last.key.name
        }
        var json = JSONLine()
        json.raw("queues", JSONLine.array(rows))
        return .json(text: Array(json.text.utf8))
    }

    private static func row(_ record: QueueRecord, _ counts: QueueCounts, _ now: Int64) -> String {
        var row = JSONLine()
        row.member("queue", record.key.name)
        row.member("kind", "\(record.kind)")
        row.raw("visible", "\(counts.visible)")
        row.raw("inFlight", "\(counts.inFlight)")
        row.raw("delayed", "\(counts.delayed)")
        row.raw("bytes", "\(counts.bytes)")
        row.raw("oldestMs", counts.oldest.map { "\(max(0, now - $0))" } ?? "null")
        row.member("arn", record.key.arn)
        return row.text
    }

    private func create(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try queue(request)
        let time = now
        let record = try await store.create(
            QueueRecord(
                key: key, kind: key.name.hasSuffix(".fifo") ? .fifo : .standard, settings: QueueSettings(retention: Self.retention), created: time,
                modified: time))
        return .json(text: Array(Self.row(record, try await store.counts(of: key, now: time), time).utf8))
    }

    private func send(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try queue(request)
        let isFIFO = try await store.queue(key).kind == .fifo
        let id = RequestID.random()
        let message = NewMessage(
            id: id, body: Array(request.body.readableBytesView), group: request.value("group") ?? (isFIFO ? "martlet" : nil),
            deduplicationKey: request.value("dedup"), delay: Int64(try request.integer("delay", in: 0...900) ?? 0) * 1_000, origin: "sqs")
        guard let accepted = try await store.enqueue([message], to: key, now: now).first else {
            throw ServiceError(.internalFailure, "failed to keep the message")
        }
        var json = JSONLine()
        json.member("messageId", try accepted.get().id.description)
        return .json(text: Array(json.text.utf8))
    }

    private func peek(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try queue(request)
        let limit = try request.integer("limit", in: 1...100) ?? 10
        let messages = try await store.peek(key, after: nil, limit: limit, now: now)
        var json = JSONLine()
        json.raw("messages", JSONLine.array(messages.map { Self.message($0, id: "messageId") }))
        return .json(text: Array(json.text.utf8))
    }

    private func redrive(_ request: ControlRequest) async throws -> ControlResponse {
        let key = try queue(request)
        let target = try request.value("to").map { try queue(request, named: $0) }
        return .json(text: Self.count("moved", try await redriveAll(key, to: target)))
    }

    /// No more than is there now, so that it ends also while messages come back.
    private func redriveAll(_ key: QueueKey, to target: QueueKey?) async throws -> Int {
        let most = try await store.counts(of: key, now: now).visible
        var moved = 0
        while moved < most {
            let count = try await store.redrive(key, to: target, id: nil, limit: min(500, most - moved), now: now)
            if count == 0 { break }
            moved += count
        }
        return moved
    }

    // MARK: Asynchronous invocations

    private func function(_ request: ControlRequest) async throws -> FunctionKey {
        let key = FunctionKey(account: request.caller.account, region: request.caller.region, name: request.parameters["FunctionName"] ?? "")
        _ = try await registry.snapshot.record(key)
        return key
    }

    private static func requestID(_ request: ControlRequest) throws -> RequestID? {
        guard let text = request.value("request") else { return nil }
        guard let id = RequestID(text) else { throw ServiceError(.invalidParameterValue, "request=\(text.prefix(64)) is not a request ID (a UUID)") }
        return id
    }

    private func waiting(_ request: ControlRequest) async throws -> ControlResponse {
        let limit = try request.integer("limit", in: 1...1_000) ?? 100
        let id = try Self.requestID(request)
        let caller = request.caller
        let wanted = request.value("function")
        if let wanted { _ = try await registry.snapshot.record(FunctionKey(account: caller.account, region: caller.region, name: wanted)) }
        let functions = await registry.functions(account: caller.account, region: caller.region).map(\.key).filter { wanted == nil || $0.name == wanted }
        var rows: [String] = []
        for function in functions where rows.count < limit {
            for (key, isFailed) in [(AsyncQueue.failed(function), true), (AsyncQueue.pending(function), false)] {
                for message in try await messages(id, in: key, limit: limit - rows.count) {
                    rows.append(Self.event(message, of: function, isFailed: isFailed))
                }
            }
        }
        var json = JSONLine()
        json.raw("events", JSONLine.array(rows))
        return .json(text: Array(json.text.utf8))
    }

    /// A function without events has no queue.
    private func messages(_ id: RequestID?, in key: QueueKey, limit: Int) async throws -> [StoredMessage] {
        guard limit > 0 else { return [] }
        do {
            if let id { return try await store.find(id, in: key, now: now).map { [$0] } ?? [] }
            return try await store.peek(key, after: nil, limit: limit, now: now)
        } catch let error as ServiceError where error.code == .resourceNotFound {
            return []
        }
    }

    private func retry(_ request: ControlRequest) async throws -> ControlResponse {
        let function = try await function(request)
        let (failed, pending) = (AsyncQueue.failed(function), AsyncQueue.pending(function))
        guard let id = try Self.requestID(request) else { return .json(text: Self.count("retried", try await ignoringNone { try await redriveAll(failed, to: pending) })) }
        let count = try await ignoringNone { try await store.redrive(failed, to: pending, id: id, limit: 1, now: now) }
        guard count > 0 else { throw ServiceError(.resourceNotFound, "no event of \(function.name) with the request ID \(id) was given up") }
        return .json(text: Self.count("retried", count))
    }

    private func discard(_ request: ControlRequest) async throws -> ControlResponse {
        let function = try await function(request)
        guard let id = try Self.requestID(request) else {
            return .json(text: Self.count("discarded", try await ignoringNone { try await store.purge(AsyncQueue.failed(function), now: now) }))
        }
        for key in [AsyncQueue.failed(function), AsyncQueue.pending(function)] {
            let isDone = try await ignoringNone { try await store.discard(id, from: key, now: now) ? 1 : 0 }
            if isDone == 1 { return .json(text: Self.count("discarded", 1)) }
        }
        throw ServiceError(.resourceNotFound, "no event of \(function.name) with the request ID \(id) waits or was given up; one that runs cannot be discarded")
    }

    private func ignoringNone(_ work: () async throws -> Int) async throws -> Int {
        do { return try await work() } catch let error as ServiceError where error.code == .resourceNotFound { return 0 }
    }

    // MARK: Texts

    private static func count(_ name: String, _ value: Int) -> [UInt8] {
        var json = JSONLine()
        json.raw(name, "\(value)")
        return Array(json.text.utf8)
    }

    private static func event(_ message: StoredMessage, of function: FunctionKey, isFailed: Bool) -> String {
        var row = JSONLine()
        row.member("function", function.name)
        row.raw("isFailed", "\(isFailed)")
        return Self.message(message, id: "requestId", after: row)
    }

    private static func message(_ message: StoredMessage, id: String, after start: JSONLine = JSONLine()) -> String {
        var row = start
        row.member(id, message.id.description)
        row.member("state", "\(message.state)")
        row.raw("sent", "\(message.sent)")
        row.raw("due", message.due.map { "\($0)" } ?? "null")
        row.raw("attempts", "\(message.receives)")
        row.member("origin", message.origin)
        if let group = message.group { row.member("group", group) }
        if let source = message.source { row.member("source", source.name) }
        row.raw("bytes", "\(message.body.count)")
        let shown = message.body.prefix(shownBytes)
        if let text = String(validating: shown, as: UTF8.self) { row.member("body", text) } else { row.member("bodyBase64", Data(shown).base64EncodedString()) }
        row.raw("failures", JSONLine.array(message.failures.map { failure in
            var entry = JSONLine()
            entry.raw("attempt", "\(failure.attempt)")
            entry.raw("time", "\(failure.time)")
            entry.member("kind", failure.kind)
            entry.member("reason", failure.reason)
            return entry.text
        }))
        return row.text
    }

    // MARK: Metrics

    /// Brings the gauges up to date.
    func measure(_ metrics: ServerMetrics) async {
        let time = now
        var queues: [(key: QueueKey, counts: QueueCounts)] = []
        // Without an answer of the store what it said last stays.
        for kind in QueueKind.allCases {
            guard let found = try? await store.queues(kind) else { return }
            queues += found
        }
        let names = Set(queues.map(\.key.name))
        for family in [metrics.queueMessages, metrics.queueAge] { family.retain(names) }
        metrics.deadLetters.retain(names)
        for (key, counts) in queues {
            let age = counts.oldest.map { Int(max(0, time - $0) / 1_000) } ?? 0
            if let function = AsyncQueue.function(waitingIn: key) {
                let gauges = metrics.events(function.name)
                gauges.visible.set(counts.visible)
                gauges.delayed.set(counts.delayed)
                gauges.inFlight.set(counts.inFlight)
                gauges.oldestSeconds.set(age)
            } else if let function = AsyncQueue.function(failedIn: key) {
                metrics.events(function.name).failed.set(counts.total)
            } else {
                for (state, count) in [("visible", counts.visible), ("delayed", counts.delayed), ("in_flight", counts.inFlight)] {
                    metrics.queueMessages.with(key.name, state).set(count)
                }
                metrics.queueAge.with(key.name).set(age)
            }
        }
    }
}
