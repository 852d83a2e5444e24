public import JSONValues

/// One thing on the server that a stack has.
public struct StackResource: Hashable, Sendable {
    /// In the order in which they are made; the other way around they are deleted.
    public enum Kind: String, Hashable, Sendable, CaseIterable, Comparable {
        case queue, layer, function, alias, invokeConfig, url, domain, mapping, rule, schedule

        private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
        public static func < (one: Kind, other: Kind) -> Bool { one.order < other.order }
    }

    /// What a stack's record keeps, and what says whether two are the same thing.
    public struct Identity: Hashable, Sendable {
        public let kind: Kind
        /// Unique within its kind: `NAME`, `FUNCTION:ALIAS`, `BUS/RULE`, `GROUP/SCHEDULE`, or `QUEUE-ARN FUNCTION-ARN`.
        public let name: String

        public init(kind: Kind, name: String) {
            self.kind = kind
            self.name = name
        }
    }

    /// Files or text that become a package.
    public enum Code: Hashable, Sendable {
        /// Relative to the template.
        case path(String)
        /// A single file of the package.
        case inline(file: String, text: String)
    }

    public var identity: Identity
    /// In the template.
    public var logicalID: String
    /// Everything that counts, also where it has its default, so that it can be compared member by member.
    public var properties: [String: JSON]
    public var code: Code?
    /// Left on the server when the stack goes.
    public var isRetained = false

    public init(_ kind: Kind, _ name: String, logicalID: String, _ properties: [String: JSON], code: Code? = nil) {
        identity = Identity(kind: kind, name: name)
        self.logicalID = logicalID
        self.properties = properties
        self.code = code
    }
}

/// Names in texts of what is known only when it is there.
public enum LateName {
    public static func layer(_ id: String) -> String { "{{layer:\(id)}}" }
    public static func url(_ id: String) -> String { "{{url:\(id)}}" }
    static func api(_ id: String) -> String { "{{api:\(id)}}" }

    /// Puts values in the places of their names, everywhere in a value.
    public static func replaced(in json: JSON, _ values: [String: String]) -> JSON {
        switch json {
        case .string(let text): .string(replaced(in: text, values))
        case .array(let list): .array(list.map { replaced(in: $0, values) })
        case .object(let members): .object(members.map { .init($0.name, replaced(in: $0.value, values)) })
        default: json
        }
    }

    public static func replaced(in text: String, _ values: [String: String]) -> String {
        guard text.contains("{{") else { return text }
        return values.reduce(text) { $0.replacing($1.key, with: $1.value) }
    }

    static func contains(_ kind: String, in json: JSON) -> Bool { json.text().contains("{{\(kind):") }
}

/// Where a stack is deployed to.
public struct StackContext: Sendable {
    public let stackName: String
    public let account: String
    public let region: String
    /// `http` or `https`, and the port that clients use.
    public let scheme: String
    public let port: Int
    /// Begins the URLs of queues; no closing slash.
    public let endpoint: String
    public let parameters: [String: String]

    public init(stackName: String, account: String, region: String, scheme: String, port: Int, endpoint: String, parameters: [String: String] = [:]) {
        self.stackName = stackName
        self.account = account
        self.region = region
        self.scheme = scheme
        self.port = port
        self.endpoint = endpoint
        self.parameters = parameters
    }

    public func functionARN(_ name: String) -> String { "arn:aws:lambda:\(region):\(account):function:\(name)" }
    func queueARN(_ name: String) -> String { "arn:aws:sqs:\(region):\(account):\(name)" }
}

/// What a template wants to be there.
public struct DesiredStack: Sendable {
    /// In the order in which they are made.
    public var resources: [StackResource]
    /// Texts in which `LateName`s may stand.
    public var outputs: [(name: String, value: JSON, description: String?)]
    /// What the template says without effect, for people.
    public var notes: [String]
}
