public import FunctionModel

/// Who may have which host name. A domain's requests never reach the management API, so no tenant may take the names that
/// clients reach that under.
public struct DomainRules: Sendable {
    /// The domain of routes that name none: the default account's in the default region.
    public static let usual = "api.localhost"
    private static let ownSuffix = ".api.localhost"

    private let reserved: Set<String>
    private let account: String
    private let region: String

    /// - Parameters:
    ///   - reserved: host names under which the server's own interfaces are reached, in lower case.
    ///   - defaults: the account and region that `api.localhost` belongs to.
    public init(reserved: Set<String>, defaults: (account: String, region: String)) {
        self.reserved = reserved
        (account, region) = defaults
    }

    /// - Returns: the name in lower case.
    /// - Throws: `.invalidParameterValue` for what is no host name or may not be one of a domain.
    public func checked(_ text: String) throws(ServiceError) -> String {
        let name = text.lowercased()
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...253).contains(name.utf8.count), labels.count >= 2, labels.allSatisfy(Self.isLabel), labels.last?.utf8.allSatisfy(Self.isDigit) == false
        else {
            throw ServiceError(
                .invalidParameterValue, "'\(text.prefix(100))' is no domain name: it has two or more labels of letters, digits and '-', such as orders.api.localhost")
        }
        guard name != "fn.localhost", !name.hasSuffix(".fn.localhost"), !reserved.contains(name) else {
            throw ServiceError(.invalidParameterValue, "the domain '\(name)' is the server's own: choose another, such as orders.api.localhost")
        }
        return name
    }

    /// - Throws: `.accessDenied` for a name that only the operator may give.
    public func mayCreate(_ name: String, account: String, region: String, isOperator: Bool) throws(ServiceError) {
        if name == Self.usual {
            guard account == self.account, region == self.region else {
                throw ServiceError(
                    .accessDenied, "\(name) belongs to account \(self.account) in \(self.region): choose a name below it, such as orders.api.localhost")
            }
        } else if !name.hasSuffix(Self.ownSuffix), !isOperator {
            throw ServiceError(
                .accessDenied,
                "only the operator gives out the domain '\(name)', with `martlet route domain \(name) --tenant \(account)`; names that end in \(Self.ownSuffix) are free")
        }
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
            && label.utf8.allSatisfy { isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
