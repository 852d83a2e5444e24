import FunctionModel

/// Invocations in flight of one account's functions that have no reservation, and how many there may be. Confined to the
/// loop; each host keeps a reference, so that counting looks nothing up.
final class AccountLoad {
    /// The account's limit without what is reserved.
    var limit: Int
    private(set) var busy = 0
    /// Hosts are told of a bound.
    private(set) var isNear = false

    /// From here on hosts are told of each change. A pool begins at one event no more than it has ready, so that none can
    /// pass the limit unseen.
    private let margin: Int

    init(limit: Int, margin: Int) {
        self.limit = limit
        self.margin = margin
    }

    var room: Int { max(0, limit - busy) }

    /// - Returns: whether hosts must hear of it.
    func change(by count: Int) -> Bool {
        busy += count
        let wasNear = isNear
        isNear = room < margin
        return isNear || wasNear
    }

    /// How many of the function's permits are as good as taken, for a pool that has some in flight itself.
    func taken(of most: Int, inFlight: Int) -> Int { isNear ? max(0, most - inFlight - room) : 0 }
}
