import Synchronization

/// How many sessions each account has open.
final class LiveTailPlaces: Sendable {
    /// CloudWatch Logs' quota: 15 of an account at the same time.
    static let limit = 15

    private let taken = Mutex<[String: Int]>([:])

    /// - Returns: nil where the account has as many as it may.
    func take(_ account: String) -> Place? {
        let isFree = taken.withLock { taken in
            guard taken[account, default: 0] < Self.limit else { return false }
            taken[account, default: 0] += 1
            return true
        }
        return isFree ? Place(account: account, places: self) : nil
    }

    private func leave(_ account: String) {
        taken.withLock { taken in
            let rest = taken[account, default: 1] - 1
            taken[account] = rest > 0 ? rest : nil
        }
    }

    /// Held for as long as the session lives: its client's connection owns it.
    final class Place: Sendable {
        private let account: String
        private let places: LiveTailPlaces

        fileprivate init(account: String, places: LiveTailPlaces) {
            self.account = account
            self.places = places
        }

        deinit { places.leave(account) }
    }
}
