import Crypto

/// Signs requests as the AWS SDKs do; what it makes, `SigV4Verifier` accepts.
public enum SigV4Signer {
    /// The one service whose paths are signed as they go on the wire: they name objects, in which `//` and `..` mean something.
    public static let s3 = "s3"

    /// - Parameters:
    ///   - path: as it goes on the wire, percent-encoded once, without the query.
    ///   - query: as it goes on the wire, without `?`.
    ///   - headers: those to sign, `Host` included.
    ///   - date: seconds since 1970.
    /// - Returns: the headers to add: `X-Amz-Date`, `X-Amz-Content-Sha256`, `X-Amz-Security-Token` for session keys, and
    ///   `Authorization`.
    public static func sign(
        method: String, path: String, query: String = "", headers: [(name: String, value: String)], body: [UInt8], keys: SigningKeys,
        region: String, service: String = "lambda", date: Int64
    ) -> [(name: String, value: String)] {
        sign(
            method: method, path: path, query: query, headers: headers, payloadHash: PayloadDigest.hexadecimal(of: body), keys: keys,
            region: region, service: service, date: date)
    }

    /// For bodies whose digest is already known.
    public static func sign(
        method: String, path: String, query: String = "", headers: [(name: String, value: String)], payloadHash: String,
        keys: SigningKeys, region: String, service: String = "lambda", date: Int64
    ) -> [(name: String, value: String)] {
        let time = RequestTime.basicText(date)
        var added: [(name: String, value: String)] = [("X-Amz-Content-Sha256", payloadHash), ("X-Amz-Date", time)]
        if let token = keys.sessionToken { added.append(("X-Amz-Security-Token", token)) }
        var values: [String: String] = [:]
        for header in headers + added {
            let value = CanonicalRequest.headerValue(header.value)
            values[header.name.lowercased(), default: ""] += values[header.name.lowercased()] == nil ? value : ",\(value)"
        }
        let signed = values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { (name: $0.key, value: $0.value) }
        let day = String(time.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let canonical = CanonicalRequest.text(
            method: method, path: service == s3 ? path : CanonicalRequest.path(path), query: CanonicalRequest.query(query), signedHeaders: signed,
            payloadHash: payloadHash)
        let key = SigningKey.derive(secret: keys.secret, date: day, region: region, service: service)
        let code = HMAC<SHA256>.authenticationCode(
            for: SigningKey.stringToSign(time: time, scope: scope, canonicalRequest: canonical), using: key)
        let list = signed.map(\.name).joined(separator: ";")
        added.append(
            (
                "Authorization",
                "\(AuthorizationHeader.algorithm) Credential=\(keys.accessKeyID)/\(scope), SignedHeaders=\(list), Signature=\(HexadecimalText.lowercase(code))"
            ))
        return added
    }
}
