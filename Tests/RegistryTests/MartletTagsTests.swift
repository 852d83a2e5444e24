import FunctionModel
import Registry
import Testing

@Suite struct MartletTagsTests {
    @Test func tagsAreSettingsOfTheLatestVersion() async throws {
        let world = try await World()
        let first = try await world.create("f")
        let published = try await world.registry.publishVersion(key("f"))
        try await world.registry.setTags(key("f"), adding: ["martlet:network": "none", "martlet:isolation": "environment", "team": "a"])
        var record = try await world.registry.snapshot.record(key("f"))
        #expect(record.latest.configuration.network == NetworkAccess.none && record.latest.configuration.isolation == .environment)
        #expect(record.latest.revision > first.revision, "a pool of the earlier setting cannot be found again")
        #expect(record.version(number: published.version)?.configuration == first.configuration, "a published version stays as it was")

        let changed = record.latest.revision
        try await world.registry.setTags(key("f"), adding: ["team": "b"])
        #expect(try await world.registry.snapshot.record(key("f")).latest.revision == changed, "other tags are no settings")

        try await world.registry.setTags(key("f"), removing: ["martlet:network", "martlet:isolation", "unknown"])
        record = try await world.registry.snapshot.record(key("f"))
        #expect(record.latest.configuration == first.configuration && record.tags == ["team": "b"])
    }

    @Test func aTagThatIsNotThereTakesNothingAway() async throws {
        let world = try await World()
        _ = try await world.create("f")
        _ = try await world.registry.updateConfiguration(key("f"), change: ConfigurationChange(isolation: .environment, network: NetworkAccess.none))
        try await world.registry.setTags(key("f"), removing: ["martlet:network", "martlet:isolation"])
        let configuration = try await world.registry.snapshot.record(key("f")).latest.configuration
        #expect(configuration.network == NetworkAccess.none && configuration.isolation == .environment)
    }

    @Test(arguments: [["martlet:network": "internet"], ["martlet:network": ""], ["martlet:isolation": "none"]])
    func otherValuesAreRefusedAndChangeNothing(_ tags: [String: String]) async throws {
        let world = try await World()
        let first = try await world.create("f")
        let refusal = await #expect(throws: ServiceError.self) { try await world.registry.setTags(key("f"), adding: tags) }
        #expect(refusal?.code == .invalidParameterValue)
        let record = try await world.registry.snapshot.record(key("f"))
        #expect(record.tags.isEmpty && record.latest == first)
    }
}
