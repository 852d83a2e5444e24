import FunctionModel
import Registry
import Testing

@Suite struct TenancyTests {
    private static let tenancy: KeptSettings = {
        var kept = KeptSettings()
        kept.tenantIsolation = "PER_TENANT"
        return kept
    }()

    private func configuration(_ isolation: Isolation = .invocation, _ kept: KeptSettings = tenancy) -> FunctionConfiguration {
        FunctionConfiguration(runtime: "python3", handler: "app.handler", isolation: isolation, kept: kept)
    }

    private func refused(_ body: () async throws -> Void) async {
        let refusal = await #expect(throws: ServiceError.self) { try await body() }
        #expect(refusal?.code == .invalidParameterValue && refusal?.message.contains("TenancyConfig") == true, "\(refusal?.message ?? "")")
    }

    @Test func tenantsOfOneFunctionNeverShareAnEnvironment() async throws {
        let world = try await World()
        let registry = world.registry
        await refused { _ = try await registry.create(key("f"), configuration: configuration(.environment), code: .archive([1])) }
        await refused {
            _ = try await registry.create(key("f"), configuration: configuration(), code: .archive([1]), tags: ["martlet:isolation": "environment"])
        }
        let made = try await registry.create(key("f"), configuration: configuration(), code: .archive([1]))
        let change = ConfigurationChange(isolation: .environment)
        await refused { _ = try await registry.updateConfiguration(key("f"), change: change) }
        await refused { _ = try await registry.updateCode(key("f"), code: .archive([2]), change: change) }
        await refused { _ = try await registry.updateCode(key("f"), code: .archive([1]), change: change) }
        await refused { _ = try await registry.updateCode(key("f"), code: .archive([2]), change: change, dryRun: true) }
        await refused { try await registry.setTags(key("f"), adding: ["martlet:isolation": "environment"]) }
        let record = try await registry.snapshot.record(key("f"))
        #expect(record.latest == made && record.tags.isEmpty)
        _ = try await registry.updateConfiguration(key("f"), change: ConfigurationChange(timeout: 5, isolation: .invocation))
    }

    @Test func aVersionWhoseTenantsWouldShareDoesNotRun() throws {
        func version(_ isolation: Isolation) -> FunctionVersion {
            FunctionVersion(
                key: key("f"), version: "1", revision: 1, configuration: configuration(isolation), code: CodeReference(sha256: "00", size: 1), lastModified: 0)
        }
        try version(.invocation).check(tenantID: "blue")
        let refusal = #expect(throws: ServiceError.self) { try version(.environment).check(tenantID: "blue") }
        #expect(refusal?.code == .invalidParameterValue && refusal?.message.contains("exclude each other") == true)
    }

    @Test func onlyANewFunctionGetsTenants() async throws {
        let world = try await World()
        let made = try await world.create("f")
        await refused { _ = try await world.registry.updateConfiguration(key("f"), change: ConfigurationChange(kept: Self.tenancy)) }
        await refused { _ = try await world.registry.updateCode(key("f"), code: .archive([2]), change: ConfigurationChange(kept: Self.tenancy)) }
        #expect(try await world.registry.snapshot.record(key("f")).latest == made)
    }
}
