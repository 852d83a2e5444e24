import AccessControl
import FunctionModel
import SQLiteStore
import Synchronization
import Tenants
import Testing

import struct Foundation.UUID

/// Milliseconds since 1970 that a test moves.
private final class Clock: Sendable {
    private let value = Mutex<Int64>(1_800_000_000_000)
    var now: Int64 { value.withLock { $0 } }
    func advance(_ milliseconds: Int64) { value.withLock { $0 += milliseconds } }
}

private let operatorKey = AccessKey(id: "AKIAOPERATOR00000000", secret: "s", account: "123456789012", created: 0)

private struct Fixture {
    let clock = Clock()
    let path = "/tmp/martlet-tenants-\(UUID().uuidString).db"

    func registry() async throws -> TenantRegistry {
        try await TenantRegistry(store: try await SQLiteStore.open(path: path), operatorKey: operatorKey, now: { [clock] in clock.now })
    }
}

private func code(_ body: () async throws -> Void) async -> ServiceError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? ServiceError)?.code
    }
}

@Suite struct TenantRegistryTests {
    @Test func tenantsAndKeysOutliveAStart() async throws {
        let fixture = Fixture()
        let first = try await fixture.registry()
        let shop = try await first.create(name: "shop", account: nil)
        let press = try await first.create(name: "press", account: "000000000007")
        let key = try await first.createKey(of: "shop")
        _ = try await first.setSuspended(true, tenant: press.account)
        let second = try await fixture.registry()
        let snapshot = await second.snapshot
        #expect(shop.account.count == 12 && press.account == "000000000007")
        #expect(snapshot.keys[key.id]?.account == shop.account && snapshot.keys[key.id]?.secret == key.secret)
        #expect(snapshot.keys[key.id]?.isOperator == false && snapshot.keys[operatorKey.id]?.isOperator == true)
        #expect(snapshot.suspendedAccounts == [press.account])
        #expect(await second.list().map(\.tenant.name) == ["default", "press", "shop"])
    }

    @Test func everyChangeIsPublishedBeforeItReturns() async throws {
        let registry = try await Fixture().registry()
        final class Box: Sendable { let value = Mutex<AccessSnapshot?>(nil) }
        let box = Box()
        await registry.subscribe { next in box.value.withLock { $0 = next } }
        _ = try await registry.create(name: "shop", account: nil)
        let key = try await registry.createKey(of: "shop")
        #expect(box.value.withLock { $0?.keys[key.id] != nil })
        _ = try await registry.setSuspended(true, tenant: "shop")
        #expect(box.value.withLock { $0?.keys[key.id]?.isSuspended } == true)
        try await registry.revokeKey(key.id)
        #expect(box.value.withLock { $0?.keys[key.id] == nil })
    }

    @Test func namesAndAccountsAreChecked() async throws {
        let registry = try await Fixture().registry()
        _ = try await registry.create(name: "shop", account: "111122223333")
        for (name, account) in [("", nil), ("a b", nil), ("123456789099", nil), (String(repeating: "x", count: 65), nil), ("new", "12"), ("new", "12345678901x")] {
            #expect(await code { _ = try await registry.create(name: name, account: account) } == .invalidParameterValue, "\(name) \(account ?? "")")
        }
        #expect(await code { _ = try await registry.create(name: "shop", account: nil) } == .resourceConflict)
        #expect(await code { _ = try await registry.create(name: "other", account: "111122223333") } == .resourceConflict)
        #expect(await code { _ = try await registry.create(name: "other", account: operatorKey.account) } == .resourceConflict)
        #expect(await code { _ = try await registry.createKey(of: "nobody") } == .resourceNotFound)
    }

    @Test func theOperatorCanNeitherBeSuspendedNorRevoked() async throws {
        let registry = try await Fixture().registry()
        #expect(await code { _ = try await registry.setSuspended(true, tenant: "default") } == .invalidParameterValue)
        #expect(await code { try await registry.revokeKey(operatorKey.id) } == .resourceNotFound)
        #expect(await code { _ = try await registry.rotateKey(operatorKey.id, overlap: 0) } == .resourceNotFound)
    }

    @Test func aRotatedKeyHoldsForItsOverlap() async throws {
        let fixture = Fixture()
        let registry = try await fixture.registry()
        _ = try await registry.create(name: "shop", account: nil)
        let old = try await registry.createKey(of: "shop")
        let new = try await registry.rotateKey(old.id, overlap: 60_000)
        let snapshot = await registry.snapshot
        #expect(new.account == old.account && new.id != old.id)
        #expect(snapshot.keys[old.id]?.expires == (fixture.clock.now + 60_000) / 1_000 && snapshot.keys[new.id]?.expires == nil)
        // Never longer than it had.
        _ = try await registry.rotateKey(old.id, overlap: 600_000)
        #expect(await registry.snapshot.keys[old.id]?.expires == (fixture.clock.now + 60_000) / 1_000)
        #expect(await code { _ = try await registry.rotateKey(new.id, overlap: TenantRegistry.longestOverlap + 1) } == .invalidParameterValue)
    }

    @Test func temporaryKeysHaveATokenAndAnEnd() async throws {
        let fixture = Fixture()
        let registry = try await fixture.registry()
        _ = try await registry.create(name: "shop", account: nil)
        let key = try await registry.createKey(of: "shop", lifetime: 3_600_000)
        #expect(key.id.hasPrefix("ASIA") && key.sessionToken?.count == 96 && key.expires == fixture.clock.now + 3_600_000)
        #expect(await registry.snapshot.keys[key.id]?.sessionToken == key.sessionToken)
        #expect(await code { _ = try await registry.createKey(of: "shop", lifetime: TenantRegistry.longestLifetime + 1) } == .invalidParameterValue)
        #expect(await code { _ = try await registry.rotateKey(key.id, overlap: 0) } == .invalidParameterValue)
    }

    @Test func keysAreBoundedAndThoseThatEndedLongAgoGiveRoom() async throws {
        let fixture = Fixture()
        let registry = try await fixture.registry()
        _ = try await registry.create(name: "shop", account: nil)
        for _ in 0..<TenantRegistry.maximumKeys { _ = try await registry.createKey(of: "shop", lifetime: 1_000) }
        #expect(await code { _ = try await registry.createKey(of: "shop") } == .tooManyRequests)
        fixture.clock.advance(2 * 86_400_000)
        _ = try await registry.createKey(of: "shop")
        #expect(try await registry.keys(of: "shop").count == 1)
    }
}
