/// What a verified signature says of its sender.
public struct Caller: Hashable, Sendable {
    /// The tenant's 12-digit account.
    public let account: String
    /// The region the request was signed for.
    public let region: String
    /// Empty in development mode when the request carries no credentials.
    public let accessKeyID: String
    /// Whether it may also do what concerns the whole server: tenants, keys, folders of the host.
    public let isOperator: Bool

    public init(account: String, region: String, accessKeyID: String, isOperator: Bool = false) {
        self.account = account
        self.region = region
        self.accessKeyID = accessKeyID
        self.isOperator = isOperator
    }
}

/// What the verifier knows of an access key.
public struct VerificationKey: Hashable, Sendable {
    public let secret: String
    public let account: String
    public let isOperator: Bool
    /// Of a temporary key; requests must carry it.
    public let sessionToken: String?
    /// Seconds since 1970; nil for a key that holds until it is revoked.
    public let expires: Int64?
    public let isSuspended: Bool

    public init(
        secret: String, account: String, isOperator: Bool = false, sessionToken: String? = nil, expires: Int64? = nil, isSuspended: Bool = false
    ) {
        self.secret = secret
        self.account = account
        self.isOperator = isOperator
        self.sessionToken = sessionToken
        self.expires = expires
        self.isSuspended = isSuspended
    }
}

/// What a client signs with.
public struct SigningKeys: Hashable, Sendable {
    public let accessKeyID: String
    public let secret: String
    public let sessionToken: String?

    public init(accessKeyID: String, secret: String, sessionToken: String? = nil) {
        self.accessKeyID = accessKeyID
        self.secret = secret
        self.sessionToken = sessionToken
    }
}
