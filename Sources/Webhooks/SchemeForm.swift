public import AccessControl
public import FunctionModel

/// How a scheme is written in requests, answers and the store.
///
/// `{"scheme":"github"}`, or `{"scheme":"hmac","header":"X-Signature","hash":"sha256","encoding":"hex","prefix":""}`.
public struct SchemeForm: Codable, Hashable, Sendable {
    public var scheme: String
    public var header: String?
    public var hash: WebhookHash.RawValue?
    public var encoding: WebhookEncoding.RawValue?
    public var prefix: String?

    private static let names = ["github", "stripe", "slack", "minio", "hmac"]

    public init(_ scheme: WebhookScheme) {
        switch scheme {
        case .gitHub: self.scheme = "github"
        case .stripe: self.scheme = "stripe"
        case .slack: self.scheme = "slack"
        case .minIO: self.scheme = "minio"
        case .hmac(let header, let hash, let encoding, let prefix):
            self.scheme = "hmac"
            self.header = header
            self.hash = hash.rawValue
            self.encoding = encoding.rawValue
            self.prefix = prefix
        }
    }

    /// - Throws: `.invalidParameterValue`, naming the member and what it may be.
    public func parsed() throws(ServiceError) -> WebhookScheme {
        if scheme != "hmac" {
            for (name, value) in [("header", header), ("hash", hash), ("encoding", encoding), ("prefix", prefix)] where value != nil {
                throw ServiceError(.invalidParameterValue, "'\(name)' is for the scheme hmac; \(scheme.prefix(32)) has its own")
            }
        }
        switch scheme {
        case "github": return .gitHub
        case "stripe": return .stripe
        case "slack": return .slack
        case "minio": return .minIO
        case "hmac": break
        default:
            throw ServiceError(.invalidParameterValue, "the scheme '\(scheme.prefix(32))' is not known: use one of \(Self.names.joined(separator: ", "))")
        }
        guard let header, (1...64).contains(header.utf8.count), header.utf8.allSatisfy(Self.isToken) else {
            throw ServiceError(.invalidParameterValue, "the scheme hmac needs 'header', the name of the header that has the signature (1 to 64 characters)")
        }
        let prefix = self.prefix ?? ""
        guard prefix.utf8.count <= 32, prefix.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
            throw ServiceError(.invalidParameterValue, "'prefix' has at most 32 printable ASCII characters")
        }
        return .hmac(
            header: header, hash: try Self.choice(hash, "hash", or: .sha256), encoding: try Self.choice(encoding, "encoding", or: .hex), prefix: prefix)
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable>(_ text: String?, _ name: String, or usual: Choice) throws(ServiceError) -> Choice {
        guard let text else { return usual }
        guard let choice = Choice(rawValue: text) else {
            throw ServiceError(
                .invalidParameterValue,
                "'\(name)' must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")), not '\(text.prefix(32))'")
        }
        return choice
    }

    /// Of RFC 9110's token, what header names are made of.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
