public import DurableQueue
public import ExternalSources

/// Where a mapping's records come from.
public enum EventSource: Hashable, Sendable {
    /// A queue of this server's.
    case queue(QueueKey)
    case external(ExternalSource)

    public var queue: QueueKey? { if case .queue(let key) = self { key } else { nil } }
    public var external: ExternalSource? { if case .external(let source) = self { source } else { nil } }

    /// For people: the queue's ARN, or kind, address and name.
    public var summary: String {
        switch self {
        case .queue(let key): key.arn
        case .external(let source): source.summary
        }
    }
}
