public import FunctionModel

/// What a `FunctionName` path element and a `Qualifier` point at.
public struct FunctionTarget: Hashable, Sendable {
    public let key: FunctionKey
    /// nil where neither name nor query gave one.
    public let qualifier: String?

    public init(key: FunctionKey, qualifier: String?) {
        self.key = key
        self.qualifier = qualifier
    }

    /// Reads `name`, `name:qualifier`, `ACCOUNT:function:name[:qualifier]`, `function:name`, or a full ARN.
    ///
    /// - Parameters:
    ///   - text: percent-decoded.
    ///   - qualifier: the query's `Qualifier`; must agree with the one in the name, if both are given.
    ///   - account: the caller's; another account in the ARN is refused unless others are allowed.
    ///   - region: the one the caller signed for; functions elsewhere are out of reach.
    /// - Throws: `.invalidParameterValue`, `.accessDenied`, `.resourceNotFound`.
    public init(_ text: String, qualifier: String?, account: String, region: String, allowsOthers: Bool = false) throws(ServiceError) {
        var owner = account
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var rest = parts[...]
        if rest.count >= 6, rest[0] == "arn" {
            guard rest[2] == "lambda", rest[1].hasPrefix("aws") else { throw Self.malformed(text) }
            guard rest[3] == region else {
                throw ServiceError(
                    .resourceNotFound, "Functions from '\(rest[3])' are not reachable in this region ('\(region)')")
            }
            rest = rest.dropFirst(4)
            guard rest[rest.startIndex + 1] == "function" else { throw Self.malformed(text) }
        }
        if rest.count >= 3, rest[rest.startIndex + 1] == "function" {
            guard let named = rest.popFirst(), Self.isAccount(named) else { throw Self.malformed(text) }
            guard named == account || allowsOthers else {
                throw ServiceError(
                    .accessDenied, "account \(account) is not authorized to use function \(text): it belongs to account \(named)")
            }
            owner = String(named)
        }
        if rest.count >= 2, rest.first == "function" { rest = rest.dropFirst() }
        guard let name = rest.popFirst(), rest.count <= 1, Self.isName(name) else { throw Self.malformed(text) }
        guard name.utf8.count <= 64 else {
            throw Validation.single(name, "functionName", .maximumLength(64))
        }
        let inName = rest.first.map(String.init)
        if let inName, !Self.isQualifier(inName) { throw Self.malformed(text) }
        if let qualifier, !Self.isQualifier(qualifier) {
            throw Validation.single(qualifier, "qualifier", .pattern("(|[a-zA-Z0-9$_-]+)"))
        }
        if let inName, let qualifier, inName != qualifier {
            throw ServiceError(
                .invalidParameterValue,
                "The derived qualifier from the function name ('\(inName)') does not match the specified qualifier ('\(qualifier)')")
        }
        key = FunctionKey(account: owner, region: region, name: String(name))
        self.qualifier = inName ?? qualifier
    }

    private static func malformed(_ text: String) -> ServiceError {
        Validation.single(
            text.prefix(200), "functionName",
            .pattern(
                "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?"
            ))
    }

    private static func isAccount(_ text: Substring) -> Bool {
        text.utf8.count == 12 && text.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    }

    /// 1 or more of `[A-Za-z0-9-_]`.
    public static func isName(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(isNameByte)
    }

    static func isQualifier(_ text: String) -> Bool {
        text == FunctionVersion.latest || (isName(text) && text.utf8.count <= 128)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
