public import FunctionModel
import JSONValues

/// Who beside its owner may call a function, or one version or alias of it.
public struct ResourcePolicy: Hashable, Sendable {
    /// Bytes of the policy's text.
    public static let maximumBytes = 20_480

    /// A UUID, another one after each change.
    public let revision: String
    public let statements: [PolicyStatement]

    public init(revision: String, statements: [PolicyStatement]) {
        self.revision = revision
        self.statements = statements
    }

    public func allows(_ call: PolicyCall) -> Bool { statements.contains { $0.allows(call) } }

    /// - Parameter resource: the ARN that it is for.
    public func text(resource: String) -> String {
        JSON.object([
            .init("Version", .string("2012-10-17")), .init("Id", .string("default")),
            .init("Statement", .array(statements.map { $0.json(resource: resource) })),
        ]).text()
    }
}

/// What a policy is for: a function, or one version or alias of it. Each has its own.
public struct PolicyResource: Hashable, Sendable {
    public let function: FunctionKey
    /// nil for the function without a qualifier.
    public let qualifier: String?

    public init(function: FunctionKey, qualifier: String?) {
        self.function = function
        self.qualifier = qualifier
    }

    public var arn: String { qualifier.map { "\(function.arn):\($0)" } ?? function.arn }
}

/// All policies at one moment, immutable; the data plane reads it without asking anyone.
public struct PolicySnapshot: Sendable {
    /// Rises with every change; who sees a lower one than it has may ignore it.
    public let generation: UInt64
    public let policies: [PolicyResource: ResourcePolicy]

    public init(generation: UInt64 = 0, policies: [PolicyResource: ResourcePolicy] = [:]) {
        self.generation = generation
        self.policies = policies
    }

    /// Whether somebody of another account may. A policy counts for exactly the ARN that is called.
    public func allows(_ call: PolicyCall, on resource: PolicyResource) -> Bool { policies[resource]?.allows(call) ?? false }
}

/// Where policies live between starts. Any task may call; writes are durable when the call returns.
public protocol PolicyStore: Sendable {
    func loadPolicies() async throws -> [PolicyResource: ResourcePolicy]
    /// - Parameter policy: nil takes it away.
    func save(_ policy: ResourcePolicy?, for resource: PolicyResource) async throws
}
