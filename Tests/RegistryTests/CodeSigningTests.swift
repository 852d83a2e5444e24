import FunctionModel
import Registry
import Synchronization
import Testing

private final class MemoryConfigs: CodeSigningStore {
    let configs = Mutex<[CodeSigningConfigKey: CodeSigningConfig]>([:])
    func loadCodeSigningConfigs() async throws -> [CodeSigningConfig] { configs.withLock { Array($0.values) } }
    func save(_ config: CodeSigningConfig) async throws { configs.withLock { $0[config.key] = config } }
    func deleteCodeSigningConfig(_ key: CodeSigningConfigKey) async throws { configs.withLock { $0[key] = nil } }
}

@Suite struct CodeSigningTests {
    private let world: World
    private let store = MemoryConfigs()
    private let registry: CodeSigningRegistry

    init() async throws {
        world = try await World()
        registry = try await CodeSigningRegistry(store: store, functions: world.registry, now: { 1 })
    }

    private func make(_ policy: CodeSigningConfig.Policy = .warn, region: String = "us-east-1") async throws -> CodeSigningConfig {
        try await registry.create(
            account: "123456789012", region: region, description: "", signingProfiles: ["arn:p"], policy: policy, tags: [:])
    }

    @Test func aConfigurationInUseIsNotDeleted() async throws {
        let config = try await make()
        _ = try await world.create("f")
        try await registry.using(config.key) { _ in try await world.registry.setCodeSigningConfig(key("f"), config.key) }
        let refusal = await #expect(throws: ServiceError.self) { try await registry.delete(config.key) }
        #expect(refusal?.code == .resourceConflict)
        try await world.registry.setCodeSigningConfig(key("f"), nil)
        try await registry.delete(config.key)
        let missing = await #expect(throws: ServiceError.self) { try await registry.config(config.key) }
        #expect(missing?.code == .resourceNotFound)
        let unusable = await #expect(throws: ServiceError.self) { try await registry.using(config.key) { _ in } }
        #expect(unusable?.code == .codeSigningConfigNotFound)
        #expect(store.configs.withLock { $0.isEmpty })
    }

    @Test func enforcingRefusesCodeAndWarningDoesNot() async throws {
        let (warning, enforcing) = (try await make(), try await make(.enforce))
        try await registry.using(warning.key) { try $0.checkUnsigned() }
        let refusal = await #expect(throws: ServiceError.self) { try await registry.using(enforcing.key) { try $0.checkUnsigned() } }
        #expect(refusal?.code == .codeVerificationFailed)
        _ = try await world.create("f")
        try await world.registry.setCodeSigningConfig(key("f"), enforcing.key)
        let record = try await world.registry.snapshot.record(key("f"))
        let deployment = await #expect(throws: ServiceError.self) { try await registry.checkDeployment(to: record) }
        #expect(deployment?.code == .codeVerificationFailed)
        try await registry.update(enforcing.key) { $0.policy = .warn }
        try await registry.checkDeployment(to: record)
    }

    @Test func eachRegionHasItsOwnAndAStartFindsThem() async throws {
        let here = try await make()
        let there = try await make(region: "eu-west-1")
        #expect(await registry.list(account: "123456789012", region: "us-east-1") == [here])
        let next = try await CodeSigningRegistry(store: store, functions: world.registry, now: { 2 })
        #expect(try await next.config(there.key) == there)
    }
}
