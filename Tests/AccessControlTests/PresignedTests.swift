import AccessControl
import Testing

private let path = "/2015-03-31/functions/hello"
/// What botocore's SigV4QueryAuth makes of `GET …/hello?Qualifier=%24LATEST`, valid for 900 s.
private let signature = "03ee8cff7d6bdcb6ec6cc677ca346dc05309d0b740a8b61037280d0ff7da3c18"
private let parameters = [
    "Qualifier=%24LATEST", "X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "X-Amz-Credential=AKIAMARTLETEXAMPLE01%2F20261121%2Fus-east-1%2Flambda%2Faws4_request", "X-Amz-Date=20261121T082057Z", "X-Amz-Expires=900",
    "X-Amz-SignedHeaders=host", "X-Amz-Signature=\(signature)",
]
private let host: [(name: String, value: String)] = [("Host", "127.0.0.1:9000")]
private let token = "token/with+signs="

private func verifier(_ key: VerificationKey = VerificationKey(secret: SignatureVector.secret, account: "1")) -> SigV4Verifier {
    SigV4Verifier(keys: [SignatureVector.accessKeyID: key])
}

private func fault(
    _ parameters: [String] = parameters, headers: [(name: String, value: String)] = host, body: [UInt8] = [], now: Int64 = SignatureVector.time,
    by verifier: SigV4Verifier = verifier()
) -> AuthenticationError? {
    do {
        let pending = try verifier.begin(method: "GET", path: path, query: parameters.joined(separator: "&"), headers: headers, now: now)
        _ = try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: body), now: now)
        return nil
    } catch {
        return error
    }
}

private func replacing(_ name: String, with value: String?) -> [String] {
    parameters.compactMap { $0.hasPrefix("\(name)=") ? value.map { "\(name)=\($0)" } : $0 }
}

@Suite struct PresignedTests {
    @Test func acceptsWhatBotocorePresignsWhileItHolds() {
        #expect(fault() == nil)
        #expect(fault(now: SignatureVector.time + 900) == nil)
        #expect(fault(now: SignatureVector.time + 901)?.kind == .invalid)
        #expect(fault(now: SignatureVector.time - 300) == nil)
        #expect(fault(now: SignatureVector.time - 301)?.kind == .invalid)
    }

    @Test func theOrderOfTheParametersDoesNotMatter() { #expect(fault(parameters.reversed()) == nil) }

    @Test(arguments: ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"])
    func everyPartMustBeThere(_ name: String) {
        let expected: AuthenticationError.Kind = name == "X-Amz-Algorithm" ? .missing : .incomplete
        #expect(fault(replacing(name, with: nil))?.kind == expected)
    }

    @Test(arguments: [
        ("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256"), ("X-Amz-Credential", "x"), ("X-Amz-Date", "today"), ("X-Amz-Expires", "0"),
        ("X-Amz-Expires", "604801"), ("X-Amz-Expires", "-1"), ("X-Amz-Expires", "900000000000000000000"), ("X-Amz-Signature", "00"),
    ])
    func whatCannotBeReadIsIncomplete(_ name: String, _ value: String) { #expect(fault(replacing(name, with: value))?.kind == .incomplete) }

    @Test(arguments: [("X-Amz-Expires", "901"), ("Qualifier", "1"), ("X-Amz-SignedHeaders", "x-other"), ("X-Amz-Date", "20261121T082058Z")])
    func nothingOfItCanBeChanged(_ name: String, _ value: String) { #expect(fault(replacing(name, with: value))?.kind == .invalid) }

    @Test func nothingCanBeAdded() {
        #expect(fault(parameters + ["More=1"])?.kind == .invalid)
        #expect(fault(parameters + ["X-Amz-Expires=900"])?.kind == .invalid)
        #expect(fault(headers: host + [("X-Amz-Invocation-Type", "Event")])?.kind == .invalid)
        #expect(fault(headers: host + [("Authorization", "AWS4-HMAC-SHA256 x")])?.kind == .invalid)
        #expect(fault(body: [1])?.kind == .invalid)
        #expect(fault(headers: [("Host", "evil.example")])?.kind == .invalid)
    }

    @Test func aTemporaryKeyNeedsItsTokenAndEnds() {
        let presigned = parameters.dropLast() + [
            "X-Amz-Security-Token=token%2Fwith%2Bsigns%3D", "X-Amz-Signature=1f27daf2f920dec3cafa6ebb85e706cdec7b9c745e3875b80027055f21396d66",
        ]
        func key(_ token: String?, expires: Int64? = nil, isSuspended: Bool = false) -> SigV4Verifier {
            verifier(VerificationKey(secret: SignatureVector.secret, account: "1", sessionToken: token, expires: expires, isSuspended: isSuspended))
        }
        #expect(fault(Array(presigned), by: key(token)) == nil)
        #expect(fault(Array(presigned), by: key("another"))?.kind == .unrecognized)
        #expect(fault(Array(presigned), by: key(nil))?.kind == .unrecognized)
        #expect(fault(by: key(token))?.kind == .unrecognized)
        #expect(fault(Array(presigned), by: key(token, expires: SignatureVector.time + 1)) == nil)
        #expect(fault(Array(presigned), by: key(token, expires: SignatureVector.time))?.kind == .expired)
        #expect(fault(Array(presigned), by: key(token, isSuspended: true))?.kind == .suspended)
    }

    @Test func aKeyThatIsRevokedWhileTheBodyComesIsRefused() throws {
        let verifier = verifier()
        let pending = try verifier.begin(
            method: "GET", path: path, query: parameters.joined(separator: "&"), headers: host, now: SignatureVector.time)
        verifier.replaceKeys([:])
        #expect(throws: AuthenticationError.self) {
            try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: []), now: SignatureVector.time)
        }
    }
}
