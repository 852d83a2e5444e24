import FoundationEssentials
import JSONValues

/// A request that carries events to an HTTP endpoint.
public struct OutgoingRequest: Sendable {
    public let url: EndpointURL
    public let method: String
    public let headers: [(name: String, value: String)]
    public let body: [UInt8]
}

/// What came of it.
public enum OutgoingResult: Sendable {
    case status(Int)
    /// It did not come to an answer: connection, time-out.
    case failed(String)
    /// It was not sent, and never will be: a forbidden address.
    case forbidden(String)
}

/// Sends requests; each is bounded in time.
public protocol EndpointClient: Sendable {
    func send(_ request: OutgoingRequest) async -> OutgoingResult
}

/// An event as its target gets it.
struct OutgoingEvent: Sendable {
    /// The attributes of a CloudEvent; the data's type is not among them.
    let attributes: [JSON.Member]
    /// JSON.
    let data: [UInt8]

    /// With the attributes that came with a CloudEvent, else with some made of the envelope.
    init(_ event: BusEvent, for target: RuleTarget, rule: RuleKey) {
        data = target.payload(of: event, rule: rule)
        if case .object(let members)? = event.json["cloudevent"] {
            attributes = members.filter { $0.name != "datacontenttype" }
        } else {
            let names = [("id", "id"), ("source", "source"), ("type", "detail-type"), ("time", "time")]
            attributes = [.init("specversion", .string("1.0"))] + names.compactMap { name, member in event.json[member].map { .init(name, $0) } }
        }
    }

    /// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    var document: [UInt8] {
        let members = JSON.object(attributes + [.init("datacontenttype", .string("application/json"))]).text().utf8
        return Array(members.dropLast()) + Array(#","data":"#.utf8) + data + [UInt8(ascii: "}")]
    }
}

extension OutgoingRequest {
    /// - Parameter events: one, or in batched mode any number.
    /// - Throws: where the destination cannot take them so.
    init(_ events: [OutgoingEvent], _ parameters: HTTPParameters, destination: StoredEndpoint, connection: StoredEndpoint?) throws(EventBusError) {
        url = try EndpointURL(destination.definition["InvocationEndpoint"]?.string ?? "")
        method = destination.definition["HttpMethod"]?.string ?? "POST"
        let hasBody = method != "GET" && method != "HEAD"
        guard hasBody || parameters.mode == .binary else {
            throw .invalid("The API destination \(destination.key.name) uses \(method), which has no body for a CloudEvent in structured or batch mode.")
        }
        var headers = Self.authorization(connection)
        headers += parameters.headers.filter { own in !headers.contains { $0.name.lowercased() == own.name.lowercased() } }
        switch parameters.mode {
        case .binary:
            body = hasBody ? events.first?.data ?? [] : []
            headers += (events.first?.attributes ?? []).map { ("ce-\($0.name)", HTTPText.encoded($0.value.string ?? $0.value.text())) }
            if !body.isEmpty, !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
                headers.append(("Content-Type", "application/json; charset=utf-8"))
            }
        case .structured: body = events.first?.document ?? []
        case .batched: body = [UInt8(ascii: "[")] + Array(events.map(\.document).joined(separator: [UInt8(ascii: ",")])) + [UInt8(ascii: "]")]
        }
        self.headers = headers
    }

    private static func authorization(_ connection: StoredEndpoint?) -> [(name: String, value: String)] {
        let parameters = connection?.definition["AuthParameters"]
        if let key = parameters?["ApiKeyAuthParameters"], let name = key["ApiKeyName"]?.string, let value = key["ApiKeyValue"]?.string {
            return [(name, value)]
        }
        if let basic = parameters?["BasicAuthParameters"], let user = basic["Username"]?.string, let password = basic["Password"]?.string {
            return [("Authorization", "Basic " + Data("\(user):\(password)".utf8).base64EncodedString())]
        }
        return []
    }
}

enum HTTPText {
    /// RFC 9110: the name of a header.
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    /// As CloudEvents encode attributes in headers: space, quotes, percent signs and all but printable ASCII.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "%") {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return result
    }
}
