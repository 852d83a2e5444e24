import FunctionModel
import Registry
import Testing

@Suite struct FunctionSettingsTests {
    @Test func aVersionHasTheRuntimeManagementOfItsPublication() async throws {
        let world = try await World()
        _ = try await world.create("f")
        let manual = RuntimeManagement(updateMode: .manual, runtimeVersionARN: "arn:r")
        try await world.registry.setRuntimeManagement(key("f"), version: "$LATEST", manual)
        _ = try await world.registry.publishVersion(key("f"))
        try await world.registry.setRuntimeManagement(key("f"), version: "$LATEST", .automatic)
        let record = try await world.registry.snapshot.record(key("f"))
        #expect(record.runtimeManagement == ["1": manual])
        let unknown = await #expect(throws: ServiceError.self) {
            try await world.registry.setRuntimeManagement(key("f"), version: "2", manual)
        }
        #expect(unknown?.code == .resourceNotFound)
        try await world.registry.delete(key("f"), qualifier: "1")
        #expect(try await world.registry.snapshot.record(key("f")).runtimeManagement.isEmpty)
    }

    @Test func recursionIsTerminatedUnlessAllowed() async throws {
        let world = try await World()
        _ = try await world.create("f")
        let tag = Lineage.tag(of: key("f"))
        let trace = "Root=1-2-3;Lineage=\(tag):16"
        let refusal = await #expect(throws: ServiceError.self) { try await world.registry.snapshot.record(key("f")).checkRecursion(trace: trace) }
        #expect(refusal?.code == .recursiveInvocation)
        try await world.registry.snapshot.record(key("f")).checkRecursion(trace: "Root=1-2-3;Lineage=\(tag):15")
        try await world.registry.setRecursiveLoop(key("f"), .allow)
        try await world.registry.snapshot.record(key("f")).checkRecursion(trace: trace)
    }
}

@Suite struct LineageTests {
    private let one = Lineage.tag(of: key("one"))
    private let two = Lineage.tag(of: key("two"))

    @Test func eachRunIsOneMoreRound() {
        #expect(one.utf8.count == 8 && one != two)
        var trace = "Root=1-2-3;Sampled=0"
        for _ in 0..<3 { trace = Lineage.adding(two, to: Lineage.adding(one, to: trace)) }
        #expect(trace == "Root=1-2-3;Sampled=0;Lineage=\(one):3+\(two):3")
        #expect(Lineage.rounds(of: one, in: trace) == 3 && Lineage.rounds(of: "00000000", in: trace) == 0)
        #expect(Lineage.adding(one, to: "Root=1-2-3;Lineage=\(one):1;Sampled=0") == "Root=1-2-3;Lineage=\(one):2;Sampled=0")
    }

    @Test func ofManyFunctionsTheOldestGoes() {
        var trace = "Root=1"
        for index in 0...Lineage.maximumFunctions { trace = Lineage.adding(Lineage.tag(of: key("f\(index)")), to: trace) }
        #expect(Lineage.rounds(of: Lineage.tag(of: key("f0")), in: trace) == 0)
        #expect(Lineage.rounds(of: Lineage.tag(of: key("f1")), in: trace) == 1)
        #expect(TraceHeader.readable(trace) == trace)
    }

    @Test func whatIsNoneOfOursCountsForNothing() {
        for part in ["", "x", "\(one)", "\(one):", "\(one):-1", "\(one):0", "\(one):99999", "\(one):1:2", "short:1", "+++"] {
            let trace = "Root=1;Lineage=\(part)"
            #expect(Lineage.rounds(of: one, in: trace) == 0, "\(part)")
            #expect(Lineage.rounds(of: one, in: Lineage.adding(one, to: trace)) == 1, "\(part)")
        }
        #expect(Lineage.rounds(of: one, in: nil) == 0)
    }

    @Test func aBatchHasTheMostRoundsOfItsMessages() {
        let merged = Lineage.merged(["Root=1", "Root=2;Lineage=\(one):3", "Root=3;Lineage=\(one):2+\(two):5"])
        #expect(merged == "Root=1;Lineage=\(one):3+\(two):5")
        #expect(Lineage.merged([String]()) == nil)
    }

    @Test func onlyHeadersThatCanBeSentOnAreReadable() {
        #expect(TraceHeader.readable("Root=1-2-3;Sampled=1") == "Root=1-2-3;Sampled=1")
        for text in ["", "nonsense", "Root=1\r\nX: y", "Root=1 2", "Root=ä", "Root=" + String(repeating: "a", count: 300)] {
            #expect(TraceHeader.readable(text) == nil, "\(text)")
        }
        let id = RequestID(high: 0x1122_3344_5566_4788, low: 0x8899_AABB_CCDD_EEFF)
        #expect(TraceHeader.text(of: id, milliseconds: 0x5F00_0000 * 1000 + 999) == "Root=1-5f000000-556647888899aabbccddeeff;Sampled=0")
    }
}
