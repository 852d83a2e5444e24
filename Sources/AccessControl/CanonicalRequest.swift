/// Signature Version 4's canonical forms, shared by verifier and signer.
///
/// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
enum CanonicalRequest {
    /// Every service but S3 encodes the path a second time: the wire's `%3A` becomes `%253A`. Dot segments and
    /// repeated slashes are taken out first, as AWS's own signers do.
    static func path(_ wirePath: some StringProtocol) -> String {
        var segments: [Substring.UTF8View.SubSequence] = []
        let whole = Substring(wirePath).utf8
        for segment in whole.split(separator: UInt8(ascii: "/")) {
            if segment.elementsEqual(".".utf8) { continue }
            if segment.elementsEqual("..".utf8) {
                _ = segments.popLast()
                continue
            }
            segments.append(segment)
        }
        var result: [UInt8] = []
        result.reserveCapacity(whole.count + 16)
        for segment in segments {
            result.append(UInt8(ascii: "/"))
            for byte in segment { appendEncoded(byte, to: &result) }
        }
        let closes = whole.last == UInt8(ascii: "/") || whole.suffix(2).elementsEqual("/.".utf8) || whole.suffix(3).elementsEqual("/..".utf8)
        if result.isEmpty || closes { result.append(UInt8(ascii: "/")) }
        return String(decoding: result, as: UTF8.self)
    }

    /// Names and values are decoded, encoded once in the one canonical way, and sorted as bytes.
    static func query(_ wireQuery: some StringProtocol) -> String {
        if wireQuery.isEmpty { return "" }
        var pairs: [(name: [UInt8], value: [UInt8])] = []
        for pair in Substring(wireQuery).utf8.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "="))
            let name = pair[..<(equals ?? pair.endIndex)]
            let value = equals.map { pair[pair.index(after: $0)...] }
            pairs.append((reencoded(name), value.map(reencoded) ?? []))
        }
        pairs.sort { left, right in
            left.name == right.name ? left.value.lexicographicallyPrecedes(right.value) : left.name.lexicographicallyPrecedes(right.name)
        }
        var result: [UInt8] = []
        for (index, pair) in pairs.enumerated() {
            if index > 0 { result.append(UInt8(ascii: "&")) }
            result += pair.name
            result.append(UInt8(ascii: "="))
            result += pair.value
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Outer space goes, inner runs of space become one.
    static func headerValue(_ value: some StringProtocol) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(value.utf8.count)
        var space = false
        for byte in value.utf8 {
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
                space = !result.isEmpty
                continue
            }
            if space { result.append(UInt8(ascii: " ")) }
            space = false
            result.append(byte)
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// - Parameter signedHeaders: (lower-case name, canonical value), in the order of the `SignedHeaders` list.
    static func text(
        method: String, path: String, query: String, signedHeaders: [(name: String, value: String)], payloadHash: String
    ) -> String {
        var result = "\(method)\n\(path)\n\(query)\n"
        for header in signedHeaders { result += "\(header.name):\(header.value)\n" }
        result += "\n"
        result += signedHeaders.lazy.map(\.name).joined(separator: ";")
        result += "\n"
        result += payloadHash
        return result
    }

    /// Percent-decoded once; what is no valid encoding stays as it is.
    static func decoded(_ text: some StringProtocol) -> String {
        var bytes: [UInt8] = []
        decode(Substring(text).utf8) { bytes.append($0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func reencoded(_ bytes: Substring.UTF8View) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        decode(bytes) { appendEncoded($0, to: &result) }
        return result
    }

    private static func decode(_ bytes: Substring.UTF8View, _ take: (UInt8) -> Void) {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            index = bytes.index(after: index)
            if byte == UInt8(ascii: "%"), bytes.distance(from: index, to: bytes.endIndex) >= 2 {
                let end = bytes.index(index, offsetBy: 2)
                if let decoded = HexadecimalText.bytes(Substring(bytes[index..<end])), let first = decoded.first {
                    take(first)
                    index = end
                    continue
                }
            }
            take(byte)
        }
    }

    private static func appendEncoded(_ byte: UInt8, to result: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            result.append(byte)
        default:
            result.append(UInt8(ascii: "%"))
            result.append(upperDigit(byte >> 4))
            result.append(upperDigit(byte & 0xF))
        }
    }

    private static func upperDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "A") + nibble - 10
    }
}
