import Testing

@testable import Martlet

@Suite struct EnvironmentKeyTests {
    private let one = String(repeating: "1a", count: 32)
    private let two = String(repeating: "2b", count: 32)

    @Test func theFirstSealsAndAllOpen() throws {
        let old = try #require(EnvironmentKeys("\(one)\n"))
        let both = try #require(EnvironmentKeys("\(two)\r\n\n\(one)\n"))
        let new = try #require(EnvironmentKeys(two))
        let before = try old.seal("text", for: "f")
        #expect(try both.open(before, for: "f") == "text" && !both.isCurrent(before, for: "f"))
        let after = try both.seal("text", for: "f")
        #expect(try new.open(after, for: "f") == "text" && both.open(after, for: "f") == "text" && both.isCurrent(after, for: "f"))
        #expect(throws: (any Error).self) { try old.open(after, for: "f") }
        #expect(throws: (any Error).self) { try both.open(before, for: "g") }
    }

    @Test func whatIsNoListOfKeysIsNone() {
        for text in ["", "\n", "short", "\(one) short", one + two, Array(repeating: one, count: 9).joined(separator: "\n")] {
            #expect(EnvironmentKeys(text) == nil)
        }
    }
}
