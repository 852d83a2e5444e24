import AccessControl
import FunctionModel
import SQLiteStore
import Testing
import Webhooks

/// What every `WebhookStore` promises, with two instances over one file.
@Suite struct WebhookStoreContractTests {
    private let temporary: TemporaryFolder
    private let writer: any WebhookStore
    private let reader: any WebhookStore

    init() async throws {
        temporary = try TemporaryFolder()
        writer = try await SQLiteStore.open(path: temporary.database)
        reader = try await SQLiteStore.open(path: temporary.database)
    }

    private func webhook(_ id: String, _ name: String, account: String = "123456789012", scheme: WebhookScheme = .gitHub, qualifier: String? = nil) -> Webhook {
        Webhook(
            id: id, name: name, function: FunctionKey(account: account, region: "us-east-1", name: "on-\(name)"), qualifier: qualifier, scheme: scheme,
            secrets: ["first 'quoted' \"ä\"", "second"], created: 1, modified: 2)
    }

    @Test func eachSchemeComesBackAsItWas() async throws {
        let schemes: [WebhookScheme] = [
            .gitHub, .stripe, .slack, .minIO, .hmac(header: "X-Signature", hash: .sha512, encoding: .base64, prefix: "v1 "),
            .hmac(header: "X-Signature", hash: .sha1, encoding: .hex, prefix: ""),
        ]
        var expected: Set<Webhook> = []
        for (index, scheme) in schemes.enumerated() {
            let webhook = webhook("id-\(index)", "hook-\(index)", scheme: scheme, qualifier: index.isMultiple(of: 2) ? nil : "7")
            try await writer.save(webhook)
            expected.insert(webhook)
        }
        #expect(Set(try await reader.loadWebhooks()) == expected)
    }

    @Test func savingAgainReplacesAndDeletingTwiceIsNoError() async throws {
        var webhook = webhook("id", "hook")
        try await writer.save(webhook)
        webhook.secrets = ["third"]
        webhook.modified = 3
        try await reader.save(webhook)
        #expect(try await writer.loadWebhooks() == [webhook])
        try await writer.deleteWebhook(id: "id")
        try await reader.deleteWebhook(id: "id")
        #expect(try await reader.loadWebhooks().isEmpty)
    }

    @Test func aRegistryStartsWithWhatAnEarlierOneMade() async throws {
        let first = try await WebhookRegistry(store: writer, now: { 5 })
        let function = FunctionKey(account: "123456789012", region: "us-east-1", name: "f")
        let made = try await first.create(name: "hook", function: function, qualifier: nil, scheme: .slack, secret: nil)
        #expect(made.secrets.count == 1 && made.secrets[0].count == 64 && made.id.count == 32)
        let second = try await WebhookRegistry(store: reader, now: { 6 })
        #expect(second.target(made.id)?.webhook == made)
        #expect(second.target("") == nil)
        await #expect(throws: ServiceError.self) {
            try await second.create(name: "hook", function: function, qualifier: nil, scheme: .slack, secret: nil)
        }
        // Another tenant's names are its own.
        let other = FunctionKey(account: "999999999999", region: "us-east-1", name: "f")
        _ = try await second.create(name: "hook", function: other, qualifier: nil, scheme: .slack, secret: nil)
        #expect(second.list(account: other.account, region: other.region).map(\.webhook.name) == ["hook"])
    }

    @Test func secretsAreBelievedUntilTheyAreRevokedAndFourAtMost() async throws {
        let registry = try await WebhookRegistry(store: writer, now: { 5 })
        let function = FunctionKey(account: "123456789012", region: "us-east-1", name: "f")
        _ = try await registry.create(name: "hook", function: function, qualifier: nil, scheme: .gitHub, secret: "secret-0")
        for number in 1...5 {
            _ = try await registry.rotate("hook", account: function.account, region: function.region, secret: "secret-\(number)", revokeOld: false)
        }
        #expect(try registry.webhook("hook", account: function.account, region: function.region).secrets == ["secret-5", "secret-4", "secret-3", "secret-2"])
        let last = try await registry.rotate("hook", account: function.account, region: function.region, secret: "secret-6", revokeOld: true)
        #expect(last.secrets == ["secret-6"])
        #expect(try await reader.loadWebhooks() == [last])
        for short in ["", "7 bytes"] {
            await #expect(throws: ServiceError.self) {
                try await registry.rotate("hook", account: function.account, region: function.region, secret: short, revokeOld: true)
            }
        }
    }
}
