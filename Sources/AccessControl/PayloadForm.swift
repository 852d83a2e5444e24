/// What a signature says of the body.
///
/// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
enum PayloadForm: Hashable, Sendable {
    /// Nothing was declared: the digest of what comes is what was signed.
    case computed
    /// 64 hexadecimal digits.
    case declared(String)
    /// The sender does not vouch for the body.
    case unsigned
    /// In chunks, of which each continues the signature of the one before.
    case chunked(hasTrailer: Bool)
    /// In chunks without signatures.
    case unsignedChunked

    /// - Throws: `.invalid` for a text that is none of them.
    init(_ text: String?) throws(AuthenticationError) {
        switch text {
        case nil: self = .computed
        case "UNSIGNED-PAYLOAD": self = .unsigned
        case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": self = .chunked(hasTrailer: false)
        case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": self = .chunked(hasTrailer: true)
        case "STREAMING-UNSIGNED-PAYLOAD-TRAILER": self = .unsignedChunked
        case let text?:
            guard HexadecimalText.bytes(text)?.count == 32 else {
                throw AuthenticationError(
                    .invalid,
                    "x-amz-content-sha256 must be the SHA-256 of the body as 64 hexadecimal digits, UNSIGNED-PAYLOAD, or a STREAMING form with HMAC-SHA256, not '\(text.prefix(64))'.")
            }
            self = .declared(text)
        }
    }
}
