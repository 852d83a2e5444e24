/// `X-Amzn-Trace-Id`: which chain of requests a request belongs to.
public enum TraceHeader {
    /// Bytes of what callers say, without the lineage, which has a bound of its own.
    public static let maximumBytes = 256

    /// A caller's header where a function can be shown it and it can be sent on; nil for any other.
    public static func readable(_ text: String?) -> String? {
        guard let text, text.hasPrefix("Root="), text.utf8.count <= maximumBytes + Lineage.maximumBytes else { return nil }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), text.utf8.count - Lineage.bytes(in: text) <= maximumBytes else { return nil }
        return text
    }

    /// The beginning of a chain: `Root=1-SSSSSSSS-` and the last 24 digits of the request ID, `;Sampled=0`.
    /// - Parameter milliseconds: since 1970.
    public static func text(of id: RequestID, milliseconds: Int64) -> String {
        func digits(_ value: UInt64, _ count: Int) -> String {
            let text = String(value, radix: 16)
            return text.utf8.count < count ? String(repeating: "0", count: count - text.utf8.count) + text : text
        }
        let seconds = UInt32(truncatingIfNeeded: milliseconds / 1000)
        return "Root=1-\(digits(UInt64(seconds), 8))-\(digits(id.high & 0xFFFF_FFFF, 8))\(digits(id.low, 16));Sampled=0"
    }
}
