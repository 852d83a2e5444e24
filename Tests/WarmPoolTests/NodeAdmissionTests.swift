import PoolReplay
import Testing
import WarmPool

@Suite struct NodeAdmissionTests {
    @Test func memoryBoundIsNeverPassed() throws {
        var node = NodeAdmission(limits: .init(memoryMB: 1_000, concurrency: 10))
        _ = try node.admitSandbox(account: "a", memoryMB: 600)
        _ = try node.admitSandbox(account: "b", memoryMB: 300)
        #expect(throws: NodeAdmission.Refusal.nodeFull) { try node.admitSandbox(account: "c", memoryMB: 101) }
        #expect(node.memoryUsedMB == 900)
    }

    @Test func whatCanNeverFitIsToldApart() {
        var node = NodeAdmission(limits: .init(memoryMB: 1_000, concurrency: 10))
        #expect(throws: NodeAdmission.Refusal.exceedsNode) { try node.admitSandbox(account: "a", memoryMB: 1_001) }
    }

    @Test func releasedOnceIsReleasedOnce() throws {
        var node = NodeAdmission(limits: .init(memoryMB: 1_000, concurrency: 10))
        let permit = try node.admitSandbox(account: "a", memoryMB: 400)
        let kept = try node.admitSandbox(account: "a", memoryMB: 100)
        let first = node.release(permit)
        let second = node.release(permit)
        #expect(first && !second)
        #expect(node.memoryUsedMB == 100)
        node.release(kept)
        #expect(node.memoryUsedMB == 0)
    }

    @Test func oneTenantAloneMayUseTheWholeNode() throws {
        var node = NodeAdmission(limits: .init(memoryMB: 1_000, concurrency: 10))
        for _ in 0..<10 { _ = try node.admitInvocation(account: "a") }
        #expect(throws: NodeAdmission.Refusal.nodeFull) { try node.admitInvocation(account: "a") }
    }

    @Test func tenantThatHoldsEverythingGivesWayToOneThatWaits() throws {
        var node = NodeAdmission(limits: .init(memoryMB: 1_000, concurrency: 10))
        var held: [NodeAdmission.Permit] = []
        for _ in 0..<10 { held.append(try node.admitInvocation(account: "greedy")) }
        #expect(throws: NodeAdmission.Refusal.nodeFull) { try node.admitInvocation(account: "late") }
        node.release(held.removeLast())
        #expect(throws: NodeAdmission.Refusal.tenantShare) { try node.admitInvocation(account: "greedy") }
        _ = try node.admitInvocation(account: "late")
    }

    @Test func withdrawnClaimNoLongerCounts() throws {
        var node = NodeAdmission(limits: .init(memoryMB: 1_000, concurrency: 10))
        var held: [NodeAdmission.Permit] = []
        for _ in 0..<10 { held.append(try node.admitInvocation(account: "a")) }
        #expect(throws: NodeAdmission.Refusal.nodeFull) { try node.admitInvocation(account: "b") }
        node.release(held.removeLast())
        node.withdraw(account: "b")
        _ = try node.admitInvocation(account: "a")
    }

    @Test func freelyGivenPartIsNotDivided() throws {
        var node = NodeAdmission(limits: .init(memoryMB: 1_000, concurrency: 10))
        _ = try node.admitSandbox(account: "b", memoryMB: 100)
        for _ in 0..<7 { _ = try node.admitSandbox(account: "a", memoryMB: 100) }
        #expect(throws: NodeAdmission.Refusal.tenantShare) { try node.admitSandbox(account: "a", memoryMB: 100) }
        _ = try node.admitSandbox(account: "b", memoryMB: 100)
        #expect(node.accountsAboveShare() == ["a"])
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func sumsHoldUnderRandomEvents(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var node = NodeAdmission(limits: .init(memoryMB: 4_096, concurrency: 64))
        var held: [(permit: NodeAdmission.Permit, amount: Int)] = []
        for _ in 0..<20_000 {
            let account = "t\(random.next() % 5)"
            if random.next() % 2 == 0 || held.isEmpty {
                let amount = Int(random.next() % 512) + 1
                if let permit = try? node.admitSandbox(account: account, memoryMB: amount) { held.append((permit, amount)) }
            } else {
                let (permit, _) = held.remove(at: Int(random.next() % UInt64(held.count)))
                if !node.release(permit) { Issue.record("seed \(seed): a held permit was unknown") }
            }
            if random.next() % 16 == 0 { node.withdraw(account: account) }
            let sum = held.reduce(0) { $0 + $1.amount }
            if sum != node.memoryUsedMB || sum > 4_096 {
                Issue.record("seed \(seed): \(sum) MB held, \(node.memoryUsedMB) MB counted")
                return
            }
        }
        for entry in held { node.release(entry.permit) }
        #expect(node.memoryUsedMB == 0)
    }
}
