import FunctionModel

/// Someone with functions, queues and keys of their own, which nobody else sees.
public struct Tenant: Hashable, Sendable {
    /// 12 digits.
    public let account: String
    /// 1 to 64 letters, digits, `-`, `_` and `.`; no account.
    public let name: String
    public var isSuspended: Bool
    /// Milliseconds since 1970.
    public let created: Int64

    public init(account: String, name: String, isSuspended: Bool = false, created: Int64) {
        self.account = account
        self.name = name
        self.isSuspended = isSuspended
        self.created = created
    }

    static func isAccount(_ text: String) -> Bool { text.utf8.count == 12 && text.utf8.allSatisfy { (0x30...0x39).contains($0) } }

    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && !isAccount(text)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: "-_.".utf8.contains(byte)
                }
            }
    }
}

/// An access key pair of a tenant. The secret is kept as it is, because a signature can be verified with nothing less.
public struct AccessKey: Hashable, Sendable {
    /// `AKIA…`, or `ASIA…` for a temporary key; 20 characters.
    public let id: String
    /// 40 letters and digits.
    public let secret: String
    public let account: String
    /// Of a temporary key.
    public let sessionToken: String?
    /// Milliseconds since 1970.
    public let created: Int64
    /// Milliseconds since 1970; nil for a key that holds until it is revoked.
    public var expires: Int64?

    public init(id: String, secret: String, account: String, sessionToken: String? = nil, created: Int64, expires: Int64? = nil) {
        self.id = id
        self.secret = secret
        self.account = account
        self.sessionToken = sessionToken
        self.created = created
        self.expires = expires
    }

    /// - Parameter lifetime: milliseconds; makes a temporary key, with a session token.
    static func random(account: String, now: Int64, lifetime: Int64? = nil) -> AccessKey {
        let base32 = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        var generator = SystemRandomNumberGenerator()
        func text(_ count: Int, _ alphabet: [Character]) -> String {
            String((0..<count).compactMap { _ in alphabet.randomElement(using: &generator) })
        }
        return AccessKey(
            id: (lifetime == nil ? "AKIA" : "ASIA") + text(16, base32), secret: text(40, letters), account: account,
            sessionToken: lifetime.map { _ in text(96, letters) }, created: now, expires: lifetime.map { now + $0 })
    }
}

/// Where tenants and keys live between starts. Any task may call; writes are durable when the call returns.
public protocol TenantStore: Sendable {
    func loadTenants() async throws -> (tenants: [Tenant], keys: [AccessKey])
    func insert(_ tenant: Tenant) async throws
    func setSuspended(_ isSuspended: Bool, account: String) async throws
    func insert(_ key: AccessKey) async throws
    /// Nothing happens if there is no such key any more.
    func setExpiry(_ expires: Int64, key: String) async throws
    func deleteKey(_ id: String) async throws
}
