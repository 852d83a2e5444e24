import Crypto

/// A request whose header is in order; its signature waits for the body's digest.
public struct PendingSignature {
    /// Who the sender claims to be, until `SigV4Verifier.complete` has agreed.
    public let caller: Caller
    let method: String
    let path: String
    let query: String
    let signedHeaders: [(name: String, value: String)]
    let time: String
    let scope: String
    let signature: [UInt8]
    let signingKey: SymmetricKey
    let key: VerificationKey
    let payload: PayloadForm
    let decodedLength: Int?

    /// Takes the body apart where it comes in chunks; nil where it comes as it is.
    public func chunks() -> ChunkedPayload? {
        switch payload {
        case .chunked(let hasTrailer):
            let chain = ChunkedPayload.Chain(key: signingKey, time: time, scope: scope, previous: HexadecimalText.lowercase(signature))
            return ChunkedPayload(chain: chain, hasTrailer: hasTrailer, expectedLength: decodedLength)
        case .unsignedChunked: return ChunkedPayload(chain: nil, hasTrailer: true, expectedLength: decodedLength)
        case .computed, .declared, .unsigned: return nil
        }
    }

    func complete(payloadHash: String) throws(AuthenticationError) {
        switch payload {
        case .computed: try check(payloadHash: payloadHash)
        case .declared(let declared):
            guard declared.lowercased() == payloadHash else {
                throw AuthenticationError(
                    .invalid, "The provided 'x-amz-content-sha256' header does not match what was computed from the body.")
            }
        // What was declared was compared with the header.
        case .unsigned, .chunked, .unsignedChunked: break
        }
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
