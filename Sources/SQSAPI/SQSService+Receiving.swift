import DurableQueue
import FunctionModel
import JSONValues

/// Messages on their way out, and what becomes of them.
extension SQSService {
    private static let empty = JSON.object([])

    // MARK: Receiving

    func receive(_ members: Members, _ caller: Caller) async throws -> JSON {
        let queue = try await record(members, caller)
        let settings = QueueAttributes(isFIFO: queue.kind == .fifo, values: queue.attributes)
        let limit = try members.integer("MaxNumberOfMessages", in: 1...10) ?? 1
        let visibility = try members.integer("VisibilityTimeout", in: 0...43_200) ?? settings.visibilitySeconds
        let wait = try members.integer("WaitTimeSeconds", in: 0...20) ?? settings.waitSeconds
        let system = try members.texts("MessageSystemAttributeNames") + members.texts("AttributeNames")
        let names = try members.texts("MessageAttributeNames")
        let claimed = try await claim(from: queue.key, limit: limit, lease: Int64(visibility) * 1000, waiting: Int64(wait) * 1000)
        guard !claimed.isEmpty else { return Self.empty }
        return .object([.init("Messages", .array(claimed.map { Self.message($0, queue, system: system, names: names) }))])
    }

    private func claim(from key: QueueKey, limit: Int, lease: Int64, waiting: Int64) async throws -> [ClaimedMessage] {
        // Taken before the first look, so that what comes after it is not missed.
        guard waiting > 0, let ticket = waiters.join(key) else {
            return try await store.claim(from: key, limit: limit, lease: lease, now: now())
        }
        defer { waiters.leave(ticket) }
        let deadline = ContinuousClock.now + .milliseconds(waiting)
        while true {
            let claimed = try await store.claim(from: key, limit: limit, lease: lease, now: now())
            if !claimed.isEmpty {
                // One is woken at a time; there may be more than this one took.
                waiters.wake([key])
                return claimed
            }
            guard !Task.isCancelled, await ticket.wait(until: deadline) else { return [] }
        }
    }

    private static func message(_ claimed: ClaimedMessage, _ queue: QueueRecord, system: [String], names: [String]) -> JSON {
        let message = claimed.message
        var members: [JSON.Member] = [
            .init("MessageId", .string(message.id.description)), .init("ReceiptHandle", .string(claimed.receipt.description)),
            .init("MD5OfBody", .string(MessageBody.md5(message.body))), .init("Body", .string(String(decoding: message.body, as: UTF8.self))),
        ]
        let shown = systemAttributes(message, queue).filter { system.contains("All") || system.contains($0.name) }
        if !shown.isEmpty { members.append(.init("Attributes", .object(shown))) }
        let attributes = MessageAttributes(stored: message.attributes).chosen(names)
        if let md5 = attributes.md5 {
            members.append(.init("MD5OfMessageAttributes", .string(md5)))
            members.append(.init("MessageAttributes", attributes.json()))
        }
        return .object(members)
    }

    static func systemAttributes(_ message: StoredMessage, _ queue: QueueRecord) -> [JSON.Member] {
        var members: [JSON.Member] = [
            .init("SenderId", .string(queue.key.account)), .init("SentTimestamp", .string(String(message.sent))),
            .init("ApproximateReceiveCount", .string(String(message.receives))),
            .init("ApproximateFirstReceiveTimestamp", .string(String(message.firstReceived ?? message.sent))),
        ]
        if queue.kind == .fifo { members.append(.init("SequenceNumber", .string(sequenceNumber(message.sequence)))) }
        if let group = message.group { members.append(.init("MessageGroupId", .string(group))) }
        if let key = message.deduplicationKey { members.append(.init("MessageDeduplicationId", .string(String(deduplicationID(key))))) }
        if let trace = message.trace { members.append(.init("AWSTraceHeader", .string(trace))) }
        if let source = message.source { members.append(.init("DeadLetterQueueSourceArn", .string(source.arn))) }
        return members
    }

    // MARK: Deleting and changing visibility

    private func settle(_ settlements: [Settlement], _ key: QueueKey) async throws -> [Settlement.Result] {
        try await store.settle(settlements, of: key, now: now())
    }

    private static func receipt(_ members: Members) throws(SQSError) -> Receipt {
        let handle = try members.required("ReceiptHandle")
        guard let receipt = Receipt(handle) else {
            throw SQSError(.receiptHandleIsInvalid, "The input receipt handle \"\(handle.prefix(200))\" is not a valid receipt handle.")
        }
        return receipt
    }

    func delete(_ members: Members, _ caller: Caller) async throws -> JSON {
        let queue = try await record(members, caller)
        // Stale is no error: the message is gone, or another has it and will delete it himself.
        _ = try await settle([Settlement(Self.receipt(members), .acknowledge)], queue.key)
        return Self.empty
    }

    func deleteBatch(_ members: Members, _ caller: Caller) async throws -> JSON {
        try await settleBatch(members, caller, "DeleteMessageBatch", accepts: { _ in true }) { entry throws(SQSError) in
            Settlement(try Self.receipt(entry), .acknowledge)
        }
    }

    func changeVisibility(_ members: Members, _ caller: Caller) async throws -> JSON {
        let queue = try await record(members, caller)
        guard let result = try await settle([Self.visibility(members)], queue.key).first, Self.isDone(result) else { throw Self.notInFlight }
        return Self.empty
    }

    func changeVisibilityBatch(_ members: Members, _ caller: Caller) async throws -> JSON {
        try await settleBatch(members, caller, "ChangeMessageVisibilityBatch", accepts: Self.isDone) { entry throws(SQSError) in
            try Self.visibility(entry)
        }
    }

    private static let notInFlight = SQSError(
        .messageNotInflight, "The specified message isn't in flight: its visibility timeout is over, or it was deleted.")

    private static func isDone(_ result: Settlement.Result) -> Bool { if case .done = result { true } else { false } }

    private static func visibility(_ members: Members) throws(SQSError) -> Settlement {
        let receipt = try receipt(members)
        guard let seconds = try members.integer("VisibilityTimeout", in: 0...43_200) else { throw Members.missing("VisibilityTimeout") }
        return Settlement(receipt, seconds == 0 ? .release(delay: 0, nil) : .extend(Int64(seconds) * 1000))
    }

    private func settleBatch(
        _ members: Members, _ caller: Caller, _ action: String, accepts: (Settlement.Result) -> Bool,
        _ settlement: (Members) throws(SQSError) -> Settlement
    ) async throws -> JSON {
        let entries = try Self.entries(members, action)
        let queue = try await record(members, caller)
        var settlements: [(id: String, settlement: Settlement)] = []
        var failed: [(id: String, error: SQSError)] = []
        for (id, entry) in entries {
            do throws(SQSError) {
                settlements.append((id, try settlement(entry)))
            } catch {
                failed.append((id, error))
            }
        }
        var successful: [JSON] = []
        if !settlements.isEmpty {
            for ((id, _), result) in zip(settlements, try await settle(settlements.map(\.settlement), queue.key)) {
                if accepts(result) { successful.append(.object([.init("Id", .string(id))])) } else { failed.append((id, Self.notInFlight)) }
            }
        }
        return Self.batchResult(successful, failed)
    }
}
