public import JSONValues

/// One permission in a function's resource policy. There is only `Allow`: what nobody allows is refused.
public struct PolicyStatement: Hashable, Sendable, Codable {
    public enum Principal: Hashable, Sendable, Codable {
        case everyone
        /// `arn:aws:iam::ACCOUNT:root`, or a user or role there.
        case identity(arn: String)
        /// `s3.amazonaws.com`
        case service(String)

        /// Reads what AddPermission takes: `*`, an account, an ARN of IAM, a service; nil for anything else.
        public init?(_ text: String) {
            if text == "*" {
                self = .everyone
            } else if AccountText.isAccount(text) {
                self = .identity(arn: "arn:aws:iam::\(text):root")
            } else if AccountText.account(ofIdentity: text) != nil {
                self = .identity(arn: text)
            } else if Self.isService(text) {
                self = .service(text)
            } else {
                return nil
            }
        }

        private static func isService(_ text: String) -> Bool {
            guard text.hasSuffix(".amazonaws.com") || text.hasSuffix(".amazonaws.com.cn"), text.utf8.count <= 128, text.utf8.first != UInt8(ascii: ".") else {
                return false
            }
            return text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."): true
                default: false
                }
            }
        }

        var json: JSON {
            switch self {
            case .everyone: .string("*")
            case .identity(let arn): .object([.init("AWS", .string(arn))])
            case .service(let name): .object([.init("Service", .string(name))])
            }
        }
    }

    public var sid: String
    public var principal: Principal
    /// `lambda:InvokeFunction`, `lambda:*` or `*`.
    public var action: String
    /// What must be like the ARN of the resource that a service calls for.
    public var sourceArn: String?
    public var sourceAccount: String?
    /// `NONE` or `AWS_IAM`.
    public var functionURLAuthType: String?
    public var invokedViaFunctionURL: Bool?
    public var eventSourceToken: String?
    public var principalOrgID: String?

    public init(
        sid: String, principal: Principal, action: String, sourceArn: String? = nil, sourceAccount: String? = nil, functionURLAuthType: String? = nil,
        invokedViaFunctionURL: Bool? = nil, eventSourceToken: String? = nil, principalOrgID: String? = nil
    ) {
        self.sid = sid
        self.principal = principal
        self.action = action
        self.sourceArn = sourceArn
        self.sourceAccount = sourceAccount
        self.functionURLAuthType = functionURLAuthType
        self.invokedViaFunctionURL = invokedViaFunctionURL
        self.eventSourceToken = eventSourceToken
        self.principalOrgID = principalOrgID
    }

    /// Whether it lets the call through. A condition on something that the call does not have is not met.
    public func allows(_ call: PolicyCall) -> Bool {
        guard action == "*" || action == "lambda:*" || action == call.action else { return false }
        switch principal {
        case .everyone: break
        // Keys belong to accounts as a whole; a statement for one user or role of an account lets nobody in.
        case .identity(let arn): guard arn == "arn:aws:iam::\(call.account):root" else { return false }
        case .service: return false
        }
        guard sourceArn == nil, sourceAccount == nil, eventSourceToken == nil, principalOrgID == nil else { return false }
        if let functionURLAuthType, functionURLAuthType != call.functionURLAuthType { return false }
        if let invokedViaFunctionURL, !invokedViaFunctionURL || call.functionURLAuthType == nil { return false }
        return true
    }

    /// As IAM's policy language writes it.
    public func json(resource: String) -> JSON {
        var members: [JSON.Member] = [
            .init("Sid", .string(sid)), .init("Effect", .string("Allow")), .init("Principal", principal.json), .init("Action", .string(action)),
            .init("Resource", .string(resource)),
        ]
        var equals: [JSON.Member] = []
        for (name, value) in [
            ("AWS:SourceAccount", sourceAccount), ("lambda:FunctionUrlAuthType", functionURLAuthType), ("lambda:EventSourceToken", eventSourceToken),
            ("aws:PrincipalOrgID", principalOrgID),
        ] {
            if let value { equals.append(.init(name, .string(value))) }
        }
        var conditions: [JSON.Member] = []
        if !equals.isEmpty { conditions.append(.init("StringEquals", .object(equals))) }
        if let sourceArn { conditions.append(.init("ArnLike", .object([.init("AWS:SourceArn", .string(sourceArn))]))) }
        if let invokedViaFunctionURL {
            conditions.append(.init("Bool", .object([.init("lambda:InvokedViaFunctionUrl", .string(invokedViaFunctionURL ? "true" : "false"))])))
        }
        if !conditions.isEmpty { members.append(.init("Condition", .object(conditions))) }
        return .object(members)
    }
}

/// What somebody with a key wants of a function.
public struct PolicyCall: Hashable, Sendable {
    public static let invoke = "lambda:InvokeFunction"
    public static let invokeURL = "lambda:InvokeFunctionUrl"

    public let account: String
    public let action: String
    /// Of the URL it came over; nil for one of Lambda's operations.
    public let functionURLAuthType: String?

    public init(account: String, action: String, functionURLAuthType: String? = nil) {
        self.account = account
        self.action = action
        self.functionURLAuthType = functionURLAuthType
    }
}

enum AccountText {
    static func isAccount(_ text: some StringProtocol) -> Bool { text.utf8.count == 12 && text.utf8.allSatisfy { (0x30...0x39).contains($0) } }

    /// The account of `arn:aws:iam::ACCOUNT:root`, `…:user/NAME`, `…:role/NAME`, `arn:aws:sts::ACCOUNT:assumed-role/…`.
    static func account(ofIdentity arn: String) -> Substring? {
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[1].hasPrefix("aws"), parts[2] == "iam" || parts[2] == "sts", parts[3].isEmpty, isAccount(parts[4])
        else { return nil }
        let kinds = ["user/", "role/", "assumed-role/", "federated-user/"]
        return parts[5] == "root" || kinds.contains { parts[5].hasPrefix($0) && parts[5].utf8.count > $0.utf8.count } ? parts[4] : nil
    }
}
