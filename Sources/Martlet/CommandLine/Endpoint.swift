/// A server's address as a verb gets it: `http://127.0.0.1:9000` or `https://martlet.example`.
struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    let host: String
    let port: Int
    let isSecure: Bool

    static let standard = Endpoint(host: "127.0.0.1", port: 9000, isSecure: false)

    private init(host: String, port: Int, isSecure: Bool) { (self.host, self.port, self.isSecure) = (host, port, isSecure) }

    /// - Throws: `CommandFailure` (usage) for anything but `http://HOST[:PORT]` and `https://HOST[:PORT]`.
    init(_ text: String) throws {
        func fault(_ reason: String) -> CommandFailure { .usage("\(text) is no endpoint: \(reason), for example http://127.0.0.1:9000") }
        let scheme = text.lowercased()
        let isSecure = scheme.hasPrefix("https://")
        guard isSecure || scheme.hasPrefix("http://") else { throw fault("it must begin with http:// or https://") }
        var rest = text.dropFirst(isSecure ? 8 : 7)
        while rest.last == "/" { rest = rest.dropLast() }
        guard !rest.contains(where: { $0 == "/" || $0 == "?" || $0 == "#" || $0 == "@" }) else { throw fault("it must be a host and a port only") }
        var port = isSecure ? 443 : 80
        if rest.last != "]", let colon = rest.lastIndex(of: ":") {
            guard let number = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(number) else { throw fault("its port must be 1 to 65535") }
            port = number
            rest = rest[..<colon]
        }
        if rest.hasPrefix("["), rest.hasSuffix("]") { rest = rest.dropFirst().dropLast() }
        guard !rest.isEmpty, !rest.contains(where: \.isWhitespace) else { throw fault("it names no host") }
        self.init(host: String(rest), port: port, isSecure: isSecure)
    }

    /// `--endpoint`, else `MARTLET_ENDPOINT`, else this machine's port 9000.
    static func resolve(flag: String?, environment: [String: String]) throws -> Endpoint {
        if let flag { return try Endpoint(flag) }
        if let variable = environment["MARTLET_ENDPOINT"], !variable.isEmpty { return try Endpoint(variable) }
        return .standard
    }

    /// As the `Host` header has it.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }

    var description: String { "\(isSecure ? "https" : "http")://\(authority)" }
}
