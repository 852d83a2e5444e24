import DurableQueue
import FunctionModel

/// Messages for many queues in one step.
extension QueueTransaction {
    func post(_ posting: Posting, now: Int64) throws -> Posting.Result {
        var claimed: (message: MessageRow, row: QueueRow)?
        if let claim = posting.claim {
            guard let row = try find(claim.queue), let message = try message(claim.receipt.sequence), message.queue == row.id,
                message.lease == claim.receipt.lease
            else { return .stale }
            claimed = (message, row)
        }
        let (rows, refusals) = try targets(of: posting.deliveries)
        guard refusals.isEmpty else { return .refused(refusals) }
        for (delivery, row) in zip(posting.deliveries, rows) { try accept(delivery.message, into: row, now: now) }
        if let claimed { try remove(claimed.message, from: claimed.row, now: now) }
        return .done
    }

    /// All targets are looked at before anything is changed.
    private func targets(of deliveries: [Settlement.Delivery]) throws -> (rows: [QueueRow], refusals: [Int: ServiceError]) {
        var rows: [QueueRow] = []
        var refusals: [Int: ServiceError] = [:]
        var sums: [QueueKey: (messages: Int, bytes: Int)] = [:]
        for (index, delivery) in deliveries.enumerated() {
            let size = delivery.message.size
            let sum = sums[delivery.queue] ?? (0, 0)
            guard let row = try find(delivery.queue) else {
                refusals[index] = ServiceError(.resourceNotFound, "the queue \(delivery.queue.name) does not exist")
                continue
            }
            if size > limits.messageBytes {
                refusals[index] = ServiceError(
                    .requestTooLarge, "the message for \(delivery.queue.name) has \(size) bytes; at most \(limits.messageBytes) are taken")
            } else if row.isFIFO, delivery.message.group == nil {
                refusals[index] = ServiceError(.invalidParameterValue, "a message for the FIFO queue \(delivery.queue.name) needs a group")
            } else if let refusal = try refusal(row, messages: sum.messages + 1, bytes: sum.bytes + size) {
                refusals[index] = refusal
            } else {
                sums[delivery.queue] = (sum.messages + 1, sum.bytes + size)
                rows.append(row)
            }
        }
        return (rows, refusals)
    }
}
