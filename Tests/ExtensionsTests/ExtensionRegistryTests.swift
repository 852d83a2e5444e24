import Extensions
import FunctionModel
import Testing

private func identifier(_ number: UInt64) -> RequestID { RequestID(high: 0x4000, low: number) }

/// The type of the refusal, nil for none.
private func refusal(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return (error as? ExtensionFault)?.type
    }
}

@Suite struct ExtensionRegistryTests {
    @Test func theRuntimeIsStartedWhenAllExternalExtensionsHaveRegistered() throws {
        var registry = ExtensionRegistry(external: ["a", "b"])
        #expect(!registry.haveExternalsRegistered)
        let second = try registry.register(name: "b", events: ["INVOKE"], identifier: identifier(1))
        #expect(!registry.haveExternalsRegistered)
        let first = try registry.register(name: "a", events: [], identifier: identifier(2))
        #expect(registry.haveExternalsRegistered && first == 0 && second == 1)
        #expect(ExtensionRegistry(external: []).haveExternalsRegistered)
    }

    @Test func initEndsWhenTheRuntimeAndAllExtensionsHaveAskedForWork() throws {
        var registry = ExtensionRegistry(external: ["a"])
        let first = try registry.register(name: "a", events: ["SHUTDOWN"], identifier: identifier(1))
        let second = try registry.register(name: "inner", events: ["INVOKE"], identifier: identifier(2))
        try registry.asksNext(first, isWaiting: false)
        registry.runtimeIsReady()
        let isEarly = registry.isInitialised()
        #expect(!isEarly && registry.isOpen)
        try registry.asksNext(second, isWaiting: false)
        let isInitialised = registry.isInitialised()
        #expect(isInitialised && !registry.isOpen)
    }

    @Test func anInvocationIsOverWhenThoseThatWereToldAskAgain() throws {
        var registry = try ready(["a": ["INVOKE", "SHUTDOWN"], "b": ["SHUTDOWN"]])
        let told = registry.invoke()
        #expect(told == [0] && !registry.isAtRest)
        #expect(refusal { try registry.asksNext(1, isWaiting: true) } == "Extension.InvalidExtensionState")
        #expect(refusal { try registry.asksNext(1, isWaiting: false) } == nil, "its earlier request was lost")
        try registry.asksNext(0, isWaiting: false)
        #expect(registry.isAtRest)
        let ending = registry.shutDown()
        #expect(ending == [0, 1])
    }

    @Test func anExtensionAtWorkIsToldOfTheEndAllTheSame() throws {
        var registry = try ready(["a": ["INVOKE", "SHUTDOWN"]])
        _ = registry.invoke()
        let ending = registry.shutDown()
        #expect(ending == [0])
    }

    @Test func internalExtensionsHearNothingOfTheEndAndRegisterInTime() throws {
        var registry = ExtensionRegistry(external: [])
        #expect(refusal { _ = try registry.register(name: "x", events: ["SHUTDOWN"], identifier: identifier(1)) } == "Extension.InvalidEventType")
        _ = try registry.register(name: "x", events: ["INVOKE", "INVOKE"], identifier: identifier(1))
        #expect(registry.extensions[0].events == [.invoke])
        #expect(refusal { _ = try registry.register(name: "x", events: [], identifier: identifier(2)) } == "Extension.InvalidExtensionState")
        registry.runtimeIsReady()
        #expect(refusal { _ = try registry.register(name: "y", events: [], identifier: identifier(2)) } == "Extension.RegistrationClosed")
    }

    @Test func thereAreAtMostTen() throws {
        var registry = ExtensionRegistry(external: ["a"])
        for number in 0..<9 { _ = try registry.register(name: "inner\(number)", events: [], identifier: identifier(UInt64(number))) }
        #expect(refusal { _ = try registry.register(name: "more", events: [], identifier: identifier(20)) } == "Extension.TooManyExtensions")
        #expect(refusal { _ = try registry.register(name: "a", events: [], identifier: identifier(21)) } == nil)
    }

    @Test(arguments: [(nil, "Extension.MissingExtensionIdentifier"), ("", "Extension.MissingExtensionIdentifier"), ("x", "Extension.InvalidExtensionIdentifier"),
        ("00000000-0000-4000-8000-000000000000", "Extension.UnknownExtensionIdentifier")])
    func identifiersAreChecked(text: String?, type: String) throws {
        let registry = try ready(["a": []])
        #expect(refusal { _ = try registry.find(text) } == type)
        #expect(try registry.find(identifier(0).description) == 0)
    }

    @Test func aFailureHasItsType() throws {
        var registry = ExtensionRegistry(external: ["a", "b", "c", "d"])
        for (number, name) in ["a", "b"].enumerated() { _ = try registry.register(name: name, events: [], identifier: identifier(UInt64(number))) }
        #expect(refusal { try registry.reportsInitError(0, type: nil) } == "Extension.MissingHeader")
        try registry.reportsInitError(0, type: "Mine")
        try registry.reportsInitError(0, type: "Other")
        try registry.reportsExitError(1, type: "Mine")
        for index in 0..<3 { registry.ended(index) }
        registry.ended(3, couldNotStart: true)
        #expect((0..<4).map { registry.failureType($0) } == ["Extension.InitError", "Extension.ExitError", "Extension.Crash", "Extension.LaunchError"])
        #expect(registry.extensions[0].errorType == "Mine" && !registry.isInitialised())
    }

    private func ready(_ extensions: KeyValuePairs<String, [String]>) throws -> ExtensionRegistry {
        var registry = ExtensionRegistry(external: extensions.map(\.key))
        for (number, (name, events)) in extensions.enumerated() {
            let index = try registry.register(name: name, events: events, identifier: identifier(UInt64(number)))
            try registry.asksNext(index, isWaiting: false)
        }
        registry.runtimeIsReady()
        let isInitialised = registry.isInitialised()
        #expect(isInitialised)
        return registry
    }
}
