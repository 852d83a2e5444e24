/// Neighbouring IPv4 addresses: `198.18.0.0/15`, or one address.
public struct IPv4Block: Hashable, Sendable, CustomStringConvertible {
    /// The first address, as a number.
    public let first: UInt32
    /// 0…32.
    public let prefix: Int

    /// nil for anything else, also where bits behind the prefix are set.
    public init?(_ text: String) {
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count <= 2, let address = Self.address(halves[0]) else { return nil }
        guard halves.count == 2 else {
            (first, prefix) = (address, 32)
            return
        }
        guard let bits = Self.number(halves[1]), bits <= 32 else { return nil }
        (first, prefix) = (address, Int(bits))
        guard address & ~mask == 0 else { return nil }
    }

    /// How many addresses; the whole of IPv4 counts as one less.
    public var count: UInt32 { prefix == 0 ? .max : 1 << UInt32(32 - prefix) }

    private var mask: UInt32 { prefix == 0 ? 0 : .max << UInt32(32 - prefix) }

    public func contains(_ address: UInt32) -> Bool { address & mask == first }

    public var description: String { prefix == 32 ? Self.text(first) : "\(Self.text(first))/\(prefix)" }

    public static func text(_ address: UInt32) -> String {
        [24, 16, 8, 0].map { "\(address >> UInt32($0) & 255)" }.joined(separator: ".")
    }

    public static func address(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard let number = number(part) else { return nil }
            address = address << 8 | UInt32(number)
        }
        return address
    }

    private static func number(_ text: some StringProtocol) -> UInt8? {
        text.utf8.count <= 3 && text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt8(text) : nil
    }
}
