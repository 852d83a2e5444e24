public import FunctionModel

/// A role by its tenant and its own name, which is unique whatever the path before it.
public struct RoleKey: Hashable, Sendable {
    public let account: String
    public let name: String

    public init(account: String, name: String) {
        self.account = account
        self.name = name
    }

    /// The role that a function of this account names; nil for what is not the ARN of a role. Whose account stands in the ARN does
    /// not matter: a function can only have roles of its own tenant.
    public init?(account: String, arn: String) {
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[2] == "iam", parts[5].hasPrefix("role/"), let name = parts[5].split(separator: "/").last,
            parts[5].last != "/", Self.isName(name)
        else { return nil }
        self.init(account: account, name: String(name))
    }

    /// IAM's: 1 to 64 of `[A-Za-z0-9_+=,.@-]`.
    public static func isName(_ text: some StringProtocol) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: "_+=,.@-".utf8.contains(byte)
                }
            }
    }
}

/// All roles' documents at one moment, immutable; the data plane reads it without asking anyone.
public struct RoleSnapshot: Sendable {
    /// Rises with every change; who sees a lower one than it has may ignore it.
    public let generation: UInt64
    public let policies: [RoleKey: RolePolicy]

    public init(generation: UInt64 = 0, policies: [RoleKey: RolePolicy] = [:]) {
        self.generation = generation
        self.policies = policies
    }

    /// - Parameter role: the ARN that the function names.
    public func session(of function: FunctionKey, role: String) -> RoleSession {
        let key = RoleKey(account: function.account, arn: role)
        return RoleSession(
            function: function, role: key, policy: key.flatMap { policies[$0] } ?? RolePolicy.standard(account: function.account))
    }
}

/// Where documents live between starts. Any task may call; writes are durable when the call returns.
public protocol RoleStore: Sendable {
    /// - Returns: the documents as they were saved.
    func loadRoles() async throws -> [RoleKey: String]
    /// - Parameter document: nil takes it away.
    func save(_ document: String?, for role: RoleKey) async throws
}

/// The roles' policy documents. A change is durable first, then published; its call returns when whoever decides about calls
/// has it.
public actor RoleRegistry {
    /// Documents of one account.
    public static let maximumRoles = 1_000

    public typealias Subscriber = @Sendable (RoleSnapshot) async -> Void

    public private(set) var snapshot: RoleSnapshot
    private let store: any RoleStore
    private var subscribers: [Subscriber] = []
    private let turn = SerialTurn()

    /// - Throws: also for a stored document that cannot be read: what it denies must not be allowed by default.
    public init(store: any RoleStore) async throws {
        self.store = store
        var policies: [RoleKey: RolePolicy] = [:]
        for (role, document) in try await store.loadRoles() { policies[role] = try RolePolicy(parsing: document) }
        snapshot = RoleSnapshot(generation: 1, policies: policies)
    }

    /// Called with every later snapshot, one at a time and in order; take `snapshot` first for the state at start.
    public func subscribe(_ subscriber: @escaping Subscriber) { subscribers.append(subscriber) }

    /// In the order of their names.
    public func roles(of account: String) -> [(name: String, policy: RolePolicy)] {
        snapshot.policies.filter { $0.key.account == account }.map { ($0.key.name, $0.value) }.sorted { $0.0 < $1.0 }
    }

    /// - Throws: `.resourceNotFound`.
    public func policy(of role: RoleKey) throws(ServiceError) -> RolePolicy {
        guard let policy = snapshot.policies[role] else { throw Self.unknown(role) }
        return policy
    }

    /// - Throws: `.invalidParameterValue`, `.tooManyRequests` beyond the bound.
    public func set(_ document: String, for role: RoleKey) async throws {
        guard RoleKey.isName(role.name) else {
            throw ServiceError(.invalidParameterValue, "a role's name has 1 to 64 letters, digits and _+=,.@-; '\(role.name.prefix(64))' is not such a name")
        }
        let policy: RolePolicy
        do throws(RolePolicyFault) { policy = try RolePolicy(parsing: document) } catch {
            throw ServiceError(.invalidParameterValue, "the policy of the role \(role.name) was not taken: \(error)")
        }
        try await change(role, to: policy)
    }

    /// The role is as one without a document from now on.
    /// - Throws: `.resourceNotFound`.
    public func remove(_ role: RoleKey) async throws {
        _ = try policy(of: role)
        try await change(role, to: nil)
    }

    private static func unknown(_ role: RoleKey) -> ServiceError {
        ServiceError(.resourceNotFound, "there is no policy document for the role \(role.name.prefix(64)); `martlet role list` shows those there are")
    }

    private func change(_ role: RoleKey, to policy: RolePolicy?) async throws {
        await turn.wait()
        defer { turn.pass() }
        if policy != nil, snapshot.policies[role] == nil {
            let count = snapshot.policies.keys.count { $0.account == role.account }
            guard count < Self.maximumRoles else {
                throw ServiceError(.tooManyRequests, "there are documents for \(count) roles already, which is the limit of an account")
            }
        }
        try await store.save(policy?.text, for: role)
        var policies = snapshot.policies
        policies[role] = policy
        let next = RoleSnapshot(generation: snapshot.generation + 1, policies: policies)
        snapshot = next
        for subscriber in subscribers { await subscriber(next) }
    }
}
