/// Which calls are worth an entry: those that change something. Pure.
///
/// Reading is left out, and so are events and messages on their way, of which there are as many as invocations.
public enum AuditScope {
    private static let readingPrefixes = ["Get", "List", "Describe", "Filter", "Test", "Receive", "StartLiveTail"]
    private static let data: Set = [
        "SendMessage", "SendMessageBatch", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "PutEvents",
    ]

    /// A name that nobody knows is covered, and so is one that is missing: rather too much is kept than too little.
    /// - Parameter operation: as AWS names it; empty where the call should name one and does not, nil for a route of Martlet's own.
    public static func covers(method: String, operation: String?) -> Bool {
        // The query protocol changes things by GET, too: where there is a name, that counts.
        guard let operation else { return method != "GET" && method != "HEAD" }
        return !data.contains(operation) && !readingPrefixes.contains { operation.hasPrefix($0) }
    }
}
