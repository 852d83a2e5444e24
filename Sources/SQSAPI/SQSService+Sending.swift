import DurableQueue
import FunctionModel
import JSONValues

/// Messages on their way in.
extension SQSService {
    /// A checked message, and what the answer says of it.
    private struct Outgoing {
        let message: NewMessage
        let body: String
        let attributes: MessageAttributes
        /// `AWSTraceHeader`, the only one there is.
        let systemAttributes: MessageAttributes
        var size: Int { message.body.count + attributes.size }
    }

    func send(_ members: Members, _ caller: Caller) async throws -> JSON {
        let queue = try await record(members, caller)
        let outgoing = try Self.outgoing(members, queue, caller)
        guard let result = try await store.enqueue([outgoing.message], to: queue.key, now: now()).first else {
            throw SQSError(.internalFailure, "We encountered an internal error. Please try again.")
        }
        return .object(Self.accepted(try result.get(), outgoing, queue))
    }

    func sendBatch(_ members: Members, _ caller: Caller) async throws -> JSON {
        let entries = try Self.entries(members, "SendMessageBatch")
        let queue = try await record(members, caller)
        var checked: [(id: String, outgoing: Outgoing)] = []
        var failed: [(id: String, error: SQSError)] = []
        for (id, entry) in entries {
            do throws(SQSError) {
                checked.append((id, try Self.outgoing(entry, queue, caller)))
            } catch {
                failed.append((id, error))
            }
        }
        let total = checked.reduce(0) { $0 + $1.outgoing.size }
        guard total <= QueueAttributes.maximumMessageSize else {
            throw SQSError(
                .batchRequestTooLong,
                "Batch requests cannot be longer than \(QueueAttributes.maximumMessageSize) bytes. You have sent \(total) bytes.")
        }
        var successful: [JSON] = []
        if !checked.isEmpty {
            let results = try await store.enqueue(checked.map(\.outgoing.message), to: queue.key, now: now())
            for ((id, outgoing), result) in zip(checked, results) {
                switch result {
                case .success(let accepted):
                    successful.append(.object([.init("Id", .string(id))] + Self.accepted(accepted, outgoing, queue)))
                case .failure(let error): failed.append((id, SQSError(error)))
                }
            }
        }
        return Self.batchResult(successful, failed)
    }

    private static func accepted(_ accepted: Accepted, _ outgoing: Outgoing, _ queue: QueueRecord) -> [JSON.Member] {
        var members: [JSON.Member] = [
            .init("MessageId", .string(accepted.id.description)), .init("MD5OfMessageBody", .string(MessageBody.md5(outgoing.message.body))),
        ]
        if let md5 = outgoing.attributes.md5 { members.append(.init("MD5OfMessageAttributes", .string(md5))) }
        if let md5 = outgoing.systemAttributes.md5 { members.append(.init("MD5OfMessageSystemAttributes", .string(md5))) }
        if queue.kind == .fifo { members.append(.init("SequenceNumber", .string(sequenceNumber(accepted.sequence)))) }
        return members
    }

    /// 20 digits, so that their order as text is their order.
    static func sequenceNumber(_ sequence: Int64) -> String {
        let digits = String(sequence)
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
    }

    // MARK: Checking

    private static func outgoing(_ members: Members, _ queue: QueueRecord, _ caller: Caller) throws(SQSError) -> Outgoing {
        let settings = QueueAttributes(isFIFO: queue.kind == .fifo, values: queue.attributes)
        let body = try members.required("MessageBody")
        guard !body.isEmpty else { throw Members.missing("MessageBody") }
        guard MessageBody.isAllowed(body) else {
            throw SQSError(
                .invalidMessageContents,
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
        }
        let attributes = try MessageAttributes(try members.map("MessageAttributes") ?? [])
        let system = try MessageAttributes(try members.map("MessageSystemAttributes") ?? [])
        guard system.attributes.allSatisfy({ $0.name == "AWSTraceHeader" && $0.type == "String" }) else {
            throw SQSError(.invalidParameterValue, "The only message system attribute that can be sent is AWSTraceHeader, of type String.")
        }
        var trace = caller.trace
        if case .string(let text)? = system.attributes.first?.value { trace = text }
        let bytes = Array(body.utf8)
        guard bytes.count + attributes.size <= settings.maximumMessageSize else {
            throw SQSError(
                .invalidParameterValue,
                "One or more parameters are invalid. Reason: Message must be shorter than \(settings.maximumMessageSize) bytes.")
        }
        let delay = try members.integer("DelaySeconds", in: 0...900)
        let (group, key) = try ordering(members, settings, body: bytes)
        if settings.isFIFO, let delay, delay > 0 {
            throw .value(String(delay), of: "DelaySeconds", "The request include parameter that is not valid for this queue type.")
        }
        return Outgoing(
            message: NewMessage(
                body: bytes, attributes: attributes.stored, group: group, deduplicationKey: key,
                delay: Int64(settings.isFIFO ? settings.delaySeconds : delay ?? settings.delaySeconds) * 1000, trace: trace, origin: "sqs"),
            body: body, attributes: attributes, systemAttributes: system)
    }

    /// Group and deduplication key.
    private static func ordering(
        _ members: Members, _ settings: QueueAttributes, body: [UInt8]
    ) throws(SQSError) -> (group: String?, key: String?) {
        let group = try token(members, "MessageGroupId")
        let id = try token(members, "MessageDeduplicationId")
        guard settings.isFIFO else {
            if let id { throw .value(id, of: "MessageDeduplicationId", "The request include parameter that is not valid for this queue type.") }
            return (group, nil)
        }
        guard let group else { throw Members.missing("MessageGroupId") }
        guard let key = id ?? (settings.isContentDeduplicated ? MessageBody.sha256(body) : nil) else {
            throw SQSError(
                .invalidParameterValue, "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
        }
        return (group, settings.isDeduplicatedByGroup ? "\(group)\(separator)\(key)" : key)
    }

    /// Neither a group nor a deduplication ID has a space.
    private static let separator: Character = " "

    /// The client's part of a deduplication key.
    static func deduplicationID(_ key: String) -> Substring { key.split(separator: separator).last ?? "" }

    private static func token(_ members: Members, _ name: String) throws(SQSError) -> String? {
        guard let text = try members.text(name) else { return nil }
        guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .value(text, of: name, "\(name) can only include alphanumeric and punctuation characters. 1 to 128 in length.")
        }
        return text
    }
}
