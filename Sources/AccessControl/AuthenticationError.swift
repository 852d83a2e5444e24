/// Why a request was not recognised as its sender's. The kinds carry AWS's exception names.
public struct AuthenticationError: Error, Hashable, Sendable {
    public enum Kind: Sendable, CaseIterable {
        /// No `Authorization` header: `MissingAuthenticationTokenException`, 403.
        case missing
        /// The header cannot be read, or lacks a part: `IncompleteSignatureException`, 400.
        case incomplete
        /// Clock, scope, digest or signature do not agree: `InvalidSignatureException`, 403.
        case invalid
        /// Nobody here has this access key: `UnrecognizedClientException`, 403.
        case unrecognized
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

/// What a verified signature says of its sender.
public struct Caller: Hashable, Sendable {
    /// The tenant's 12-digit account.
    public let account: String
    /// The region the request was signed for.
    public let region: String
    /// Empty in development mode when the request carries no credentials.
    public let accessKeyID: String

    public init(account: String, region: String, accessKeyID: String) {
        self.account = account
        self.region = region
        self.accessKeyID = accessKeyID
    }
}

/// The secret half of an access key, as the verifier needs it.
public struct VerificationKey: Hashable, Sendable {
    public let secret: String
    public let account: String

    public init(secret: String, account: String) {
        self.secret = secret
        self.account = account
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
