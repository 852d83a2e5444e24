import Crypto

/// Verifies Signature Version 4 in header form for the services that are offered.
///
/// Confined to one event loop. In two steps, because a signature covers the body's digest: `begin` refuses at once
/// what the header alone shows to be wrong, `PendingSignature.complete` compares the signature when the body is in.
public final class SigV4Verifier {
    public struct Configuration: Sendable {
        /// What a credential's scope may name. Which of them does not matter further: a signature covers the whole request.
        public var services: Set<String> = ["events", "lambda", "scheduler", "sqs"]
        /// Seconds that the sender's clock may differ from ours.
        public var allowedSkew: Int64 = 300
        /// Derived signing keys that are kept; each is one (access key, day, region).
        public var cachedSigningKeys = 256

        public init() {}
    }

    private struct CacheKey: Hashable {
        let accessKeyID: String
        let date: String
        let region: String
        let service: String
    }

    private let configuration: Configuration
    private var keys: [String: VerificationKey]
    private var cache: [CacheKey: SymmetricKey] = [:]

    /// - Parameter keys: by access key ID.
    public init(keys: [String: VerificationKey], configuration: Configuration = Configuration()) {
        self.keys = keys
        self.configuration = configuration
    }

    public func replaceKeys(_ keys: [String: VerificationKey]) {
        self.keys = keys
        cache.removeAll()
    }

    /// - Parameters:
    ///   - path: as on the wire, without the query.
    ///   - query: as on the wire, without `?`.
    ///   - now: seconds since 1970.
    public func begin(
        method: String, path: some StringProtocol, query: some StringProtocol,
        headers: some Sequence<(name: String, value: String)>, now: Int64
    ) throws(AuthenticationError) -> PendingSignature {
        var values: [String: String] = [:]
        for header in headers {
            let name = header.name.lowercased()
            let value = CanonicalRequest.headerValue(header.value)
            if let earlier = values[name] { values[name] = "\(earlier),\(value)" } else { values[name] = value }
        }
        guard let authorization = values["authorization"] else {
            throw AuthenticationError(
                .missing, "Missing Authentication Token: sign the request with AWS Signature Version 4 in the Authorization header")
        }
        let header = try AuthorizationHeader(authorization)
        let time = try requestTime(values, header: header, now: now)
        guard configuration.services.contains(header.service) else {
            throw AuthenticationError(
                .invalid,
                "Credential should be scoped to correct service: '\(configuration.services.sorted().joined(separator: "' or '"))', not '\(header.service)'.")
        }
        let signed = try signedHeaders(values, header: header)
        guard let key = keys[header.accessKeyID] else {
            throw AuthenticationError(.unrecognized, "The security token included in the request is invalid: unknown access key \(header.accessKeyID)")
        }
        if values["x-amz-security-token"] != nil {
            throw AuthenticationError(
                .unrecognized,
                "The security token included in the request is invalid: access key \(header.accessKeyID) has no session token (unset AWS_SESSION_TOKEN)")
        }
        let declared = values["x-amz-content-sha256"]
        if let declared, HexadecimalText.bytes(declared)?.count != 32 {
            throw AuthenticationError(
                .invalid, "x-amz-content-sha256 must be the SHA-256 of the body as 64 hexadecimal digits; unsigned payloads are not accepted")
        }
        let pending = PendingSignature(
            caller: Caller(account: key.account, region: header.region, accessKeyID: header.accessKeyID),
            method: method, path: CanonicalRequest.path(path), query: CanonicalRequest.query(query), signedHeaders: signed, time: time,
            scope: "\(header.date)/\(header.region)/\(header.service)/aws4_request", signature: header.signature,
            signingKey: signingKey(header, secret: key.secret), declaredHash: declared)
        // With the digest in a signed header a forged request is refused before its body is read.
        if let declared { try pending.check(payloadHash: declared) }
        return pending
    }

    private func requestTime(_ values: [String: String], header: AuthorizationHeader, now: Int64) throws(AuthenticationError) -> String {
        guard let text = values["x-amz-date"] ?? values["date"] else {
            throw AuthenticationError(
                .incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        }
        guard let seconds = RequestTime.seconds(text) else {
            throw AuthenticationError(.incomplete, "Date must be in ISO-8601 'basic format'. Got '\(text.prefix(64))'.")
        }
        let time = RequestTime.basicText(seconds)
        guard time.hasPrefix(header.date), header.date.utf8.count == 8 else {
            throw AuthenticationError(
                .invalid,
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '\(header.date)' != '\(time.prefix(8))'.")
        }
        let skew = configuration.allowedSkew
        if seconds < now - skew {
            throw AuthenticationError(
                .invalid,
                "Signature expired: \(time) is now earlier than \(RequestTime.basicText(now - skew)) (\(RequestTime.basicText(now)) - \(skew / 60) min.)")
        }
        if seconds > now + skew {
            throw AuthenticationError(
                .invalid,
                "Signature not yet current: \(time) is still later than \(RequestTime.basicText(now + skew)) (\(RequestTime.basicText(now)) + \(skew / 60) min.)")
        }
        return time
    }

    private func signedHeaders(
        _ values: [String: String], header: AuthorizationHeader
    ) throws(AuthenticationError) -> [(name: String, value: String)] {
        let names = Set(header.signedHeaders)
        guard names.contains("host") else {
            throw AuthenticationError(.invalid, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
        }
        guard names.contains(values["x-amz-date"] == nil ? "date" : "x-amz-date") else {
            throw AuthenticationError(.invalid, "'X-Amz-Date' or 'Date' must be a 'SignedHeader' in the AWS Authorization.")
        }
        // An unsigned x-amz- header would let whoever relays the request change what it means.
        if let unsigned = values.keys.filter({ $0.hasPrefix("x-amz-") && !names.contains($0) }).min() {
            throw AuthenticationError(.invalid, "'\(unsigned)' is in the request but not a 'SignedHeader' in the AWS Authorization.")
        }
        var result: [(name: String, value: String)] = []
        for name in header.signedHeaders {
            guard let value = values[name] else {
                throw AuthenticationError(.invalid, "'\(name.prefix(64))' is a 'SignedHeader' in the AWS Authorization but not in the request.")
            }
            result.append((name, value))
        }
        return result
    }

    private func signingKey(_ header: AuthorizationHeader, secret: String) -> SymmetricKey {
        let cacheKey = CacheKey(accessKeyID: header.accessKeyID, date: header.date, region: header.region, service: header.service)
        if let key = cache[cacheKey] { return key }
        let key = SigningKey.derive(secret: secret, date: header.date, region: header.region, service: header.service)
        // Entries of past days and forged regions go all at once: deriving one again costs four short HMACs.
        if cache.count >= configuration.cachedSigningKeys { cache.removeAll(keepingCapacity: true) }
        cache[cacheKey] = key
        return key
    }
}

/// A request whose header is in order; its signature waits for the body's digest.
public struct PendingSignature {
    /// Who the sender claims to be, until `complete` has agreed.
    public let caller: Caller
    let method: String
    let path: String
    let query: String
    let signedHeaders: [(name: String, value: String)]
    let time: String
    let scope: String
    let signature: [UInt8]
    let signingKey: SymmetricKey
    let declaredHash: String?

    /// - Parameter payloadHash: the digest of the body as received.
    /// - Throws: `.invalid` when digest or signature do not agree.
    public func complete(payloadHash: String) throws(AuthenticationError) -> Caller {
        if let declaredHash {
            guard declaredHash.lowercased() == payloadHash else {
                throw AuthenticationError(
                    .invalid, "The provided 'x-amz-content-sha256' header does not match what was computed from the body.")
            }
            return caller
        }
        try check(payloadHash: payloadHash)
        return caller
    }

    func check(payloadHash: String) throws(AuthenticationError) {
        let canonical = CanonicalRequest.text(
            method: method, path: path, query: query, signedHeaders: signedHeaders, payloadHash: payloadHash)
        let text = SigningKey.stringToSign(time: time, scope: scope, canonicalRequest: canonical)
        // Compares in constant time.
        guard HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: text, using: signingKey) else {
            throw AuthenticationError(
                .invalid,
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
        }
    }
}
