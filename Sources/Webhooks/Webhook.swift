public import AccessControl
public import FunctionModel
public import ObjectEvents

/// An address that a service outside sends signed requests to, and the function that runs for each, once per delivery.
public struct Webhook: Hashable, Sendable {
    /// Stands in the address: 32 characters of `[a-z2-7]`, drawn at random, so that it cannot be guessed either.
    public let id: String
    /// Unique within the account and region; 1–64 characters of `[A-Za-z0-9-_]`.
    public let name: String
    public let function: FunctionKey
    /// nil for `$LATEST`.
    public let qualifier: String?
    public let scheme: WebhookScheme
    /// Which changes of objects the function gets; nil for a webhook whose deliveries are not about objects.
    public let objects: ObjectFilter?
    /// The newest first; each of them is believed.
    public var secrets: [String]
    /// Milliseconds since 1970.
    public let created: Int64
    public var modified: Int64

    public init(
        id: String, name: String, function: FunctionKey, qualifier: String?, scheme: WebhookScheme, objects: ObjectFilter? = nil, secrets: [String],
        created: Int64, modified: Int64
    ) {
        self.id = id
        self.name = name
        self.function = function
        self.qualifier = qualifier
        self.scheme = scheme
        self.objects = objects
        self.secrets = secrets
        self.created = created
        self.modified = modified
    }

    /// Where deliveries go, below the server's address.
    public var path: String { "/hooks/\(id)" }
}

/// Where webhooks live between starts. Any task may call; what returned is on the disk.
public protocol WebhookStore: Sendable {
    /// Every webhook of every account, in no particular order. Called once at start.
    func loadWebhooks() async throws -> [Webhook]
    /// Inserts or replaces by ID.
    func save(_ webhook: Webhook) async throws
    /// Nothing happens if there is none.
    func deleteWebhook(id: String) async throws
}
