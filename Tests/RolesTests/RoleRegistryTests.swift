import FunctionModel
import Roles
import SQLiteStore
import Testing

import struct Foundation.UUID

private let document = #"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#
private let role = RoleKey(account: "111111111111", name: "worker")

private func code(_ body: () async throws -> Void) async -> ServiceError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? ServiceError)?.code
    }
}

@Suite struct RoleRegistryTests {
    private let path = "/tmp/martlet-roles-\(UUID().uuidString).db"

    private func registry() async throws -> RoleRegistry { try await RoleRegistry(store: try await SQLiteStore.open(path: path)) }

    @Test func documentsOutliveAStartAndGoWhenTheyAreTakenAway() async throws {
        try await registry().set(document, for: role)
        let second = try await registry()
        #expect(try await second.policy(of: role).text == document)
        #expect(await second.roles(of: "222222222222").isEmpty)
        try await second.remove(role)
        let third = try await registry()
        #expect(await code { _ = try await third.policy(of: role) } == .resourceNotFound)
        #expect(await code { try await third.remove(role) } == .resourceNotFound)
    }

    @Test func aChangeIsToldBeforeItsCallReturns() async throws {
        let registry = try await registry()
        let told = Told()
        await registry.subscribe { await told.take($0) }
        try await registry.set(document, for: role)
        #expect(await told.last?.policies[role]?.text == document)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<20 { group.addTask { try? await registry.set(document, for: RoleKey(account: "1", name: "r\(number)")) } }
        }
        #expect(await told.last?.policies.count == 21)
        #expect(await told.isInOrder)
    }

    @Test func whatIsNoDocumentChangesNothing() async throws {
        let registry = try await registry()
        try await registry.set(document, for: role)
        #expect(await code { try await registry.set("{}", for: role) } == .invalidParameterValue)
        #expect(await code { try await registry.set(document, for: RoleKey(account: "1", name: "a/b")) } == .invalidParameterValue)
        #expect(try await registry.policy(of: role).text == document)
    }

    @Test func aDamagedDocumentStopsTheStart() async throws {
        let store = try await SQLiteStore.open(path: path)
        try await store.save("{", for: role)
        await #expect(throws: RolePolicyFault.self) { _ = try await RoleRegistry(store: store) }
    }
}

private actor Told {
    private(set) var last: RoleSnapshot?
    private(set) var isInOrder = true

    func take(_ snapshot: RoleSnapshot) {
        if let last, snapshot.generation <= last.generation { isInOrder = false }
        last = snapshot
    }
}
