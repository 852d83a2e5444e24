import FoundationEssentials
import JSONValues

/// CloudEvents in HTTP requests: binary, structured and batched.
///
/// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
public enum HTTPBinding {
    /// Events of one batch.
    public static let maximumBatch = 100
    private static let structured = "application/cloudevents"
    private static let batched = "application/cloudevents-batch"
    private static let prefix = "ce-"
    /// Of the documents, below the data's own depth.
    private static let maximumDepth = 200

    /// - Parameter headers: names in any case.
    /// - Throws: what is wrong and, in a batch, with which of its events.
    public static func events(headers: [(name: String, value: String)], body: some Sequence<UInt8>) throws(CloudEventFault) -> [CloudEvent] {
        let type = headers.first { $0.name.lowercased() == "content-type" }?.value
        let name = ContentType(type ?? "").name
        if name == batched || name.hasPrefix(batched + "+") {
            guard name == batched + "+json" else { throw unknown(name) }
            return try batch(json(body))
        }
        if name == structured || name.hasPrefix(structured + "+") {
            guard name == structured + "+json" else { throw unknown(name) }
            return [try event(json(body))]
        }
        return [try binary(headers, type, Array(body))]
    }

    private static func unknown(_ name: String) -> CloudEventFault {
        CloudEventFault("the format \(name.prefix(64)) is not offered here; JSON is", isUnknownFormat: true)
    }

    // MARK: Binary

    private static func binary(_ headers: [(name: String, value: String)], _ type: String?, _ body: [UInt8]) throws(CloudEventFault) -> CloudEvent {
        var attributes: [JSON.Member] = []
        for header in headers {
            let name = header.name.lowercased()
            guard name.hasPrefix(prefix) else { continue }
            let attribute = String(name.dropFirst(prefix.count))
            guard attribute != "datacontenttype" else { throw CloudEventFault("the data's type is said by Content-Type, not by ce-datacontenttype") }
            guard let text = HeaderValue.decoded(header.value) else {
                throw CloudEventFault("the header ce-\(attribute.prefix(64)) is not valid percent-encoded UTF-8")
            }
            attributes.append(JSON.Member(attribute, .string(text)))
        }
        guard !attributes.isEmpty else {
            throw CloudEventFault("the request has neither ce- headers nor the content type \(structured)+json or \(batched)+json")
        }
        if let type, !type.isEmpty { attributes.append(JSON.Member("datacontenttype", .string(type))) }
        return try CloudEvent(attributes: attributes, data: try data(body, ContentType(type ?? "application/json")))
    }

    private static func data(_ body: [UInt8], _ type: ContentType) throws(CloudEventFault) -> CloudEvent.Payload? {
        guard !body.isEmpty else { return nil }
        if type.isJSON { return .json(try json(body)) }
        if type.isText, let text = String(validating: body, as: UTF8.self) { return .text(text) }
        return .binary(body)
    }

    // MARK: JSON

    private static func json(_ body: some Sequence<UInt8>) throws(CloudEventFault) -> JSON {
        do throws(JSONFault) { return try JSON(parsing: body, maximumDepth: maximumDepth) } catch {
            throw CloudEventFault("the body is not JSON: \(error)")
        }
    }

    private static func batch(_ json: JSON) throws(CloudEventFault) -> [CloudEvent] {
        guard case .array(let values) = json else { throw CloudEventFault("a batch must be an array of events") }
        guard values.count <= maximumBatch else { throw CloudEventFault("a batch has at most \(maximumBatch) events, this one has \(values.count)") }
        var events: [CloudEvent] = []
        for (index, value) in values.enumerated() {
            do throws(CloudEventFault) { events.append(try event(value)) } catch {
                throw CloudEventFault("event \(index) of the batch: \(error.description)")
            }
        }
        return events
    }

    private static func event(_ json: JSON) throws(CloudEventFault) -> CloudEvent {
        guard case .object(let members) = json else { throw CloudEventFault("an event must be an object") }
        // A null is as good as nothing, but for data, where it is a value.
        let attributes = members.filter { $0.name != "data" && $0.name != "data_base64" && $0.value != .null }
        return try CloudEvent(attributes: attributes, data: try data(of: json))
    }

    private static func data(of json: JSON) throws(CloudEventFault) -> CloudEvent.Payload? {
        if let encoded = json["data_base64"], encoded != .null {
            guard json["data"] == nil else { throw CloudEventFault("an event has data or data_base64, not both") }
            guard let text = encoded.string, let bytes = Data(base64Encoded: text) else { throw CloudEventFault("data_base64 is not base64") }
            let type = ContentType(json["datacontenttype"]?.string ?? "application/json")
            return try data(Array(bytes), type)
        }
        guard let data = json["data"] else { return nil }
        let type = ContentType(json["datacontenttype"]?.string ?? "application/json")
        if case .string(let text) = data, !type.isJSON { return .text(text) }
        return .json(data)
    }
}

/// A header's value: quoted or not, and percent-encoded.
enum HeaderValue {
    /// - Returns: nil where what comes out is not UTF-8.
    static func decoded(_ text: String) -> String? {
        let bytes = Array(unquoted(text).utf8)
        guard bytes.contains(UInt8(ascii: "%")) else { return String(validating: bytes, as: UTF8.self) }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = digit(bytes[index + 1]), let low = digit(bytes[index + 2]) {
                result.append(high << 4 | low)
                index += 3
            } else {
                // A percent sign that encodes nothing is one.
                result.append(bytes[index])
                index += 1
            }
        }
        return String(validating: result, as: UTF8.self)
    }

    private static func unquoted(_ text: String) -> String {
        let text = text.trimmingSpaces()
        guard text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else { return text }
        var result = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if character == "\\", !isEscaped {
                isEscaped = true
            } else {
                result.append(character)
                isEscaped = false
            }
        }
        return result
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
