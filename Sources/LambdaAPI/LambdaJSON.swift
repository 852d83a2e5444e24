import FoundationEssentials
public import FunctionModel

/// JSON text by hand, for the few places where an encoder would be out of proportion.
public enum JSONText {
    /// Appends the string in quotes, escaped.
    public static func append(_ text: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                json.append(UInt8(ascii: "\\"))
                json.append(byte)
            case 0..<0x20, 0x7F:
                json += Array("\\u00".utf8)
                json.append(hexadecimal(byte >> 4))
                json.append(hexadecimal(byte & 0xF))
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
    }

    private static func hexadecimal(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
}

/// The control plane's JSON; never used on an invocation's path.
public enum LambdaJSON {
    /// An empty body counts as `{}`: several operations have only optional members.
    /// - Throws: `.invalidRequestContent` naming the member that could not be read.
    public static func decode<Value: Decodable>(_ type: Value.Type, from bytes: some Sequence<UInt8>) throws(ServiceError) -> Value {
        var data = Data(bytes)
        if data.isEmpty { data = Data("{}".utf8) }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw ServiceError(.invalidRequestContent, "Could not parse request body into json: \(describe(error))")
        } catch {
            throw ServiceError(.invalidRequestContent, "Could not parse request body into json", underlying: error)
        }
    }

    /// - Throws: `.internalFailure`; only a number that JSON cannot write makes it fail.
    public static func encode(_ value: some Encodable) throws(ServiceError) -> [UInt8] {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
            return Array(try encoder.encode(value))
        } catch {
            throw ServiceError(.internalFailure, "failed to write the answer as JSON", underlying: error)
        }
    }

    private static func describe(_ error: DecodingError) -> String {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "\(path(context)) has the wrong type"
        case .keyNotFound(let key, let context): "\(path(context, key)) is missing"
        case .dataCorrupted(let context):
            context.codingPath.isEmpty ? "it is not valid JSON" : "\(path(context)): \(context.debugDescription)"
        @unknown default: "it is not valid JSON"
        }
    }

    private static func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
        let keys = context.codingPath.map(\.stringValue) + (last.map { [$0.stringValue] } ?? [])
        return keys.isEmpty ? "the body" : "'\(keys.joined(separator: "."))'"
    }
}
