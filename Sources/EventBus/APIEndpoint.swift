import DurableQueue
public import JSONValues

/// What EventBridge needs to call an HTTP endpoint: a connection (how to authenticate) or an API destination (where).
public struct EndpointKey: Hashable, Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        case connection
        case destination = "api-destination"
    }

    private static let queuePrefix = "http:"

    public let kind: Kind
    public let account: String
    public let region: String
    public let name: String

    public init(_ kind: Kind, account: String, region: String, name: String) {
        self.kind = kind
        self.account = account
        self.region = region
        self.name = name
    }

    /// Where events wait for an API destination.
    var queue: QueueKey { QueueKey(account: account, region: region, name: Self.queuePrefix + name) }

    /// Nil for a queue that is no API destination's.
    init?(_ queue: QueueKey) {
        guard queue.name.hasPrefix(Self.queuePrefix) else { return nil }
        self.init(.destination, account: queue.account, region: queue.region, name: String(queue.name.dropFirst(Self.queuePrefix.count)))
    }

    /// Reads `arn:aws:events:REGION:ACCOUNT:KIND/NAME/ID`; nil for anything else.
    init?(arn: String) {
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[1].hasPrefix("aws"), parts[2] == "events" else { return nil }
        let names = parts[5].split(separator: "/", omittingEmptySubsequences: false)
        guard names.count == 3, let kind = Kind(rawValue: String(names[0])), !names[1].isEmpty, !names[2].isEmpty else { return nil }
        self.init(kind, account: String(parts[4]), region: String(parts[3]), name: String(names[1]))
    }
}

/// A connection or API destination as it is stored.
public struct StoredEndpoint: Hashable, Sendable {
    public let key: EndpointKey
    /// A UUID; another one when the name is used again.
    public let id: String
    /// The members of its request but for `Name`; of a connection with its secrets.
    public var definition: JSON
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(key: EndpointKey, id: String, definition: JSON, created: Int64, modified: Int64) {
        self.key = key
        self.id = id
        self.definition = definition
        self.created = created
        self.modified = modified
    }

    /// `arn:aws:events:REGION:ACCOUNT:api-destination/NAME/ID`, likewise for a connection
    public var arn: String { "arn:aws:events:\(key.region):\(key.account):\(key.kind.rawValue)/\(key.name)/\(id)" }
}

/// An address that events are sent to: `http://HOST[:PORT][/PATH][?QUERY]`.
public struct EndpointURL: Hashable, Sendable {
    /// Without the brackets of an address of version 6.
    public let host: String
    public let port: Int
    /// With the query; begins with `/`.
    public let target: String

    init(_ text: String) throws(EventBusError) {
        func fault(_ reason: String) -> EventBusError { .invalid("Parameter InvocationEndpoint is not valid. Reason: \(reason).") }
        guard text.utf8.count <= 2_048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "*") }) else {
            throw fault("it must have at most 2048 printable ASCII characters without '#' and '*'")
        }
        guard !text.lowercased().hasPrefix("https://") else {
            throw fault("https is not supported by Martlet, which has no TLS of its own: name a proxy that speaks http here")
        }
        guard text.lowercased().hasPrefix("http://") else { throw fault("it must begin with http://") }
        let rest = text.dropFirst("http://".count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let target = rest.dropFirst(authority.count)
        guard !authority.contains("@") else { throw fault("it must not have a user name: that is for the connection") }
        var host = authority
        var port: Substring?
        if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<end]
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { throw fault("the host cannot be read") }
            port = after.isEmpty ? nil : after.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty, host.utf8.count <= 253 else { throw fault("the host is missing or too long") }
        guard let number = port.map({ Int($0) }) ?? 80, (1...65_535).contains(number) else {
            throw fault("the port must be a number from 1 to 65535")
        }
        self.host = String(host)
        self.port = number
        self.target = target.hasPrefix("/") ? String(target) : "/" + target
    }

    /// What `Host` says.
    public var authority: String { (host.contains(":") ? "[\(host)]" : host) + (port == 80 ? "" : ":\(port)") }
}
