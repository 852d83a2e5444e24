public import FunctionModel

public struct PublishLayerVersionRequest: Decodable, Sendable {
    public var content: FunctionCode?
    public var description: String?
    public var compatibleRuntimes: [String]?
    public var compatibleArchitectures: [String]?
    public var licenseInfo: String?

    enum CodingKeys: String, CodingKey {
        case content = "Content"
        case description = "Description"
        case compatibleRuntimes = "CompatibleRuntimes"
        case compatibleArchitectures = "CompatibleArchitectures"
        case licenseInfo = "LicenseInfo"
    }

    /// - Throws: `.invalidParameterValue`, naming every member that is out of range.
    public func validate() throws(ServiceError) {
        var validation = Validation()
        if content == nil { validation.fail(String?.none, "content", .notNull) }
        validation.length(description, "description", 0...256)
        validation.length(licenseInfo, "licenseInfo", 0...512)
        if let runtimes = compatibleRuntimes, runtimes.count > 15 {
            validation.fail("[\(runtimes.joined(separator: ", "))]", "compatibleRuntimes", .maximumLength(15))
        }
        for architecture in compatibleArchitectures ?? [] where architecture != "x86_64" && architecture != "arm64" {
            validation.fail("[\(architecture)]", "compatibleArchitectures", .oneOf(["x86_64", "arm64"]))
        }
        try validation.check()
    }
}

/// Of LayerVersionsListItem, and the common part of GetLayerVersion's answer.
public struct LayerVersionItem: Encodable, Sendable {
    var layerVersionArn: String
    var version: Int
    var description: String
    var createdDate: String
    var compatibleRuntimes: [String]?
    var compatibleArchitectures: [String]?
    var licenseInfo: String?

    enum CodingKeys: String, CodingKey {
        case layerVersionArn = "LayerVersionArn"
        case version = "Version"
        case description = "Description"
        case createdDate = "CreatedDate"
        case compatibleRuntimes = "CompatibleRuntimes"
        case compatibleArchitectures = "CompatibleArchitectures"
        case licenseInfo = "LicenseInfo"
    }

    public init(_ version: LayerVersion, of key: LayerKey) {
        layerVersionArn = "\(key.arn):\(version.number)"
        self.version = version.number
        description = version.description
        createdDate = LambdaTime.text(version.created)
        compatibleRuntimes = version.compatibleRuntimes.isEmpty ? nil : version.compatibleRuntimes
        compatibleArchitectures = version.compatibleArchitectures.isEmpty ? nil : version.compatibleArchitectures
        licenseInfo = version.licenseInfo.isEmpty ? nil : version.licenseInfo
    }
}

public struct LayerVersionResponse: Encodable, Sendable {
    struct Content: Encodable, Sendable {
        var location: String
        var codeSha256: String
        var codeSize: Int

        enum CodingKeys: String, CodingKey {
            case location = "Location"
            case codeSha256 = "CodeSha256"
            case codeSize = "CodeSize"
        }
    }

    private let item: LayerVersionItem
    private let layerArn: String
    private let content: Content

    enum CodingKeys: String, CodingKey {
        case layerArn = "LayerArn"
        case content = "Content"
    }

    /// - Parameter location: where the archive is to be had.
    public init(_ version: LayerVersion, of key: LayerKey, location: String) {
        item = LayerVersionItem(version, of: key)
        layerArn = key.arn
        content = Content(location: location, codeSha256: CodeDigest.base64(hexadecimal: version.code.sha256), codeSize: version.code.size)
    }

    public func encode(to encoder: any Encoder) throws {
        try item.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(layerArn, forKey: .layerArn)
        try container.encode(content, forKey: .content)
    }
}

public struct ListLayersResponse: Encodable, Sendable {
    public struct Item: Encodable, Sendable {
        public var layerName: String
        var layerArn: String
        var latest: LayerVersionItem

        enum CodingKeys: String, CodingKey {
            case layerName = "LayerName"
            case layerArn = "LayerArn"
            case latest = "LatestMatchingVersion"
        }

        public init(_ key: LayerKey, latest: LayerVersion) {
            layerName = key.name
            layerArn = key.arn
            self.latest = LayerVersionItem(latest, of: key)
        }
    }

    var layers: [Item]
    var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case layers = "Layers"
        case nextMarker = "NextMarker"
    }

    public init(layers: [Item], nextMarker: String?) {
        self.layers = layers
        self.nextMarker = nextMarker
    }
}

public struct ListLayerVersionsResponse: Encodable, Sendable {
    var layerVersions: [LayerVersionItem]
    var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case layerVersions = "LayerVersions"
        case nextMarker = "NextMarker"
    }

    public init(layerVersions: [LayerVersionItem], nextMarker: String?) {
        self.layerVersions = layerVersions
        self.nextMarker = nextMarker
    }
}

public struct AddLayerVersionPermissionRequest: Decodable, Sendable {
    var statementID: String?
    var action: String?
    var principal: String?
    var organizationID: String?

    enum CodingKeys: String, CodingKey {
        case statementID = "StatementId"
        case action = "Action"
        case principal = "Principal"
        case organizationID = "OrganizationId"
    }

    /// - Throws: `.invalidParameterValue`, naming every member that is out of range.
    public func validated() throws(ServiceError) -> LayerPermission {
        var validation = Validation()
        for (value, member) in [(statementID, "statementId"), (action, "action"), (principal, "principal")] where value == nil {
            validation.fail(String?.none, member, .notNull)
        }
        validation.length(statementID, "statementId", 1...100)
        if let statementID, !statementID.isEmpty, !FunctionTarget.isName(statementID) {
            validation.fail(statementID, "statementId", .pattern("([a-zA-Z0-9-_]+)"))
        }
        if let action, action != "lambda:GetLayerVersion" { validation.fail(action, "action", .pattern("lambda:GetLayerVersion")) }
        if let principal, !Self.isPrincipal(principal) {
            validation.fail(principal, "principal", .pattern("\\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root"))
        }
        validation.length(organizationID, "organizationId", 0...34)
        try validation.check()
        return LayerPermission(id: statementID ?? "", principal: principal ?? "", organization: organizationID)
    }

    private static func isPrincipal(_ text: String) -> Bool {
        if text == "*" || isAccount(text[...]) { return true }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 6 && parts[0] == "arn" && parts[1].hasPrefix("aws") && parts[2] == "iam" && parts[3].isEmpty && isAccount(parts[4])
            && parts[5] == "root"
    }

    private static func isAccount(_ text: Substring) -> Bool {
        text.utf8.count == 12 && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

/// A layer version's policy, as the JSON text that the API gives.
public struct LayerPolicy: Encodable, Sendable {
    public struct Statement: Encodable, Sendable {
        enum Principal: Encodable, Sendable {
            case anyone
            case account(String)

            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                switch self {
                case .anyone: try container.encode("*")
                case .account(let arn): try container.encode(["AWS": arn])
                }
            }
        }

        let sid: String
        let effect = "Allow"
        let principal: Principal
        let action = "lambda:GetLayerVersion"
        let resource: String
        let condition: [String: [String: String]]?

        enum CodingKeys: String, CodingKey {
            case sid = "Sid"
            case effect = "Effect"
            case principal = "Principal"
            case action = "Action"
            case resource = "Resource"
            case condition = "Condition"
        }

        public init(_ permission: LayerPermission, resource: String) {
            sid = permission.id
            principal = switch permission.principal {
            case "*": .anyone
            case let arn where arn.hasPrefix("arn:"): .account(arn)
            case let account: .account("arn:aws:iam::\(account):root")
            }
            self.resource = resource
            condition = permission.organization.map { ["StringEquals": ["aws:PrincipalOrgID": $0]] }
        }
    }

    let version = "2012-10-17"
    let id = "default"
    let statement: [Statement]

    enum CodingKeys: String, CodingKey {
        case version = "Version"
        case id = "Id"
        case statement = "Statement"
    }

    public init(_ version: LayerVersion, of key: LayerKey) {
        statement = version.permissions.map { Statement($0, resource: "\(key.arn):\(version.number)") }
    }
}

/// AddLayerVersionPermission's answer has `Statement`, GetLayerVersionPolicy's `Policy`.
public struct LayerPolicyResponse: Encodable, Sendable {
    var policy: String?
    var statement: String?
    var revisionID: String

    enum CodingKeys: String, CodingKey {
        case policy = "Policy"
        case statement = "Statement"
        case revisionID = "RevisionId"
    }

    public init(policy: LayerPolicy? = nil, statement: LayerPolicy.Statement? = nil, revision: UInt64) throws(ServiceError) {
        if let policy { self.policy = String(decoding: try LambdaJSON.encode(policy), as: UTF8.self) }
        if let statement { self.statement = String(decoding: try LambdaJSON.encode(statement), as: UTF8.self) }
        revisionID = RevisionID.text(revision)
    }
}
