import DurableQueue
import JSONValues

/// A queue's attributes under SQS's names: what may be set, to what, and what they mean for the store.
///
/// Source: botocore's model of `sqs`, SetQueueAttributes.
struct QueueAttributes: Hashable, Sendable {
    static let maximumMessageSize = 1_048_576

    private static let numbers: [String: (range: ClosedRange<Int>, usual: Int)] = [
        "DelaySeconds": (0...900, 0), "MaximumMessageSize": (1024...maximumMessageSize, maximumMessageSize),
        "MessageRetentionPeriod": (60...1_209_600, 345_600), "ReceiveMessageWaitTimeSeconds": (0...20, 0), "VisibilityTimeout": (0...43_200, 30),
        "KmsDataKeyReusePeriodSeconds": (60...86_400, 300),
    ]
    /// Set by the client; those that are computed are named in `computed`.
    private static let texts: Set<String> = [
        "Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled", "KmsMasterKeyId", "FifoQueue", "ContentBasedDeduplication",
        "DeduplicationScope", "FifoThroughputLimit",
    ]
    private static let ofFIFOOnly: Set<String> = ["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"]
    static let computed: Set<String> = [
        "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "CreatedTimestamp",
        "LastModifiedTimestamp", "QueueArn",
    ]

    static func isKnown(_ name: String) -> Bool {
        name == "All" || numbers[name] != nil || texts.contains(name) || computed.contains(name)
    }

    let isFIFO: Bool
    /// As the client set them, in one spelling.
    private(set) var values: [String: String]

    init(isFIFO: Bool, values: [String: String] = [:]) {
        self.isFIFO = isFIFO
        self.values = values
    }

    // MARK: Setting

    /// Takes over what a client sets; an empty text takes a policy back.
    mutating func set(_ attributes: [String: String], creating: Bool) throws(SQSError) {
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
            if let (range, _) = Self.numbers[name] {
                guard let number = Int(value), range.contains(number) else {
                    throw Self.invalid(name, "it must be a whole number from \(range.lowerBound) to \(range.upperBound)")
                }
                values[name] = String(number)
                continue
            }
            guard Self.texts.contains(name) else { throw SQSError(.invalidAttributeName, "Unknown Attribute \(name.prefix(100)).") }
            if Self.ofFIFOOnly.contains(name), !isFIFO { throw SQSError(.invalidAttributeName, "Unknown Attribute \(name): it is for FIFO queues.") }
            try setText(name, value, creating: creating)
        }
    }

    private mutating func setText(_ name: String, _ value: String, creating: Bool) throws(SQSError) {
        switch name {
        case "FifoQueue":
            guard value.lowercased() == "true" else { throw Self.invalid(name, "only true can be set; leave it out for a standard queue") }
            guard creating || isFIFO else { throw Self.invalid(name, "a queue's type cannot be changed") }
            return
        case "ContentBasedDeduplication", "SqsManagedSseEnabled":
            guard ["true", "false"].contains(value.lowercased()) else { throw Self.invalid(name, "it must be true or false") }
            values[name] = value.lowercased()
            return
        case "DeduplicationScope":
            guard value == "queue" || value == "messageGroup" else { throw Self.invalid(name, "it must be queue or messageGroup") }
        case "FifoThroughputLimit":
            guard value == "perQueue" || value == "perMessageGroupId" else { throw Self.invalid(name, "it must be perQueue or perMessageGroupId") }
        case "KmsMasterKeyId":
            // Kept silently it would promise what is not done.
            guard value.isEmpty else { throw Self.invalid(name, "encryption with a key of KMS is not offered here") }
        case "RedrivePolicy": if !value.isEmpty { _ = try RedrivePolicy(value) }
        case "RedriveAllowPolicy": if !value.isEmpty { _ = try RedriveAllowPolicy(value) }
        default:
            guard value.isEmpty || (try? JSON(parsing: value))?.members.isEmpty == false, value.utf8.count <= 65_536 else {
                throw Self.invalid(name, "it must be a JSON object of at most 65,536 bytes")
            }
        }
        values[name] = value.isEmpty ? nil : value
    }

    static func invalid(_ name: String, _ reason: String) -> SQSError {
        SQSError(.invalidAttributeValue, "Invalid value for the parameter \(name). Reason: \(reason).")
    }

    /// The first attribute that differs from what a queue of this name has; one that is not named is not compared.
    func difference(to existing: QueueAttributes) -> String? {
        values.keys.sorted().first { name in
            values[name] != (existing.values[name] ?? Self.numbers[name].map { String($0.usual) })
        }
    }

    // MARK: Meaning

    private func number(_ name: String) -> Int { values[name].flatMap(Int.init) ?? Self.numbers[name]?.usual ?? 0 }

    var delaySeconds: Int { number("DelaySeconds") }
    var maximumMessageSize: Int { number("MaximumMessageSize") }
    var waitSeconds: Int { number("ReceiveMessageWaitTimeSeconds") }
    var visibilitySeconds: Int { number("VisibilityTimeout") }
    var isContentDeduplicated: Bool { values["ContentBasedDeduplication"] == "true" }
    var isDeduplicatedByGroup: Bool { values["DeduplicationScope"] == "messageGroup" }
    var redrivePolicy: RedrivePolicy? { values["RedrivePolicy"].flatMap { try? RedrivePolicy($0) } }
    var redriveAllowPolicy: RedriveAllowPolicy? { values["RedriveAllowPolicy"].flatMap { try? RedriveAllowPolicy($0) } }

    var settings: QueueSettings {
        let policy = redrivePolicy
        return QueueSettings(
            retention: Int64(number("MessageRetentionPeriod")) * 1000, maximumReceives: policy?.maximumReceives, deadLetters: policy?.target)
    }

    // MARK: Showing

    /// What `GetQueueAttributes` says of those that are set or have a default.
    var shown: [String: String] {
        var result = values
        for (name, (_, usual)) in Self.numbers where name != "KmsDataKeyReusePeriodSeconds" && result[name] == nil { result[name] = String(usual) }
        result["SqsManagedSseEnabled"] = values["SqsManagedSseEnabled"] ?? "false"
        if isFIFO {
            result["FifoQueue"] = "true"
            result["ContentBasedDeduplication"] = values["ContentBasedDeduplication"] ?? "false"
            result["DeduplicationScope"] = values["DeduplicationScope"] ?? "queue"
            result["FifoThroughputLimit"] = values["FifoThroughputLimit"] ?? "perQueue"
        }
        return result
    }
}

/// Where messages go that were received too often.
struct RedrivePolicy: Hashable, Sendable {
    let target: QueueKey
    let maximumReceives: Int

    init(_ text: String) throws(SQSError) {
        let name = "RedrivePolicy"
        guard let json = try? JSON(parsing: text), case .object(let members) = json else { throw QueueAttributes.invalid(name, "it is not a JSON object") }
        if let other = members.first(where: { $0.name != "deadLetterTargetArn" && $0.name != "maxReceiveCount" }) {
            throw QueueAttributes.invalid(name, "'\(other.name.prefix(64))' is not part of it; deadLetterTargetArn and maxReceiveCount are")
        }
        guard let arn = json["deadLetterTargetArn"]?.string, let target = QueueKey(arn: arn) else {
            throw QueueAttributes.invalid(name, "deadLetterTargetArn must be the ARN of a queue")
        }
        // Clients write it as a number or as text.
        guard let count = Int(json["maxReceiveCount"]?.numberText ?? (json["maxReceiveCount"] == nil ? "10" : "")), (1...1000).contains(count) else {
            throw QueueAttributes.invalid(name, "maxReceiveCount must be a whole number from 1 to 1000")
        }
        self.target = target
        maximumReceives = count
    }
}

/// Which queues may name this one as their dead-letter queue.
struct RedriveAllowPolicy: Hashable, Sendable {
    private enum Permission: Hashable, Sendable {
        case all
        case none
        case queues([String])
    }

    private let permission: Permission

    init(_ text: String) throws(SQSError) {
        let name = "RedriveAllowPolicy"
        guard let json = try? JSON(parsing: text), case .object = json else { throw QueueAttributes.invalid(name, "it is not a JSON object") }
        let arns = json["sourceQueueArns"]?.array
        switch json["redrivePermission"]?.string {
        case "allowAll"? where arns == nil: permission = .all
        case "denyAll"? where arns == nil: permission = .none
        case "byQueue"?:
            let sources = (arns ?? []).compactMap(\.string)
            guard sources.count == arns?.count, (1...10).contains(sources.count), sources.allSatisfy({ QueueKey(arn: $0) != nil }) else {
                throw QueueAttributes.invalid(name, "byQueue needs sourceQueueArns, a list of 1 to 10 ARNs of queues")
            }
            permission = .queues(sources)
        case "allowAll"?, "denyAll"?: throw QueueAttributes.invalid(name, "sourceQueueArns is for redrivePermission byQueue only")
        default: throw QueueAttributes.invalid(name, "redrivePermission must be allowAll, denyAll or byQueue")
        }
    }

    func allows(_ source: QueueKey) -> Bool {
        switch permission {
        case .all: true
        case .none: false
        case .queues(let arns): arns.contains(source.arn)
        }
    }
}
