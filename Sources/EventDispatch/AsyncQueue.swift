public import DurableQueue
import FoundationEssentials
public import FunctionModel

/// The two queues of a function: events that wait for their (next) attempt, and those that were given up.
public enum AsyncQueue {
    /// How long a given up event is kept for `martlet async`, milliseconds: 14 days.
    public static let failedRetention: Int64 = 14 * 86_400_000

    private static let pendingPrefix = "async:"
    private static let failedPrefix = "failed:"

    public static func pending(_ function: FunctionKey) -> QueueKey {
        QueueKey(account: function.account, region: function.region, name: pendingPrefix + function.name)
    }

    public static func failed(_ function: FunctionKey) -> QueueKey {
        QueueKey(account: function.account, region: function.region, name: failedPrefix + function.name)
    }

    /// The function whose waiting events a queue holds; nil for every other queue.
    public static func function(waitingIn queue: QueueKey) -> FunctionKey? { function(queue, pendingPrefix) }
    public static func function(failedIn queue: QueueKey) -> FunctionKey? { function(queue, failedPrefix) }

    /// What an event for a version or alias has beside its payload.
    /// - Parameter terms: of a sender that has its own rules for attempts.
    public static func attributes(qualifier: String?, terms: DeliveryTerms? = nil) -> [UInt8] {
        var attributes = EventAttributes(qualifier: qualifier)
        attributes.terms = terms
        return attributes.encoded
    }

    private static func function(_ queue: QueueKey, _ prefix: String) -> FunctionKey? {
        guard queue.name.hasPrefix(prefix) else { return nil }
        return FunctionKey(account: queue.account, region: queue.region, name: String(queue.name.dropFirst(prefix.count)))
    }
}

/// What an event carries beside its payload.
struct EventAttributes: Codable, Sendable {
    /// nil for `$LATEST`.
    var qualifier: String?
    /// JSON text.
    var clientContext: String?
    var tenantID: String?
    var terms: DeliveryTerms?

    var encoded: [UInt8] {
        guard qualifier != nil || clientContext != nil || tenantID != nil || terms != nil else { return [] }
        // Texts and numbers always have a JSON form.
        return (try? JSONEncoder().encode(self)).map { [UInt8]($0) } ?? []
    }

    init(qualifier: String? = nil, clientContext: String? = nil, tenantID: String? = nil) {
        self.qualifier = qualifier
        self.clientContext = clientContext
        self.tenantID = tenantID
    }

    init(_ bytes: [UInt8]) {
        self = bytes.isEmpty ? EventAttributes() : (try? JSONDecoder().decode(EventAttributes.self, from: Data(bytes))) ?? EventAttributes()
    }
}
