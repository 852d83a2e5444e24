import AccessControl
import Testing

private let caller = Caller(account: "123456789012", region: "us-east-1", accessKeyID: SignatureVector.accessKeyID)

private func makeVerifier(cached: Int = 256) -> SigV4Verifier {
    var configuration = SigV4Verifier.Configuration()
    configuration.cachedSigningKeys = cached
    return SigV4Verifier(
        keys: [SignatureVector.accessKeyID: VerificationKey(secret: SignatureVector.secret, account: "123456789012")],
        configuration: configuration)
}

private func split(_ target: String) -> (path: Substring, query: Substring) {
    let parts = target.split(separator: "?", maxSplits: 1)
    return (parts[0], parts.count > 1 ? parts[1] : "")
}

private func verify(
    _ verifier: SigV4Verifier, method: String = "POST", target: String = "/2015-03-31/functions/hello/invocations",
    headers: [(name: String, value: String)], body: [UInt8] = Array("{}".utf8), now: Int64 = SignatureVector.time
) throws(AuthenticationError) -> Caller {
    let (path, query) = split(target)
    let pending = try verifier.begin(method: method, path: path, query: query, headers: headers, now: now)
    return try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: body), now: now)
}

private func signed(
    method: String = "POST", target: String = "/2015-03-31/functions/hello/invocations",
    headers: [(name: String, value: String)] = [("Host", "127.0.0.1:9000")], body: [UInt8] = Array("{}".utf8),
    region: String = "us-east-1", service: String = "lambda", token: String? = nil, secret: String = SignatureVector.secret,
    key: String = SignatureVector.accessKeyID
) -> [(name: String, value: String)] {
    let (path, query) = split(target)
    return headers
        + SigV4Signer.sign(
            method: method, path: String(path), query: String(query), headers: headers, body: body,
            keys: SigningKeys(accessKeyID: key, secret: secret, sessionToken: token), region: region, service: service,
            date: SignatureVector.time)
}

@Suite struct SigV4VerifierTests {
    @Test func whereOneKeyCountsNoOtherDoes() throws {
        let verifier = makeVerifier()
        let own = (id: "ASIAFUNCTION", key: VerificationKey(secret: "own", account: "111111111111", sessionToken: "t"))
        func verify(_ headers: [(name: String, value: String)], only: (id: String, key: VerificationKey)? = own) throws(AuthenticationError) -> Caller {
            let pending = try verifier.begin(
                method: "POST", path: "/2015-03-31/functions/hello/invocations", query: "", headers: headers, now: SignatureVector.time, only: only)
            return try verifier.complete(pending, payloadHash: PayloadDigest.hexadecimal(of: Array("{}".utf8)), now: SignatureVector.time, only: only)
        }
        let signedByIt = signed(token: "t", secret: "own", key: own.id)
        #expect(try verify(signedByIt) == Caller(account: "111111111111", region: "us-east-1", accessKeyID: own.id))
        // Neither is it known elsewhere, nor is any other here.
        for attempt in [{ try verify(signedByIt, only: nil) }, { try verify(signed()) }, { try verify(signed(secret: "own", key: own.id)) }] {
            let error = #expect(throws: AuthenticationError.self) { _ = try attempt() }
            #expect(error?.kind == .unrecognized)
        }
        let forged = #expect(throws: AuthenticationError.self) { _ = try verify(signed(token: "t", secret: "guessed", key: own.id)) }
        #expect(forged?.kind == .invalid)
    }

    @Test(arguments: SignatureVector.all)
    func acceptsWhatBotocoreSigns(_ vector: SignatureVector) throws {
        let result = try verify(
            makeVerifier(), method: vector.method, target: vector.target, headers: vector.headers, body: vector.body)
        #expect(result == Caller(account: "123456789012", region: vector.region, accessKeyID: SignatureVector.accessKeyID))
    }

    @Test(arguments: SignatureVector.all)
    func refusesAnotherBody(_ vector: SignatureVector) {
        #expect(throws: AuthenticationError.self) {
            try verify(
                makeVerifier(), method: vector.method, target: vector.target, headers: vector.headers, body: vector.body + [0])
        }
    }

    @Test(arguments: SignatureVector.all)
    func refusesAnotherTarget(_ vector: SignatureVector) {
        #expect(throws: AuthenticationError.self) {
            try verify(
                makeVerifier(), method: vector.method, target: vector.target + (vector.target.contains("?") ? "&z=1" : "?z=1"),
                headers: vector.headers, body: vector.body)
        }
    }

    @Test func acceptsWhatOurSignerSigns() throws {
        let result = try verify(makeVerifier(), headers: signed())
        #expect(result == caller)
    }

    @Test func keepsDerivedKeysBoundedAndStillCorrect() throws {
        let verifier = makeVerifier(cached: 2)
        for region in ["us-east-1", "eu-west-1", "eu-west-2", "us-east-1"] {
            #expect(try verify(verifier, headers: signed(region: region)).region == region)
        }
    }

    @Test func digestMayComeInPieces() {
        var digest = PayloadDigest()
        for byte in UInt8(0)..<100 { digest.update([byte]) }
        #expect(digest.hexadecimal() == PayloadDigest.hexadecimal(of: Array(UInt8(0)..<100)))
    }

    @Test func skewOfFiveMinutesIsAllowedAndNoMore() throws {
        let headers = signed()
        #expect(try verify(makeVerifier(), headers: headers, now: SignatureVector.time + 300) == caller)
        #expect(try verify(makeVerifier(), headers: headers, now: SignatureVector.time - 300) == caller)
        #expect(kind { _ = try verify(makeVerifier(), headers: headers, now: SignatureVector.time + 301) } == .invalid)
        #expect(kind { _ = try verify(makeVerifier(), headers: headers, now: SignatureVector.time - 301) } == .invalid)
    }

    @Test func everyFaultHasItsKind() {
        let good = signed()
        func changed(_ name: String, _ change: (String) -> String) -> [(name: String, value: String)] {
            good.map { $0.name == name ? ($0.name, change($0.value)) : $0 }
        }
        let cases: [(String, [(name: String, value: String)], AuthenticationError.Kind)] = [
            ("no header", [("Host", "a")], .missing),
            ("another scheme", [("Host", "a"), ("Authorization", "Basic abc")], .incomplete),
            ("no signature", changed("Authorization") { $0.components("Signature=").first ?? "" }, .incomplete),
            ("short signature", changed("Authorization") { String($0.dropLast(2)) }, .incomplete),
            ("bad region", changed("Authorization") { $0.replacing("us-east-1", with: "US_EAST") }, .incomplete),
            ("short scope", changed("Authorization") { $0.replacing("/aws4_request", with: "") }, .incomplete),
            ("no date", good.filter { $0.name != "X-Amz-Date" }, .incomplete),
            ("unreadable date", changed("X-Amz-Date") { _ in "yesterday" }, .incomplete),
            ("date outside scope", changed("Authorization") { $0.replacing("/20261121/", with: "/20261120/") }, .invalid),
            ("other service", signed(service: "s3"), .invalid),
            ("host unsigned", changed("Authorization") { $0.replacing("host;", with: "") }, .invalid),
            ("date unsigned", changed("Authorization") { $0.replacing(";x-amz-date", with: "") }, .invalid),
            ("unsigned x-amz header", good + [("X-Amz-Invocation-Type", "Event")], .invalid),
            ("signed header absent", good.filter { $0.name != "Host" }, .invalid),
            ("unknown key", signed(key: "AKIAUNKNOWN000000000"), .unrecognized),
            ("session token", signed(token: "abc"), .unrecognized),
            ("wrong secret", signed(secret: "other"), .invalid),
            ("unsigned payload", changed("X-Amz-Content-Sha256") { _ in "UNSIGNED-PAYLOAD" }, .invalid),
            ("wrong digest", signed(body: [1]), .invalid),
        ]
        for (name, headers, expected) in cases {
            #expect(kind { _ = try verify(makeVerifier(), headers: headers) } == expected, "\(name)")
        }
    }

    @Test func aHeaderSentTwiceIsSignedAsBoth() throws {
        let headers: [(name: String, value: String)] = [("Host", "h"), ("My-Header", "a"), ("my-header", "b")]
        let all = signed(headers: headers)
        #expect(try verify(makeVerifier(), headers: all) == caller)
        #expect(kind { _ = try verify(makeVerifier(), headers: all.filter { $0.name != "my-header" }) } == .invalid)
    }

    @Test func dateHeaderServesWithoutAmzDate() throws {
        // Only the refusal is of interest: the date is understood, so the signature is what fails.
        let headers = signed().filter { $0.name != "X-Amz-Date" }.map { header in
            header.name == "Authorization" ? (header.name, header.value.replacing("x-amz-date", with: "date")) : header
        }
        let error = fault { _ = try verify(makeVerifier(), headers: headers + [("Date", "Sat, 21 Nov 2026 08:20:57 GMT")]) }
        #expect(error?.message.contains("does not match the signature") == true)
    }
}

private func fault(_ body: () throws -> Void) -> AuthenticationError? {
    do {
        try body()
        return nil
    } catch {
        return error as? AuthenticationError
    }
}

private func kind(_ body: () throws -> Void) -> AuthenticationError.Kind? { fault(body)?.kind }

extension String {
    fileprivate func components(_ separator: String) -> [String] { split(separator: separator).map(String.init) }

    @Test func everyOfferedServiceHasItsOwnSignature() throws {
        let verifier = makeVerifier()
        // Twice, so that the second comes from the cache of keys.
        for service in ["lambda", "sqs", "lambda", "sqs"] {
            #expect(try verify(verifier, headers: signed(service: service)).account == "123456789012")
        }
        let forged = signed(service: "sqs").map { ($0.name, $0.name == "Authorization" ? $0.value.replacing("/sqs/", with: "/lambda/") : $0.value) }
        #expect(throws: AuthenticationError.self) { try verify(verifier, headers: forged) }
    }
}
