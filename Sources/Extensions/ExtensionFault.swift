/// Why a request of an extension is refused, in Lambda's words.
///
/// Source: Lambda Developer Guide, "Using the Lambda Extensions API"; the runtime interface emulator for types and messages.
public struct ExtensionFault: Error, Hashable, Sendable {
    /// Of the HTTP answer.
    public let status: Int
    public let type: String
    public let message: String

    public init(status: Int = 403, _ type: String, _ message: String) {
        self.status = status
        self.type = type
        self.message = message
    }

    static func transition(of name: String, from state: ExtensionRegistry.State, to other: ExtensionRegistry.State) -> ExtensionFault {
        ExtensionFault(
            "Extension.InvalidExtensionState",
            "State transition from \(state.rawValue) to \(other.rawValue) failed for extension \(name). Error: State transition is not allowed")
    }

    static func validation(_ faults: [String]) -> ExtensionFault {
        ExtensionFault(status: 400, "ValidationError", faults.joined(separator: "; "))
    }

    public static let tooLarge = ExtensionFault(
        status: 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (\(ExtensionRegistry.maximumRequest) bytes).")
}
