import Glibc

/// The addresses of one network: `10.0.0.0/24`, `2001:db8::/32`.
struct AddressBlock: Hashable, Sendable {
    private let network: [UInt8]
    private let prefix: Int

    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty, parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let prefix = Int(parts[1]), let address = Self.address(Array(parts[0].utf8)), prefix <= address.count * 8
        else { return nil }
        self.prefix = prefix
        network = address
    }

    func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard text.count <= 45, let address = Self.address(Array(text)), address.count == network.count else { return false }
        let whole = prefix / 8
        guard address[..<whole] == network[..<whole] else { return false }
        let rest = prefix % 8
        return rest == 0 || (address[whole] ^ network[whole]) >> UInt8(8 - rest) == 0
    }

    /// Four bytes or sixteen. An IPv4 address inside an IPv6 one stays the latter.
    private static func address(_ text: [UInt8]) -> [UInt8]? {
        guard (2...45).contains(text.count), !text.contains(0) else { return nil }
        let isVersion6 = text.contains(UInt8(ascii: ":"))
        var bytes = [UInt8](repeating: 0, count: isVersion6 ? 16 : 4)
        let result = (text + [0]).withUnsafeBufferPointer { text in
            text.withMemoryRebound(to: CChar.self) { inet_pton(isVersion6 ? AF_INET6 : AF_INET, $0.baseAddress, &bytes) }
        }
        return result == 1 ? bytes : nil
    }
}
