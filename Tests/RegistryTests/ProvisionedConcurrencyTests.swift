import FunctionModel
import Registry
import Testing

@Suite struct ProvisionedConcurrencyTests {
    private func world() async throws -> World {
        let world = try await World()
        _ = try await world.create("f", publish: true)
        _ = try await world.registry.updateCode(key("f"), code: .archive([2]), publish: true)
        _ = try await world.registry.createAlias(key("f"), name: "live", version: "1")
        return world
    }

    private func put(_ world: World, _ qualifier: String, _ count: Int) async -> ServiceError.Code? {
        await code { _ = try await world.registry.setProvisionedConcurrency(key("f"), qualifier: qualifier, requested: count) }
    }

    private func floor(_ world: World, _ version: String) async -> Int? {
        await world.registry.snapshot.functions[key("f")]?.provisionedConcurrency(of: version)
    }

    @Test func versionsAndAliasesHaveSomeAndLatestHasNone() async throws {
        let world = try await world()
        #expect(await put(world, "$LATEST", 1) == .invalidParameterValue)
        #expect(await put(world, "7", 1) == .resourceNotFound)
        #expect(await put(world, "no", 1) == .resourceNotFound)
        #expect(await put(world, "2", 3) == nil)
        #expect(await put(world, "live", 5) == nil)
        #expect(await floor(world, "1") == 5)
        #expect(await floor(world, "2") == 3)
        #expect(await floor(world, "$LATEST") == 0)
    }

    @Test func itFollowsItsAlias() async throws {
        let world = try await world()
        #expect(await put(world, "live", 5) == nil)
        _ = try await world.registry.updateAlias(key("f"), name: "live", AliasChange(version: "2"))
        #expect(await floor(world, "1") == 0)
        #expect(await floor(world, "2") == 5)
        try await world.registry.deleteAlias(key("f"), name: "live")
        #expect(await floor(world, "2") == 0)
    }

    @Test func aliasAndVersionNeverBothHaveSome() async throws {
        let world = try await world()
        #expect(await put(world, "live", 5) == nil)
        #expect(await put(world, "1", 1) == .resourceConflict)
        #expect(await put(world, "2", 1) == nil)
        #expect(await code { _ = try await world.registry.updateAlias(key("f"), name: "live", AliasChange(version: "2")) } == .resourceConflict)
        try await world.registry.deleteProvisionedConcurrency(key("f"), qualifier: "live")
        _ = try await world.registry.updateAlias(key("f"), name: "live", AliasChange(version: "2"))
        #expect(await put(world, "live", 5) == .resourceConflict)
    }

    @Test func anAliasOfTwoVersionsHasNone() async throws {
        let world = try await world()
        #expect(await put(world, "live", 5) == nil)
        let share = FunctionAlias.Share(version: "2", weight: 0.1)
        #expect(
            await code { _ = try await world.registry.updateAlias(key("f"), name: "live", AliasChange(additional: share)) } == .invalidParameterValue)
        _ = try await world.registry.createAlias(key("f"), name: "both", version: "1", additional: share)
        #expect(await put(world, "both", 1) == .invalidParameterValue)
    }

    @Test func theReservationAndTheAccountBoundIt() async throws {
        let world = try await world()
        #expect(await put(world, "2", 901) == .invalidParameterValue)
        #expect(await put(world, "2", 900) == nil)
        #expect(await put(world, "live", 1) == .invalidParameterValue)
        #expect(await put(world, "2", 20) == nil)
        #expect(await code { try await world.registry.setConcurrency(key("f"), reserved: 19) } == .invalidParameterValue)
        try await world.registry.setConcurrency(key("f"), reserved: 25)
        #expect(await put(world, "live", 6) == .invalidParameterValue)
        #expect(await put(world, "live", 5) == nil)
        #expect(await world.registry.snapshot.claimedConcurrency(account: "123456789012") == 25)
    }
}
