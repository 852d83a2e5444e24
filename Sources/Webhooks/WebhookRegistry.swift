public import AccessControl
public import FunctionModel
public import ObjectEvents
import Synchronization
public import Triggers

/// The webhooks of all tenants. Changes go one after the other through the store; look-ups take a lock for a moment.
public actor WebhookRegistry {
    /// Of one account and region; one more is refused.
    public static let maximumPerRegion = 1_000

    private struct Entry {
        var webhook: Webhook
        /// Made once: it holds the keys.
        var verifier: WebhookVerifier
        /// What has come to it since the server started.
        var activity = TriggerActivity()

        init(_ webhook: Webhook) {
            self.webhook = webhook
            verifier = WebhookVerifier(webhook.scheme, secrets: webhook.secrets)
        }
    }

    private let store: any WebhookStore
    private let now: @Sendable () -> Int64
    private nonisolated let entries: Mutex<[String: Entry]>

    /// - Parameter now: milliseconds since 1970.
    public init(store: any WebhookStore, now: @escaping @Sendable () -> Int64) async throws {
        self.store = store
        self.now = now
        let webhooks = try await store.loadWebhooks()
        entries = Mutex(Dictionary(webhooks.map { ($0.id, Entry($0)) }) { first, _ in first })
    }

    // MARK: Deliveries

    /// What verifies the deliveries to an address; nil if there is no such address.
    public nonisolated func target(_ id: String) -> (webhook: Webhook, verifier: WebhookVerifier)? {
        entries.withLock { entries in entries[id].map { ($0.webhook, $0.verifier) } }
    }

    /// - Parameter refusal: why the delivery was not taken; nil if it was.
    public nonisolated func count(_ id: String, refusal: String?) {
        let time = now()
        entries.withLock { entries in
            if let refusal { entries[id]?.activity.failed(refusal, at: time) } else { entries[id]?.activity.took(at: time) }
        }
    }

    // MARK: Management

    /// In the order of their names.
    public nonisolated func list(account: String, region: String) -> [(webhook: Webhook, activity: TriggerActivity)] {
        entries.withLock { entries in
            entries.values.filter { $0.webhook.function.account == account && $0.webhook.function.region == region }
                .sorted { $0.webhook.name < $1.webhook.name }.map { ($0.webhook, $0.activity) }
        }
    }

    /// - Throws: `.resourceNotFound`.
    public nonisolated func webhook(_ name: String, account: String, region: String) throws(ServiceError) -> Webhook {
        guard let found = list(account: account, region: region).first(where: { $0.webhook.name == name }) else {
            throw ServiceError(.resourceNotFound, "there is no webhook '\(name.prefix(64))'; `martlet webhook list` shows those there are")
        }
        return found.webhook
    }

    /// - Parameter secret: nil for one that is made here.
    /// - Throws: `.resourceConflict` for a name in use, `.invalidParameterValue`, `.tooManyRequests` beyond the bound.
    public func create(
        name: String, function: FunctionKey, qualifier: String?, scheme: WebhookScheme, objects: ObjectFilter? = nil, secret: String?
    ) async throws -> Webhook {
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
            throw ServiceError(.invalidParameterValue, "a webhook's name has 1 to 64 letters, digits, '-' and '_'; '\(name.prefix(64))' does not")
        }
        let known = list(account: function.account, region: function.region)
        guard !known.contains(where: { $0.webhook.name == name }) else {
            throw ServiceError(.resourceConflict, "there is a webhook '\(name)' already: delete it first, or choose another name")
        }
        guard known.count < Self.maximumPerRegion else {
            throw ServiceError(.tooManyRequests, "there are \(known.count) webhooks already, which is the limit of an account and region: delete some")
        }
        let time = now()
        let webhook = Webhook(
            id: Self.newID(), name: name, function: function, qualifier: qualifier, scheme: scheme, objects: objects,
            secrets: [try Self.secret(secret)], created: time, modified: time)
        // Kept free for this one while the store writes.
        entries.withLock { $0[webhook.id] = Entry(webhook) }
        do { try await store.save(webhook) } catch {
            entries.withLock { $0[webhook.id] = nil }
            throw error
        }
        return webhook
    }

    /// The new secret is believed from now on, those before it until the next time with `revokeOld`.
    /// - Returns: the webhook; its first secret is the new one.
    public func rotate(_ name: String, account: String, region: String, secret: String?, revokeOld: Bool) async throws -> Webhook {
        var webhook = try webhook(name, account: account, region: region)
        let new = try Self.secret(secret)
        let old = revokeOld ? [] : webhook.secrets.filter { $0 != new }
        webhook.secrets = Array(([new] + old).prefix(WebhookVerifier.maximumSecrets))
        webhook.modified = now()
        try await store.save(webhook)
        entries.withLock { entries in
            // It may have been deleted while the store wrote.
            guard let activity = entries[webhook.id]?.activity else { return }
            entries[webhook.id] = Entry(webhook)
            entries[webhook.id]?.activity = activity
        }
        return webhook
    }

    public func delete(_ name: String, account: String, region: String) async throws {
        let webhook = try webhook(name, account: account, region: region)
        try await store.deleteWebhook(id: webhook.id)
        entries.withLock { $0[webhook.id] = nil }
    }

    /// For a function that is gone.
    public func deleteAll(of function: FunctionKey) async throws {
        for (webhook, _) in list(account: function.account, region: function.region) where webhook.function == function {
            try await store.deleteWebhook(id: webhook.id)
            entries.withLock { $0[webhook.id] = nil }
        }
    }

    private static func secret(_ text: String?) throws(ServiceError) -> String {
        guard let text else {
            return (0..<32).map { _ in String(UInt16.random(in: 0...0xFF) | 0x100, radix: 16).suffix(2) }.joined()
        }
        guard WebhookVerifier.secretLengths.contains(text.utf8.count) else {
            throw ServiceError(
                .invalidParameterValue,
                "a webhook's secret has \(WebhookVerifier.secretLengths.lowerBound) to \(WebhookVerifier.secretLengths.upperBound) bytes, not \(text.utf8.count)")
        }
        return text
    }

    private static func newID() -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        return String(decoding: (0..<32).map { _ in letters[Int.random(in: 0..<32)] }, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
