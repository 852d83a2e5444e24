import Sandbox
import Testing

struct EgressRulesTests {
    private func rules(opened: [String] = []) throws -> EgressRules {
        EgressRules(
            instance: "0a1b", range: try #require(IPv4Block("198.18.0.0/15")), nameServers: [try #require(IPv4Block.address("10.0.0.53"))],
            refused: [try #require(IPv4Block("10.0.0.0/8"))], allowed: [try #require(IPv4Block("10.1.0.0/16"))], opened: opened)
    }

    @Test func asksWhatIsNeverReachedBeforeWhatIsAllowed() throws {
        let text = try rules().text
        let places = ["fib daddr type != unicast", "@name_servers udp dport 53 accept", "@never goto refuse", "@allowed accept", "@refused goto refuse"].map {
            text.firstRange(of: $0)?.lowerBound
        }
        #expect(!places.contains(nil) && places.compactMap { $0 } == places.compactMap { $0 }.sorted())
    }

    @Test func replacesItsOwnTableAndNoOther() throws {
        let rules = try rules()
        #expect(rules.text.hasPrefix("add table inet martlet_0a1b\ndelete table inet martlet_0a1b\ntable inet martlet_0a1b {"))
        #expect(rules.prefix == "mt0a1b-" && rules.prefix.utf8.count + 8 <= 15, "an address and the kernel's bound on names")
        #expect(rules.text.utf8.filter { $0 == UInt8(ascii: "{") }.count == rules.text.utf8.filter { $0 == UInt8(ascii: "}") }.count)
    }

    @Test func namesInterfacesInQuotesAndLeavesEmptySetsEmpty() throws {
        #expect(try rules(opened: ["eth0", "wlan0"]).text.contains("elements = { \"eth0\", \"wlan0\" }"))
        let text = try rules().text
        let opened = try #require(text.firstRange(of: "set opened {"))
        #expect(!text[opened.upperBound...].prefix(while: { $0 != "}" }).contains("elements"))
    }
}
