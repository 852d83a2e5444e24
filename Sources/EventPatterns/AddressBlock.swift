import Glibc

/// The addresses of one network: `10.0.0.0/24`, `2001:db8::/32`.
public struct AddressBlock: Hashable, Sendable {
    private let network: [UInt8]
    private let prefix: Int

    /// nil for anything but an address, a slash and the length of the prefix in bits.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty, parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let prefix = Int(parts[1]), let address = Self.address(Array(parts[0].utf8)), prefix <= address.count * 8
        else { return nil }
        self.prefix = prefix
        network = address
    }

    public static func isAddress(_ text: some StringProtocol) -> Bool { address(Array(text.utf8)) != nil }

    /// The first bits of an address as text that is the same for all addresses of its network, for nothing but comparing.
    public static func network(_ text: String, prefix: Int) -> String? {
        address(Array(text.utf8))?.prefix(prefix / 8).map { String($0, radix: 16) }.joined(separator: ".")
    }

    public func contains(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { contains($0) }
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
