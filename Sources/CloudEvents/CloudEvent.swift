public import JSONValues

/// An event as CloudEvents 1.0 describes it, checked.
///
/// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
public struct CloudEvent: Hashable, Sendable {
    public enum Payload: Hashable, Sendable {
        case json(JSON)
        case text(String)
        case binary([UInt8])
    }

    public static let version = "1.0"
    /// Bytes of one attribute's value.
    static let maximumValue = 8_192
    static let maximumAttributes = 64

    public let id: String
    public let source: String
    public let type: String
    public let subject: String?
    /// Seconds since 1970.
    public let time: Int64?
    /// `specversion` and every other attribute, extensions included, with values as they came; in the order of their names.
    public let attributes: [JSON.Member]
    public let data: Payload?

    /// - Parameter attributes: names and values; values are strings, numbers or booleans.
    init(attributes: [JSON.Member], data: Payload?) throws(CloudEventFault) {
        guard attributes.count <= Self.maximumAttributes else { throw CloudEventFault("an event has at most \(Self.maximumAttributes) attributes") }
        var texts: [String: String] = [:]
        for attribute in attributes {
            let text = try Self.checked(attribute)
            guard texts.updateValue(text, forKey: attribute.name) == nil else {
                throw CloudEventFault("the attribute '\(attribute.name)' is there twice")
            }
        }
        guard let version = texts["specversion"] else { throw CloudEventFault("the attribute 'specversion' is missing") }
        guard version == Self.version else { throw CloudEventFault("specversion '\(version.prefix(32))' is not offered here; 1.0 is") }
        func required(_ name: String) throws(CloudEventFault) -> String {
            guard let text = texts[name] else { throw CloudEventFault("the attribute '\(name)' is missing") }
            guard !text.isEmpty else { throw CloudEventFault("the attribute '\(name)' is empty") }
            return text
        }
        id = try required("id")
        source = try required("source")
        type = try required("type")
        for name in ["subject", "dataschema", "datacontenttype"] where texts[name]?.isEmpty == true {
            throw CloudEventFault("the attribute '\(name)' is empty: leave it out")
        }
        if let type = texts["datacontenttype"], !ContentType(type).isValid {
            throw CloudEventFault("datacontenttype '\(type.prefix(64))' is no media type")
        }
        subject = texts["subject"]
        time = try texts["time"].map { text throws(CloudEventFault) in
            guard let seconds = Timestamp.seconds(text) else { throw CloudEventFault("time '\(text.prefix(64))' is no RFC 3339 time") }
            return seconds
        }
        self.attributes = attributes.sorted { $0.name < $1.name }
        self.data = data
    }

    /// - Returns: the value as text.
    private static func checked(_ attribute: JSON.Member) throws(CloudEventFault) -> String {
        let name = attribute.name
        guard isName(name) else {
            throw CloudEventFault("'\(name.prefix(64))' is no attribute name: lower-case letters and digits, at most 64 of them")
        }
        let text: String
        switch attribute.value {
        case .string(let value): text = value
        case .number(let value) where !core.contains(name):
            guard let number = Int(value), Int(Int32.min)...Int(Int32.max) ~= number else {
                throw CloudEventFault("the attribute '\(name)' must be a whole number of 32 bits, where it is a number")
            }
            text = value
        case .bool(let value) where !core.contains(name): text = value ? "true" : "false"
        default: throw CloudEventFault("the attribute '\(name)' must be a string")
        }
        guard text.utf8.count <= maximumValue else { throw CloudEventFault("the attribute '\(name)' has more than \(maximumValue) bytes") }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }) else {
            throw CloudEventFault("the attribute '\(name)' has control characters")
        }
        return text
    }

    private static let core: Set<String> = ["id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time"]

    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

/// Why a message is no CloudEvent.
public struct CloudEventFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// In another format than any that is offered: 415 and not 400.
    public let isUnknownFormat: Bool
    public let description: String

    init(_ description: String, isUnknownFormat: Bool = false) {
        self.description = description
        self.isUnknownFormat = isUnknownFormat
    }
}

/// A media type's name, without its parameters.
struct ContentType {
    let name: String

    init(_ text: String) {
        name = String(text.prefix { $0 != ";" }).trimmingSpaces().lowercased()
    }

    var isValid: Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { part in !part.isEmpty && part.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ",") } }
    }

    var isJSON: Bool { name == "application/json" || name == "text/json" || name.hasSuffix("+json") }

    var isText: Bool { name.hasPrefix("text/") || name == "application/xml" || name.hasSuffix("+xml") }
}

extension String {
    func trimmingSpaces() -> String {
        var text = self[...]
        while let last = text.last, last == " " || last == "\t" { text = text.dropLast() }
        return String(text.drop { $0 == " " || $0 == "\t" })
    }
}
