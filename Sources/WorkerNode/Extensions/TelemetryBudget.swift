/// What all environments' telemetry together may hold of the server's memory. Confined to the loop.
final class TelemetryBudget {
    private let limit: Int
    private var held = 0

    /// - Parameter limit: bytes.
    init(limit: Int) { self.limit = limit }

    /// False when it would be too much.
    func take(_ bytes: Int) -> Bool {
        guard held + bytes <= limit else { return false }
        held += bytes
        return true
    }

    func giveBack(_ bytes: Int) { held -= bytes }
}
