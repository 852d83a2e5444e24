import FunctionModel
import Registry
import Synchronization
import Testing

let digest = String(repeating: "ab", count: 32)

func key(_ name: String, region: String = "us-east-1", account: String = "123456789012") -> FunctionKey {
    FunctionKey(account: account, region: region, name: name)
}

/// A store in memory that can be told to fail.
final class MemoryStore: FunctionStore {
    struct Full: Error {}
    let state = Mutex<(records: [FunctionKey: FunctionRecord], revision: UInt64, fails: Bool)>(([:], 0, false))

    func loadFunctions() async throws -> [FunctionRecord] { state.withLock { Array($0.records.values) } }

    func save(_ record: FunctionRecord) async throws {
        await Task.yield()
        try state.withLock { state in
            if state.fails { throw Full() }
            state.records[record.key] = record
        }
    }

    func delete(_ key: FunctionKey) async throws {
        try state.withLock { state in
            if state.fails { throw Full() }
            state.records[key] = nil
        }
    }

    func reserveRevision() async throws -> UInt64 {
        state.withLock { state in
            state.revision += 1
            return state.revision
        }
    }
}

final class MemoryPackages: PackageStore {
    let stored = Mutex<[String: CodeReference]>([:])

    func store(zip: [UInt8]) async throws -> CodeReference {
        let text = String(zip.reduce(0) { $0 &* 31 &+ Int($1) }, radix: 16)
        let reference = CodeReference(sha256: String(repeating: "0", count: 64 - text.count) + text, size: zip.count)
        stored.withLock { $0[reference.sha256] = reference }
        return reference
    }

    func store(file: ArchiveFile) async throws -> CodeReference { throw ServiceError(.unsupportedOperation, "no files here") }
    func reference(sha256: String) async -> CodeReference? { stored.withLock { $0[sha256] } }

    func archivePath(sha256: String) async throws -> String { "blobs/\(sha256).zip" }
    func merge(_ packages: [String]) async throws -> String { packages.count > 1 ? "merged:" + packages.joined(separator: "+") : packages.first ?? "" }
    func extensions(of sha256: String) async throws -> [String] { [] }
    func unpackedSize(sha256: String) async throws -> Int { stored.withLock { $0[sha256]?.size ?? 0 } }
}

struct World {
    let store = MemoryStore()
    let packages = MemoryPackages()
    let registry: FunctionRegistry

    init() async throws {
        registry = try await FunctionRegistry(
            store: store, packages: packages, runtimes: RuntimeCatalog(offered: ["python3.9", "python3.11", "provided"]), now: { 1000 })
    }

    func create(_ name: String, publish: Bool = false) async throws -> FunctionVersion {
        try await registry.create(
            key(name), configuration: FunctionConfiguration(runtime: "python3", handler: "app.handler"), code: .archive([1, 2, 3]),
            publish: publish)
    }
}

func code(_ body: () async throws -> Void) async -> ServiceError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? ServiceError)?.code
    }
}

@Suite struct FunctionRegistryTests {
    @Test func createdFunctionIsStoredUnderItsFullRuntimeName() async throws {
        let world = try await World()
        let version = try await world.create("hello")
        #expect(version.configuration.runtime == "python3.11")
        #expect(version.version == "$LATEST")
        #expect(world.store.state.withLock { $0.records[key("hello")]?.latest } == version)
    }

    @Test func secondCreateConflicts() async throws {
        let world = try await World()
        _ = try await world.create("hello")
        #expect(await code { _ = try await world.create("hello") } == .resourceConflict)
    }

    @Test func restartSeesTheSameFunctions() async throws {
        let world = try await World()
        let version = try await world.create("hello", publish: true)
        let again = try await FunctionRegistry(
            store: world.store, packages: world.packages, runtimes: world.registry.runtimes, now: { 0 })
        #expect(try await again.snapshot.version(key("hello"), qualifier: "1") == version)
    }

    /// The promise that a redeploy makes: when the call returns, every subscriber works with the new code.
    @Test func updateReturnsAfterSubscribersHaveTakenTheSnapshot() async throws {
        let world = try await World()
        _ = try await world.create("hello")
        let seen = Mutex<[UInt64]>([])
        await world.registry.subscribe { snapshot, changed in
            await Task.yield()
            seen.withLock { $0.append(snapshot.functions[changed]?.latest.revision ?? 0) }
        }
        for byte in UInt8(10)..<20 {
            let version = try await world.registry.updateCode(key("hello"), code: .archive([byte]))
            #expect(seen.withLock { $0.last } == version.revision)
        }
    }

    /// Between two steps an invocation would meet the new handler with the old code.
    @Test func codeAndSettingsChangeAsOneRevision() async throws {
        let world = try await World()
        let first = try await world.create("hello")
        let seen = Mutex<[FunctionVersion]>([])
        await world.registry.subscribe { snapshot, changed in
            guard let latest = snapshot.functions[changed]?.latest else { return }
            seen.withLock { $0.append(latest) }
        }
        let version = try await world.registry.updateCode(
            key("hello"), code: .archive([9]), change: ConfigurationChange(handler: "other.handler", memorySize: 256), publish: true)
        #expect(version.configuration.handler == "other.handler" && version.configuration.memorySize == 256)
        #expect(version.code != first.code)
        #expect(seen.withLock { $0.count } == 1)
        #expect(seen.withLock { $0.allSatisfy { $0.code == version.code && $0.configuration == version.configuration } })
        let again = try await world.registry.updateCode(key("hello"), code: .archive([9]), change: ConfigurationChange(timeout: 7))
        #expect(again.configuration.timeout == 7 && again.code == version.code && again.revision > version.revision)
    }

    @Test func sameCodeAgainKeepsTheRevision() async throws {
        let world = try await World()
        let first = try await world.create("hello")
        let second = try await world.registry.updateCode(key("hello"), code: .archive([1, 2, 3]))
        #expect(first.revision == second.revision)
        let third = try await world.registry.updateCode(key("hello"), code: .stored(sha256: first.code.sha256))
        #expect(third.revision == first.revision)
    }

    @Test func unknownStoredArchiveIsRefused() async throws {
        let world = try await World()
        _ = try await world.create("hello")
        #expect(await code { _ = try await world.registry.updateCode(key("hello"), code: .stored(sha256: digest)) } == .invalidParameterValue)
    }

    @Test func publishedVersionKeepsItsCodeWhenLatestMovesOn() async throws {
        let world = try await World()
        let one = try await world.create("hello", publish: true)
        #expect(one.version == "1")
        let latest = try await world.registry.updateCode(key("hello"), code: .archive([9]))
        let snapshot = await world.registry.snapshot
        #expect(try snapshot.version(key("hello"), qualifier: "1") == one)
        #expect(try snapshot.version(key("hello"), qualifier: nil) == latest)
        #expect(latest.code != one.code)
        #expect(latest.revision != one.revision)
    }

    @Test func publishingTheSameTwiceGivesTheSameVersion() async throws {
        let world = try await World()
        _ = try await world.create("hello", publish: true)
        #expect(try await world.registry.publishVersion(key("hello")).version == "1")
        _ = try await world.registry.updateConfiguration(key("hello"), change: ConfigurationChange(timeout: 9))
        #expect(try await world.registry.publishVersion(key("hello")).version == "2")
    }

    @Test func versionNumbersAreNeverReused() async throws {
        let world = try await World()
        _ = try await world.create("hello", publish: true)
        try await world.registry.delete(key("hello"), qualifier: "1")
        #expect(try await world.registry.publishVersion(key("hello")).version == "2")
        #expect(await code { try await world.registry.delete(key("hello"), qualifier: "$LATEST") } == .invalidParameterValue)
    }

    @Test func failedSaveChangesNothing() async throws {
        let world = try await World()
        let before = try await world.create("hello")
        world.store.state.withLock { $0.fails = true }
        #expect(await code { _ = try await world.registry.updateCode(key("hello"), code: .archive([7])) } == .internalFailure)
        #expect(await code { try await world.registry.delete(key("hello")) } == .internalFailure)
        #expect(try await world.registry.snapshot.version(key("hello"), qualifier: nil) == before)
        world.store.state.withLock { $0.fails = false }
        #expect(try await world.registry.updateCode(key("hello"), code: .archive([7])).revision > before.revision)
    }

    @Test func staleRevisionIsRefused() async throws {
        let world = try await World()
        let first = try await world.create("hello")
        _ = try await world.registry.updateConfiguration(
            key("hello"), change: ConfigurationChange(memorySize: 256), expectedRevision: first.revision)
        #expect(
            await code {
                _ = try await world.registry.updateConfiguration(
                    key("hello"), change: ConfigurationChange(memorySize: 512), expectedRevision: first.revision)
            } == .preconditionFailed)
    }

    @Test func concurrentChangesAreAllKept() async throws {
        let world = try await World()
        _ = try await world.create("hello")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<20 {
                group.addTask { try await world.registry.setTags(key("hello"), adding: ["t\(index)": "x"]) }
            }
            try await group.waitForAll()
        }
        #expect(await world.registry.snapshot.functions[key("hello")]?.tags.count == 20)
    }

    @Test func reservationsLeaveLambdasMinimum() async throws {
        let world = try await World()
        _ = try await world.create("a")
        _ = try await world.create("b")
        try await world.registry.setConcurrency(key("a"), reserved: 800)
        #expect(await code { try await world.registry.setConcurrency(key("b"), reserved: 101) } == .invalidParameterValue)
        try await world.registry.setConcurrency(key("b"), reserved: 100)
        try await world.registry.setConcurrency(key("a"), reserved: nil)
        #expect(await world.registry.snapshot.functions[key("a")]?.reservedConcurrency == nil)
    }

    @Test func environmentIsBoundedAndReservedNamesAreRefused() async throws {
        let world = try await World()
        _ = try await world.create("hello")
        func change(_ environment: [String: String]) async -> ServiceError.Code? {
            await code {
                _ = try await world.registry.updateConfiguration(key("hello"), change: ConfigurationChange(environment: environment))
            }
        }
        #expect(await change(["A": String(repeating: "x", count: 4095)]) == nil)
        #expect(await change(["A": String(repeating: "x", count: 4096)]) == .invalidParameterValue)
        #expect(await change(["AWS_LAMBDA_RUNTIME_API": "x"]) == .invalidParameterValue)
    }

    @Test func unknownNamesComeWithTheNearestOne() async throws {
        let world = try await World()
        _ = try await world.create("thumbnail")
        let snapshot = await world.registry.snapshot
        #expect(snapshot.unknown(key("thumbnial")).message.hasSuffix("did you mean 'thumbnail'?"))
        #expect(!snapshot.unknown(key("completely-other")).message.contains("did you mean"))
        #expect(snapshot.unknown(key("thumbnail", region: "eu-west-1")).message.contains("AWS_REGION=us-east-1"))
        #expect(!snapshot.unknown(key("thumbnial", account: "999999999999")).message.contains("did you mean"))
    }
}

@Suite struct RuntimeCatalogTests {
    private let catalog = RuntimeCatalog(offered: ["python3.9", "nodejs20.x", "provided", "python3.11", "nodejs22.x", "python3.10"])

    @Test(arguments: [
        ("python3", "python3.11"), ("python3.9", "python3.9"), ("provided", "provided"), ("provided.al2", "provided"),
        ("provided.al2023", "provided"), ("nodejs", "nodejs22.x"), ("nodejs20.x", "nodejs20.x"),
    ])
    func clientsNameIsResolved(_ name: String, _ full: String) throws {
        #expect(try catalog.resolve(name) == full)
    }

    @Test(arguments: ["python", "python2", "python3.1", "python3.12", "nodejs24.x", "nodejs2", "", "providedx"])
    func unofferedRuntimeNamesWhatIsOffered(_ name: String) {
        do throws(ServiceError) {
            _ = try catalog.resolve(name)
            Issue.record("\(name) is not offered")
        } catch {
            #expect(error.code == .invalidParameterValue)
            #expect(error.message.contains("python3.11, python3.10, python3.9"))
        }
    }
}
