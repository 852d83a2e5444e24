public import FunctionModel

/// CreateFunctionUrlConfig and UpdateFunctionUrlConfig.
public struct FunctionURLConfigRequest: Decodable, Sendable {
    var authType: String?
    var invokeMode: String?
    var cors: Cors?

    enum CodingKeys: String, CodingKey {
        case authType = "AuthType"
        case invokeMode = "InvokeMode"
        case cors = "Cors"
    }

    struct Cors: Codable, Hashable, Sendable {
        var allowCredentials: Bool?
        var allowHeaders: [String]?
        var allowMethods: [String]?
        var allowOrigins: [String]?
        var exposeHeaders: [String]?
        var maxAge: Int?

        enum CodingKeys: String, CodingKey {
            case allowCredentials = "AllowCredentials"
            case allowHeaders = "AllowHeaders"
            case allowMethods = "AllowMethods"
            case allowOrigins = "AllowOrigins"
            case exposeHeaders = "ExposeHeaders"
            case maxAge = "MaxAge"
        }
    }

    /// What the request sets.
    /// - Parameter creating: then `AuthType` is required.
    /// - Throws: `.invalidParameterValue`, naming every member that is out of range.
    public func validated(creating: Bool) throws(ServiceError) -> (authType: URLAuthType?, invokeMode: URLInvokeMode?, cors: CORSPolicy??) {
        var validation = Validation()
        let type = authType.flatMap(URLAuthType.init(rawValue:))
        if authType != nil, type == nil { validation.fail(authType, "authType", .oneOf(["NONE", "AWS_IAM"])) }
        if creating, authType == nil { validation.fail(String?.none, "authType", .notNull) }
        let mode = invokeMode.flatMap(URLInvokeMode.init(rawValue:))
        if invokeMode != nil, mode == nil { validation.fail(invokeMode, "invokeMode", .oneOf(URLInvokeMode.allCases.map(\.rawValue))) }
        if let cors { Self.check(cors, &validation) }
        try validation.check()
        return (type, mode, cors.map(Self.policy))
    }

    private static func check(_ cors: Cors, _ validation: inout Validation) {
        validation.range(cors.maxAge, "cors.maxAge", 0...86_400)
        check(cors.allowOrigins, "cors.allowOrigins", count: 100, length: 1...253, &validation)
        check(cors.allowMethods, "cors.allowMethods", count: 6, length: 0...6, &validation)
        check(cors.allowHeaders, "cors.allowHeaders", count: 100, length: 0...1024, &validation)
        check(cors.exposeHeaders, "cors.exposeHeaders", count: 100, length: 0...1024, &validation)
        // They become lines of an answer's header.
        let texts = [cors.allowOrigins, cors.allowMethods, cors.allowHeaders, cors.exposeHeaders].flatMap { $0 ?? [] }
        for text in texts where !text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
            validation.fail(text, "cors", .pattern("[!-~]*"))
        }
    }

    private static func check(_ values: [String]?, _ member: String, count: Int, length: ClosedRange<Int>, _ validation: inout Validation) {
        guard let values else { return }
        if values.count > count { validation.fail("[\(values.joined(separator: ", "))]", member, .maximumLength(count)) }
        for value in values { validation.length(value, member, length) }
    }

    /// One without any member means: none.
    private static func policy(_ cors: Cors) -> CORSPolicy? {
        let policy = CORSPolicy(
            allowOrigins: cors.allowOrigins ?? [], allowMethods: cors.allowMethods ?? [], allowHeaders: cors.allowHeaders ?? [],
            exposeHeaders: cors.exposeHeaders ?? [], maxAge: cors.maxAge, allowCredentials: cors.allowCredentials)
        return policy == CORSPolicy() ? nil : policy
    }
}

public struct FunctionURLConfigResponse: Encodable, Sendable {
    var functionUrl: String
    var functionArn: String
    var authType: String
    var cors: FunctionURLConfigRequest.Cors?
    var creationTime: String
    var lastModifiedTime: String
    var invokeMode: String

    enum CodingKeys: String, CodingKey {
        case functionUrl = "FunctionUrl"
        case functionArn = "FunctionArn"
        case authType = "AuthType"
        case cors = "Cors"
        case creationTime = "CreationTime"
        case lastModifiedTime = "LastModifiedTime"
        case invokeMode = "InvokeMode"
    }

    public init(key: FunctionKey, alias: String?, url: FunctionURL, address: String) {
        functionUrl = address
        functionArn = alias.map { "\(key.arn):\($0)" } ?? key.arn
        authType = url.authType.rawValue
        cors = url.cors.map(FunctionURLConfigRequest.Cors.init)
        creationTime = LambdaTime.utcText(url.created)
        lastModifiedTime = LambdaTime.utcText(url.modified)
        invokeMode = url.invokeMode.rawValue
    }
}

extension FunctionURLConfigRequest.Cors {
    /// Empty lists are left out.
    init(_ policy: CORSPolicy) {
        allowCredentials = policy.allowCredentials
        allowHeaders = policy.allowHeaders.isEmpty ? nil : policy.allowHeaders
        allowMethods = policy.allowMethods.isEmpty ? nil : policy.allowMethods
        allowOrigins = policy.allowOrigins.isEmpty ? nil : policy.allowOrigins
        exposeHeaders = policy.exposeHeaders.isEmpty ? nil : policy.exposeHeaders
        maxAge = policy.maxAge
    }
}

public struct ListFunctionURLConfigsResponse: Encodable, Sendable {
    var functionUrlConfigs: [FunctionURLConfigResponse]
    var nextMarker: String?

    enum CodingKeys: String, CodingKey {
        case functionUrlConfigs = "FunctionUrlConfigs"
        case nextMarker = "NextMarker"
    }

    public init(functionUrlConfigs: [FunctionURLConfigResponse], nextMarker: String? = nil) {
        self.functionUrlConfigs = functionUrlConfigs
        self.nextMarker = nextMarker
    }
}
