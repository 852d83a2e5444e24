import DurableQueue
import FoundationEssentials
import FunctionModel
import JSONValues

/// Redrive tasks.
extension SQSService {
    func startMove(_ members: Members, _ caller: Caller) async throws -> JSON {
        let source = try await queue(arn: members.required("SourceArn"), "SourceArn", caller)
        guard try await !store.sources(of: source).isEmpty else {
            throw SQSError(.invalidParameterValue, "Source queue must be configured as a Dead Letter Queue.")
        }
        var target: QueueKey?
        if let arn = try members.text("DestinationArn"), !arn.isEmpty {
            let key = try await queue(arn: arn, "DestinationArn", caller)
            guard key != source else { throw SQSError(.invalidParameterValue, "Source queue and destination queue must be different.") }
            target = key
        }
        let rate = try members.integer("MaxNumberOfMessagesPerSecond", in: 1...500)
        let entry = MoveTasks.Entry(
            id: .random(), source: source, target: target, perSecond: rate,
            toMove: try await store.counts(of: source, now: now()).visible, started: now())
        try moves.start(entry)
        return .object([.init("TaskHandle", .string(Self.handle(entry)))])
    }

    func listMoves(_ members: Members, _ caller: Caller) async throws -> JSON {
        let source = try await queue(arn: members.required("SourceArn"), "SourceArn", caller)
        let limit = try members.integer("MaxResults", in: 1...10) ?? 1
        return .object([.init("Results", .array(moves.entries(of: source).prefix(limit).map(Self.json)))])
    }

    func cancelMove(_ members: Members, _ caller: Caller) async throws -> JSON {
        let handle = try members.required("TaskHandle")
        guard let data = Data(base64Encoded: handle), let json = try? JSON(parsing: Array(data)), let id = json["taskId"]?.string.flatMap({ RequestID($0) }),
            let arn = json["sourceArn"]?.string
        else { throw SQSError.value(handle, of: "TaskHandle", "It is not one that StartMessageMoveTask has given.") }
        let source = try await queue(arn: arn, "TaskHandle", caller)
        guard let entry = moves.cancel(id, of: source) else {
            throw SQSError(.resourceNotFound, "Task does not exist, or is not in status RUNNING.")
        }
        return .object([.init("ApproximateNumberOfMessagesMoved", .integer(entry.moved))])
    }

    private func queue(arn: String, _ parameter: String, _ caller: Caller) async throws -> QueueKey {
        guard let key = QueueKey(arn: arn), Self.isName(key.name) else { throw SQSError.value(arn, of: parameter, "It is not the ARN of a queue.") }
        guard key.account == caller.account, key.region == caller.region, (try? await store.queue(key)) != nil else {
            throw SQSError(.resourceNotFound, "The resource that you specified for the \(parameter) parameter doesn't exist.")
        }
        return key
    }

    private static func handle(_ entry: MoveTasks.Entry) -> String {
        let json = JSON.object([.init("taskId", .string(entry.id.description)), .init("sourceArn", .string(entry.source.arn))])
        return Data(json.text().utf8).base64EncodedString()
    }

    private static func json(_ entry: MoveTasks.Entry) -> JSON {
        var members: [JSON.Member] = []
        // Only a running task can be cancelled.
        if entry.status == .running { members.append(.init("TaskHandle", .string(handle(entry)))) }
        members += [.init("Status", .string(entry.status.rawValue)), .init("SourceArn", .string(entry.source.arn))]
        if let target = entry.target { members.append(.init("DestinationArn", .string(target.arn))) }
        if let rate = entry.perSecond { members.append(.init("MaxNumberOfMessagesPerSecond", .integer(rate))) }
        members += [
            .init("ApproximateNumberOfMessagesMoved", .integer(entry.moved)), .init("ApproximateNumberOfMessagesToMove", .integer(entry.toMove)),
            .init("StartedTimestamp", .integer(entry.started)),
        ]
        if let failure = entry.failure { members.append(.init("FailureReason", .string(failure))) }
        return .object(members)
    }
}
