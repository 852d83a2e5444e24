/// Why a request was not recognised as its sender's. The kinds carry AWS's exception names.
public struct AuthenticationError: Error, Hashable, Sendable {
    public enum Kind: Sendable, CaseIterable {
        /// No signature, neither in the header nor in the query: `MissingAuthenticationTokenException`, 403.
        case missing
        /// The signature cannot be read, or lacks a part: `IncompleteSignatureException`, 400.
        case incomplete
        /// Clock, scope, digest or signature do not agree: `InvalidSignatureException`, 403.
        case invalid
        /// Nobody here has this access key, or its session token is another: `UnrecognizedClientException`, 403.
        case unrecognized
        /// The access key was for a time that is over: `ExpiredTokenException`, 403.
        case expired
        /// The key's tenant is suspended: `AccessDeniedException`, 403.
        case suspended
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}
