import FunctionModel
import Registry
import Testing

@Suite struct FunctionURLRegistryTests {
    private func find(_ snapshot: RegistrySnapshot, _ name: String, _ qualifier: String? = nil) -> FunctionURLOwner? {
        snapshot.url(name, qualifier: qualifier, account: "123456789012", region: "us-east-1")
    }

    @Test func urlIsFoundByNameAndByID() async throws {
        let world = try await World()
        _ = try await world.create("Hello")
        let url = try await world.registry.createURL(key("Hello"), authType: .none)
        #expect(await code { _ = try await world.registry.createURL(key("Hello"), authType: .none) } == .resourceConflict)
        var snapshot = await world.registry.snapshot
        #expect(find(snapshot, "Hello")?.record.key == key("Hello"))
        #expect(find(snapshot, url.id)?.record.key == key("Hello"))
        #expect(find(snapshot, "hello") == nil)
        for text in ["hello", url.id.uppercased()] {
            #expect(snapshot.url(ignoringCase: text, account: "123456789012", region: "us-east-1")?.record.key == key("Hello"))
        }
        #expect(snapshot.unknownURL("helo", account: "123456789012", region: "us-east-1").message.hasSuffix("did you mean 'Hello'?"))
        try await world.registry.deleteURL(key("Hello"))
        snapshot = await world.registry.snapshot
        #expect(find(snapshot, "Hello") == nil)
        #expect(await code { try await world.registry.deleteURL(key("Hello")) } == .resourceNotFound)
    }

    /// A name means the function of the default account and region; the others have their IDs.
    @Test func aNameMeansTheDefaultAccountsFunction() async throws {
        let world = try await World()
        let elsewhere = key("f", account: "999999999999")
        _ = try await world.registry.create(
            elsewhere, configuration: FunctionConfiguration(runtime: "python3", handler: "app.handler"), code: .archive([1]))
        let url = try await world.registry.createURL(elsewhere, authType: .none)
        #expect(find(await world.registry.snapshot, "f") == nil)
        #expect(find(await world.registry.snapshot, url.id)?.record.key == elsewhere)
    }

    @Test func aliasHasAURLOfItsOwn() async throws {
        let world = try await World()
        let registry = world.registry
        _ = try await world.create("f", publish: true)
        #expect(await code { _ = try await registry.createURL(key("f"), alias: "live", authType: .none) } == .resourceNotFound)
        _ = try await registry.createAlias(key("f"), name: "live", version: "1")
        let own = try await registry.createURL(key("f"), authType: .iam)
        let url = try await registry.createURL(key("f"), alias: "live", authType: .none, cors: CORSPolicy(allowOrigins: ["*"]))
        var snapshot = await registry.snapshot
        #expect(url.id != own.id)
        #expect(find(snapshot, url.id)?.qualifier == "live" && find(snapshot, url.id)?.url == url)
        #expect(find(snapshot, url.id, "1") == nil)
        #expect(find(snapshot, "f", "live")?.url == url)
        #expect(find(snapshot, "f", "1")?.url == own && find(snapshot, "f")?.url == own)
        let changed = try await registry.updateURL(key("f"), alias: "live", FunctionURLChange(invokeMode: .responseStream, cors: .some(nil)))
        #expect(changed.invokeMode == .responseStream && changed.cors == nil && changed.authType == .none)
        try await registry.deleteAlias(key("f"), name: "live")
        snapshot = await registry.snapshot
        #expect(find(snapshot, url.id) == nil && find(snapshot, own.id)?.url == own)
    }
}
