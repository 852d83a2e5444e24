import FunctionModel
import Glibc
import Registry
import Testing

@testable import DeploymentPackages

/// Runs `body` with a folder of its own and removes it afterwards.
private func withFolder(_ body: (String) async throws -> Void) async throws {
    let path = "/tmp/martlet-packages-\(UInt64.random(in: 0...UInt64.max))"
    try Files.makeDirectory(path, mode: 0o700)
    defer { try? Files.removeTree(path) }
    try await body(path)
}

private func mode(_ path: String) -> mode_t {
    var info = stat()
    return lstat(path, &info) == 0 ? info.st_mode & 0o7777 : 0
}

private let sample = RawZip(
    .init("bootstrap", "#!/bin/sh\n", mode: 0o106755), .init("lib/data.txt", "data", mode: 0o100600),
    .init("lib/link", "data.txt", mode: 0o120777)
).bytes()

@Suite struct LocalPackageStoreTests {
    @Test func storedArchiveIsUnpackedWithPlainModes() async throws {
        try await withFolder { folder in
            let store = try LocalPackageStore(directory: folder)
            let code = try await store.store(zip: sample)
            #expect(code == CodeReference(sha256: PackageDigest.sha256(sample), size: sample.count))
            let package = store.packagePath(code.sha256)
            #expect(mode(package) == 0o755)
            #expect(mode("\(package)/bootstrap") == 0o755, "setuid and setgid are dropped")
            #expect(mode("\(package)/lib") == 0o755)
            #expect(mode("\(package)/lib/data.txt") == 0o644)
            #expect(try Files.read("\(package)/lib/data.txt", limit: 100) == Array("data".utf8))
            #expect(await store.reference(sha256: code.sha256) == code)
            #expect(try await store.archive(sha256: code.sha256) == sample)
        }
    }

    @Test func storingAgainChangesNothing() async throws {
        try await withFolder { folder in
            let store = try LocalPackageStore(directory: folder)
            let first = try await store.store(zip: sample)
            #expect(try await store.store(zip: sample) == first)
            #expect(try Files.names(in: "\(folder)/packages") == [first.sha256])
        }
    }

    @Test func concurrentStoresOfTheSameArchiveAllSucceed() async throws {
        try await withFolder { folder in
            let store = try LocalPackageStore(directory: folder)
            let codes = try await withThrowingTaskGroup(of: CodeReference.self) { group in
                for _ in 0..<8 { group.addTask { try await store.store(zip: sample) } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(codes.count == 1)
            #expect(try Files.names(in: "\(folder)/packages").count == 1)
            #expect(try Files.names(in: "\(folder)/blobs").count == 1)
        }
    }

    @Test func refusedArchiveLeavesNothing() async throws {
        try await withFolder { folder in
            let store = try LocalPackageStore(directory: folder)
            var damaged = RawZip.Entry("second", "content")
            damaged.declaredChecksum = 1
            let archive = RawZip(.init("first", "content"), damaged).bytes()
            await #expect(throws: ServiceError.self) { try await store.store(zip: archive) }
            #expect(try Files.names(in: "\(folder)/packages").isEmpty)
            #expect(try Files.names(in: "\(folder)/blobs").isEmpty)
        }
    }

    @Test func leftoversOfAnInterruptedStoreAreRemovedAtStart() async throws {
        try await withFolder { folder in
            _ = try LocalPackageStore(directory: folder)
            try Files.makeDirectory("\(folder)/packages/.incoming-1", mode: 0o755)
            try Files.write([1], to: "\(folder)/packages/.incoming-1/half", mode: 0o644)
            try Files.write([1], to: "\(folder)/blobs/.incoming-2", mode: 0o600)
            _ = try LocalPackageStore(directory: folder)
            #expect(try Files.names(in: "\(folder)/packages").isEmpty)
            #expect(try Files.names(in: "\(folder)/blobs").isEmpty)
        }
    }

    @Test func garbageIsCollectedAndKeptPackagesStay() async throws {
        try await withFolder { folder in
            let store = try LocalPackageStore(directory: folder, graceSeconds: 0)
            let kept = try await store.store(zip: sample)
            let unused = try await store.store(zip: RawZip(.init("a", "b")).bytes())
            #expect(try await store.collectGarbage(keeping: [kept.sha256]) == 1)
            #expect(await store.contains(sha256: kept.sha256))
            #expect(await !store.contains(sha256: unused.sha256))
            #expect(try Files.names(in: "\(folder)/packages") == [kept.sha256])
        }
    }

    @Test func packageStoredJustNowSurvivesCollection() async throws {
        try await withFolder { folder in
            let store = try LocalPackageStore(directory: folder)
            let code = try await store.store(zip: sample)
            #expect(try await store.collectGarbage(keeping: []) == 0)
            #expect(await store.contains(sha256: code.sha256))
        }
    }

    @Test func nameThatIsNoDigestIsNeverAPath() async throws {
        try await withFolder { folder in
            let store = try LocalPackageStore(directory: folder)
            #expect(await store.reference(sha256: "../../etc") == nil)
            await #expect(throws: ServiceError.self) { try await store.archive(sha256: "../../etc/passwd") }
        }
    }

    @Test(.enabled(if: getuid() == 0, "only root may mount the small file system that this fills"))
    func fullDiskLeavesNothingAndIsNamed() async throws {
        try await withFolder { folder in
            try #require(mount("tmpfs", folder, "tmpfs", 0, "size=1m") == 0)
            defer { umount2(folder, Int32(MNT_DETACH)) }
            let store = try LocalPackageStore(directory: folder)
            var large = RawZip.Entry("large", "")
            large.content = Array(repeating: 7, count: 4_000_000)
            large.method = 8
            let archive = RawZip(large).bytes()
            let error = await #expect(throws: ServiceError.self) { try await store.store(zip: archive) }
            #expect(error?.code == .codeStorageExceeded)
            #expect(try Files.names(in: "\(folder)/packages").isEmpty)
            #expect(try await store.store(zip: sample).size == sample.count, "the store goes on working")
        }
    }
}
