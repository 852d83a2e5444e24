import Crypto

/// Verifies Signature Version 4, in the header or in the query, for the services that are offered.
///
/// Confined to one event loop. In two steps, because a signature covers the body's digest: `begin` refuses at once
/// what the header alone shows to be wrong, `complete` compares the signature when the body is in.
public final class SigV4Verifier {
    public struct Configuration: Sendable {
        /// What a credential's scope may name. Which of them does not matter further: a signature covers the whole request.
        public var services: Set<String> = ["events", "lambda", "logs", "scheduler", "sqs"]
        /// Seconds that the sender's clock may differ from ours.
        public var allowedSkew: Int64 = 300
        /// Derived signing keys that are kept; each is one (access key, day, region).
        public var cachedSigningKeys = 256

        public init() {}
    }

    private let configuration: Configuration
    private var keys: [String: VerificationKey]
    private var cache: [CredentialScope: SymmetricKey] = [:]

    /// - Parameter keys: by access key ID.
    public init(keys: [String: VerificationKey], configuration: Configuration = Configuration()) {
        self.keys = keys
        self.configuration = configuration
    }

    public func replaceKeys(_ keys: [String: VerificationKey]) {
        self.keys = keys
        cache.removeAll()
    }

    // MARK: The header

    /// - Parameters:
    ///   - path: as on the wire, without the query.
    ///   - query: as on the wire, without `?`.
    ///   - now: seconds since 1970.
    ///   - only: the one key that counts, in place of the keys that are known.
    public func begin(
        method: String, path: some StringProtocol, query: some StringProtocol,
        headers: some Sequence<(name: String, value: String)>, now: Int64, only: (id: String, key: VerificationKey)? = nil
    ) throws(AuthenticationError) -> PendingSignature {
        let values = Self.canonicalValues(headers)
        let claim = try Self.claim(values, query: query)
        let time = try requestTime(claim, now: now)
        guard configuration.services.contains(claim.scope.service) else {
            throw AuthenticationError(
                .invalid,
                "Credential should be scoped to correct service: '\(configuration.services.sorted().joined(separator: "' or '"))', not '\(claim.scope.service)'.")
        }
        let signed = try Self.signedHeaders(values, claim: claim)
        let key = try key(claim.scope.accessKeyID, among: only, token: claim.token, now: now)
        let pending = PendingSignature(
            caller: Caller(
                account: key.account, region: claim.scope.region, accessKeyID: claim.scope.accessKeyID, isOperator: key.isOperator),
            method: method, path: CanonicalRequest.path(path), query: claim.query, signedHeaders: signed, time: time, scope: claim.scope.text,
            signature: claim.signature, signingKey: only == nil ? signingKey(claim.scope, secret: key.secret) : Self.derive(claim.scope, secret: key.secret), key: key, payload: try PayloadForm(claim.payload),
            decodedLength: values["x-amz-decoded-content-length"].flatMap { Int($0) })
        // With the digest in what is signed a forged request is refused before its body is read.
        if let text = claim.payload { try pending.check(payloadHash: text) }
        return pending
    }

    /// - Parameters:
    ///   - payloadHash: the digest of the body as received.
    ///   - only: as for `begin`.
    /// - Throws: `.invalid` when digest or signature do not agree, and `.unrecognized` or `.suspended` for a key that was taken away
    ///   while the body came.
    public func complete(
        _ pending: PendingSignature, payloadHash: String, now: Int64, only: (id: String, key: VerificationKey)? = nil
    ) throws(AuthenticationError) -> Caller {
        if only != nil || keys[pending.caller.accessKeyID] != pending.key {
            _ = try key(pending.caller.accessKeyID, among: only, token: pending.key.sessionToken, now: now)
        }
        try pending.complete(payloadHash: payloadHash)
        return pending.caller
    }

    private static func canonicalValues(_ headers: some Sequence<(name: String, value: String)>) -> [String: String] {
        var values: [String: String] = [:]
        for header in headers {
            let name = header.name.lowercased()
            let value = CanonicalRequest.headerValue(header.value)
            if let earlier = values[name] { values[name] = "\(earlier),\(value)" } else { values[name] = value }
        }
        return values
    }

    /// What the sender says of its signature, from either place.
    private struct Claim {
        let scope: CredentialScope
        let signedHeaders: [String]
        let signature: [UInt8]
        let date: String
        /// Seconds after `date`; nil for a signature in the header.
        let expires: Int64?
        let token: String?
        let payload: String?
        let query: String
    }

    private static func claim(_ values: [String: String], query: some StringProtocol) throws(AuthenticationError) -> Claim {
        let authorization = values["authorization"]
        if PresignedQuery.isPresent(in: query) {
            guard authorization == nil else {
                throw AuthenticationError(.invalid, "The request is signed in the Authorization header and in the query: only one of them may be there.")
            }
            let presigned = try PresignedQuery(query)
            return Claim(
                scope: presigned.scope, signedHeaders: presigned.signedHeaders, signature: presigned.signature, date: presigned.date,
                expires: presigned.expires, token: presigned.token, payload: values["x-amz-content-sha256"] ?? presigned.payload,
                query: presigned.canonical)
        }
        guard let authorization else {
            throw AuthenticationError(
                .missing, "Missing Authentication Token: sign the request with AWS Signature Version 4 in the Authorization header or in the query")
        }
        let header = try AuthorizationHeader(authorization)
        guard let date = values["x-amz-date"] ?? values["date"] else {
            throw AuthenticationError(
                .incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        }
        return Claim(
            scope: header.scope, signedHeaders: header.signedHeaders, signature: header.signature, date: date, expires: nil,
            token: values["x-amz-security-token"], payload: values["x-amz-content-sha256"], query: CanonicalRequest.query(query))
    }

    private func requestTime(_ claim: Claim, now: Int64) throws(AuthenticationError) -> String {
        guard let seconds = RequestTime.seconds(claim.date) else {
            throw AuthenticationError(.incomplete, "Date must be in ISO-8601 'basic format'. Got '\(claim.date.prefix(64))'.")
        }
        let time = RequestTime.basicText(seconds)
        guard time.hasPrefix(claim.scope.date), claim.scope.date.utf8.count == 8 else {
            throw AuthenticationError(
                .invalid,
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '\(claim.scope.date)' != '\(time.prefix(8))'.")
        }
        let skew = configuration.allowedSkew
        if let expires = claim.expires, now > seconds + expires {
            throw AuthenticationError(
                .invalid, "Signature expired: \(time) and X-Amz-Expires=\(expires) ended at \(RequestTime.basicText(seconds + expires)), and it is \(RequestTime.basicText(now)).")
        }
        if claim.expires == nil, seconds < now - skew {
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

    private static func signedHeaders(_ values: [String: String], claim: Claim) throws(AuthenticationError) -> [(name: String, value: String)] {
        let names = Set(claim.signedHeaders)
        guard names.contains("host") else {
            throw AuthenticationError(.invalid, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
        }
        guard claim.expires != nil || names.contains(values["x-amz-date"] == nil ? "date" : "x-amz-date") else {
            throw AuthenticationError(.invalid, "'X-Amz-Date' or 'Date' must be a 'SignedHeader' in the AWS Authorization.")
        }
        // An unsigned x-amz- header would let whoever relays the request change what it means.
        if let unsigned = values.keys.filter({ $0.hasPrefix("x-amz-") && !names.contains($0) }).min() {
            throw AuthenticationError(.invalid, "'\(unsigned)' is in the request but not a 'SignedHeader' in the AWS Authorization.")
        }
        var result: [(name: String, value: String)] = []
        for name in claim.signedHeaders {
            guard let value = values[name] else {
                throw AuthenticationError(.invalid, "'\(name.prefix(64))' is a 'SignedHeader' in the AWS Authorization but not in the request.")
            }
            result.append((name, value))
        }
        return result
    }

    // MARK: Keys

    private func key(
        _ id: String, among only: (id: String, key: VerificationKey)?, token: String?, now: Int64
    ) throws(AuthenticationError) -> VerificationKey {
        guard let key = only.map({ $0.id == id ? $0.key : nil }) ?? keys[id] else {
            throw AuthenticationError(.unrecognized, "The security token included in the request is invalid: unknown access key \(id)")
        }
        if key.sessionToken == nil, token != nil {
            throw AuthenticationError(
                .unrecognized,
                "The security token included in the request is invalid: access key \(id) has no session token (unset AWS_SESSION_TOKEN)")
        }
        if let expected = key.sessionToken, !Self.isEqual(expected, token ?? "") {
            throw AuthenticationError(
                .unrecognized, "The security token included in the request is invalid: access key \(id) needs its session token (set AWS_SESSION_TOKEN)")
        }
        if let expires = key.expires, now >= expires {
            throw AuthenticationError(.expired, "The security token included in the request is expired: access key \(id) ended at \(RequestTime.basicText(expires))")
        }
        guard !key.isSuspended else { throw AuthenticationError(.suspended, "The account \(key.account) is suspended: ask the operator of this server") }
        return key
    }

    /// In a time that does not tell where two texts differ.
    private static func isEqual(_ first: String, _ second: String) -> Bool {
        let key = SymmetricKey(size: .bits256)
        let code = HMAC<SHA256>.authenticationCode(for: Array(first.utf8), using: key)
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Array(second.utf8), using: key)
    }

    private static func derive(_ scope: CredentialScope, secret: String) -> SymmetricKey {
        SigningKey.derive(secret: secret, date: scope.date, region: scope.region, service: scope.service)
    }

    private func signingKey(_ scope: CredentialScope, secret: String) -> SymmetricKey {
        if let key = cache[scope] { return key }
        let key = Self.derive(scope, secret: secret)
        // Entries of past days and forged regions go all at once: deriving one again costs four short HMACs.
        if cache.count >= configuration.cachedSigningKeys { cache.removeAll(keepingCapacity: true) }
        cache[scope] = key
        return key
    }
}
