import FunctionModel
import Registry
import SQLiteStore
import Testing

@Suite struct CodeSigningStoreTests {
    @Test func configurationsComeBackAsTheyWereUntilTheyAreDeleted() async throws {
        let temporary = try TemporaryFolder()
        let writer = try await SQLiteStore.open(path: temporary.database)
        let reader = try await SQLiteStore.open(path: temporary.database)
        func config(_ region: String) -> CodeSigningConfig {
            CodeSigningConfig(
                key: CodeSigningConfigKey(account: "123456789012", region: region, id: "csc-0"), description: "it's", signingProfiles: ["arn:a", "arn:b"],
                policy: .enforce, tags: ["team": "birds"], modified: 5)
        }
        var first = config("us-east-1")
        let second = config("eu-west-1")
        try await writer.save(first)
        try await writer.save(second)
        #expect(Set(try await reader.loadCodeSigningConfigs()) == [first, second])
        first.policy = .warn
        try await reader.save(first)
        try await reader.deleteCodeSigningConfig(second.key)
        try await reader.deleteCodeSigningConfig(second.key)
        #expect(try await writer.loadCodeSigningConfigs() == [first])
    }
}
