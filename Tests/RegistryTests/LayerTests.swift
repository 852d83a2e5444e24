import FunctionModel
import Registry
import Synchronization
import Testing

private final class MemoryLayers: LayerStore {
    let saved = Mutex<[LayerKey: LayerRecord]>([:])
    func loadLayers() async throws -> [LayerRecord] { saved.withLock { Array($0.values) } }
    func save(_ layer: LayerRecord) async throws {
        await Task.yield()
        saved.withLock { $0[layer.key] = layer }
    }
}

@Suite struct LayerRegistryTests {
    private let store = MemoryLayers()
    private let packages = MemoryPackages()
    private let layers: LayerRegistry
    private let tools = LayerKey(account: "123456789012", region: "us-east-1", name: "tools")

    init() async throws { layers = try await LayerRegistry(store: store, packages: packages, now: { 1000 }) }

    private func publish(_ key: LayerKey, _ byte: UInt8) async throws -> Int {
        try await layers.publish(key, code: .archive([byte]), LayerDescription()).number
    }

    private func resolve(_ arns: [String]) async -> ServiceError.Code? {
        await code { _ = try await layers.resolve(arns, for: key("f")) }
    }

    @Test func numbersAreNeverUsedAgain() async throws {
        #expect(try await publish(tools, 1) == 1)
        #expect(try await publish(tools, 2) == 2)
        try await layers.delete(tools, version: 2)
        try await layers.delete(tools, version: 2)
        #expect(await code { _ = try await layers.version(tools, 2, for: tools.account) } == .resourceNotFound)
        let again = try await LayerRegistry(store: store, packages: packages, now: { 0 })
        #expect(try await again.publish(tools, code: .archive([3]), LayerDescription()).number == 3)
    }

    @Test func publishesAtOnceGetDifferentNumbers() async throws {
        let numbers = try await withThrowingTaskGroup(of: Int.self) { group in
            for byte in UInt8(0)..<20 { group.addTask { try await publish(tools, byte) } }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(numbers == Set(1...20))
        #expect(store.saved.withLock { $0[tools]?.versions.count } == 20)
    }

    @Test func aFunctionPinsItsLayersInOrder() async throws {
        _ = try await publish(tools, 1)
        let other = LayerKey(account: tools.account, region: tools.region, name: "other")
        _ = try await publish(other, 2)
        let resolved = try await layers.resolve(["\(other.arn):1", "\(tools.arn):1"], for: key("f"))
        #expect(resolved.list.map(\.arn) == ["\(other.arn):1", "\(tools.arn):1"])
        #expect(resolved.merged == "merged:" + resolved.list.map(\.code.sha256).joined(separator: "+"))
        #expect(try await layers.resolve([], for: key("f")) == .none)
        try await layers.delete(tools, version: 1)
        #expect(await resolve(["\(tools.arn):1"]) == .invalidParameterValue)
    }

    @Test func whatAFunctionMayNotName() async throws {
        for byte in UInt8(1)...2 { _ = try await publish(tools, byte) }
        #expect(await resolve(["\(tools.arn):1"]) == nil)
        #expect(await resolve(["\(tools.arn):1", "\(tools.arn):2"]) == .invalidParameterValue)
        #expect(await resolve([tools.arn]) == .invalidParameterValue)
        #expect(await resolve(["tools:1"]) == .invalidParameterValue)
        #expect(await resolve(["\(tools.arn):9"]) == .invalidParameterValue)
        let abroad = LayerKey(account: tools.account, region: "eu-west-1", name: "tools")
        _ = try await publish(abroad, 1)
        #expect(await resolve(["\(abroad.arn):1"]) == .invalidParameterValue)
        var many: [String] = []
        for index in 0..<6 {
            let key = LayerKey(account: tools.account, region: tools.region, name: "layer\(index)")
            _ = try await publish(key, 1)
            many.append("\(key.arn):1")
        }
        #expect(await resolve(many) == .invalidParameterValue)
        #expect(await resolve(Array(many.dropLast())) == nil)
    }

    @Test func thePolicySaysWhoElseMayUseAVersion() async throws {
        let theirs = LayerKey(account: "999999999999", region: "us-east-1", name: "theirs")
        _ = try await publish(theirs, 1)
        let arn = "\(theirs.arn):1"
        #expect(await resolve([arn]) == .accessDenied)
        func add(_ id: String, _ principal: String, organization: String? = nil, revision: UInt64? = nil) async -> ServiceError.Code? {
            await code {
                _ = try await layers.addPermission(
                    theirs, version: 1, LayerPermission(id: id, principal: principal, organization: organization), expectedRevision: revision)
            }
        }
        #expect(await add("other", "111111111111") == nil)
        #expect(await add("organization", "*", organization: "o-0123456789") == nil)
        #expect(await resolve([arn]) == .accessDenied)
        #expect(await add("us", "arn:aws:iam::123456789012:root") == nil)
        #expect(await resolve([arn]) == nil)
        #expect(await add("us", "*") == .resourceConflict)
        #expect(await add("late", "*", revision: 1) == .preconditionFailed)
        try await layers.removePermission(theirs, version: 1, id: "us", expectedRevision: 3)
        #expect(await resolve([arn]) == .accessDenied)
        #expect(await code { try await layers.removePermission(theirs, version: 1, id: "us", expectedRevision: nil) } == .resourceNotFound)
    }

    @Test func codeAndLayersTogetherHaveABound() async throws {
        let world = try await World()
        // Of this store a package has as many bytes as its archive.
        let half = PackageLimit.bytes / 2
        let layer = FunctionLayers.Layer(
            arn: "\(tools.arn):1", code: CodeReference(sha256: digest, size: half))
        world.packages.stored.withLock { $0[digest] = layer.code }
        func create(_ name: String, _ bytes: Int) async -> ServiceError.Code? {
            let code = CodeReference(sha256: String(repeating: "cd", count: 32), size: bytes)
            world.packages.stored.withLock { $0[code.sha256] = code }
            return await RegistryTests.code {
                _ = try await world.registry.create(
                    key(name), configuration: FunctionConfiguration(runtime: "python3", handler: "a.b", layers: FunctionLayers(list: [layer], merged: digest)),
                    code: .stored(sha256: code.sha256))
            }
        }
        #expect(await create("fits", half) == nil)
        #expect(await create("big", half + 1) == .invalidParameterValue)
        #expect(await world.registry.referencedPackages().contains(digest))
    }
}

private enum PackageLimit { static let bytes = 262_144_000 }

@Suite struct LayerKeyTests {
    @Test(arguments: ["arn:aws:lambda:us-east-1:123456789012:layer:tools", "arn:aws:lambda:us-east-1:123456789012:layer:tools:7"])
    func arns(_ arn: String) {
        let parsed = LayerKey.parse(arn: arn)
        #expect(parsed?.key.arn == "arn:aws:lambda:us-east-1:123456789012:layer:tools")
        #expect(parsed?.version == (arn.hasSuffix(":7") ? 7 : nil))
    }

    @Test(arguments: [
        "", "tools", "arn:aws:lambda:us-east-1:123456789012:function:tools", "arn:aws:lambda:us-east-1:123456789012:layer:tools:x",
        "arn:aws:lambda:us-east-1:123456789012:layer:tools:01", "arn:aws:lambda:us-east-1:123456789012:layer:to ols",
        "arn:aws:lambda:us-east-1:123456789012:layer:tools:1:2",
    ])
    func noArns(_ arn: String) { #expect(LayerKey.parse(arn: arn) == nil) }
}
