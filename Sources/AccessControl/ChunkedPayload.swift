import Crypto

/// Takes the chunks of a `STREAMING-…` body apart as its bytes arrive, and verifies each chunk's signature.
///
/// `SIZE;chunk-signature=…`, CRLF, the data, CRLF, and so on to a chunk of size 0, after which trailers may come. What is
/// given out before a chunk's end is not verified yet: only after `finish` is the body its sender's.
///
/// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
public struct ChunkedPayload {
    /// What the chunks' signatures are made with.
    struct Chain {
        let key: SymmetricKey
        let time: String
        let scope: String
        /// Of the chunk before; of the request itself for the first.
        var previous: String

        mutating func verify(_ signature: [UInt8], _ kind: StaticString, _ digests: String) throws(AuthenticationError) {
            let text = "\(AuthorizationHeader.algorithm)-\(kind)\n\(time)\n\(scope)\n\(previous)\n\(digests)"
            guard HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: Array(text.utf8), using: key) else {
                throw AuthenticationError(.invalid, "A chunk's signature does not match: check the secret access key and that the body arrives as it was sent.")
            }
            previous = HexadecimalText.lowercase(signature)
        }
    }

    private enum State {
        case size
        case data(Int)
        /// The line break behind a chunk's data.
        case dataEnd
        case trailers
        case ended
    }

    /// A chunk's size, its signature and some room; also the longest line of the trailers.
    private static let maximumLine = 1_024
    private static let maximumTrailers = 16
    private static let emptyDigest = PayloadDigest.hexadecimal(of: [])

    /// nil where the chunks are not signed.
    private var chain: Chain?
    private let hasTrailer: Bool
    /// `x-amz-decoded-content-length`.
    private let expectedLength: Int?
    private var state = State.size
    private var line: [UInt8] = []
    private var digest = PayloadDigest()
    private var signature: [UInt8] = []
    private var trailers: [String] = []
    /// Bytes of data so far.
    private var length = 0

    init(chain: Chain?, hasTrailer: Bool, expectedLength: Int?) {
        self.chain = chain
        self.hasTrailer = hasTrailer
        self.expectedLength = expectedLength
    }

    /// - Parameter emit: gets the data without what stands around it.
    /// - Throws: `.invalid`, `.incomplete`.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) -> Void) throws(AuthenticationError) {
        var rest = bytes[...]
        while let first = rest.first {
            if case .data(let wanted) = state {
                let piece = rest.prefix(wanted)
                take(UnsafeRawBufferPointer(rebasing: piece), emit)
                rest = rest.dropFirst(piece.count)
                if wanted > piece.count { state = .data(wanted - piece.count) } else { try endChunk() }
                continue
            }
            rest = rest.dropFirst()
            if first != UInt8(ascii: "\n") {
                line.append(first)
                guard line.count <= Self.maximumLine else { throw Self.malformed("a line of it has more than \(Self.maximumLine) bytes") }
                continue
            }
            guard line.popLast() == UInt8(ascii: "\r") else { throw Self.malformed("a line does not end with CRLF") }
            let text = String(decoding: line, as: UTF8.self)
            line.removeAll(keepingCapacity: true)
            try end(line: text)
        }
    }

    /// - Throws: `.incomplete` for a body that ends too early, `.invalid` for one of another length than it was signed with.
    public func finish() throws(AuthenticationError) {
        guard case .ended = state else { throw AuthenticationError(.incomplete, "The body ends before its last chunk.") }
        if let expectedLength, expectedLength != length {
            throw AuthenticationError(.invalid, "x-amz-decoded-content-length is \(expectedLength), but the chunks have \(length) bytes.")
        }
    }

    private mutating func take(_ piece: UnsafeRawBufferPointer, _ emit: (UnsafeRawBufferPointer) -> Void) {
        length += piece.count
        if chain != nil { digest.update(piece) }
        emit(piece)
    }

    private mutating func end(line text: String) throws(AuthenticationError) {
        switch state {
        case .size: try beginChunk(text)
        case .dataEnd:
            guard text.isEmpty else { throw Self.malformed("a chunk has more data than its size says") }
            state = .size
        case .trailers: try takeTrailer(text)
        case .data, .ended: throw Self.malformed("something follows its end")
        }
    }

    private mutating func beginChunk(_ text: String) throws(AuthenticationError) {
        let parts = text.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
        guard let digits = parts.first, (1...8).contains(digits.utf8.count), let size = Int(digits, radix: 16), size >= 0 else {
            throw Self.malformed("a chunk's size is not 1 to 8 hexadecimal digits")
        }
        if chain != nil {
            guard parts.count == 2, parts[1].hasPrefix("chunk-signature=") else { throw AuthenticationError(.incomplete, "A chunk has no chunk-signature.") }
            signature = try SignatureText.bytes(parts[1].dropFirst("chunk-signature=".count))
        }
        digest = PayloadDigest()
        if size == 0 { try endChunk(isLast: true) } else { state = .data(size) }
    }

    private mutating func endChunk(isLast: Bool = false) throws(AuthenticationError) {
        try chain?.verify(signature, "PAYLOAD", "\(Self.emptyDigest)\n\(digest.hexadecimal())")
        state = isLast ? .trailers : .dataEnd
    }

    private mutating func takeTrailer(_ text: String) throws(AuthenticationError) {
        if !text.isEmpty {
            guard hasTrailer, trailers.count < Self.maximumTrailers, text.contains(":") else { throw Self.malformed("its trailer cannot be read") }
            trailers.append(text)
            return
        }
        state = .ended
        guard hasTrailer, chain != nil else { return }
        let name = "x-amz-trailer-signature:"
        guard let last = trailers.last, last.hasPrefix(name) else { throw AuthenticationError(.incomplete, "The trailer has no x-amz-trailer-signature.") }
        let canonical = trailers.dropLast().map(Self.canonicalTrailer).joined()
        let signature = try SignatureText.bytes(CanonicalRequest.headerValue(last.dropFirst(name.count)))
        try chain?.verify(signature, "TRAILER", PayloadDigest.hexadecimal(of: Array(canonical.utf8)))
    }

    private static func canonicalTrailer(_ text: String) -> String {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return "\(parts[0].lowercased()):\(CanonicalRequest.headerValue(parts.count > 1 ? parts[1] : ""))\n"
    }

    private static func malformed(_ reason: String) -> AuthenticationError {
        AuthenticationError(.invalid, "The body is not in the chunks that x-amz-content-sha256 announces: \(reason).")
    }
}
