import AccessControl
import Testing

@Suite struct SealingKeyTests {
    @Test func whatWasSealedOpensForItsKeyAndContextAlone() throws {
        let text = SealingKey.randomHexadecimal()
        let key = try #require(SealingKey(hexadecimal: text))
        let other = try #require(SealingKey(hexadecimal: SealingKey.randomHexadecimal()))
        let secret = "{\"PASSWORD\":\"gehei\u{1F512}\"}"
        let sealed = try key.seal(secret, for: "1/r/f/1")
        #expect(!sealed.contains("PASSWORD"))
        #expect(try key.seal(secret, for: "1/r/f/1") != sealed, "a nonce is used once")
        #expect(try SealingKey(hexadecimal: text)?.open(sealed, for: "1/r/f/1") == secret)
        #expect(throws: SealingKey.Fault.self) { try key.open(sealed, for: "1/r/f/2") }
        #expect(throws: SealingKey.Fault.self) { try other.open(sealed, for: "1/r/f/1") }
        for index in 0..<sealed.utf8.count {
            var bytes = Array(sealed.utf8)
            bytes[index] = bytes[index] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
            #expect(throws: SealingKey.Fault.self) { try key.open(String(decoding: bytes, as: UTF8.self), for: "1/r/f/1") }
        }
        for short in ["", "v1:", "v1:00", secret] { #expect(throws: SealingKey.Fault.self) { try key.open(short, for: "1/r/f/1") } }
    }

    @Test func onlySixtyFourDigitsAreAKey() {
        for text in ["", "00", String(repeating: "g", count: 64), String(repeating: "0", count: 63), String(repeating: "0", count: 65), String(repeating: "é", count: 32)] {
            #expect(SealingKey(hexadecimal: text) == nil)
        }
    }
}
