import AccessControl
public import EventPatterns
import NIOHTTP1

/// What a proxy says of the request that it passes on.
struct Forwarding: Equatable {
    /// Of the client, as far as proxies that are trusted say.
    var address: String
    /// nil where the proxy says nothing of it.
    var isSecure: Bool?
    var port: Int?
    /// What the client asked for, with its port.
    var host: String?
}

/// The addresses that may speak for others. A header of anybody else is a claim.
public struct TrustedProxies: Sendable {
    private let blocks: [AddressBlock]

    /// - Parameter blocks: none: nobody is trusted.
    public init(_ blocks: [AddressBlock] = []) { self.blocks = blocks }

    public func trusts(_ address: String) -> Bool { blocks.contains { $0.contains(address) } }

    /// - Parameter peer: the address at the other end of the connection.
    /// - Returns: nil where it is no proxy's, or the proxy says nothing.
    func forwarding(peer: String, headers: HTTPHeaders) -> Forwarding? {
        guard !blocks.isEmpty, trusts(peer) else { return nil }
        var forwarding = Forwarding(address: peer)
        // Each proxy adds whom it got the request from at the end; the first that is no proxy is the client, and what stands
        // before it the client may have made up.
        for entry in headers["x-forwarded-for"].flatMap({ $0.split(separator: ",") }).reversed() {
            guard let address = Self.address(entry) else { break }
            forwarding.address = address
            if !trusts(address) { break }
        }
        if let scheme = Self.last(headers["x-forwarded-proto"]) { forwarding.isSecure = ASCIIText.equalIgnoringCase(scheme, "https") }
        forwarding.port = Self.last(headers["x-forwarded-port"]).flatMap { Int($0) }.flatMap { (1...65_535).contains($0) ? $0 : nil }
        forwarding.host = Self.last(headers["x-forwarded-host"]).map(String.init)
        return forwarding
    }

    /// Without a port, which some proxies add; nil for what is no address.
    private static func address(_ entry: Substring) -> String? {
        var text = entry.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        if text.first == "[", let end = text.firstIndex(of: "]") {
            text = text[text.index(after: text.startIndex)..<end]
        } else if let colon = text.firstIndex(of: ":"), !text[text.index(after: colon)...].contains(":") {
            text = text[..<colon]
        }
        return AddressBlock.isAddress(text) ? String(text) : nil
    }

    private static func last(_ values: [String]) -> Substring? {
        guard let text = values.last?.split(separator: ",").last else { return nil }
        let trimmed = text.drop { $0 == " " }.prefix { $0 != " " }
        return trimmed.isEmpty ? nil : trimmed
    }
}

/// Whom a request is counted for: one host. Of version 6 a host has 64 bits to itself.
func sender(_ address: String) -> String {
    guard address.utf8.contains(UInt8(ascii: ":")) else { return address }
    return AddressBlock.network(address, prefix: 64) ?? address
}
