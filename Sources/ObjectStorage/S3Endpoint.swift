/// Where an S3-like service answers, and how a bucket is named there.
public struct S3Endpoint: Hashable, Sendable {
    public let isSecure: Bool
    /// A name or an address without brackets.
    public let host: String
    public let port: Int
    public let region: String
    /// Whether the bucket is the first part of the path; otherwise of the host's name.
    public let usesPaths: Bool

    /// - Parameter url: `http://HOST[:PORT]` or `https://…`, without a path. Nil for anything else.
    public init?(url: String, region: String, usesPaths: Bool) {
        let secure = "https://", plain = "http://"
        guard url.hasPrefix(secure) || url.hasPrefix(plain) else { return nil }
        isSecure = url.hasPrefix(secure)
        var rest = url.dropFirst(isSecure ? secure.count : plain.count)
        if rest.last == "/" { rest.removeLast() }
        guard !rest.isEmpty, !rest.contains(where: { "/?#@ ".contains($0) }) else { return nil }
        var host = rest
        var port = isSecure ? 443 : 80
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            guard let number = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(number) else { return nil }
            (host, port) = (rest[..<colon], number)
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() } else if host.contains(":") { return nil }
        guard !host.isEmpty else { return nil }
        (self.host, self.port, self.region, self.usesPaths) = (String(host), port, region, usesPaths)
    }

    /// Of the connection and the certificate.
    func serverName(bucket: String) -> String { usesPaths ? host : "\(bucket).\(host)" }

    /// The `Host` field.
    func authority(bucket: String) -> String {
        let name = serverName(bucket: bucket)
        let bracketed = name.contains(":") ? "[\(name)]" : name
        return port == (isSecure ? 443 : 80) ? bracketed : "\(bracketed):\(port)"
    }

    /// As it goes on the wire.
    func path(bucket: String, key: String) -> String {
        (usesPaths ? "/\(URIText.encoded(bucket, keeping: ""))" : "") + "/\(URIText.encoded(key, keeping: "/"))"
    }
}

enum URIText {
    /// RFC 3986: everything but unreserved characters, as signatures need it.
    static func encoded(_ text: String, keeping kept: StaticString) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"):
                result.append(byte)
            case _ where "\(kept)".utf8.contains(byte): result.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
