public import FunctionModel

/// Messages for any number of queues that are accepted together or not at all, and the claimed message that led to them.
public struct Posting: Sendable {
    public struct Claim: Sendable {
        public let queue: QueueKey
        public let receipt: Receipt

        public init(queue: QueueKey, receipt: Receipt) {
            self.queue = queue
            self.receipt = receipt
        }
    }

    public enum Result: Sendable {
        case done
        /// The claim's lease is over and the message was claimed by another, or is gone. Nothing was done.
        case stale
        /// Nothing was done; by the place in `deliveries`, why each of those that stand in the way cannot be taken.
        case refused([Int: ServiceError])
    }

    public var deliveries: [Settlement.Delivery]
    /// Done with when they are accepted.
    public var claim: Claim?

    public init(deliveries: [Settlement.Delivery], claim: Claim? = nil) {
        self.deliveries = deliveries
        self.claim = claim
    }
}
