import AccessControl
import Testing

@Suite("A webhook's delivery is believed only if its sender knows the secret")
struct WebhookSignatureTests {
    private func verify(
        _ scheme: WebhookScheme, _ secrets: [String], _ headers: [(String, String)], _ body: String, now: Int64 = 1_531_420_618
    ) -> WebhookRefusal? {
        let verifier = WebhookVerifier(scheme, secrets: secrets)
        do {
            try Array(body.utf8).withUnsafeBytes { try verifier.verify(headers: headers.map { (name: $0.0, value: $0.1) }, body: $0, now: now) }
            return nil
        } catch {
            return error as? WebhookRefusal
        }
    }

    // The senders' own published examples.
    private let gitHub = (
        secret: "It's a Secret to Everybody", body: "Hello, World!",
        header: ("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
    )
    private let slack = (
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        body:
            "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        headers: [
            ("X-Slack-Request-Timestamp", "1531420618"),
            ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ]
    )

    @Test func gitHubsExampleIsBelieved() {
        #expect(verify(.gitHub, [gitHub.secret], [gitHub.header], gitHub.body) == nil)
        #expect(verify(.gitHub, ["another secret", gitHub.secret], [gitHub.header], gitHub.body) == nil)
    }

    @Test func bearerWhoHasTheSecretIsBelieved() {
        #expect(verify(.minIO, ["old secret", "the secret"], [("authorization", "Bearer the secret")], "{}") == nil)
        for value in ["Bearer the secre", "Bearer the secret ", "bearer the secret", "the secret", "Bearer ", "Basic the secret"] {
            #expect(verify(.minIO, ["the secret"], [("Authorization", value)], "{}") != nil, "\(value)")
        }
        #expect(verify(.minIO, ["the secret"], [], "{}") != nil)
        #expect(verify(.minIO, ["the secret"], [("Authorization", "Bearer the secret"), ("Authorization", "Bearer the secret")], "{}") != nil)
    }

    @Test func slacksExampleIsBelievedWithinItsTime() {
        #expect(verify(.slack, [slack.secret], slack.headers, slack.body) == nil)
        #expect(verify(.slack, [slack.secret], slack.headers, slack.body, now: 1_531_420_618 + 300) == nil)
        for now in [1_531_420_618 + 301, 1_531_420_618 - 301] as [Int64] {
            #expect(verify(.slack, [slack.secret], slack.headers, slack.body, now: now)?.description.contains("301 s") == true)
        }
    }

    @Test func stripesHeaderMayHaveSeveralSignatures() {
        // HMAC-SHA256 of "1531420618.{}" with the key "whsec_test_secret"; by Python's hmac.
        let good = "c9331d44726b520b358b65e4f40fbd29271e9db2d67e1bceef12d8a96d80494b"
        let wrong = String(repeating: "0", count: 64)
        for text in ["t=1531420618,v1=\(good)", "t=1531420618,v1=\(wrong),v1=\(good)", "t=1531420618, v0=\(wrong), v1=\(good)"] {
            #expect(verify(.stripe, ["whsec_test_secret"], [("stripe-signature", text)], "{}") == nil, "\(text)")
        }
        for text in ["t=1531420619,v1=\(good)", "t=1531420618,v1=\(wrong)", "t=1531420618,v0=\(good)", "v1=\(good)", "t=,v1=\(good)", ""] {
            #expect(verify(.stripe, ["whsec_test_secret"], [("Stripe-Signature", text)], "{}") != nil, "\(text)")
        }
        #expect(verify(.stripe, ["whsec_test_secret"], [("Stripe-Signature", "t=1531420618,v1=\(good)")], "{}", now: 1_531_421_000) != nil)
    }

    @Test(arguments: [
        (WebhookHash.sha1, WebhookEncoding.hex, "f4153b7cd54a223032186b91c202a720f7e40db4"),
        (.sha256, .base64, "ftNm80UjKfQLfDjfsUlw6NQdDCblkm2F+4Vx9+EbVMY="),
        (.sha512, .hex, "81f505a4aa4ced4ca2902a72689d65aff6466e8c4838b0b549c305b759c9ac371bf6846d82ba039e281d88868b43863eabc3f1f1820c5ca12de7d8a385cc27ba"),
    ])
    func aPlainCodeOfTheBodyIsBelieved(hash: WebhookHash, encoding: WebhookEncoding, text: String) {
        let scheme = WebhookScheme.hmac(header: "X-Signature", hash: hash, encoding: encoding, prefix: "v=")
        #expect(verify(scheme, ["plain secret"], [("x-signature", "v=" + text)], "body") == nil)
        #expect(verify(scheme, ["plain secret"], [("x-signature", text)], "body") != nil)
        #expect(verify(scheme, ["plain secret"], [("x-signature", "v=" + text)], "bodY") != nil)
        #expect(verify(scheme, ["other secret"], [("x-signature", "v=" + text)], "body") != nil)
    }

    @Test func whatIsMissingOrDoubleOrCutIsRefused() {
        #expect(verify(.gitHub, [gitHub.secret], [], gitHub.body)?.description == "the delivery has no X-Hub-Signature-256 header")
        #expect(verify(.gitHub, [gitHub.secret], [gitHub.header, gitHub.header], gitHub.body)?.description.contains("more than one") == true)
        #expect(verify(.slack, [slack.secret], [slack.headers[1]], slack.body) != nil)
        let (name, value) = gitHub.header
        for text in ["", "sha256=", String(value.dropLast()), String(value.dropLast(2)), value + "00", value.dropFirst(7) + "", "sha1=" + value.dropFirst(7)] {
            #expect(verify(.gitHub, [gitHub.secret], [(name, text)], gitHub.body) != nil, "\(text)")
        }
    }

    @Test func noChangeOfOneBitIsBelieved() {
        let body = Array(gitHub.body.utf8)
        for index in body.indices {
            for bit in 0..<7 {
                var changed = body
                changed[index] ^= 1 << UInt8(bit)
                #expect(verify(.gitHub, [gitHub.secret], [gitHub.header], String(decoding: changed, as: UTF8.self)) != nil)
            }
        }
    }
}
