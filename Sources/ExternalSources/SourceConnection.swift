/// Opens connections to brokers of one kind. The port that each adapter implements.
public protocol SourceConnector: Sendable {
    /// Blocks its thread until the broker has taken the reader in, at most about ten seconds.
    ///
    /// What an earlier connection of the same consumer group had received and not settled is received again, by this one or,
    /// where the broker has a time limit for it, after that.
    /// - Throws: `SourceFault`.
    func connect(_ request: SourceRequest) throws(SourceFault) -> any SourceConnection
}

/// One reader at a broker. Called by one thread at a time; every call may block that thread.
///
/// A fault ends a connection: it is closed, and the next one goes on where the broker says.
public protocol SourceConnection: AnyObject {
    /// Whether records may be received while others are on their way; otherwise all that was received is settled first.
    var readsAhead: Bool { get }
    /// What can be settled on a later connection than the one that gave it.
    var keepsPositions: Bool { get }
    /// How often `extend` has to be called for what is held, milliseconds; nil where the broker waits for ever.
    var extensionInterval: Int64? { get }

    /// Records in the order in which the broker gives them, waiting for the first for at most `wait` milliseconds.
    /// - Parameter limit: records at most; 0 only keeps the connection alive.
    func receive(limit: Int, wait: Int64) throws(SourceFault) -> SourceDelivery
    /// Returns when the broker has been told.
    func settle(_ settlements: [SourceSettlement]) throws(SourceFault)
    /// The function still has these.
    func extend(_ positions: [SourcePosition]) throws(SourceFault)
    /// May be called once, also after a fault.
    func close()
}

/// What one `receive` gave.
public struct SourceDelivery: Sendable {
    public var records: [SourceRecord]
    /// Lanes that another reader has now: what is held of them and not on its way is its matter.
    public var lostLanes: Set<String>
    /// What an operator should know, though the connection goes on.
    public var problem: String?

    public init(records: [SourceRecord] = [], lostLanes: Set<String> = [], problem: String? = nil) {
        self.records = records
        self.lostLanes = lostLanes
        self.problem = problem
    }
}

/// All that an adapter is told about a mapping.
public struct SourceRequest: Sendable {
    public var source: ExternalSource
    /// The mapping's ID: names this reader within its consumer group.
    public var reader: String
    /// Records that may be received and not yet settled; a bound for what the broker sends ahead.
    public var prefetch: Int
    public var credentials: SourceCredentials?
    /// Path of a PEM file with the certificates to trust; nil: no TLS.
    public var rootCertificateFile: String?
    /// Counts connections, so that those with several addresses take another one each time.
    public var attempt: Int

    public init(
        source: ExternalSource, reader: String, prefetch: Int, credentials: SourceCredentials? = nil, rootCertificateFile: String? = nil, attempt: Int = 0
    ) {
        self.source = source
        self.reader = reader
        self.prefetch = prefetch
        self.credentials = credentials
        self.rootCertificateFile = rootCertificateFile
        self.attempt = attempt
    }

    /// The address whose turn it is.
    public func endpoint() throws(SourceFault) -> SourceEndpoint {
        let text = source.endpoints.isEmpty ? "" : source.endpoints[attempt % source.endpoints.count]
        guard let endpoint = SourceEndpoint(text) else { throw SourceFault("\(text) is no host:port") }
        return endpoint
    }
}

public struct SourceCredentials: Sendable {
    public let username: String
    public let password: String

    public init(username: String, password: String) {
        self.username = username
        self.password = password
    }
}

/// Where a record is at its broker; only the adapter that made it reads it.
public struct SourcePosition: Hashable, Sendable {
    public let text: String
    public let number: Int64

    public init(text: String = "", number: Int64 = 0) {
        self.text = text
        self.number = number
    }
}

public struct SourceSettlement: Hashable, Sendable {
    public enum Verdict: Hashable, Sendable {
        /// Its function has taken it (or the filter left it out).
        case done
        /// Given up. Brokers with dead letters of their own get to know; for the others it is done.
        case rejected
        /// Not run: another reader may have it, or this one later.
        case released
    }

    public let position: SourcePosition
    public let verdict: Verdict

    public init(_ position: SourcePosition, _ verdict: Verdict) {
        self.position = position
        self.verdict = verdict
    }
}

/// Why a broker cannot be used. Lower case, what was attempted and on what.
public struct SourceFault: Error, Hashable, CustomStringConvertible {
    public let description: String

    /// - Parameter text: may hold what a broker said: it is cut to 300 characters, and control characters are replaced.
    public init(_ text: String) {
        description = String(text.unicodeScalars.prefix(300).map { $0.value < 32 || $0.value == 127 ? " " : Character($0) })
    }
}
