import Sandbox
import Testing

struct IPv4BlockTests {
    @Test func readsAddressesAndBlocks() throws {
        let block = try #require(IPv4Block("198.18.0.0/15"))
        #expect(block.count == 131_072 && block.description == "198.18.0.0/15")
        let inside = try #require(IPv4Block.address("198.19.255.255"))
        let outside = try #require(IPv4Block.address("198.20.0.0"))
        #expect(block.contains(inside) && !block.contains(outside))
        #expect(IPv4Block("10.0.0.1")?.description == "10.0.0.1")
        #expect(IPv4Block("0.0.0.0/0")?.contains(inside) == true)
    }

    @Test(arguments: ["", "10", "10.0.0", "10.0.0.256", "10.0.0.0/33", "10.0.0.0/", "10.0.0.1/24", "10.0.0.0/8/8", "10.0.0.0/-1", "::1", "a.b.c.d", "10.0.0.0001"])
    func refusesAnythingElse(_ text: String) { #expect(IPv4Block(text) == nil) }
}
