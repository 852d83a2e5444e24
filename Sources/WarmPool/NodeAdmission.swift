/// What one node can bear: memory over all sandboxes, and invocations in flight over all functions; shared fairly
/// between tenants (accounts) when there is little left.
///
/// Pure and confined to one event loop. Whoever is refused counts as a claimant until it is admitted or withdraws, so
/// that an account that holds everything gives way as its workers and invocations end.
public struct NodeAdmission {
    public struct Limits: Hashable, Sendable {
        /// MB that the slots of all sandboxes may use together.
        public var memoryMB: Int
        /// Invocations in flight on this node.
        public var concurrency: Int
        /// Percent of each bound that is given out freely; of the rest an account gets only what its equal share allows.
        public var freelyPercent: Int

        public init(memoryMB: Int, concurrency: Int, freelyPercent: Int = 80) {
            self.memoryMB = max(0, memoryMB)
            self.concurrency = max(0, concurrency)
            self.freelyPercent = min(100, max(0, freelyPercent))
        }
    }

    public enum Refusal: UInt8, Error, Hashable, Sendable, CaseIterable {
        /// More than the node's whole bound: it will never fit.
        case exceedsNode
        /// Used up at the moment.
        case nodeFull
        /// There is some left, but this account holds more than its share and others may want it.
        case tenantShare
    }

    /// A claim on the node. Give it back with `release`, once; giving it back again does nothing.
    public struct Permit: Hashable, Sendable {
        fileprivate let key: UInt64
        fileprivate let isMemory: Bool
    }

    private var memory: SharedBudget
    private var invocations: SharedBudget

    public init(limits: Limits) {
        memory = SharedBudget(bound: limits.memoryMB, freelyPercent: limits.freelyPercent)
        invocations = SharedBudget(bound: limits.concurrency, freelyPercent: limits.freelyPercent)
    }

    public var memoryUsedMB: Int { memory.used }
    public var memoryBoundMB: Int { memory.bound }
    public var invocationsInFlight: Int { invocations.used }

    /// Room for a template or worker.
    /// - Parameter memoryMB: the slot's limit, at least 1.
    public mutating func admitSandbox(account: String, memoryMB: Int) throws(Refusal) -> Permit {
        Permit(key: try memory.take(max(1, memoryMB), for: account), isMemory: true)
    }

    public mutating func admitInvocation(account: String) throws(Refusal) -> Permit {
        Permit(key: try invocations.take(1, for: account), isMemory: false)
    }

    /// - Returns: false if it was given back before.
    @discardableResult
    public mutating func release(_ permit: Permit) -> Bool {
        permit.isMemory ? memory.giveBack(permit.key) : invocations.giveBack(permit.key)
    }

    /// The account no longer waits for what it was refused.
    public mutating func withdraw(account: String) {
        memory.withdraw(account)
        invocations.withdraw(account)
    }

    /// Accounts in the order in which memory should be taken back from them, by ready workers stopped: those furthest
    /// above their equal share first.
    public func accountsAboveShare() -> [String] { memory.accountsAboveShare() }
}

/// One bounded quantity and who holds how much of it.
struct SharedBudget {
    let bound: Int
    private let freely: Int
    private(set) var used = 0

    private struct Grant {
        let account: String
        let amount: Int
    }
    private struct Holding {
        var amount = 0
        var isWaiting = false
    }
    private var grants = Slab<Grant>()
    /// Only accounts that hold or wait for something.
    private var holdings: [String: Holding] = [:]

    init(bound: Int, freelyPercent: Int) {
        self.bound = bound
        freely = bound * freelyPercent / 100
    }

    func amount(of account: String) -> Int { holdings[account]?.amount ?? 0 }

    mutating func take(_ amount: Int, for account: String) throws(NodeAdmission.Refusal) -> UInt64 {
        guard amount <= bound else { throw .exceedsNode }
        var holding = holdings[account] ?? Holding()
        let refusal = refusal(amount, holding, isNew: holdings[account] == nil)
        holding.isWaiting = refusal != nil
        if refusal == nil {
            holding.amount += amount
            used += amount
        }
        holdings[account] = holding
        if let refusal { throw refusal }
        return grants.insert(Grant(account: account, amount: amount))
    }

    private func refusal(_ amount: Int, _ holding: Holding, isNew: Bool) -> NodeAdmission.Refusal? {
        if used + amount > bound { return .nodeFull }
        if used + amount <= freely { return nil }
        // What an account holds in any case is never below one claim, however many accounts there are.
        let claimants = holdings.count + (isNew ? 1 : 0)
        return holding.amount == 0 || holding.amount + amount <= bound / claimants ? nil : .tenantShare
    }

    mutating func giveBack(_ key: UInt64) -> Bool {
        guard let index = grants.index(of: key) else { return false }
        let grant = grants[index]
        grants.remove(index)
        used -= grant.amount
        holdings[grant.account]?.amount -= grant.amount
        dropIfNothing(grant.account)
        return true
    }

    mutating func withdraw(_ account: String) {
        holdings[account]?.isWaiting = false
        dropIfNothing(account)
    }

    private mutating func dropIfNothing(_ account: String) {
        if let holding = holdings[account], holding.amount == 0, !holding.isWaiting { holdings[account] = nil }
    }

    func accountsAboveShare() -> [String] {
        let share = bound / max(1, holdings.count)
        return holdings.filter { $0.value.amount > share }
            .sorted { ($0.value.amount, $1.key) > ($1.value.amount, $0.key) }
            .map(\.key)
    }
}
