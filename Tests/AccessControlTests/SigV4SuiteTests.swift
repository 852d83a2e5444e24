import AccessControl
import Testing

/// Requests and signatures of AWS's Signature Version 4 test suite, reproduced as facts: key AKIDEXAMPLE, 30 August 2015 12:36:00 UTC,
/// region us-east-1, service `service`.
private struct SuiteVector: Sendable, CustomTestStringConvertible {
    let name: String
    var method = "GET"
    let path: String
    var query = ""
    var headers: [(name: String, value: String)] = []
    var body = ""
    let signature: String

    var testDescription: String { name }

    static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    static let time: Int64 = 1_440_938_160

    static let all: [SuiteVector] = [
        SuiteVector(name: "get-vanilla", path: "/", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        SuiteVector(name: "get-utf8", path: "/ሴ", signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        SuiteVector(name: "get-space", path: "/example space/", signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        SuiteVector(
            name: "get-unreserved", path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        SuiteVector(name: "get-relative", path: "/example/..", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        SuiteVector(
            name: "get-slash-pointless-dot", path: "/./example", signature: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        SuiteVector(name: "get-slashes", path: "//example//", signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        SuiteVector(
            name: "get-vanilla-empty-query-key", path: "/", query: "Param1=value1",
            signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        SuiteVector(
            name: "get-vanilla-query-order-key-case", path: "/", query: "Param2=value2&Param1=value1",
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        SuiteVector(
            name: "get-vanilla-query-order-value", path: "/", query: "Param1=value2&Param1=value1",
            signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
        SuiteVector(
            name: "get-vanilla-utf8-query", path: "/", query: "ሴ=bar", signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        SuiteVector(
            name: "get-header-value-trim", path: "/", headers: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        SuiteVector(
            name: "get-header-key-duplicate", path: "/", headers: [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
        SuiteVector(
            name: "get-header-value-order", path: "/",
            headers: [("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"), ("My-Header1", "value2")],
            signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
        SuiteVector(
            name: "post-vanilla", method: "POST", path: "/", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        SuiteVector(
            name: "post-vanilla-query", method: "POST", path: "/", query: "Param1=value1",
            signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        SuiteVector(
            name: "post-header-key-sort", method: "POST", path: "/", headers: [("My-Header1", "value1")],
            signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        SuiteVector(
            name: "post-header-value-case", method: "POST", path: "/", headers: [("My-Header1", "VALUE1")],
            signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        SuiteVector(
            name: "post-x-www-form-urlencoded", method: "POST", path: "/", headers: [("Content-Type", "application/x-www-form-urlencoded")],
            body: "Param1=value1", signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ]

    var signedHeaders: [(name: String, value: String)] {
        let own = headers + [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")]
        let names = Set(own.map { $0.name.lowercased() }).sorted().joined(separator: ";")
        return own + [
            ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=\(names), Signature=\(signature)")
        ]
    }
}

private func suiteVerifier() -> SigV4Verifier {
    var configuration = SigV4Verifier.Configuration()
    configuration.services = ["service"]
    return SigV4Verifier(keys: ["AKIDEXAMPLE": VerificationKey(secret: SuiteVector.secret, account: "1")], configuration: configuration)
}

@Suite struct SigV4SuiteTests {
    @Test(arguments: SuiteVector.all)
    private func acceptsTheSuite(_ vector: SuiteVector) throws {
        let verifier = suiteVerifier()
        let pending = try verifier.begin(
            method: vector.method, path: vector.path, query: vector.query, headers: vector.signedHeaders, now: SuiteVector.time)
        _ = try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: Array(vector.body.utf8)), now: SuiteVector.time)
    }

    @Test(arguments: SuiteVector.all)
    private func refusesEachWithOneBitChanged(_ vector: SuiteVector) throws {
        let verifier = suiteVerifier()
        let last: Character = vector.signature.last == "0" ? "1" : "0"
        let forged = vector.signedHeaders.map { ($0.name, $0.name == "Authorization" ? $0.value.dropLast() + String(last) : $0.value) }
        let pending = try verifier.begin(method: vector.method, path: vector.path, query: vector.query, headers: forged, now: SuiteVector.time)
        #expect(throws: AuthenticationError.self) {
            try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: Array(vector.body.utf8)), now: SuiteVector.time)
        }
    }
}
