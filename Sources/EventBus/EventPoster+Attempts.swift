import DurableQueue
import FunctionModel

/// What becomes of a delivery that waits in a queue of the platform's and was refused once more.
extension EventPoster {
    /// Milliseconds.
    static let firstBackoff: Int64 = 1_000
    private static let longestBackoff: Int64 = 300_000

    /// It waits longer, or is given up: as often and as long as its target says.
    func failed(_ planned: PlannedDelivery, _ fault: DeliveryFault, _ claimed: ClaimedMessage, _ claim: Posting.Claim) async throws {
        let attempts = claimed.message.receives
        let policy = RetryPolicy(maximumAge: planned.target.maximumAge, firstBackoff: Self.firstBackoff, longestBackoff: Self.longestBackoff)
        let decision = policy.decide(
            .service, errors: 0, services: attempts, accepted: planned.event.ingested, now: now(), random: .random(in: 0...UInt64.max))
        // What waits because its target was full has had its first attempt before it came here.
        let retries = EndpointKey(claim.queue) == nil ? attempts : attempts - 1
        var exhausted: String?
        switch decision {
        case .retry(let delay) where fault.isRetriable && retries < planned.target.maximumRetries:
            let failure = Settlement.Failure(kind: fault.code.rawValue, reason: fault.message)
            _ = try await store.settle([Settlement(claimed.receipt, .release(delay: delay, failure))], of: claim.queue, now: now())
            return count(planned, .retried, fault)
        case .retry: if fault.isRetriable { exhausted = "MaximumRetryAttempts" }
        case .giveUp: exhausted = "MaximumEventAgeInSeconds"
        }
        if let letter = deadLetter(planned, fault, exhausted: exhausted, attempts: retries) {
            let result = try await store.post([Posting(deliveries: [letter], claim: claim)], now: now()).first
            guard case .refused? = result else { return count(planned, .deadLettered, fault) }
        }
        _ = try await store.post([Posting(deliveries: [], claim: claim)], now: now())
        count(planned, .dropped, fault)
    }
}
