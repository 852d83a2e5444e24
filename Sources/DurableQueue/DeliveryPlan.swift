/// Which queue is claimed from next, and how many messages: fair between tenants, then between their queues, within each
/// function's window and the node's bound. Pure; times are milliseconds.
///
/// A lane's window is how many of its messages may be on their way at once. It grows while they find a worker at once and
/// shrinks when they have to wait or are throttled, so that events never stand in a crowd before synchronous requests.
public struct DeliveryPlan: Sendable {
    public struct Claim: Hashable, Sendable {
        public let key: QueueKey
        public let count: Int

        public init(key: QueueKey, count: Int) {
            self.key = key
            self.count = count
        }
    }

    private struct Lane {
        var news = 0
        /// `news` when the claim that is under way was sent.
        var newsAtClaim = 0
        var mayHaveMore = false
        var isClaiming = false
        var isQueued = false
        var inFlight = 0
        var window: Double
        var limit: Int
        var pausedUntil: Int64 = 0
        /// When its messages last had to wait for too long.
        var shrunk: Int64 = .min

        /// A commit for one more message costs as much as for many.
        var leastRoom: Int { inFlight == 0 ? 1 : max(1, min(DeliveryPlan.batch, min(Int(window), limit) / 4)) }
    }

    private struct Tenant {
        var turns: [QueueKey] = []
        var inFlight = 0
    }

    /// Of one claim.
    static let batch = 32
    static let firstWindow = 4.0
    /// A message that waited so long for a worker says that there are too many on their way.
    static let longWait: Int64 = 100
    static let pause: Int64 = 1_000

    public let maximumInFlight: Int
    public private(set) var inFlight = 0
    private var lanes: [QueueKey: Lane] = [:]
    private var tenants: [String: Tenant] = [:]

    public init(maximumInFlight: Int) {
        self.maximumInFlight = maximumInFlight
    }

    /// Whether nothing is known of any queue.
    public var isEmpty: Bool { lanes.isEmpty && tenants.isEmpty }

    public func inFlight(_ key: QueueKey) -> Int { lanes[key]?.inFlight ?? 0 }

    /// - Parameter limit: what the function may have in flight at most.
    public mutating func messagesReady(_ key: QueueKey, limit: Int) {
        var lane = lanes[key] ?? Lane(window: Self.firstWindow, limit: limit)
        lane.news += 1
        lane.limit = limit
        lane.mayHaveMore = true
        lanes[key] = lane
        queueUp(key)
    }

    /// The next claim to make; nil while there is nothing to do or no room.
    public mutating func next(now: Int64) -> Claim? {
        while inFlight < maximumInFlight {
            guard let account = tenants.filter({ !$0.value.turns.isEmpty }).min(by: { ($0.value.inFlight, $0.key) < ($1.value.inFlight, $1.key) })?.key,
                var tenant = tenants[account]
            else { return nil }
            let key = tenant.turns.removeFirst()
            guard var lane = lanes[key] else {
                tenants[account] = tenant
                continue
            }
            lane.isQueued = false
            let room = min(Int(lane.window), lane.limit) - lane.inFlight
            guard lane.mayHaveMore, !lane.isClaiming, room >= lane.leastRoom, lane.pausedUntil <= now else {
                lanes[key] = lane
                tenants[account] = tenant
                continue
            }
            let count = min(room, Self.batch, maximumInFlight - inFlight)
            lane.isClaiming = true
            lane.newsAtClaim = lane.news
            lane.inFlight += count
            lanes[key] = lane
            tenant.inFlight += count
            tenants[account] = tenant
            inFlight += count
            return Claim(key: key, count: count)
        }
        return nil
    }

    /// What came of a claim. Fewer than asked for means that there were no more, unless some have come since.
    public mutating func claimed(_ claim: Claim, got: Int) {
        guard var lane = lanes[claim.key] else { return }
        lane.isClaiming = false
        if got < claim.count { lane.mayHaveMore = lane.news != lane.newsAtClaim }
        lanes[claim.key] = lane
        release(claim.key, claim.count - got)
        queueUp(claim.key)
        forgetIfIdle(claim.key)
    }

    /// A message's way is over.
    /// - Parameter wait: milliseconds that it waited for a worker; nil where it never had one.
    public mutating func finished(_ key: QueueKey, wait: Int64?, throttled: Bool, now: Int64) {
        guard var lane = lanes[key] else { return }
        if throttled {
            lane.window = max(1, lane.window / 2)
            // The first of those that were throttled together has said it.
            lane.pausedUntil = max(lane.pausedUntil, now + Self.pause)
        } else if let wait {
            if wait > Self.longWait {
                // All that were sent before the window last shrank have waited for the same reason.
                if now - wait >= lane.shrunk {
                    lane.window = max(1, lane.window * 0.8)
                    lane.shrunk = now
                }
            } else {
                lane.window = min(Double(max(lane.limit, 1)), lane.window + 1)
            }
        }
        lanes[key] = lane
        release(key, 1)
        queueUp(key)
        forgetIfIdle(key)
    }

    /// When a lane that pauses may go on; nil if none does.
    public mutating func nextResumption(now: Int64) -> Int64? {
        var earliest: Int64?
        for (key, lane) in lanes where lane.pausedUntil > 0 && lane.mayHaveMore {
            if lane.pausedUntil <= now {
                lanes[key]?.pausedUntil = 0
                queueUp(key)
            } else {
                earliest = min(earliest ?? .max, lane.pausedUntil)
            }
        }
        return earliest
    }

    private mutating func release(_ key: QueueKey, _ count: Int) {
        lanes[key]?.inFlight -= count
        tenants[key.account]?.inFlight -= count
        inFlight -= count
    }

    private mutating func queueUp(_ key: QueueKey) {
        guard let lane = lanes[key], lane.mayHaveMore, !lane.isQueued, !lane.isClaiming else { return }
        lanes[key]?.isQueued = true
        tenants[key.account, default: Tenant()].turns.append(key)
    }

    private mutating func forgetIfIdle(_ key: QueueKey) {
        guard let lane = lanes[key], lane.inFlight == 0, !lane.mayHaveMore, !lane.isClaiming, !lane.isQueued else { return }
        // The window is kept by nobody: the next events find out anew how many may go at once.
        lanes[key] = nil
        if let tenant = tenants[key.account], tenant.inFlight == 0, tenant.turns.isEmpty { tenants[key.account] = nil }
    }
}
