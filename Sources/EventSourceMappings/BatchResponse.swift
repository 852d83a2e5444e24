import JSONValues

/// Which messages of a batch a function could not process, by its answer.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
public enum BatchResponse: Hashable, Sendable {
    case allDone
    /// Indices into the batch.
    case failed(Set<Int>)
    /// An answer that says nothing reliable: the whole batch counts as failed.
    case unreadable(String)

    /// - Parameter ids: of the batch's messages, in order.
    public init(_ answer: some Sequence<UInt8>, ids: [String]) {
        guard let answer = try? JSON(parsing: answer, maximumDepth: 64) else {
            self = .unreadable("the answer is not JSON")
            return
        }
        switch answer {
        case .null: self = .allDone
        case .object(let members) where members.isEmpty: self = .allDone
        case .object:
            switch answer["batchItemFailures"] {
            case nil: self = .unreadable("the answer has no batchItemFailures")
            case .null?: self = .allDone
            case .array(let items)?: self = Self.read(items, ids)
            case _?: self = .unreadable("batchItemFailures is no list")
            }
        default: self = .unreadable("the answer is no object")
        }
    }

    private static func read(_ items: [JSON], _ ids: [String]) -> BatchResponse {
        var failed: Set<Int> = []
        for item in items {
            guard let id = identifier(item["itemIdentifier"]), !id.isEmpty else { return .unreadable("an entry of batchItemFailures has no itemIdentifier") }
            guard let index = ids.firstIndex(of: id) else { return .unreadable("batchItemFailures names \(id.prefix(64)), which is not in the batch") }
            failed.insert(index)
        }
        return failed.isEmpty ? .allDone : .failed(failed)
    }

    /// Of Kafka's records an identifier may also be `{"partition": "TOPIC-PARTITION", "offset": 7}`.
    private static func identifier(_ value: JSON?) -> String? {
        if let text = value?.string { return text }
        guard let partition = value?["partition"]?.string, let offset = value?["offset"]?.integer else { return nil }
        return "\(partition)-\(offset)"
    }
}
