/// When a version's runtime may be replaced by a newer one (`PutRuntimeManagementConfig`). Kept and returned: a server has one
/// runtime of each name.
public struct RuntimeManagement: Hashable, Sendable, Codable {
    public enum UpdateMode: String, Sendable, Codable, CaseIterable {
        case auto = "Auto"
        case functionUpdate = "FunctionUpdate"
        case manual = "Manual"
    }

    public static let automatic = RuntimeManagement(updateMode: .auto)

    public var updateMode: UpdateMode
    /// With `.manual` only.
    public var runtimeVersionARN: String?

    public init(updateMode: UpdateMode, runtimeVersionARN: String? = nil) {
        self.updateMode = updateMode
        self.runtimeVersionARN = runtimeVersionARN
    }
}
