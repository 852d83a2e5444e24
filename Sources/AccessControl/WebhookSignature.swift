import Crypto
import FoundationEssentials

/// How a sender of webhooks signs what it sends.
public enum WebhookScheme: Hashable, Sendable {
    /// `X-Hub-Signature-256: sha256=HEX` over the body.
    /// Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    case gitHub
    /// `Stripe-Signature: t=SECONDS,v1=HEX` over `SECONDS.BODY`; several `v1` while a secret is replaced.
    /// Source: https://docs.stripe.com/webhooks#verify-manually
    case stripe
    /// `X-Slack-Signature: v0=HEX` over `v0:SECONDS:BODY`, the seconds from `X-Slack-Request-Timestamp`.
    /// Source: https://api.slack.com/authentication/verifying-requests-from-slack
    case slack
    /// `Authorization: Bearer SECRET`: the secret itself, no signature. Who listens on the way has it: for HTTPS or one machine.
    /// Source: https://min.io/docs/minio/linux/administration/monitoring/publish-events-to-webhook.html, auth_token
    case minIO
    /// An HMAC of the body in a header, after a fixed text such as `sha256=`.
    case hmac(header: String, hash: WebhookHash, encoding: WebhookEncoding, prefix: String)
}

public enum WebhookHash: String, Sendable, Codable, CaseIterable { case sha1, sha256, sha512 }
public enum WebhookEncoding: String, Sendable, Codable, CaseIterable { case hex, base64 }

/// Why a delivery was not believed; for the sender's eyes, so it names no secret and no expected value.
public struct WebhookRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
}

/// Decides whether a delivery comes from somebody who knows the secret.
public struct WebhookVerifier: Sendable {
    /// Old and new secret while one is replaced, and a little more.
    public static let maximumSecrets = 4
    public static let secretLengths = 8...1024
    /// Signatures that are looked at in one header: each costs an HMAC of the body.
    private static let maximumSignatures = 8

    public let scheme: WebhookScheme
    private let keys: [SymmetricKey]
    /// Of the secrets, so that comparing them takes the same time wherever they differ.
    private let digests: [SHA256Digest]
    /// Seconds that a signed time may differ from ours.
    public let tolerance: Int64

    /// - Parameter secrets: as text; any of them will do. Not empty.
    public init(_ scheme: WebhookScheme, secrets: [String], tolerance: Int64 = 300) {
        self.scheme = scheme
        self.tolerance = tolerance
        keys = secrets.map { SymmetricKey(data: Array($0.utf8)) }
        digests = secrets.map { SHA256.hash(data: Array($0.utf8)) }
    }

    /// - Parameters:
    ///   - headers: as received; a header that decides and comes more than once is refused.
    ///   - now: seconds since 1970.
    public func verify(headers: [(name: String, value: String)], body: UnsafeRawBufferPointer, now: Int64) throws(WebhookRefusal) {
        switch scheme {
        case .gitHub:
            let text = try only("X-Hub-Signature-256", in: headers)
            try match([try code(text, prefix: "sha256=", .hex, of: "X-Hub-Signature-256")], .sha256, [], body)
        case .hmac(let header, let hash, let encoding, let prefix):
            let text = try only(header, in: headers)
            try match([try code(text, prefix: prefix, encoding, of: header)], hash, [], body)
        case .minIO:
            let text = try only("Authorization", in: headers)
            guard text.hasPrefix("Bearer ") else { throw WebhookRefusal(description: "Authorization must be 'Bearer' and the secret") }
            let digest = SHA256.hash(data: Array(text.dropFirst("Bearer ".count).utf8))
            guard digests.contains(where: { $0 == digest }) else {
                throw WebhookRefusal(description: "the secret of the sender and of this webhook differ")
            }
        case .slack:
            let seconds = try only("X-Slack-Request-Timestamp", in: headers)
            try check(seconds, of: "X-Slack-Request-Timestamp", now: now)
            let text = try only("X-Slack-Signature", in: headers)
            try match([try code(text, prefix: "v0=", .hex, of: "X-Slack-Signature")], .sha256, Array("v0:\(seconds):".utf8), body)
        case .stripe:
            let header = "Stripe-Signature"
            var seconds: Substring?
            var codes: [[UInt8]] = []
            for part in try only(header, in: headers).split(separator: ",", maxSplits: 64) {
                let part = part.drop { $0 == " " }
                if part.hasPrefix("t="), seconds == nil { seconds = part.dropFirst(2) }
                // Other versions are for tests, or of times to come.
                if part.hasPrefix("v1="), codes.count < Self.maximumSignatures { codes.append(try code(String(part), prefix: "v1=", .hex, of: header)) }
            }
            guard let seconds, !codes.isEmpty else { throw WebhookRefusal(description: "\(header) must have the form t=SECONDS,v1=HEX") }
            try check(String(seconds), of: header, now: now)
            try match(codes, .sha256, Array("\(seconds).".utf8), body)
        }
    }

    // MARK: Parts

    private func only(_ name: String, in headers: [(name: String, value: String)]) throws(WebhookRefusal) -> String {
        let values = headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
        guard values.count == 1, let value = values.first else {
            throw WebhookRefusal(description: values.isEmpty ? "the delivery has no \(name) header" : "the delivery has more than one \(name) header")
        }
        return value
    }

    private func check(_ text: String, of header: String, now: Int64) throws(WebhookRefusal) {
        guard text.utf8.count <= 12, text.utf8.allSatisfy({ (48...57).contains($0) }), let seconds = Int64(text) else {
            throw WebhookRefusal(description: "the time in \(header) must be whole seconds since 1970")
        }
        guard abs(now - seconds) <= tolerance else {
            throw WebhookRefusal(description: "the time in \(header) is \(abs(now - seconds)) s from this server's, more than \(tolerance) s")
        }
    }

    private func code(_ text: String, prefix: String, _ encoding: WebhookEncoding, of header: String) throws(WebhookRefusal) -> [UInt8] {
        guard text.utf8.starts(with: prefix.utf8), let bytes = Self.decode(Substring(text.utf8.dropFirst(prefix.utf8.count)), encoding), !bytes.isEmpty
        else { throw WebhookRefusal(description: "\(header) must be '\(prefix)' and the signature as \(encoding.rawValue)") }
        return bytes
    }

    private static func decode(_ text: Substring, _ encoding: WebhookEncoding) -> [UInt8]? {
        switch encoding {
        case .hex: HexadecimalText.bytes(text)
        case .base64: Data(base64Encoded: String(text)).map { Array($0) }
        }
    }

    private func match(_ codes: [[UInt8]], _ hash: WebhookHash, _ before: [UInt8], _ body: UnsafeRawBufferPointer) throws(WebhookRefusal) {
        for key in keys {
            let isMatch = switch hash {
            case .sha1: Self.matches(Insecure.SHA1.self, key, codes, before, body)
            case .sha256: Self.matches(SHA256.self, key, codes, before, body)
            case .sha512: Self.matches(SHA512.self, key, codes, before, body)
            }
            if isMatch { return }
        }
        throw WebhookRefusal(description: "the signature does not match: the secret of the sender and of this webhook differ, or the body was changed on its way")
    }

    private static func matches<Hash: HashFunction>(
        _: Hash.Type, _ key: SymmetricKey, _ codes: [[UInt8]], _ before: [UInt8], _ body: UnsafeRawBufferPointer
    ) -> Bool {
        var hmac = HMAC<Hash>(key: key)
        hmac.update(data: before)
        hmac.update(data: body)
        let expected = hmac.finalize()
        // Each comparison takes the same time wherever they differ.
        return codes.contains { expected == $0 }
    }
}
