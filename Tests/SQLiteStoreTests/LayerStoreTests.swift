import FunctionModel
import Registry
import SQLiteStore
import Testing

@Suite struct LayerStoreTests {
    @Test func savedLayerComesBackAsItWasAndNumbersAreKept() async throws {
        let temporary = try TemporaryFolder()
        let writer = try await SQLiteStore.open(path: temporary.database)
        let reader = try await SQLiteStore.open(path: temporary.database)
        let key = LayerKey(account: "123456789012", region: "us-east-1", name: "tools")
        var version = LayerVersion(
            number: 3, code: CodeReference(sha256: String(repeating: "a", count: 64), size: 5), description: "d", compatibleRuntimes: ["python3.11"],
            compatibleArchitectures: ["x86_64"], licenseInfo: "MIT", created: 7)
        version.permissions = [LayerPermission(id: "s", principal: "*")]
        version.policyRevision = 2
        let full = LayerRecord(key: key, versions: [version], nextNumber: 4)
        try await writer.save(full)
        #expect(try await reader.loadLayers() == [full])
        let empty = LayerRecord(key: key, nextNumber: 4)
        try await writer.save(empty)
        #expect(try await reader.loadLayers() == [empty])
    }
}
