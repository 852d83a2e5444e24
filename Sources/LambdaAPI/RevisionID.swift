import FunctionModel

/// Lambda's `RevisionId`: a UUID that stands for a snapshot's revision number, and back.
public enum RevisionID {
    public static func text(_ revision: UInt64) -> String {
        RequestID(high: spread(revision), low: revision ^ pattern).description
    }

    /// nil for a text that was never handed out as a revision ID.
    public static func revision(_ text: String) -> UInt64? {
        guard let id = RequestID(text) else { return nil }
        let revision = id.low ^ pattern
        return spread(revision) == id.high ? revision : nil
    }

    private static let pattern: UInt64 = 0x9D2C_5680_EFC6_0000

    private static func spread(_ value: UInt64) -> UInt64 {
        var word = value &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
