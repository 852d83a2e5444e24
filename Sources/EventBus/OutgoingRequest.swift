import FoundationEssentials
import JSONValues

/// A request that carries an event to an HTTP endpoint.
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

extension OutgoingRequest {
    /// A CloudEvent in binary mode: the event's attributes as headers, the target's input as the data.
    ///
    /// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
    init(_ event: BusEvent, payload: [UInt8], destination: StoredEndpoint, connection: StoredEndpoint?) throws(EventBusError) {
        url = try EndpointURL(destination.definition["InvocationEndpoint"]?.string ?? "")
        method = destination.definition["HttpMethod"]?.string ?? "POST"
        body = method == "GET" || method == "HEAD" ? [] : payload
        headers = Self.attributes(of: event).map { ("ce-\($0.name)", HTTPText.encoded($0.value.string ?? $0.value.text())) }
            + (body.isEmpty ? [] : [("Content-Type", "application/json; charset=utf-8")]) + Self.authorization(connection)
    }

    /// As they came with a CloudEvent, else made of the envelope.
    private static func attributes(of event: BusEvent) -> [JSON.Member] {
        if case .object(let members)? = event.json["cloudevent"] { return members.filter { $0.name != "datacontenttype" } }
        let names = [("id", "id"), ("source", "source"), ("type", "detail-type"), ("time", "time")]
        return [.init("specversion", .string("1.0"))] + names.compactMap { name, member in event.json[member].map { .init(name, $0) } }
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
