/// What becomes of a claimed message, in one transaction with the messages that this leads to.
public struct Settlement: Sendable {
    public enum Action: Sendable {
        /// It is done with and goes.
        case acknowledge
        /// It becomes visible after so many milliseconds; the failure, if there is one, is kept with it.
        case release(delay: Int64, Failure?)
        /// It stays claimed, for so many milliseconds from now.
        case extend(Int64)
        /// It goes to another queue (a dead-letter queue), with the reason; it can be claimed there at once.
        case move(to: QueueKey, Failure)
    }

    public struct Failure: Sendable {
        public var kind: String
        public var reason: String
        /// Whether it counts as one of `StoredMessage.errors`.
        public var isCounted: Bool
        /// Nothing was run: the claim does not count as a receive.
        public var takesBackReceive: Bool

        public init(kind: String, reason: String, isCounted: Bool = true, takesBackReceive: Bool = false) {
            self.kind = kind
            self.reason = reason
            self.isCounted = isCounted
            self.takesBackReceive = takesBackReceive
        }
    }

    public struct Delivery: Sendable {
        public var queue: QueueKey
        public var message: NewMessage

        public init(to queue: QueueKey, _ message: NewMessage) {
            self.queue = queue
            self.message = message
        }
    }

    public enum Result: Sendable {
        case done
        /// The lease is over and the message was claimed by another, or is gone. Nothing was done.
        case stale
        /// A target does not exist or is full. Nothing was done, the lease goes on.
        case refused(String)
    }

    public var receipt: Receipt
    public var action: Action
    /// Sent with it or not at all: destinations.
    public var deliveries: [Delivery]

    public init(_ receipt: Receipt, _ action: Action, deliveries: [Delivery] = []) {
        self.receipt = receipt
        self.action = action
        self.deliveries = deliveries
    }
}
