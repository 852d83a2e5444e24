public import FunctionModel

/// Which requests a route takes: `METHOD /path/{variable}`, `ANY /path/{rest+}`, or `$default`.
///
/// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
public struct RouteKey: Hashable, Sendable, CustomStringConvertible {
    public enum Segment: Hashable, Sendable {
        case literal(String)
        /// One segment, not empty.
        case variable(String)
        /// Everything from here on, at least one segment; only the last of a path.
        case greedy(String)
    }

    public static let `default` = RouteKey(method: nil, path: nil, segments: [])
    public static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    /// Bytes of a route's path.
    public static let maximumPath = 1_024
    private static let maximumSegments = 64

    /// nil for any.
    public let method: String?
    /// As it was written; nil for `$default`.
    public let path: String?
    public let segments: [Segment]

    private init(method: String?, path: String?, segments: [Segment]) {
        self.method = method
        self.path = path
        self.segments = segments
    }

    /// - Throws: `.invalidParameterValue`, which says what is wrong with the text.
    public init(_ text: String) throws(ServiceError) {
        if text == "$default" {
            self = .default
            return
        }
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].hasPrefix("/") else {
            throw Self.fault(text, "write it as `METHOD /path/{variable}`, `ANY /path/{rest+}` or `$default`")
        }
        guard parts[0] == "ANY" || Self.methods.contains(String(parts[0])) else {
            throw Self.fault(text, "its method must be ANY or one of \(Self.methods.joined(separator: ", "))")
        }
        guard parts[1].utf8.count <= Self.maximumPath else { throw Self.fault(text, "its path has more than \(Self.maximumPath) bytes") }
        var segments: [Segment] = []
        for part in parts[1].dropFirst().split(separator: "/", maxSplits: Self.maximumSegments, omittingEmptySubsequences: false) {
            if case .greedy(let name)? = segments.last { throw Self.fault(text, "{\(name)+} takes everything and must be its last segment") }
            segments.append(try Self.segment(part, of: text))
        }
        guard segments.count <= Self.maximumSegments else { throw Self.fault(text, "its path has more than \(Self.maximumSegments) segments") }
        let names = segments.compactMap(Self.name)
        guard Set(names).count == names.count else { throw Self.fault(text, "each of its variables needs a name of its own") }
        self.init(method: parts[0] == "ANY" ? nil : String(parts[0]), path: String(parts[1]), segments: segments)
    }

    private static func segment(_ part: Substring, of text: String) throws(ServiceError) -> Segment {
        guard part.first == "{" else {
            guard part.utf8.allSatisfy({ (0x21..<0x7F).contains($0) && !"{}?#%".utf8.contains($0) }) else {
                throw fault(text, "its segment '\(part.prefix(64))' has characters that a path has not; variables fill a whole segment, as in /users/{id}")
            }
            return .literal(String(part))
        }
        let isGreedy = part.hasSuffix("+}")
        let name = part.dropFirst().dropLast(isGreedy ? 2 : 1)
        guard part.hasSuffix("}"), (1...64).contains(name.utf8.count), name.utf8.allSatisfy(isNameByte) else {
            throw fault(text, "a variable is written {name} or {name+}, with 1 to 64 letters, digits, '.', '_', ':' and '-'; '\(part.prefix(64))' is not")
        }
        return isGreedy ? .greedy(String(name)) : .variable(String(name))
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "._:-".utf8.contains(byte)
        }
    }

    private static func name(_ segment: Segment) -> String? {
        switch segment {
        case .literal: nil
        case .variable(let name), .greedy(let name): name
        }
    }

    private static func fault(_ text: String, _ reason: String) -> ServiceError {
        ServiceError(.invalidParameterValue, "the route '\(text.prefix(200))' cannot be used: \(reason)")
    }

    public var description: String { path.map { "\(method ?? "ANY") \($0)" } ?? "$default" }

    /// The same for routes that take the same requests: names of variables do not count.
    var shape: String {
        segments.reduce(into: String(description.prefix { $0 != " " })) { text, segment in
            switch segment {
            case .literal(let literal): text += "/=\(literal)"
            case .variable: text += "/?"
            case .greedy: text += "/+"
            }
        }
    }
}

extension RouteKey: Codable {
    public init(from decoder: any Decoder) throws { try self.init(String(from: decoder)) }
    public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }
}
