/// Where the outcome of an asynchronous invocation goes, as its ARN says.
public enum EventDestination: Hashable, Sendable {
    case function(FunctionKey, qualifier: String?)
    case queue(account: String, region: String, name: String)
    case eventBus(account: String, region: String, name: String)

    /// Reads `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`, `arn:aws:sqs:REGION:ACCOUNT:NAME` and
    /// `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`; nil for anything else.
    public init?(arn: String) {
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 6, parts[0] == "arn", parts[1].hasPrefix("aws"), !parts[3].isEmpty, !parts[4].isEmpty, parts.allSatisfy({ !$0.isEmpty })
        else { return nil }
        let (region, account) = (parts[3], parts[4])
        switch (parts[2], parts.count) {
        case ("lambda", 7...8) where parts[5] == "function":
            self = .function(FunctionKey(account: account, region: region, name: parts[6]), qualifier: parts.count == 8 ? parts[7] : nil)
        case ("sqs", 6): self = .queue(account: account, region: region, name: parts[5])
        case ("events", 6) where parts[5].hasPrefix("event-bus/"):
            self = .eventBus(account: account, region: region, name: String(parts[5].dropFirst("event-bus/".count)))
        default: return nil
        }
    }

    public var account: String {
        switch self {
        case .function(let key, _): key.account
        case .queue(let account, _, _), .eventBus(let account, _, _): account
        }
    }

    public var region: String {
        switch self {
        case .function(let key, _): key.region
        case .queue(_, let region, _), .eventBus(_, let region, _): region
        }
    }
}
