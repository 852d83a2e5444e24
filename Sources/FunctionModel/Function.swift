/// How long an execution environment lives (`martlet deploy --isolation`).
public enum Isolation: String, Sendable, Codable, CaseIterable {
    /// A fresh sandbox for every invocation. The default.
    case invocation
    /// An environment serves one invocation after another, as on Lambda.
    case environment
}

/// What a function's network reaches (`martlet deploy --network`).
public enum NetworkAccess: String, Sendable, Codable, CaseIterable {
    /// Its own loopback, with the Runtime API and the server's API.
    case none
    /// The networks that the host's configuration lets functions reach, beside that.
    case egress
}

/// What `CreateFunction` and `UpdateFunctionConfiguration` set; every field is pinned by a published version.
public struct FunctionConfiguration: Hashable, Sendable, Codable {
    /// The full name of an offered runtime: `python3.11`, `provided`.
    public var runtime: String
    /// `module.function` for Python; for `provided` it is only passed on as `_HANDLER`.
    public var handler: String
    /// MB, 128…10,240.
    public var memorySize: Int
    /// Seconds, 1…900.
    public var timeout: Int
    /// MB of /tmp, 512…10,240.
    public var ephemeralStorage: Int
    /// At most 4 KB in all.
    public var environment: [String: String]
    public var isolation: Isolation
    /// nil for what the host's configuration says.
    public var network: NetworkAccess?
    /// At most 256 characters.
    public var description: String
    /// Lambda requires a role ARN; Martlet keeps and returns it.
    public var role: String
    /// ARN of the queue that takes events which could not be processed; empty for none.
    public var deadLetterTarget: String
    public var layers: FunctionLayers
    public var logging: LoggingConfiguration
    public var kept: KeptSettings

    public init(
        runtime: String, handler: String, memorySize: Int = 128, timeout: Int = 3, ephemeralStorage: Int = 512,
        environment: [String: String] = [:], isolation: Isolation = .invocation, network: NetworkAccess? = nil, description: String = "", role: String = "", deadLetterTarget: String = "",
        layers: FunctionLayers = .none,
        logging: LoggingConfiguration = LoggingConfiguration(), kept: KeptSettings = KeptSettings()
    ) {
        self.runtime = runtime
        self.handler = handler
        self.memorySize = memorySize
        self.timeout = timeout
        self.ephemeralStorage = ephemeralStorage
        self.environment = environment
        self.isolation = isolation
        self.network = network
        self.description = description
        self.role = role
        self.deadLetterTarget = deadLetterTarget
        self.layers = layers
        self.logging = logging
        self.kept = kept
    }
}

/// A stored deployment package, identified by the SHA-256 of the uploaded archive.
public struct CodeReference: Hashable, Sendable, Codable {
    /// 64 lower-case hexadecimal digits. Also the name of the unpacked folder in the package store.
    public let sha256: String
    /// Bytes of the archive.
    public let size: Int

    public init(sha256: String, size: Int) {
        self.sha256 = sha256
        self.size = size
    }
}

/// One immutable snapshot of a function: what an execution environment is made from.
///
/// `$LATEST` is a version too; each change to it makes a new snapshot with a new `revision`.
public struct FunctionVersion: Hashable, Sendable, Codable {
    public static let latest = "$LATEST"

    public let key: FunctionKey
    /// `$LATEST` or a decimal number from 1.
    public let version: String
    /// Unique and rising over all functions of a store: two snapshots with the same revision are the same code and
    /// configuration. Pools are keyed by it, so a stale worker can never be picked.
    public let revision: UInt64
    public let configuration: FunctionConfiguration
    public let code: CodeReference
    /// Milliseconds since 1970.
    public let lastModified: Int64

    public init(
        key: FunctionKey, version: String, revision: UInt64, configuration: FunctionConfiguration, code: CodeReference,
        lastModified: Int64
    ) {
        self.key = key
        self.version = version
        self.revision = revision
        self.configuration = configuration
        self.code = code
        self.lastModified = lastModified
    }

    /// The ARN with the version as qualifier; `$LATEST` is left out, as in Lambda's `Invoked-Function-Arn`.
    public var arn: String { version == Self.latest ? key.arn : "\(key.arn):\(version)" }
}

/// Everything the control plane knows of one function: the aggregate a store reads and writes as one.
public struct FunctionRecord: Hashable, Sendable, Codable {
    public let key: FunctionKey
    public var latest: FunctionVersion
    /// Published versions in rising order. Numbers are never reused, also not after one is deleted.
    public var published: [FunctionVersion]
    /// By name.
    public var aliases: [String: FunctionAlias]
    public var nextVersionNumber: Int
    /// `PutFunctionConcurrency`; nil means unreserved, 0 stops the function.
    public var reservedConcurrency: Int?
    public var url: FunctionURL?
    /// URLs of aliases, by the alias's name.
    public var aliasURLs: [String: FunctionURL]
    /// By qualifier: a published version's number or an alias's name.
    public var provisioned: [String: ProvisionedConcurrency]
    /// How events are retried and where their outcomes go, by qualifier; what is not here has the defaults.
    public var eventInvokeConfigs: [String: EventInvokeConfig]
    public var tags: [String: String]
    public var recursiveLoop: RecursiveLoop
    /// By version; what is not here is updated automatically.
    public var runtimeManagement: [String: RuntimeManagement]
    /// ARN of the code signing configuration; nil for none.
    public var codeSigningConfig: String?
    /// Milliseconds since 1970.
    public let created: Int64

    public init(
        key: FunctionKey, latest: FunctionVersion, published: [FunctionVersion] = [], aliases: [String: FunctionAlias] = [:],
        nextVersionNumber: Int = 1, reservedConcurrency: Int? = nil, url: FunctionURL? = nil, aliasURLs: [String: FunctionURL] = [:],
        provisioned: [String: ProvisionedConcurrency] = [:], eventInvokeConfigs: [String: EventInvokeConfig] = [:], tags: [String: String] = [:],
        recursiveLoop: RecursiveLoop = .terminate, runtimeManagement: [String: RuntimeManagement] = [:], codeSigningConfig: String? = nil, created: Int64
    ) {
        self.key = key
        self.latest = latest
        self.published = published
        self.aliases = aliases
        self.nextVersionNumber = nextVersionNumber
        self.reservedConcurrency = reservedConcurrency
        self.url = url
        self.aliasURLs = aliasURLs
        self.provisioned = provisioned
        self.eventInvokeConfigs = eventInvokeConfigs
        self.tags = tags
        self.recursiveLoop = recursiveLoop
        self.runtimeManagement = runtimeManagement
        self.codeSigningConfig = codeSigningConfig
        self.created = created
    }

    /// `nil` and `$LATEST` name the latest snapshot, a number a published one, another name an alias, whose first version
    /// this is.
    public func version(qualifier: String?) -> FunctionVersion? {
        guard let qualifier else { return latest }
        return version(number: qualifier) ?? aliases[qualifier].flatMap { version(number: $0.version) }
    }

    /// What invocations of the qualifier may run: two versions where an alias shares them.
    public func versions(qualifier: String?) -> [FunctionVersion] {
        let second = qualifier.flatMap { aliases[$0]?.additional }.flatMap { version(number: $0.version) }
        return [version(qualifier: qualifier), second].compactMap(\.self)
    }

    /// `$LATEST` or a number.
    public func version(number: String) -> FunctionVersion? {
        number == FunctionVersion.latest ? latest : published.first { $0.version == number }
    }
}
