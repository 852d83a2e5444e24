/// Who may call at one moment, immutable; the data plane reads it without asking anyone.
public struct AccessSnapshot: Sendable {
    /// Rises with every change; who sees a lower one than it has may ignore it.
    public let generation: UInt64
    /// By access key ID.
    public let keys: [String: VerificationKey]
    /// Whose functions nobody may call, with or without a signature.
    public let suspendedAccounts: Set<String>

    public init(generation: UInt64 = 0, keys: [String: VerificationKey], suspendedAccounts: Set<String> = []) {
        self.generation = generation
        self.keys = keys
        self.suspendedAccounts = suspendedAccounts
    }
}
