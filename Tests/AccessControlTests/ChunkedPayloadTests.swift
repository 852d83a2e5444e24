import AccessControl
import Testing

/// The examples of AWS's pages on chunked uploads, reproduced as facts: 65 KiB of `a` in chunks of 64 KiB and 1 KiB.
private struct Example {
    var payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    var names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class"
    var more: [(name: String, value: String)] = [("Content-Length", "66824")]
    var seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    var chunks = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]
    var trailer = ""

    static let trailing = Example(
        payload: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        names: "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
        more: [("x-amz-trailer", "x-amz-checksum-crc32c")], seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        chunks: [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        trailer: "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n")

    var body: String {
        let data = [String(repeating: "a", count: 65_536), String(repeating: "a", count: 1_024), ""]
        return zip(["10000", "400", "0"], zip(chunks, data)).map { size, rest in
            "\(size);chunk-signature=\(rest.0)\r\n" + (rest.1.isEmpty ? "" : "\(rest.1)\r\n")
        }.joined() + trailer + "\r\n"
    }

    static let time: Int64 = 1_369_353_600

    func begin() throws -> ChunkedPayload? {
        var configuration = SigV4Verifier.Configuration()
        configuration.services = ["s3"]
        let verifier = SigV4Verifier(
            keys: ["AKIAIOSFODNN7EXAMPLE": VerificationKey(secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", account: "1")],
            configuration: configuration)
        let headers: [(name: String, value: String)] = more + [
            ("Host", "s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"), ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", payload), ("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", "66560"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=\(names), Signature=\(seed)"
            ),
        ]
        let pending = try verifier.begin(method: "PUT", path: "/examplebucket/chunkObject.txt", query: "", headers: headers, now: Self.time)
        return pending.chunks()
    }

    /// - Returns: what came out.
    func feed(_ body: String, piece: Int = .max) throws -> [UInt8] {
        var chunks = try #require(try begin())
        var result: [UInt8] = []
        var rest = Array(body.utf8)[...]
        while !rest.isEmpty {
            let next = rest.prefix(piece)
            try next.withUnsafeBytes { bytes in try chunks.feed(bytes) { result += $0 } }
            rest = rest.dropFirst(next.count)
        }
        try chunks.finish()
        return result
    }
}

@Suite struct ChunkedPayloadTests {
    @Test(arguments: [Int.max, 1, 7, 4_096])
    func acceptsAWSExampleInPiecesOfAnySize(_ piece: Int) throws {
        #expect(try Example().feed(Example().body, piece: piece) == [UInt8](repeating: UInt8(ascii: "a"), count: 66_560))
    }

    @Test func acceptsAWSExampleWithATrailer() throws {
        #expect(try Example.trailing.feed(Example.trailing.body, piece: 1_000).count == 66_560)
    }

    @Test func everyChangeIsRefused() throws {
        let body = Example().body
        for changed in [
            body.replacing("aaaaaaaaaa", with: "aaaaabaaaa", maxReplacements: 1), body.replacing("\r\n400;", with: "\r\n401;"),
            body.replacing("0;chunk-signature=b6", with: "0;chunk-signature=b7"), body.replacing(";chunk-signature=ad80", with: ";chunk-signatur=ad80"),
            String(body.dropLast(2)), String(body.dropLast(100)), body + "0\r\n", "", "zz\r\n", "100000000;chunk-signature=0\r\n", String(repeating: "1", count: 3_000),
        ] {
            #expect(throws: AuthenticationError.self, "\(changed.prefix(40))… \(changed.utf8.count)") { _ = try Example().feed(changed) }
        }
        let trailing = Example.trailing.body
        for changed in [
            trailing.replacing("sOO8", with: "sOO9"), trailing.replacing("trailer-signature:d8", with: "trailer-signature:d9"),
            trailing.replacing("x-amz-trailer-signature", with: "x-amz-other"),
        ] {
            #expect(throws: AuthenticationError.self) { _ = try Example.trailing.feed(changed) }
        }
    }

    @Test func nothingBreaksOnRandomBytes() throws {
        var generator = SeededGenerator(state: 7)
        let body = Array(Example().body.utf8)
        for _ in 0..<300 {
            var changed = Array(body.prefix(Int.random(in: 0...600, using: &generator)) + body.suffix(Int.random(in: 0...600, using: &generator)))
            for _ in 0..<Int.random(in: 0...6, using: &generator) where !changed.isEmpty {
                changed[Int.random(in: 0..<changed.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            var chunks = try #require(try Example().begin())
            // Either way is fine; it must end, and with an error of its own.
            do {
                try changed.withUnsafeBytes { bytes in try chunks.feed(bytes) { _ in } }
                try chunks.finish()
            } catch { #expect(error is AuthenticationError) }
        }
    }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
