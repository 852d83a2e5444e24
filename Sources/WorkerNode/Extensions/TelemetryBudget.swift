/// What all environments' telemetry together may hold of the server's memory. Confined to the loop.
final class TelemetryBudget {
    /// An account whose subscribers do not read leaves the others three quarters.
    private static let shares = 4

    private let limit: Int
    private var held = 0
    private var heldByAccount: [String: Int] = [:]

    /// - Parameter limit: bytes.
    init(limit: Int) { self.limit = limit }

    /// False when it would be too much.
    func take(_ bytes: Int, for account: String) -> Bool {
        let own = heldByAccount[account, default: 0] + bytes
        guard own <= limit / Self.shares, held + bytes <= limit else { return false }
        heldByAccount[account] = own
        held += bytes
        return true
    }

    func giveBack(_ bytes: Int, of account: String) {
        let rest = heldByAccount[account, default: 0] - bytes
        heldByAccount[account] = rest > 0 ? rest : nil
        held -= bytes
    }
}
