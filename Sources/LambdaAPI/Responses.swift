import FoundationEssentials
public import FunctionModel

/// Lambda's FunctionConfiguration: the answer of most operations.
public struct FunctionConfigurationResponse: Codable, Hashable, Sendable {
    public var functionName: String
    public var functionArn: String
    public var runtime: String
    public var role: String
    public var handler: String
    public var codeSize: Int
    public var description: String
    public var timeout: Int
    public var memorySize: Int
    public var lastModified: String
    /// Base64 of the archive's SHA-256.
    public var codeSha256: String
    public var version: String
    public var environment: Environment?
    public var tracingConfig: Tracing
    public var revisionID: String
    public var state: String
    public var lastUpdateStatus: String
    public var packageType: String
    public var architectures: [String]
    public var ephemeralStorage: EphemeralStorage
    public var snapStart: SnapStart
    public var loggingConfig: Logging
    public var deadLetterConfig: DeadLetter?
    public var layers: [Layer]?
    public var kmsKeyArn: String?
    public var vpcConfig: VPCConfigResponse?
    public var fileSystemConfigs: [FileSystemConfig]?
    public var tenancyConfig: TenancyConfigResponse?
    /// Martlet's own: `invocation` or `environment`.
    public var martletIsolation: String
    /// Martlet's own: `none` or `egress`; nil where the function leaves it to the host.
    public var martletNetwork: String?

    public struct Environment: Codable, Hashable, Sendable {
        public var variables: [String: String]
        enum CodingKeys: String, CodingKey { case variables = "Variables" }
    }

    public struct Tracing: Codable, Hashable, Sendable {
        public var mode = "PassThrough"
        enum CodingKeys: String, CodingKey { case mode = "Mode" }
    }

    public struct SnapStart: Codable, Hashable, Sendable {
        public var applyOn = "None"
        public var optimizationStatus = "Off"
        enum CodingKeys: String, CodingKey {
            case applyOn = "ApplyOn"
            case optimizationStatus = "OptimizationStatus"
        }
    }

    public struct Logging: Codable, Hashable, Sendable {
        public var logFormat: String
        public var applicationLogLevel: String?
        public var systemLogLevel: String?
        public var logGroup: String
        enum CodingKeys: String, CodingKey {
            case logFormat = "LogFormat"
            case applicationLogLevel = "ApplicationLogLevel"
            case systemLogLevel = "SystemLogLevel"
            case logGroup = "LogGroup"
        }

        init(_ logging: LoggingConfiguration, of function: FunctionKey) {
            logFormat = logging.format.rawValue
            logGroup = logging.group(of: function)
            guard logging.format == .json else { return }
            applicationLogLevel = (logging.applicationLevel ?? .info).rawValue
            systemLogLevel = (logging.systemLevel ?? .info).rawValue
        }
    }

    public struct Layer: Codable, Hashable, Sendable {
        public var arn: String
        public var codeSize: Int
        enum CodingKeys: String, CodingKey {
            case arn = "Arn"
            case codeSize = "CodeSize"
        }
    }

    public struct DeadLetter: Codable, Hashable, Sendable {
        public var targetArn: String
        enum CodingKeys: String, CodingKey { case targetArn = "TargetArn" }
    }

    enum CodingKeys: String, CodingKey {
        case functionName = "FunctionName"
        case functionArn = "FunctionArn"
        case runtime = "Runtime"
        case role = "Role"
        case handler = "Handler"
        case codeSize = "CodeSize"
        case description = "Description"
        case timeout = "Timeout"
        case memorySize = "MemorySize"
        case lastModified = "LastModified"
        case codeSha256 = "CodeSha256"
        case version = "Version"
        case environment = "Environment"
        case tracingConfig = "TracingConfig"
        case revisionID = "RevisionId"
        case state = "State"
        case lastUpdateStatus = "LastUpdateStatus"
        case packageType = "PackageType"
        case architectures = "Architectures"
        case ephemeralStorage = "EphemeralStorage"
        case snapStart = "SnapStart"
        case loggingConfig = "LoggingConfig"
        case deadLetterConfig = "DeadLetterConfig"
        case layers = "Layers"
        case kmsKeyArn = "KMSKeyArn"
        case vpcConfig = "VpcConfig"
        case fileSystemConfigs = "FileSystemConfigs"
        case tenancyConfig = "TenancyConfig"
        case martletIsolation = "MartletIsolation"
        case martletNetwork = "MartletNetwork"
    }

    /// - Parameter qualified: whether the ARN carries the version, as answers about one version do.
    public init(_ version: FunctionVersion, qualified: Bool) {
        let configuration = version.configuration
        functionName = version.key.name
        functionArn = qualified ? "\(version.key.arn):\(version.version)" : version.key.arn
        runtime = configuration.runtime
        role = configuration.role
        handler = configuration.handler
        codeSize = version.code.size
        description = configuration.description
        timeout = configuration.timeout
        memorySize = configuration.memorySize
        lastModified = LambdaTime.text(version.lastModified)
        codeSha256 = CodeDigest.base64(hexadecimal: version.code.sha256)
        self.version = version.version
        environment = configuration.environment.isEmpty ? nil : Environment(variables: configuration.environment)
        let kept = configuration.kept
        tracingConfig = Tracing(mode: kept.tracingMode ?? "PassThrough")
        revisionID = RevisionID.text(version.revision)
        state = "Active"
        lastUpdateStatus = "Successful"
        packageType = "Zip"
        architectures = [HostArchitecture.name]
        ephemeralStorage = EphemeralStorage(size: configuration.ephemeralStorage)
        // As on Lambda, only published versions are started from a snapshot.
        let isSnapshot = kept.snapStart == "PublishedVersions" && version.version != FunctionVersion.latest
        snapStart = SnapStart(applyOn: kept.snapStart ?? "None", optimizationStatus: isSnapshot ? "On" : "Off")
        kmsKeyArn = kept.kmsKeyARN.flatMap { $0.isEmpty ? nil : $0 }
        vpcConfig = kept.vpc.map(VPCConfigResponse.init)
        fileSystemConfigs = kept.fileSystems.flatMap { list in list.isEmpty ? nil : list.map { FileSystemConfig(arn: $0.arn, localMountPath: $0.localMountPath) } }
        tenancyConfig = kept.tenantIsolation.map { TenancyConfigResponse(tenantIsolationMode: $0) }
        loggingConfig = Logging(configuration.logging, of: version.key)
        deadLetterConfig = configuration.deadLetterTarget.isEmpty ? nil : DeadLetter(targetArn: configuration.deadLetterTarget)
        layers = configuration.layers.list.isEmpty ? nil : configuration.layers.list.map { Layer(arn: $0.arn, codeSize: $0.code.size) }
        martletIsolation = configuration.isolation.rawValue
        martletNetwork = configuration.network?.rawValue
    }
}

/// The two forms of an archive's SHA-256: hexadecimal inside, base64 in Lambda's `CodeSha256`.
public enum CodeDigest {
    public static func base64(hexadecimal: String) -> String {
        var bytes: [UInt8] = []
        var digits = hexadecimal.utf8.makeIterator()
        while let high = digits.next(), let low = digits.next() { bytes.append(value(high) << 4 | value(low)) }
        return Base64.encode(bytes)
    }

    /// nil unless the text is base64 of 32 bytes.
    public static func hexadecimal(base64: String) -> String? {
        guard let bytes = Base64.decode(base64), bytes.count == 32 else { return nil }
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func value(_ digit: UInt8) -> UInt8 {
        digit >= UInt8(ascii: "a") ? digit - UInt8(ascii: "a") + 10 : digit >= UInt8(ascii: "0") ? digit - UInt8(ascii: "0") : 0
    }
}

/// `2026-11-21T08:20:57.123+0000`, as Lambda writes `LastModified`.
public enum LambdaTime {
    /// - Parameter milliseconds: since 1970.
    public static func text(_ milliseconds: Int64) -> String { iso(milliseconds) + "+0000" }

    /// With `Z`, as the URL operations write their times.
    public static func utcText(_ milliseconds: Int64) -> String { iso(milliseconds) + "Z" }

    private static func iso(_ milliseconds: Int64) -> String {
        let (second, rest) = max(0, milliseconds).quotientAndRemainder(dividingBy: 1000)
        // Whole seconds are exact as a floating-point number, milliseconds are not.
        let text = Date(timeIntervalSince1970: Double(second)).formatted(.iso8601).dropLast()
        return "\(text)." + String(String(1000 + rest).dropFirst())
    }
}

public struct GetFunctionResponse: Codable, Sendable {
    public var configuration: FunctionConfigurationResponse
    public var code: Location
    public var tags: [String: String]?
    public var concurrency: ConcurrencyResponse?

    public struct Location: Codable, Sendable {
        public var repositoryType: String
        public var location: String
        enum CodingKeys: String, CodingKey {
            case repositoryType = "RepositoryType"
            case location = "Location"
        }
    }

    enum CodingKeys: String, CodingKey {
        case configuration = "Configuration"
        case code = "Code"
        case tags = "Tags"
        case concurrency = "Concurrency"
    }

    public init(configuration: FunctionConfigurationResponse, location: String, tags: [String: String], reservedConcurrency: Int?) {
        self.configuration = configuration
        code = Location(repositoryType: "S3", location: location)
        self.tags = tags.isEmpty ? nil : tags
        concurrency = reservedConcurrency.map { ConcurrencyResponse(reservedConcurrentExecutions: $0) }
    }
}

public struct ConcurrencyResponse: Codable, Sendable {
    public var reservedConcurrentExecutions: Int?
    enum CodingKeys: String, CodingKey { case reservedConcurrentExecutions = "ReservedConcurrentExecutions" }
    public init(reservedConcurrentExecutions: Int?) { self.reservedConcurrentExecutions = reservedConcurrentExecutions }
}

public struct ListFunctionsResponse: Codable, Sendable {
    public var functions: [FunctionConfigurationResponse]
    public var nextMarker: String?
    enum CodingKeys: String, CodingKey {
        case functions = "Functions"
        case nextMarker = "NextMarker"
    }
    public init(functions: [FunctionConfigurationResponse], nextMarker: String?) {
        self.functions = functions
        self.nextMarker = nextMarker
    }
}

public struct ListVersionsResponse: Codable, Sendable {
    public var versions: [FunctionConfigurationResponse]
    public var nextMarker: String?
    enum CodingKeys: String, CodingKey {
        case versions = "Versions"
        case nextMarker = "NextMarker"
    }
    public init(versions: [FunctionConfigurationResponse], nextMarker: String?) {
        self.versions = versions
        self.nextMarker = nextMarker
    }
}

public struct AccountSettingsResponse: Codable, Sendable {
    public var accountLimit: Limit
    public var accountUsage: Usage

    public struct Limit: Codable, Sendable {
        /// Bytes.
        public var totalCodeSize: Int
        public var codeSizeUnzipped: Int
        public var codeSizeZipped: Int
        public var concurrentExecutions: Int
        public var unreservedConcurrentExecutions: Int
        enum CodingKeys: String, CodingKey {
            case totalCodeSize = "TotalCodeSize"
            case codeSizeUnzipped = "CodeSizeUnzipped"
            case codeSizeZipped = "CodeSizeZipped"
            case concurrentExecutions = "ConcurrentExecutions"
            case unreservedConcurrentExecutions = "UnreservedConcurrentExecutions"
        }
    }

    public struct Usage: Codable, Sendable {
        public var totalCodeSize: Int
        public var functionCount: Int
        enum CodingKeys: String, CodingKey {
            case totalCodeSize = "TotalCodeSize"
            case functionCount = "FunctionCount"
        }
    }

    enum CodingKeys: String, CodingKey {
        case accountLimit = "AccountLimit"
        case accountUsage = "AccountUsage"
    }

    public init(concurrentExecutions: Int, unreserved: Int, totalCodeSize: Int, functionCount: Int) {
        accountLimit = Limit(
            totalCodeSize: 80_530_636_800, codeSizeUnzipped: 262_144_000, codeSizeZipped: CodeSource.maximumArchiveBytes,
            concurrentExecutions: concurrentExecutions, unreservedConcurrentExecutions: unreserved)
        accountUsage = Usage(totalCodeSize: totalCodeSize, functionCount: functionCount)
    }
}

public struct ListTagsResponse: Codable, Sendable {
    public var tags: [String: String]
    enum CodingKeys: String, CodingKey { case tags = "Tags" }
    public init(tags: [String: String]) { self.tags = tags }
}
