/// A code signing configuration's full name.
public struct CodeSigningConfigKey: Hashable, Sendable, Codable {
    public let account: String
    public let region: String
    /// `csc-` and 17 of `[a-z0-9]`.
    public let id: String

    public init(account: String, region: String, id: String) {
        self.account = account
        self.region = region
        self.id = id
    }

    public static func random(account: String, region: String) -> CodeSigningConfigKey {
        let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return CodeSigningConfigKey(account: account, region: region, id: "csc-" + String((0..<17).map { _ in alphabet[Int.random(in: alphabet.indices)] }))
    }

    public var arn: String { "arn:aws:lambda:\(region):\(account):code-signing-config:\(id)" }

    /// nil for anything but `arn:PARTITION:lambda:REGION:ACCOUNT:code-signing-config:ID`.
    public init?(arn: String) {
        let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 7, parts[0] == "arn", parts[2] == "lambda", parts[5] == "code-signing-config", !parts[6].isEmpty else { return nil }
        self.init(account: String(parts[4]), region: String(parts[3]), id: String(parts[6]))
    }
}

/// Who may sign the code of functions, and what becomes of code that none of them has signed.
///
/// No signature is ever found valid here: there is no signing service whose profiles could be verified.
public struct CodeSigningConfig: Hashable, Sendable, Codable {
    public enum Policy: String, Sendable, Codable, CaseIterable {
        /// Unsigned code is let through. The default.
        case warn = "Warn"
        case enforce = "Enforce"
    }

    public let key: CodeSigningConfigKey
    public var description: String
    /// ARNs of signing profile versions, 1 to 20.
    public var signingProfiles: [String]
    public var policy: Policy
    public var tags: [String: String]
    /// Milliseconds since 1970.
    public var modified: Int64

    public init(
        key: CodeSigningConfigKey, description: String = "", signingProfiles: [String], policy: Policy = .warn, tags: [String: String] = [:], modified: Int64
    ) {
        self.key = key
        self.description = description
        self.signingProfiles = signingProfiles
        self.policy = policy
        self.tags = tags
        self.modified = modified
    }

    /// - Throws: `.codeVerificationFailed` for code, which is never signed, where the policy asks for a signature.
    public func checkUnsigned() throws(ServiceError) {
        guard policy == .enforce else { return }
        throw ServiceError(
            .codeVerificationFailed,
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for unsigned.")
    }
}
