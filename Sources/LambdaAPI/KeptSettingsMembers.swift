import FunctionModel

/// The members of CreateFunction and UpdateFunctionConfiguration that are kept and returned, in Lambda's spelling.
struct KeptSettingsRequest: Decodable, Sendable {
    struct Tracing: Decodable, Sendable {
        var mode: String?
        enum CodingKeys: String, CodingKey { case mode = "Mode" }
    }

    struct VPC: Decodable, Sendable {
        var subnetIDs: [String]?
        var securityGroupIDs: [String]?
        var allowsIPv6: Bool?
        enum CodingKeys: String, CodingKey {
            case subnetIDs = "SubnetIds"
            case securityGroupIDs = "SecurityGroupIds"
            case allowsIPv6 = "Ipv6AllowedForDualStack"
        }
    }

    struct SnapStart: Decodable, Sendable {
        var applyOn: String?
        enum CodingKeys: String, CodingKey { case applyOn = "ApplyOn" }
    }

    struct Tenancy: Decodable, Sendable {
        var isolation: String?
        enum CodingKeys: String, CodingKey { case isolation = "TenantIsolationMode" }
    }

    var tracing: Tracing?
    var kmsKeyARN: String?
    var vpc: VPC?
    var fileSystems: [FileSystemConfig]?
    var snapStart: SnapStart?
    var tenancy: Tenancy?

    enum CodingKeys: String, CodingKey {
        case tracing = "TracingConfig"
        case kmsKeyARN = "KMSKeyArn"
        case vpc = "VpcConfig"
        case fileSystems = "FileSystemConfigs"
        case snapStart = "SnapStart"
        case tenancy = "TenancyConfig"
    }

    /// Only the members that the request has.
    var settings: KeptSettings {
        var settings = KeptSettings()
        settings.tracingMode = tracing?.mode
        settings.kmsKeyARN = kmsKeyARN
        settings.vpc = vpc.map {
            KeptSettings.VPC(subnetIDs: $0.subnetIDs ?? [], securityGroupIDs: $0.securityGroupIDs ?? [], allowsIPv6: $0.allowsIPv6 ?? false)
        }
        settings.fileSystems = fileSystems?.map { KeptSettings.FileSystem(arn: $0.arn, localMountPath: $0.localMountPath) }
        settings.snapStart = snapStart?.applyOn
        settings.tenantIsolation = tenancy?.isolation
        return settings
    }
}

public struct FileSystemConfig: Codable, Hashable, Sendable {
    public var arn: String
    public var localMountPath: String
    enum CodingKeys: String, CodingKey {
        case arn = "Arn"
        case localMountPath = "LocalMountPath"
    }
}

public struct VPCConfigResponse: Codable, Hashable, Sendable {
    public var subnetIDs: [String]
    public var securityGroupIDs: [String]
    public var allowsIPv6: Bool
    /// Empty: there is no VPC that the subnets could belong to.
    public var vpcID = ""
    enum CodingKeys: String, CodingKey {
        case subnetIDs = "SubnetIds"
        case securityGroupIDs = "SecurityGroupIds"
        case allowsIPv6 = "Ipv6AllowedForDualStack"
        case vpcID = "VpcId"
    }

    init(_ vpc: KeptSettings.VPC) {
        subnetIDs = vpc.subnetIDs
        securityGroupIDs = vpc.securityGroupIDs
        allowsIPv6 = vpc.allowsIPv6
    }
}

public struct TenancyConfigResponse: Codable, Hashable, Sendable {
    public var tenantIsolationMode: String
    enum CodingKeys: String, CodingKey { case tenantIsolationMode = "TenantIsolationMode" }
}
