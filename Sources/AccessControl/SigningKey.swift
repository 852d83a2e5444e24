import Crypto

enum SigningKey {
    static func derive(secret: String, date: String, region: String, service: String) -> SymmetricKey {
        var key = SymmetricKey(data: Array("AWS4\(secret)".utf8))
        for part in [date, region, service, "aws4_request"] {
            let code = HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key)
            key = SymmetricKey(data: Array(code))
        }
        return key
    }

    static func stringToSign(time: String, scope: String, canonicalRequest: String) -> [UInt8] {
        let digest = HexadecimalText.lowercase(SHA256.hash(data: Array(canonicalRequest.utf8)))
        return Array("\(AuthorizationHeader.algorithm)\n\(time)\n\(scope)\n\(digest)".utf8)
    }
}
