import DurableQueue

/// What policies have to allow for an operation.
///
/// Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon SQS": a batch needs what one of its
/// entries needs, and a move needs what sending and receiving by hand would.
struct SQSAction {
    let name: String
    /// The ARN of its queue; nil where the operation does not name exactly one.
    let queue: String?

    static func needed(for operation: String, _ members: Members, _ caller: SQSService.Caller) -> [SQSAction] {
        switch operation {
        case "StartMessageMoveTask": ["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "SendMessage"].map { SQSAction(name: "sqs:\($0)", queue: nil) }
        case "ListQueues", "ListMessageMoveTasks", "CancelMessageMoveTask": [SQSAction(name: "sqs:\(operation)", queue: nil)]
        case "CreateQueue", "GetQueueUrl": [SQSAction(name: "sqs:\(operation)", queue: queue("QueueName", members, caller))]
        default:
            [SQSAction(name: "sqs:\(operation.hasSuffix("Batch") ? operation.dropLast("Batch".count) : operation[...])", queue: queue("QueueUrl", members, caller))]
        }
    }

    /// As the operation itself will read it.
    private static func queue(_ member: String, _ members: Members, _ caller: SQSService.Caller) -> String? {
        guard let text = try? members.text(member), let name = text.split(separator: "/", omittingEmptySubsequences: false).last, SQSService.isName(name) else {
            return nil
        }
        return QueueKey(account: caller.account, region: caller.region, name: String(name)).arn
    }
}
