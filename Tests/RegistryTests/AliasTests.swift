import FunctionModel
import Registry
import Testing

@Suite struct AliasTests {
    /// A function with versions 1 to 3, each of its own code.
    private func world() async throws -> World {
        let world = try await World()
        _ = try await world.create("f", publish: true)
        for byte in UInt8(2)...3 { _ = try await world.registry.updateCode(key("f"), code: .archive([byte]), publish: true) }
        return world
    }

    private func alias(_ version: String, _ second: String, _ weight: Double, revision: UInt64 = 1) -> FunctionAlias {
        FunctionAlias(name: "live", version: version, additional: .init(version: second, weight: weight), revision: revision)
    }

    @Test func aliasIsAQualifierAndFollowsItsChanges() async throws {
        let world = try await world()
        let first = try await world.registry.createAlias(key("f"), name: "live", version: "1", description: "what clients use")
        #expect(try await world.registry.snapshot.version(key("f"), qualifier: "live").version == "1")
        let changed = try await world.registry.updateAlias(key("f"), name: "live", AliasChange(version: "2"))
        #expect(changed.revision != first.revision && changed.description == "what clients use")
        #expect(try await world.registry.snapshot.version(key("f"), qualifier: "live").version == "2")
        try await world.registry.deleteAlias(key("f"), name: "live")
        #expect(await code { _ = try await world.registry.snapshot.version(key("f"), qualifier: "live") } == .resourceNotFound)
        // As on Lambda: what is not there is as good as deleted.
        try await world.registry.deleteAlias(key("f"), name: "live")
    }

    @Test func restartSeesTheSameAliases() async throws {
        let world = try await world()
        let alias = try await world.registry.createAlias(key("f"), name: "live", version: "1", additional: .init(version: "2", weight: 0.25))
        let again = try await FunctionRegistry(store: world.store, packages: world.packages, runtimes: world.registry.runtimes, now: { 0 })
        #expect(try await again.snapshot.alias(key("f"), name: "live") == alias)
    }

    @Test func whatAnAliasMayNotBe() async throws {
        let world = try await world()
        let registry = world.registry
        _ = try await registry.createAlias(key("f"), name: "live", version: "1")
        func create(_ name: String, _ version: String, _ second: String? = nil) async -> ServiceError.Code? {
            await code {
                _ = try await registry.createAlias(key("f"), name: name, version: version, additional: second.map { .init(version: $0, weight: 0.5) })
            }
        }
        #expect(await create("live", "2") == .resourceConflict)
        #expect(await create("a", "9") == .resourceNotFound)
        #expect(await create("a", "1", "9") == .resourceNotFound)
        #expect(await create("a", "1", "1") == .invalidParameterValue)
        #expect(await create("a", "$LATEST", "1") == .invalidParameterValue)
        #expect(await create("a", "$LATEST") == nil)
        #expect(await code { _ = try await registry.updateAlias(key("f"), name: "live", AliasChange(version: "9")) } == .resourceNotFound)
        #expect(await code { _ = try await registry.updateAlias(key("f"), name: "no", AliasChange()) } == .resourceNotFound)
        #expect(await code { _ = try await registry.createAlias(key("g"), name: "a", version: "1") } == .resourceNotFound)
    }

    @Test func changeNeedsTheRevisionThatItNames() async throws {
        let world = try await world()
        let alias = try await world.registry.createAlias(key("f"), name: "live", version: "1")
        let next = try await world.registry.updateAlias(key("f"), name: "live", AliasChange(version: "2"), expectedRevision: alias.revision)
        #expect(
            await code {
                _ = try await world.registry.updateAlias(key("f"), name: "live", AliasChange(version: "3"), expectedRevision: alias.revision)
            } == .preconditionFailed)
        #expect(try await world.registry.snapshot.alias(key("f"), name: "live") == next)
    }

    @Test func versionThatAnAliasNeedsStays() async throws {
        let world = try await world()
        let registry = world.registry
        _ = try await registry.createAlias(key("f"), name: "live", version: "1", additional: .init(version: "2", weight: 0.1))
        for version in ["1", "2"] {
            do {
                try await registry.delete(key("f"), qualifier: version)
                Issue.record("version \(version) is in use")
            } catch let error as ServiceError {
                #expect(error.code == .resourceConflict)
                #expect(error.message == "Unable to delete version because the following aliases reference it: [live]")
            }
        }
        #expect(await code { try await registry.delete(key("f"), qualifier: "live") } == .invalidParameterValue)
        _ = try await registry.updateAlias(key("f"), name: "live", AliasChange(additional: .some(nil)))
        try await registry.delete(key("f"), qualifier: "2")
        #expect(await registry.snapshot.functions[key("f")]?.published.map(\.version) == ["1", "3"])
    }

    /// Of any number of invocations in a row each version gets its part to the last one.
    @Test(arguments: [0, 0.001, 0.05, 0.1, 1.0 / 3, 0.5, 0.77, 0.999, 1])
    func weightsAreHonouredExactly(weight: Double) throws {
        var split = try #require(AliasSplit(alias("1", "2", weight)))
        let seconds = (0..<30_000).map { _ in split.next() == "2" ? 1 : 0 }
        #expect(abs(Double(seconds.reduce(0, +)) - 30_000 * weight) <= 1)
        var sums = [0]
        for second in seconds { sums.append(sums[sums.count - 1] + second) }
        for length in [1, 7, 10, 100, 999] {
            let expected = Double(length) * weight
            let isFair = (0...(sums.count - 1 - length)).allSatisfy { abs(Double(sums[$0 + length] - sums[$0]) - expected) < 1.001 }
            #expect(isFair, "windows of \(length)")
        }
    }

    @Test func aChangedAliasBeginsAnewAndOthersGoOn() throws {
        func version(_ number: String) -> FunctionVersion {
            FunctionVersion(
                key: key("f"), version: number, revision: 0, configuration: FunctionConfiguration(runtime: "python3.11", handler: "a.b"),
                code: CodeReference(sha256: digest, size: 1), lastModified: 0)
        }
        var record = FunctionRecord(key: key("f"), latest: version("$LATEST"), published: [version("1"), version("2")], created: 0)
        record.aliases["live"] = alias("1", "2", 0.5, revision: 7)
        var splits = AliasSplits()
        func next() -> String? { splits.version(of: record, qualifier: "live")?.version }
        #expect([next(), next(), next(), next()] == ["1", "2", "1", "2"])
        #expect(splits.version(of: record, qualifier: "2")?.version == "2")
        #expect(splits.version(of: record, qualifier: "other") == nil)
        _ = next()
        var changed = record
        changed.aliases["live"] = alias("2", "1", 0.5, revision: 8)
        splits.changed(from: record, to: changed)
        record = changed
        #expect([next(), next()] == ["2", "1"])
    }

    @Test(arguments: ["live", "a", "1a", "2024-01", "_", "-"]) func names(_ name: String) { #expect(FunctionAlias.isName(name)) }
    @Test(arguments: ["", "1", "42", "a.b", "a b", "ä", "$LATEST", String(repeating: "a", count: 129)])
    func noNames(_ name: String) { #expect(!FunctionAlias.isName(name)) }
}
