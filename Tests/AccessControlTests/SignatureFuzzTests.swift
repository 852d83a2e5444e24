import AccessControl
import Testing

/// Spoiled signatures by the thousand, made from good ones: whatever comes, the verifier refuses with an error of its own.
@Suite struct SignatureFuzzTests {
    private static let pieces = [
        "AWS4-HMAC-SHA256 ", "Credential=", "SignedHeaders=", "Signature=", "/aws4_request", ",", ";", "=", "%", "%2", "%zz", "&", "\u{0}", "ü", "/", "//",
        "20261121", "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Expires=1", "X-Amz-Signature=", "host", "9999999999999999999999", "-1", "\r\n", " ",
    ]

    private static func spoil(_ text: String, _ generator: inout SeededGenerator) -> String {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let index = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes.insert(contentsOf: Array((pieces.randomElement(using: &generator) ?? "").utf8), at: index)
            case 1: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 0...40, using: &generator)))
            case 2: if index < bytes.count { bytes[index] = UInt8.random(in: 0...255, using: &generator) }
            default: bytes += bytes.prefix(index)
            }
            if bytes.count > 4_096 { bytes.removeLast(bytes.count - 4_096) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(arguments: SignatureVector.all)
    func aSpoiledHeaderIsRefused(_ vector: SignatureVector) throws {
        var generator = SeededGenerator(state: UInt64(vector.name.utf8.count) + 11)
        let verifier = SigV4Verifier(keys: [SignatureVector.accessKeyID: VerificationKey(secret: SignatureVector.secret, account: "1")])
        let parts = vector.target.split(separator: "?", maxSplits: 1)
        var refused = 0
        for _ in 0..<200 {
            let headers = vector.headers.map { header -> (name: String, value: String) in
                header.name == "Authorization" ? (header.name, Self.spoil(header.value, &generator)) : header
            }
            do {
                let pending = try verifier.begin(
                    method: vector.method, path: parts[0], query: parts.count > 1 ? parts[1] : "", headers: headers, now: SignatureVector.time)
                _ = try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: vector.body), now: SignatureVector.time)
                // What means the same may pass: other spaces, another order of the parts, a part that nobody reads.
                let texts = [headers, vector.headers].map { $0.first { $0.name == "Authorization" }?.value ?? "" }
                #expect(try AuthorizationHeader(texts[0]) == AuthorizationHeader(texts[1]))
            } catch { refused += 1 }
        }
        #expect(refused > 100)
    }

    @Test func aSpoiledQueryIsRefused() throws {
        var generator = SeededGenerator(state: 23)
        let verifier = SigV4Verifier(keys: [SignatureVector.accessKeyID: VerificationKey(secret: SignatureVector.secret, account: "1")])
        let good =
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAMARTLETEXAMPLE01%2F20261121%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20261121T082057Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=\(String(repeating: "0", count: 64))"
        for _ in 0..<5_000 {
            #expect(throws: AuthenticationError.self) {
                let pending = try verifier.begin(
                    method: "GET", path: "/x", query: Self.spoil(good, &generator), headers: [("Host", "h")], now: SignatureVector.time)
                _ = try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: []), now: SignatureVector.time)
            }
        }
    }
}
