public import FunctionModel

/// Body of CreateCodeSigningConfig, and of UpdateCodeSigningConfig, where each member may be absent.
///
/// Source: botocore `lambda/2015-03-31/service-2.json`.
public struct CodeSigningConfigRequest: Decodable, Sendable {
    struct Publishers: Decodable, Sendable {
        var signingProfileVersionArns: [String]
        enum CodingKeys: String, CodingKey { case signingProfileVersionArns = "SigningProfileVersionArns" }
    }

    struct Policies: Decodable, Sendable {
        var untrustedArtifactOnDeployment: CodeSigningConfig.Policy?
        enum CodingKeys: String, CodingKey { case untrustedArtifactOnDeployment = "UntrustedArtifactOnDeployment" }
    }

    public var description: String?
    var allowedPublishers: Publishers?
    var policies: Policies?
    var givenTags: [String: String]?

    enum CodingKeys: String, CodingKey {
        case description = "Description"
        case allowedPublishers = "AllowedPublishers"
        case policies = "CodeSigningPolicies"
        case givenTags = "Tags"
    }

    public var signingProfiles: [String]? { allowedPublishers?.signingProfileVersionArns }
    public var policy: CodeSigningConfig.Policy? { policies?.untrustedArtifactOnDeployment }
    public var tags: [String: String] { givenTags ?? [:] }

    /// What the service model cannot say.
    /// - Throws: `.invalidParameterValue` for an ARN of something else than a signing profile's version.
    public func validate() throws(ServiceError) {
        for arn in signingProfiles ?? [] {
            let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
            guard parts.count == 6, parts[0] == "arn", parts[2] == "signer", parts[5].hasPrefix("/signing-profiles/") else {
                throw ServiceError(
                    .invalidParameterValue,
                    "The signing profile version '\(arn.prefix(200))' is not valid: it must be arn:aws:signer:REGION:ACCOUNT:/signing-profiles/NAME/VERSION")
            }
        }
    }
}

public struct CodeSigningConfigResponse: Encodable, Sendable {
    struct Config: Encodable, Sendable {
        struct Publishers: Encodable, Sendable {
            var signingProfileVersionArns: [String]
            enum CodingKeys: String, CodingKey { case signingProfileVersionArns = "SigningProfileVersionArns" }
        }

        struct Policies: Encodable, Sendable {
            var untrustedArtifactOnDeployment: String
            enum CodingKeys: String, CodingKey { case untrustedArtifactOnDeployment = "UntrustedArtifactOnDeployment" }
        }

        var id: String
        var arn: String
        var description: String
        var allowedPublishers: Publishers
        var policies: Policies
        var lastModified: String

        enum CodingKeys: String, CodingKey {
            case id = "CodeSigningConfigId"
            case arn = "CodeSigningConfigArn"
            case description = "Description"
            case allowedPublishers = "AllowedPublishers"
            case policies = "CodeSigningPolicies"
            case lastModified = "LastModified"
        }

        init(_ config: CodeSigningConfig) {
            id = config.key.id
            arn = config.key.arn
            description = config.description
            allowedPublishers = Publishers(signingProfileVersionArns: config.signingProfiles)
            policies = Policies(untrustedArtifactOnDeployment: config.policy.rawValue)
            lastModified = LambdaTime.text(config.modified)
        }
    }

    var config: Config
    enum CodingKeys: String, CodingKey { case config = "CodeSigningConfig" }
    public init(_ config: CodeSigningConfig) { self.config = Config(config) }
}

public struct ListCodeSigningConfigsResponse: Encodable, Sendable {
    var configs: [CodeSigningConfigResponse.Config]
    var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case configs = "CodeSigningConfigs"
        case nextMarker = "NextMarker"
    }

    public init(configs: some Sequence<CodeSigningConfig>, nextMarker: String?) {
        self.configs = configs.map(CodeSigningConfigResponse.Config.init)
        self.nextMarker = nextMarker
    }
}

public struct ListFunctionArnsResponse: Encodable, Sendable {
    var functionArns: [String]
    var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case functionArns = "FunctionArns"
        case nextMarker = "NextMarker"
    }

    public init(functionArns: [String], nextMarker: String?) {
        self.functionArns = functionArns
        self.nextMarker = nextMarker
    }
}

public struct FunctionCodeSigningRequest: Decodable, Sendable {
    public var codeSigningConfigArn: String
    enum CodingKeys: String, CodingKey { case codeSigningConfigArn = "CodeSigningConfigArn" }
}

/// An empty `CodeSigningConfigArn` for a function without one: Terraform reads it for every function and must get a 200.
public struct FunctionCodeSigningResponse: Encodable, Sendable {
    var codeSigningConfigArn: String
    var functionName: String

    enum CodingKeys: String, CodingKey {
        case codeSigningConfigArn = "CodeSigningConfigArn"
        case functionName = "FunctionName"
    }

    public init(_ config: String?, functionName: String) {
        codeSigningConfigArn = config ?? ""
        self.functionName = functionName
    }
}
