import JSONValues

/// What a target adds to the requests of its API destination, and by it the form of its events.
///
/// `HeaderParameters` are EventBridge's. A `Content-Type` among them that is one of CloudEvents' asks for that mode.
/// Source: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_HttpParameters.html
struct HTTPParameters: Sendable {
    /// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
    enum ContentMode: Hashable, Sendable {
        /// The attributes as headers, the input as the body.
        case binary
        /// The event as one JSON document.
        case structured
        /// Several of them as a JSON array.
        case batched
    }

    private static let maximumHeaders = 100
    private static let maximumValue = 512
    /// Those that frame a request, and those that the platform writes itself.
    private static let reserved: Set<String> = [
        "authorization", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade", "user-agent", "via",
    ]

    let headers: [(name: String, value: String)]
    let mode: ContentMode

    static let none = HTTPParameters(headers: [], mode: .binary)

    private init(headers: [(name: String, value: String)], mode: ContentMode) {
        self.headers = headers
        self.mode = mode
    }

    init(_ json: JSON, target: String) throws(EventBusError) {
        if let other = json.members.first(where: { $0.name != "HeaderParameters" && $0.value != .null }) {
            throw .invalid("\(other.name.prefix(64)) of target \(target) is not supported by Martlet: of HttpParameters, HeaderParameters is.")
        }
        let members = try Members(json).object("HeaderParameters")?.members ?? []
        guard members.count <= Self.maximumHeaders else {
            throw .invalid("HeaderParameters of target \(target) has \(members.count) members; at most \(Self.maximumHeaders) are taken.")
        }
        var headers: [(name: String, value: String)] = []
        for member in members {
            guard let value = member.value.string else { throw EventBusError(.serialization, "HeaderParameters must be an object of strings") }
            headers.append((member.name, try Self.checked(member.name, value, target)))
        }
        self.init(headers: headers, mode: Self.mode(of: headers))
    }

    private static func checked(_ name: String, _ value: String, _ target: String) throws(EventBusError) -> String {
        let lowercased = name.lowercased()
        guard HTTPText.isToken(name), !reserved.contains(lowercased), !lowercased.hasPrefix("ce-") else {
            throw .invalid("'\(name.prefix(64))' of target \(target) cannot be a header of its own: it is none, or is written by the platform.")
        }
        guard value.utf8.count <= maximumValue, value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
            throw .invalid("The header \(name) of target \(target) must be at most \(maximumValue) printable ASCII characters.")
        }
        return value
    }

    private static func mode(of headers: [(name: String, value: String)]) -> ContentMode {
        let type = headers.first { $0.name.lowercased() == "content-type" }?.value.prefix { $0 != ";" && $0 != " " }.lowercased()
        return switch type {
        case "application/cloudevents+json": .structured
        case "application/cloudevents-batch+json": .batched
        default: .binary
        }
    }
}
