import AccessControl
import FunctionModel
import Glibc
import Registry
import SQLiteStore
import Testing

@Suite struct SealedEnvironmentTests {
    private let temporary: TemporaryFolder

    init() throws { temporary = try TemporaryFolder() }

    private func record(_ environment: [String: String]) -> FunctionRecord {
        var generator = SeededGenerator(seed: 7)
        var record = FunctionRecord.sample("hello", using: &generator)
        var configuration = record.latest.configuration
        configuration.environment = environment
        record.latest = FunctionVersion(
            key: record.key, version: record.latest.version, revision: record.latest.revision, configuration: configuration, code: record.latest.code,
            lastModified: record.latest.lastModified)
        record.published = []
        return record
    }

    private func contents(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8 << 20)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private func key() throws -> SealingKey { try #require(SealingKey(hexadecimal: SealingKey.randomHexadecimal())) }

    @Test func theFileHasNothingOfThem() async throws {
        let key = try key()
        let kept = record(["TOKEN_NAME": "token-value-of-mine"])
        try await SQLiteStore.open(path: temporary.database, sealer: key).save(kept)
        #expect(try await SQLiteStore.open(path: temporary.database, sealer: key).loadFunctions() == [kept])
        let text = [temporary.database, temporary.database + "-wal"].map(contents).joined()
        #expect(text.contains("hello") && !text.contains("TOKEN_NAME") && !text.contains("token-value-of-mine"))
    }

    @Test func withoutTheKeyNothingIsReadAndTheMessageSaysWhy() async throws {
        try await SQLiteStore.open(path: temporary.database, sealer: key()).save(record(["A": "1"]))
        let other = try await SQLiteStore.open(path: temporary.database, sealer: key())
        let error = await #expect(throws: ServiceError.self) { try await other.loadFunctions() }
        #expect(error.map { "\($0.underlying ?? $0)" }?.contains("another key") == true)
        let none = try await SQLiteStore.open(path: temporary.database)
        await #expect(throws: ServiceError.self) { try await none.loadFunctions() }
    }

    @Test func aNewKeyTakesThePlaceOfTheOld() async throws {
        struct Both: TextSealer {
            let new: SealingKey
            let old: SealingKey
            func seal(_ text: String, for context: String) throws -> String { try new.seal(text, for: context) }
            func open(_ sealed: String, for context: String) throws -> String {
                try (try? old.open(sealed, for: context)) ?? new.open(sealed, for: context)
            }
        }
        let (old, new) = (try key(), try key())
        let kept = record(["A": "1"])
        try await SQLiteStore.open(path: temporary.database, sealer: old).save(kept)
        let both = try await SQLiteStore.open(path: temporary.database, sealer: Both(new: new, old: old))
        #expect(try await both.sealEnvironments { (try? new.open($0, for: $1)) != nil } == 1)
        #expect(try await both.sealEnvironments { (try? new.open($0, for: $1)) != nil } == 0)
        #expect(try await SQLiteStore.open(path: temporary.database, sealer: new).loadFunctions() == [kept])
        let without = try await SQLiteStore.open(path: temporary.database, sealer: old)
        await #expect(throws: ServiceError.self) { try await without.loadFunctions() }
    }

    @Test func aKeyThatOpensNotAllChangesNothing() async throws {
        let (old, new) = (try key(), try key())
        try await SQLiteStore.open(path: temporary.database, sealer: old).save(record(["A": "1"]))
        let wrong = try await SQLiteStore.open(path: temporary.database, sealer: new)
        await #expect(throws: ServiceError.self) { try await wrong.sealEnvironments { _, _ in false } }
        #expect(try await SQLiteStore.open(path: temporary.database, sealer: old).loadFunctions().count == 1)
    }

    @Test func whatWasKeptReadableIsReadAndSealedWhenItIsSavedAgain() async throws {
        let kept = record(["A": "plain-value"])
        try await SQLiteStore.open(path: temporary.database).save(kept)
        let sealing = try await SQLiteStore.open(path: temporary.database, sealer: key())
        #expect(try await sealing.loadFunctions() == [kept])
        try await sealing.save(kept)
        let none = try await SQLiteStore.open(path: temporary.database)
        await #expect(throws: ServiceError.self) { try await none.loadFunctions() }
    }
}
