public import AccessControl
public import FunctionModel

/// All tenants and their access keys. A change is durable first, then published; its call returns when whoever verifies
/// signatures has the new snapshot, so that a revoked key is refused from then on.
public actor TenantRegistry {
    public static let maximumTenants = 10_000
    /// Keys of one tenant at a time.
    public static let maximumKeys = 20
    /// Milliseconds: twelve hours, as for the longest of AWS's own sessions of a role.
    public static let longestLifetime: Int64 = 43_200_000
    /// Milliseconds: seven days.
    public static let longestOverlap: Int64 = 604_800_000
    /// Milliseconds for which a key that has ended is still told from an unknown one.
    private static let rememberedFor: Int64 = 86_400_000

    public typealias Subscriber = @Sendable (AccessSnapshot) async -> Void

    public private(set) var snapshot: AccessSnapshot
    private let store: any TenantStore
    private let operatorKey: AccessKey
    /// Milliseconds since 1970.
    private let now: @Sendable () -> Int64
    private var tenants: [String: Tenant]
    private var keys: [String: AccessKey]
    private var subscribers: [Subscriber] = []

    /// - Parameter operatorKey: the server's own pair, whose account is that of the tenant `default`. It can be neither revoked nor
    ///   suspended here: it is a file beside the server's data.
    public init(store: any TenantStore, operatorKey: AccessKey, now: @escaping @Sendable () -> Int64) async throws {
        self.store = store
        self.operatorKey = operatorKey
        self.now = now
        let loaded = try await store.loadTenants()
        var tenants = Dictionary(loaded.tenants.map { ($0.account, $0) }) { first, _ in first }
        if tenants[operatorKey.account] == nil {
            tenants[operatorKey.account] = Tenant(account: operatorKey.account, name: "default", created: operatorKey.created)
        }
        tenants[operatorKey.account]?.isSuspended = false
        let keys = Dictionary(loaded.keys.map { ($0.id, $0) }) { first, _ in first }
        self.tenants = tenants
        self.keys = keys
        snapshot = Self.snapshot(1, tenants, keys, operatorKey)
    }

    /// Called with every later snapshot; take `snapshot` first for the state at start.
    public func subscribe(_ subscriber: @escaping Subscriber) { subscribers.append(subscriber) }

    // MARK: Tenants

    /// In the order of their names, with the number of keys that each has.
    public func list() -> [(tenant: Tenant, keys: Int)] {
        let counts = keys.values.reduce(into: [operatorKey.account: 1]) { $0[$1.account, default: 0] += 1 }
        return tenants.values.sorted { $0.name < $1.name }.map { ($0, counts[$0.account] ?? 0) }
    }

    /// - Parameter account: nil for one that is chosen here.
    /// - Throws: `.invalidParameterValue`, `.resourceConflict` for a name or account in use, `.tooManyRequests` beyond the bound.
    public func create(name: String, account: String?) async throws -> Tenant {
        guard Tenant.isName(name) else {
            throw ServiceError(
                .invalidParameterValue, "a tenant's name has 1 to 64 letters, digits, '-', '_' and '.', and is no account; '\(name.prefix(64))' is not such a name")
        }
        if let account, !Tenant.isAccount(account) {
            throw ServiceError(.invalidParameterValue, "an account has 12 digits; '\(account.prefix(64))' has not")
        }
        guard !tenants.values.contains(where: { $0.name == name }) else {
            throw ServiceError(.resourceConflict, "there is a tenant '\(name)' already: choose another name")
        }
        if let account, let other = tenants[account] {
            throw ServiceError(.resourceConflict, "the account \(account) is that of the tenant '\(other.name)': choose another")
        }
        guard tenants.count < Self.maximumTenants else {
            throw ServiceError(.tooManyRequests, "there are \(tenants.count) tenants already, which is the limit of a server")
        }
        let tenant = Tenant(account: account ?? freeAccount(), name: name, created: now())
        // Kept free for this one while the store writes.
        tenants[tenant.account] = tenant
        do { try await store.insert(tenant) } catch {
            tenants[tenant.account] = nil
            throw error
        }
        return tenant
    }

    /// - Parameter name: the tenant's name or its account.
    public func setSuspended(_ isSuspended: Bool, tenant name: String) async throws -> Tenant {
        let tenant = try tenant(name)
        guard tenant.account != operatorKey.account else {
            throw ServiceError(.invalidParameterValue, "the tenant '\(tenant.name)' is the operator's own: it cannot be suspended")
        }
        try await store.setSuspended(isSuspended, account: tenant.account)
        tenants[tenant.account]?.isSuspended = isSuspended
        await publish()
        return try self.tenant(tenant.account)
    }

    private func tenant(_ name: String) throws(ServiceError) -> Tenant {
        guard let found = tenants[name] ?? tenants.values.first(where: { $0.name == name }) else {
            throw ServiceError(.resourceNotFound, "there is no tenant '\(name.prefix(64))'; `martlet tenant list` shows those there are")
        }
        return found
    }

    private func freeAccount() -> String {
        while true {
            let account = String(Int.random(in: 100_000_000_000...999_999_999_999))
            if tenants[account] == nil { return account }
        }
    }

    // MARK: Keys

    /// - Parameter name: a tenant's name or account; nil for all of them.
    /// - Returns: in the order they were made, without the operator's own.
    public func keys(of name: String?) throws(ServiceError) -> [(key: AccessKey, tenant: Tenant)] {
        let account = try name.map { name throws(ServiceError) in try tenant(name).account }
        return keys.values.filter { account == nil || $0.account == account }.sorted { ($0.created, $0.id) < ($1.created, $1.id) }
            .compactMap { key in tenants[key.account].map { (key, $0) } }
    }

    /// - Parameters:
    ///   - name: the tenant's name or its account.
    ///   - lifetime: milliseconds; makes a temporary key, whose requests carry its session token.
    public func createKey(of name: String, lifetime: Int64? = nil) async throws -> AccessKey {
        let tenant = try tenant(name)
        if let lifetime, !(1_000...Self.longestLifetime).contains(lifetime) {
            throw ServiceError(.invalidParameterValue, "a temporary key holds for 1 to \(Self.longestLifetime / 1_000) seconds")
        }
        await forgetEnded()
        let own = keys.values.filter { $0.account == tenant.account }
        guard own.count < Self.maximumKeys else {
            throw ServiceError(
                .tooManyRequests, "the tenant '\(tenant.name)' has \(own.count) access keys, which is the limit: revoke one with `martlet key revoke`")
        }
        return try await add(AccessKey.random(account: tenant.account, now: now(), lifetime: lifetime))
    }

    /// Makes another key for the same tenant; the one before holds for a while longer.
    /// - Parameter overlap: milliseconds; with 0 the old key ends at once.
    public func rotateKey(_ id: String, overlap: Int64) async throws -> AccessKey {
        let old = try key(id)
        guard (0...Self.longestOverlap).contains(overlap) else {
            throw ServiceError(.invalidParameterValue, "two keys may hold beside each other for at most \(Self.longestOverlap / 1_000) seconds")
        }
        guard old.sessionToken == nil else {
            throw ServiceError(.invalidParameterValue, "\(id) is a temporary key: make another one with `martlet key create`")
        }
        let new = try await add(AccessKey.random(account: old.account, now: now()))
        let end = min(old.expires ?? .max, now() + overlap)
        try await store.setExpiry(end, key: id)
        keys[id]?.expires = end
        await publish()
        return new
    }

    public func revokeKey(_ id: String) async throws {
        _ = try key(id)
        try await store.deleteKey(id)
        keys[id] = nil
        await publish()
    }

    private func key(_ id: String) throws(ServiceError) -> AccessKey {
        guard let key = keys[id] else {
            let reason = id == operatorKey.id ? "is the operator's own, which is kept in the file `credentials` of the data directory" : "does not exist"
            throw ServiceError(.resourceNotFound, "the access key \(id.prefix(64)) \(reason); `martlet key list` shows those there are")
        }
        return key
    }

    private func add(_ key: AccessKey) async throws -> AccessKey {
        keys[key.id] = key
        do { try await store.insert(key) } catch {
            keys[key.id] = nil
            throw error
        }
        await publish()
        return key
    }

    private func forgetEnded() async {
        let limit = now() - Self.rememberedFor
        for key in keys.values where (key.expires ?? .max) < limit {
            guard (try? await store.deleteKey(key.id)) != nil else { continue }
            keys[key.id] = nil
        }
    }

    // MARK: Publishing

    private func publish() async {
        let next = Self.snapshot(snapshot.generation + 1, tenants, keys, operatorKey)
        snapshot = next
        for subscriber in subscribers { await subscriber(next) }
    }

    private static func snapshot(_ generation: UInt64, _ tenants: [String: Tenant], _ keys: [String: AccessKey], _ operatorKey: AccessKey) -> AccessSnapshot {
        var known = keys.mapValues { key in
            VerificationKey(
                secret: key.secret, account: key.account, sessionToken: key.sessionToken, expires: key.expires.map { $0 / 1_000 },
                isSuspended: tenants[key.account]?.isSuspended ?? true)
        }
        known[operatorKey.id] = VerificationKey(secret: operatorKey.secret, account: operatorKey.account, isOperator: true)
        return AccessSnapshot(generation: generation, keys: known, suspendedAccounts: Set(tenants.values.filter(\.isSuspended).map(\.account)))
    }
}
