public import FunctionModel

/// AddPermission's body.
///
/// Source: botocore `lambda/2015-03-31/service-2.json`, `AddPermissionRequest`.
public struct PermissionRequest: Sendable, Decodable {
    public var statementID: String?
    public var action: String?
    public var principal: String?
    public var sourceArn: String?
    public var sourceAccount: String?
    public var functionURLAuthType: String?
    public var invokedViaFunctionURL: Bool?
    public var eventSourceToken: String?
    public var principalOrgID: String?
    public var revisionID: String?

    private enum CodingKeys: String, CodingKey {
        case statementID = "StatementId"
        case action = "Action"
        case principal = "Principal"
        case sourceArn = "SourceArn"
        case sourceAccount = "SourceAccount"
        case functionURLAuthType = "FunctionUrlAuthType"
        case invokedViaFunctionURL = "InvokedViaFunctionUrl"
        case eventSourceToken = "EventSourceToken"
        case principalOrgID = "PrincipalOrgID"
        case revisionID = "RevisionId"
    }

    /// - Throws: `.invalidParameterValue` with every fault.
    public func validate() throws(ServiceError) {
        var validation = Validation()
        Self.check(statementID, pattern: "([a-zA-Z0-9-_]+)", dots: false, &validation)
        Self.require(action, "action", "(lambda:[*]|lambda:[a-zA-Z]+|[*])", &validation) { text in
            text == "*" || text == "lambda:*" || text.hasPrefix("lambda:") && text.utf8.count > 7 && text.dropFirst(7).utf8.allSatisfy(Self.isLetter)
        }
        Self.require(principal, "principal", "[^\\s]+", &validation) { !$0.isEmpty && $0.utf8.count <= 2_048 && !$0.contains(where: \.isWhitespace) }
        if let sourceArn, !sourceArn.hasPrefix("arn:aws") || sourceArn.utf8.count > 10_000 || sourceArn.split(separator: ":", omittingEmptySubsequences: false).count < 6 {
            validation.fail(
                sourceArn, "sourceArn", .pattern("arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)"))
        }
        if let sourceAccount, sourceAccount.utf8.count != 12 || !sourceAccount.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            validation.fail(sourceAccount, "sourceAccount", .pattern("\\d{12}"))
        }
        if let functionURLAuthType, !["NONE", "AWS_IAM"].contains(functionURLAuthType) {
            validation.fail(functionURLAuthType, "functionUrlAuthType", .oneOf(["NONE", "AWS_IAM"]))
        }
        validation.length(eventSourceToken, "eventSourceToken", 0...256)
        if let eventSourceToken, !eventSourceToken.utf8.allSatisfy({ Self.isLetter($0) || (0x30...0x39).contains($0) || "._-".utf8.contains($0) }) {
            validation.fail(eventSourceToken, "eventSourceToken", .pattern("[a-zA-Z0-9._\\-]+"))
        }
        if let principalOrgID, !principalOrgID.hasPrefix("o-") || !(12...34).contains(principalOrgID.utf8.count) {
            validation.fail(principalOrgID, "principalOrgID", .pattern("o-[a-z0-9]{10,32}"))
        }
        try validation.check()
    }

    /// - Throws: `.invalidParameterValue`.
    public static func validate(statementID: String, pattern: String, dots: Bool) throws(ServiceError) {
        var validation = Validation()
        check(statementID, pattern: pattern, dots: dots, &validation)
        try validation.check()
    }

    private static func check(_ id: String?, pattern: String, dots: Bool, _ validation: inout Validation) {
        require(id, "statementId", pattern, &validation) { text in
            !text.isEmpty
                && text.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || "-_".utf8.contains($0) || dots && $0 == UInt8(ascii: ".") }
        }
        validation.length(id, "statementId", 0...100)
    }

    private static func require(_ value: String?, _ member: String, _ pattern: String, _ validation: inout Validation, _ isValid: (String) -> Bool) {
        guard let value else { return validation.fail(String?.none, member, .notNull) }
        if !isValid(value) { validation.fail(value, member, .pattern(pattern)) }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}

public struct PermissionResponse: Sendable, Encodable {
    private let statement: String

    public init(statement: String) { self.statement = statement }

    private enum CodingKeys: String, CodingKey { case statement = "Statement" }
}

public struct PolicyResponse: Sendable, Encodable {
    private let policy: String
    private let revisionID: String

    public init(policy: String, revisionID: String) {
        self.policy = policy
        self.revisionID = revisionID
    }

    private enum CodingKeys: String, CodingKey {
        case policy = "Policy"
        case revisionID = "RevisionId"
    }
}
