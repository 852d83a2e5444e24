public import FunctionModel

/// `Code` of CreateFunction, and the members of UpdateFunctionCode that say where code comes from.
public struct FunctionCode: Decodable, Sendable {
    /// Base64 of a zip archive, at most 50 MB decoded.
    public var zipFile: String?
    /// The archive itself, where the edge has taken it out of the JSON text already; counts as `zipFile`.
    public var archive: [UInt8]?
    public var s3Bucket: String?
    public var s3Key: String?
    public var s3ObjectVersion: String?
    /// `COPY` or `REFERENCE`.
    public var s3ObjectStorageMode: String?
    public var imageUri: String?
    /// Martlet's own: the SHA-256 of an archive that the server already has.
    public var martletSha256: String?

    enum CodingKeys: String, CodingKey {
        case zipFile = "ZipFile"
        case s3Bucket = "S3Bucket"
        case s3Key = "S3Key"
        case s3ObjectVersion = "S3ObjectVersion"
        case s3ObjectStorageMode = "S3ObjectStorageMode"
        case imageUri = "ImageUri"
        case martletSha256 = "MartletSha256"
    }

    public init(zipFile: String? = nil, martletSha256: String? = nil) {
        self.zipFile = zipFile
        self.martletSha256 = martletSha256
    }

    /// - Throws: `.invalidParameterValue` for sources that are not offered, bad base64, or archives over the limit.
    public func source() throws(ServiceError) -> CodeSource {
        if s3Bucket != nil || s3Key != nil || s3ObjectVersion != nil { return try object() }
        if imageUri != nil {
            throw ServiceError(
                .invalidParameterValue, "Container images (ImageUri) are not offered here: send a zip archive as ZipFile")
        }
        if let archive {
            guard martletSha256 == nil else { throw Self.twoSources }
            return try Self.checked(archive)
        }
        switch (zipFile, martletSha256) {
        case (nil, nil):
            throw ServiceError(.invalidParameterValue, "Please provide a source for function code: ZipFile with the base64 of a zip archive")
        case (_?, _?): throw Self.twoSources
        case (let text?, nil):
            guard let archive = Base64.decode(text) else {
                throw ServiceError(.invalidRequestContent, "Could not parse request body into json: 'ZipFile' is not valid base64")
            }
            return try Self.checked(archive)
        case (nil, let digest?):
            let lowercase = digest.lowercased()
            guard lowercase.utf8.count == 64, lowercase.utf8.allSatisfy(Self.isHexadecimal) else {
                throw Validation.single(digest, "martletSha256", .pattern("[0-9a-f]{64}"))
            }
            return .stored(sha256: lowercase)
        }
    }

    private func object() throws(ServiceError) -> CodeSource {
        guard zipFile == nil, archive == nil, martletSha256 == nil else {
            throw ServiceError(.invalidParameterValue, "Please do not provide other FunctionCode parameters when providing a ZipFile.")
        }
        guard let s3Bucket, let s3Key else {
            throw ServiceError(.invalidParameterValue, "Please provide both S3Bucket and S3Key to name an archive in S3.")
        }
        guard s3ObjectStorageMode == nil || s3ObjectStorageMode == "COPY" else {
            throw ServiceError(.invalidParameterValue, "S3ObjectStorageMode REFERENCE is not offered here: archives are copied (COPY)")
        }
        return .object(bucket: s3Bucket, key: s3Key, version: s3ObjectVersion)
    }

    private static let twoSources = ServiceError(
        .invalidParameterValue, "Please do not provide ZipFile and MartletSha256 together: one names the code")

    private static func checked(_ archive: [UInt8]) throws(ServiceError) -> CodeSource {
        guard archive.count <= CodeSource.maximumArchiveBytes else {
            throw ServiceError(
                .requestTooLarge,
                "the archive has \(archive.count) bytes; ZipFile takes at most \(CodeSource.maximumArchiveBytes) bytes of zip")
        }
        guard !archive.isEmpty else { throw ServiceError(.invalidParameterValue, "Uploaded file must be a non-empty zip") }
        return .archive(archive)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

/// Where a function's code comes from.
public enum CodeSource: Sendable {
    /// Bytes of an uploaded zip, Lambda's limit for direct uploads: 50 MB.
    public static let maximumArchiveBytes = 52_428_800

    case archive([UInt8])
    /// 64 lower-case hexadecimal digits.
    case stored(sha256: String)
    /// In S3.
    case object(bucket: String, key: String, version: String?)
}

public struct EnvironmentRequest: Codable, Sendable {
    public var variables: [String: String]?
    enum CodingKeys: String, CodingKey { case variables = "Variables" }
    public init(variables: [String: String]?) { self.variables = variables }
}

public struct EphemeralStorage: Codable, Hashable, Sendable {
    /// MB.
    public var size: Int
    enum CodingKeys: String, CodingKey { case size = "Size" }
    public init(size: Int) { self.size = size }
}

/// What CreateFunction and UpdateFunctionConfiguration have in common.
public struct ConfigurationRequest: Decodable, Sendable {
    public var runtime: String?
    public var role: String?
    public var handler: String?
    public var description: String?
    public var timeout: Int?
    public var memorySize: Int?
    public var environment: EnvironmentRequest?
    public var ephemeralStorage: EphemeralStorage?
    public var revisionID: String?
    /// Martlet's own: `invocation` or `environment`.
    public var martletIsolation: String?
    /// Martlet's own: `none` or `egress`.
    public var martletNetwork: String?
    var packageType: String?
    var architectures: [String]?
    /// ARNs of layer versions, in order; empty to have none, nil to leave them as they are.
    public var layers: [String]?
    var deadLetterConfig: TargetArn?
    var imageConfig: Anything?
    var capacityProviderConfig: Anything?
    var durableConfig: Anything?
    /// Of CreateFunction only.
    public var codeSigningConfigArn: String?
    public var loggingConfig: LoggingRequest?
    var kept: KeptSettingsRequest

    enum CodingKeys: String, CodingKey {
        case runtime = "Runtime"
        case role = "Role"
        case handler = "Handler"
        case description = "Description"
        case timeout = "Timeout"
        case memorySize = "MemorySize"
        case environment = "Environment"
        case ephemeralStorage = "EphemeralStorage"
        case revisionID = "RevisionId"
        case martletIsolation = "MartletIsolation"
        case martletNetwork = "MartletNetwork"
        case packageType = "PackageType"
        case architectures = "Architectures"
        case layers = "Layers"
        case deadLetterConfig = "DeadLetterConfig"
        case imageConfig = "ImageConfig"
        case capacityProviderConfig = "CapacityProviderConfig"
        case durableConfig = "DurableConfig"
        case codeSigningConfigArn = "CodeSigningConfigArn"
        case loggingConfig = "LoggingConfig"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        runtime = try container.decodeIfPresent(String.self, forKey: .runtime)
        role = try container.decodeIfPresent(String.self, forKey: .role)
        handler = try container.decodeIfPresent(String.self, forKey: .handler)
        description = try container.decodeIfPresent(String.self, forKey: .description)
        timeout = try container.decodeIfPresent(Int.self, forKey: .timeout)
        memorySize = try container.decodeIfPresent(Int.self, forKey: .memorySize)
        environment = try container.decodeIfPresent(EnvironmentRequest.self, forKey: .environment)
        ephemeralStorage = try container.decodeIfPresent(EphemeralStorage.self, forKey: .ephemeralStorage)
        revisionID = try container.decodeIfPresent(String.self, forKey: .revisionID)
        martletIsolation = try container.decodeIfPresent(String.self, forKey: .martletIsolation)
        martletNetwork = try container.decodeIfPresent(String.self, forKey: .martletNetwork)
        packageType = try container.decodeIfPresent(String.self, forKey: .packageType)
        architectures = try container.decodeIfPresent([String].self, forKey: .architectures)
        layers = try container.decodeIfPresent([String].self, forKey: .layers)
        deadLetterConfig = try container.decodeIfPresent(TargetArn.self, forKey: .deadLetterConfig)
        imageConfig = try container.decodeIfPresent(Anything.self, forKey: .imageConfig)
        capacityProviderConfig = try container.decodeIfPresent(Anything.self, forKey: .capacityProviderConfig)
        durableConfig = try container.decodeIfPresent(Anything.self, forKey: .durableConfig)
        codeSigningConfigArn = try container.decodeIfPresent(String.self, forKey: .codeSigningConfigArn)
        loggingConfig = try container.decodeIfPresent(LoggingRequest.self, forKey: .loggingConfig)
        kept = try KeptSettingsRequest(from: decoder)
    }

    /// What is kept and returned without being acted on; only the members that the request has.
    public var keptSettings: KeptSettings { kept.settings }

    /// ARN of the dead-letter queue; empty to have none, nil to leave it as it is.
    public var deadLetter: String? { deadLetterConfig.map { $0.targetArn ?? "" } }

    /// - Throws: `.invalidParameterValue`, naming every member out of range, or one that is not offered here.
    public func validate(creating: Bool) throws(ServiceError) {
        var validation = Validation()
        // An image has neither; it is refused below, by name.
        if creating, packageType != "Image" {
            if runtime == nil { validation.fail(String?.none, "runtime", .notNull) }
            if handler == nil { validation.fail(String?.none, "handler", .notNull) }
        }
        validation.range(memorySize, "memorySize", 128...10_240)
        validation.range(timeout, "timeout", 1...900)
        validation.range(ephemeralStorage?.size, "ephemeralStorage.size", 512...10_240)
        validation.length(description, "description", 0...256)
        validation.length(handler, "handler", 0...128)
        validation.length(role, "role", 0...2048)
        if let handler, handler.isEmpty || handler.unicodeScalars.contains(where: { $0.properties.isWhitespace || $0.value < 0x20 }) {
            validation.fail(handler, "handler", .pattern("[^\\s]+"))
        }
        if let martletIsolation, Isolation(rawValue: martletIsolation) == nil {
            validation.fail(martletIsolation, "martletIsolation", .oneOf(Isolation.allCases.map(\.rawValue)))
        }
        if let martletNetwork, NetworkAccess(rawValue: martletNetwork) == nil {
            validation.fail(martletNetwork, "martletNetwork", .oneOf(NetworkAccess.allCases.map(\.rawValue)))
        }
        if let packageType, packageType != "Zip", packageType != "Image" {
            validation.fail(packageType, "packageType", .oneOf(["Zip", "Image"]))
        }
        for name in (environment?.variables ?? [:]).keys.sorted() where !Self.isVariableName(name) {
            validation.fail(name, "environment.variables", .pattern("[a-zA-Z]([a-zA-Z0-9_])+"))
        }
        loggingConfig?.check(&validation)
        try validation.check()
        try loggingConfig?.checkTogether()
        for (name, value) in environment?.variables ?? [:] where value.utf8.contains(0) {
            throw ServiceError(.invalidParameterValue, "the value of environment variable \(name) has a NUL character")
        }
        try refuseUnoffered()
    }

    /// Members whose being ignored would make a function do something else than was asked for.
    private func refuseUnoffered() throws(ServiceError) {
        var refused: [String] = []
        if packageType == "Image" || imageConfig != nil { refused.append("PackageType Image") }
        if case .queue? = deadLetter.flatMap(EventDestination.init(arn:)) {} else if deadLetter?.isEmpty == false {
            refused.append("DeadLetterConfig with a target that is no queue (arn:aws:sqs:…)")
        }
        if capacityProviderConfig != nil { refused.append("CapacityProviderConfig") }
        if durableConfig != nil { refused.append("DurableConfig") }
        if let architectures, architectures != [HostArchitecture.name] {
            refused.append("Architectures \(architectures.joined(separator: ",")) (this server runs \(HostArchitecture.name))")
        }
        guard refused.isEmpty else {
            throw ServiceError(.invalidParameterValue, "not offered here: \(refused.joined(separator: ", ")); leave it out")
        }
    }

    private static func isVariableName(_ name: String) -> Bool {
        guard let first = name.utf8.first, first == UInt8(ascii: "_") || isLetter(first) else { return false }
        return name.utf8.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

/// Present or not is all that is asked of it.
struct Anything: Decodable, Sendable {
    init(from decoder: any Decoder) throws {}
}

struct TargetArn: Decodable, Sendable {
    var targetArn: String?
    enum CodingKeys: String, CodingKey { case targetArn = "TargetArn" }
}

public enum HostArchitecture {
    public static var name: String {
        #if arch(arm64)
            "arm64"
        #else
            "x86_64"
        #endif
    }
}

public struct CreateFunctionRequest: Decodable, Sendable {
    public let functionName: String
    public var code: FunctionCode
    public let publish: Bool
    public let tags: [String: String]
    public let configuration: ConfigurationRequest

    enum CodingKeys: String, CodingKey {
        case functionName = "FunctionName"
        case code = "Code"
        case publish = "Publish"
        case tags = "Tags"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        functionName = try container.decode(String.self, forKey: .functionName)
        code = try container.decode(FunctionCode.self, forKey: .code)
        publish = try container.decodeIfPresent(Bool.self, forKey: .publish) ?? false
        tags = try container.decodeIfPresent([String: String].self, forKey: .tags) ?? [:]
        configuration = try ConfigurationRequest(from: decoder)
    }
}

public struct UpdateFunctionCodeRequest: Decodable, Sendable {
    public var code: FunctionCode
    /// Martlet's own: members of UpdateFunctionConfiguration beside the code's change both in one step, so that no
    /// invocation meets new settings with old code.
    public let configuration: ConfigurationRequest
    public let publish: Bool
    public let dryRun: Bool
    public var revisionID: String? { configuration.revisionID }

    enum CodingKeys: String, CodingKey {
        case publish = "Publish"
        case dryRun = "DryRun"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        code = try FunctionCode(from: decoder)
        publish = try container.decodeIfPresent(Bool.self, forKey: .publish) ?? false
        dryRun = try container.decodeIfPresent(Bool.self, forKey: .dryRun) ?? false
        configuration = try ConfigurationRequest(from: decoder)
    }

    /// - Throws: `.invalidParameterValue` for settings out of range or an architecture that this host does not have.
    public func validate() throws(ServiceError) { try configuration.validate(creating: false) }
}

public struct PublishVersionRequest: Decodable, Sendable {
    public var codeSha256: String?
    public var description: String?
    public var revisionID: String?
    enum CodingKeys: String, CodingKey {
        case codeSha256 = "CodeSha256"
        case description = "Description"
        case revisionID = "RevisionId"
    }

    public func validate() throws(ServiceError) {
        var validation = Validation()
        validation.length(description, "description", 0...256)
        try validation.check()
    }
}

public struct PutFunctionConcurrencyRequest: Decodable, Sendable {
    public var reservedConcurrentExecutions: Int?
    enum CodingKeys: String, CodingKey { case reservedConcurrentExecutions = "ReservedConcurrentExecutions" }

    public func validated() throws(ServiceError) -> Int {
        var validation = Validation()
        validation.range(reservedConcurrentExecutions, "reservedConcurrentExecutions", 0...Int(Int32.max))
        if reservedConcurrentExecutions == nil { validation.fail(String?.none, "reservedConcurrentExecutions", .notNull) }
        try validation.check()
        return reservedConcurrentExecutions ?? 0
    }
}

public struct TagResourceRequest: Decodable, Sendable {
    public var tags: [String: String]
    enum CodingKeys: String, CodingKey { case tags = "Tags" }
}
