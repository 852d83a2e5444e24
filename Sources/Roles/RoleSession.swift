public import FunctionModel

/// A function that calls the server: who it is, and what its role lets it do.
public struct RoleSession: Hashable, Sendable {
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`
    public let arn: String
    private let policy: RolePolicy

    public init(function: FunctionKey, role: RoleKey?, policy: RolePolicy) {
        arn = "arn:aws:sts::\(function.account):assumed-role/\(role?.name ?? "none")/\(function.name)"
        self.policy = policy
    }

    /// - Parameters:
    ///   - action: `sqs:SendMessage`.
    ///   - resource: an ARN; nil for an action on no resource, or on one that is not known beforehand.
    /// - Throws: `.accessDenied`, in the words of AWS's own services.
    public func check(_ action: String, on resource: String?) throws(ServiceError) {
        let reason: String
        switch policy.decision(action, on: resource) {
        case .allowed: return
        case .denied: reason = "with an explicit deny in an identity-based policy"
        case .notAllowed: reason = "because no identity-based policy allows the \(action) action"
        }
        throw ServiceError(.accessDenied, "User: \(arn) is not authorized to perform: \(action) on resource: \(resource ?? "*") \(reason)")
    }
}
