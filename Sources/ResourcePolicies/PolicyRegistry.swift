public import FunctionModel

/// The resource policies of all functions. Changes are made one at a time: durable first, then published; a change's call
/// returns when whoever decides about calls has it.
public actor PolicyRegistry {
    public typealias Subscriber = @Sendable (PolicySnapshot) async -> Void

    public private(set) var snapshot: PolicySnapshot
    private let store: any PolicyStore
    private var subscribers: [Subscriber] = []
    private let turn = SerialTurn()

    public init(store: any PolicyStore) async throws {
        self.store = store
        snapshot = PolicySnapshot(generation: 1, policies: try await store.loadPolicies())
    }

    /// Called with every later snapshot, one at a time and in order; take `snapshot` first for the state at start.
    public func subscribe(_ subscriber: @escaping Subscriber) { subscribers.append(subscriber) }

    /// - Throws: `.resourceNotFound`.
    public func policy(of resource: PolicyResource) throws(ServiceError) -> ResourcePolicy {
        guard let policy = snapshot.policies[resource] else {
            throw ServiceError(.resourceNotFound, "The resource you requested does not exist.")
        }
        return policy
    }

    /// - Parameter expectedRevision: refused with `.preconditionFailed` if the policy has another.
    /// - Throws: `.resourceConflict` for a statement ID in use, `.policyLengthExceeded`.
    public func add(_ statement: PolicyStatement, to resource: PolicyResource, expectedRevision: String?) async throws {
        try await change(resource, expectedRevision) { statements throws(ServiceError) in
            guard !statements.contains(where: { $0.sid == statement.sid }) else {
                throw ServiceError(
                    .resourceConflict,
                    "The statement id (\(statement.sid)) provided already exists. Please provide a new statement id, or remove the existing statement.")
            }
            let next = statements + [statement]
            let size = ResourcePolicy(revision: "", statements: next).text(resource: resource.arn).utf8.count
            guard size <= ResourcePolicy.maximumBytes else {
                throw ServiceError(.policyLengthExceeded, "The final policy size (\(size)) is bigger than the limit (\(ResourcePolicy.maximumBytes)).")
            }
            return next
        }
    }

    /// - Throws: `.resourceNotFound` for a statement that is not there.
    public func remove(_ sid: String, from resource: PolicyResource, expectedRevision: String?) async throws {
        try await change(resource, expectedRevision) { statements throws(ServiceError) in
            let next = statements.filter { $0.sid != sid }
            guard next.count < statements.count else {
                throw ServiceError(.resourceNotFound, "Statement \(sid.prefix(100)) is not found in resource policy.")
            }
            return next
        }
    }

    /// For a function that changed: what is for a version or alias that is gone goes, too.
    /// - Parameter isThere: nil asks for the function itself.
    public func keepOnly(of function: FunctionKey, where isThere: @Sendable (_ qualifier: String?) -> Bool) async throws {
        guard snapshot.policies.keys.contains(where: { $0.function == function && !isThere($0.qualifier) }) else { return }
        await turn.wait()
        defer { turn.pass() }
        for resource in snapshot.policies.keys where resource.function == function && !isThere(resource.qualifier) {
            try await store.save(nil, for: resource)
            await publish(nil, for: resource)
        }
    }

    private func change(
        _ resource: PolicyResource, _ expectedRevision: String?, _ body: @Sendable ([PolicyStatement]) throws(ServiceError) -> [PolicyStatement]
    ) async throws {
        await turn.wait()
        defer { turn.pass() }
        let known = snapshot.policies[resource]
        if let expectedRevision, let known, known.revision != expectedRevision {
            throw ServiceError(
                .preconditionFailed, "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id")
        }
        let statements = try body(known?.statements ?? [])
        let policy = statements.isEmpty ? nil : ResourcePolicy(revision: RequestID.random().description, statements: statements)
        try await store.save(policy, for: resource)
        await publish(policy, for: resource)
    }

    private func publish(_ policy: ResourcePolicy?, for resource: PolicyResource) async {
        var policies = snapshot.policies
        policies[resource] = policy
        let next = PolicySnapshot(generation: snapshot.generation + 1, policies: policies)
        snapshot = next
        for subscriber in subscribers { await subscriber(next) }
    }
}
