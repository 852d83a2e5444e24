public import FunctionModel

/// CreateAlias and UpdateAlias.
public struct AliasRequest: Decodable, Sendable {
    public var name: String?
    public var functionVersion: String?
    public var description: String?
    var routingConfig: RoutingConfig?
    public var revisionID: String?

    struct RoutingConfig: Codable, Hashable, Sendable {
        var additionalVersionWeights: [String: Double]?
        enum CodingKeys: String, CodingKey { case additionalVersionWeights = "AdditionalVersionWeights" }
    }

    enum CodingKeys: String, CodingKey {
        case name = "Name"
        case functionVersion = "FunctionVersion"
        case description = "Description"
        case routingConfig = "RoutingConfig"
        case revisionID = "RevisionId"
    }

    /// - Throws: `.invalidParameterValue`, naming every member that is out of range.
    public func validate(creating: Bool) throws(ServiceError) {
        var validation = Validation()
        if creating {
            if name == nil { validation.fail(String?.none, "name", .notNull) }
            if functionVersion == nil { validation.fail(String?.none, "functionVersion", .notNull) }
        }
        if let name { Self.check(name: name, &validation) }
        if let functionVersion { Self.check(version: functionVersion, &validation) }
        validation.length(description, "description", 0...256)
        for (version, weight) in routingConfig?.additionalVersionWeights ?? [:] {
            if !Self.isNumber(version) {
                validation.fail("{\(version)=\(weight)}", "routingConfig.additionalVersionWeights", .keys(.pattern("[0-9]+")))
            }
            if !(0...1).contains(weight) {
                validation.fail(
                    "{\(version)=\(weight)}", "routingConfig.additionalVersionWeights",
                    .values("Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0"))
            }
        }
        try validation.check()
        if (routingConfig?.additionalVersionWeights?.count ?? 0) > 1 {
            throw ServiceError(.invalidParameterValue, "Number of items in AdditionalVersionWeights cannot be greater than 1")
        }
    }

    /// - Throws: `.invalidParameterValue` for an alias name in a path.
    public static func validate(name: String) throws(ServiceError) {
        var validation = Validation()
        check(name: name, &validation)
        try validation.check()
    }

    /// - Throws: `.invalidParameterValue` for what is no version.
    public static func validate(version: String) throws(ServiceError) {
        var validation = Validation()
        check(version: version, &validation)
        try validation.check()
    }

    private static func check(name: String, _ validation: inout Validation) {
        validation.length(name, "name", 1...128)
        if !name.isEmpty, name.utf8.count <= 128, !FunctionAlias.isName(name) {
            validation.fail(name, "name", .pattern("(?!^[0-9]+$)([a-zA-Z0-9-_]+)"))
        }
    }

    private static func check(version: String, _ validation: inout Validation) {
        if version != FunctionVersion.latest, !isNumber(version) {
            validation.fail(version, "functionVersion", .pattern("(\\$LATEST|[0-9]+)"))
        }
    }

    private static func isNumber(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 1024 && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// The second version: nil where the request says nothing of it, `.some(nil)` where it takes it away.
    public var additional: FunctionAlias.Share?? {
        guard let routingConfig else { return nil }
        return .some((routingConfig.additionalVersionWeights ?? [:]).first.map { FunctionAlias.Share(version: $0.key, weight: $0.value) })
    }
}

/// Lambda's AliasConfiguration.
public struct AliasResponse: Encodable, Sendable {
    var aliasArn: String
    var name: String
    var functionVersion: String
    var description: String
    var routingConfig: AliasRequest.RoutingConfig?
    var revisionID: String

    enum CodingKeys: String, CodingKey {
        case aliasArn = "AliasArn"
        case name = "Name"
        case functionVersion = "FunctionVersion"
        case description = "Description"
        case routingConfig = "RoutingConfig"
        case revisionID = "RevisionId"
    }

    public init(_ alias: FunctionAlias, of key: FunctionKey) {
        aliasArn = "\(key.arn):\(alias.name)"
        name = alias.name
        functionVersion = alias.version
        description = alias.description
        routingConfig = alias.additional.map { .init(additionalVersionWeights: [$0.version: $0.weight]) }
        revisionID = RevisionID.text(alias.revision)
    }
}

public struct ListAliasesResponse: Encodable, Sendable {
    var aliases: [AliasResponse]
    var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case aliases = "Aliases"
        case nextMarker = "NextMarker"
    }

    public init(aliases: [AliasResponse], nextMarker: String?) {
        self.aliases = aliases
        self.nextMarker = nextMarker
    }
}

extension FunctionConfigurationResponse {
    /// The ARN has the qualifier that was asked for, also where it is an alias.
    public init(_ version: FunctionVersion, as target: FunctionTarget) {
        self.init(version, qualified: target.qualifier != nil)
        if let qualifier = target.qualifier { functionArn = "\(target.key.arn):\(qualifier)" }
    }
}
