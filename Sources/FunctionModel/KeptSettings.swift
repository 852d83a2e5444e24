/// What Lambda's API sets of a function beside what Martlet acts on: kept, pinned by a published version, and returned.
///
/// Members are nil until a client sets them; the API's answers fill in Lambda's defaults.
public struct KeptSettings: Hashable, Sendable, Codable {
    public struct VPC: Hashable, Sendable, Codable {
        public var subnetIDs: [String]
        public var securityGroupIDs: [String]
        public var allowsIPv6: Bool

        public init(subnetIDs: [String], securityGroupIDs: [String], allowsIPv6: Bool) {
            self.subnetIDs = subnetIDs
            self.securityGroupIDs = securityGroupIDs
            self.allowsIPv6 = allowsIPv6
        }
    }

    public struct FileSystem: Hashable, Sendable, Codable {
        public var arn: String
        public var localMountPath: String

        public init(arn: String, localMountPath: String) {
            self.arn = arn
            self.localMountPath = localMountPath
        }
    }

    /// `PassThrough` or `Active`.
    public var tracingMode: String?
    public var kmsKeyARN: String?
    public var vpc: VPC?
    public var fileSystems: [FileSystem]?
    /// `None` or `PublishedVersions`.
    public var snapStart: String?
    /// `PER_TENANT`.
    public var tenantIsolation: String?

    public init() {}

    /// Takes over each member that the change has.
    public mutating func merge(_ change: KeptSettings) {
        tracingMode = change.tracingMode ?? tracingMode
        kmsKeyARN = change.kmsKeyARN ?? kmsKeyARN
        vpc = change.vpc ?? vpc
        fileSystems = change.fileSystems ?? fileSystems
        snapStart = change.snapStart ?? snapStart
        tenantIsolation = change.tenantIsolation ?? tenantIsolation
    }
}
