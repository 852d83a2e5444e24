import Crypto
import FoundationEssentials
import JSONValues

/// The attributes that a sender puts on a message, checked.
struct MessageAttributes: Hashable, Sendable {
    static let maximumCount = 10

    enum Value: Hashable, Sendable {
        case string(String)
        case binary([UInt8])
    }

    struct Attribute: Hashable, Sendable {
        let name: String
        /// `String`, `Number`, `Binary`, each also with a label: `Number.float`.
        let type: String
        let value: Value
    }

    /// In the order of their names.
    let attributes: [Attribute]

    var isEmpty: Bool { attributes.isEmpty }

    /// What counts against the message's size.
    var size: Int {
        attributes.reduce(0) { sum, attribute in
            let count =
                switch attribute.value {
                case .string(let text): text.utf8.count
                case .binary(let bytes): bytes.count
                }
            return sum + attribute.name.utf8.count + attribute.type.utf8.count + count
        }
    }

    // MARK: Reading

    init(_ members: [JSON.Member]) throws(SQSError) {
        guard members.count <= Self.maximumCount else {
            throw SQSError(.invalidParameterValue, "Number of message attributes [\(members.count)] exceeds the allowed maximum [\(Self.maximumCount)].")
        }
        var attributes: [Attribute] = []
        for member in members { attributes.append(try Self.attribute(member)) }
        guard Set(attributes.map(\.name)).count == attributes.count else {
            throw SQSError(.invalidParameterValue, "Message attribute names must be distinct.")
        }
        self.attributes = attributes.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private static func attribute(_ member: JSON.Member) throws(SQSError) -> Attribute {
        let name = member.name
        guard isName(name) else { throw .value(name, of: "MessageAttributeName", "Invalid message attribute name.") }
        let members = Members(member.value)
        guard let type = try members.text("DataType"), !type.isEmpty else {
            throw SQSError(.invalidParameterValue, "The message attribute '\(name)' must contain a non-empty message attribute type.")
        }
        let base = type.prefix { $0 != "." }
        guard type.utf8.count <= 256, ["String", "Number", "Binary"].contains(base) else {
            throw SQSError(
                .invalidParameterValue,
                "The message attribute '\(name)' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.")
        }
        if let lists = try members.list("StringListValues"), !lists.isEmpty { throw unsupported(name) }
        if let lists = try members.list("BinaryListValues"), !lists.isEmpty { throw unsupported(name) }
        if base == "Binary" {
            guard let text = try members.text("BinaryValue"), !text.isEmpty else { throw empty(name, type) }
            guard let data = Data(base64Encoded: text), !data.isEmpty else {
                throw SQSError(.invalidParameterValue, "The binary value of message attribute '\(name)' is not base64.")
            }
            return Attribute(name: name, type: type, value: .binary(Array(data)))
        }
        guard let text = try members.text("StringValue"), !text.isEmpty else { throw empty(name, type) }
        guard MessageBody.isAllowed(text) else {
            throw SQSError(.invalidMessageContents, "The message attribute '\(name)' has characters that are not allowed.")
        }
        if base == "Number", Double(text) == nil || !text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }) {
            throw SQSError(.invalidParameterValue, "Can't cast the value of message (user) attribute '\(name)' to a number.")
        }
        return Attribute(name: name, type: type, value: .string(text))
    }

    private static func unsupported(_ name: String) -> SQSError {
        SQSError(.invalidParameterValue, "Message attribute list values in SendMessage operation are not supported ('\(name)').")
    }

    private static func empty(_ name: String, _ type: String) -> SQSError {
        SQSError(.invalidParameterValue, "The message attribute '\(name)' with type '\(type)' must contain a non-empty value.")
    }

    private static func isName(_ name: String) -> Bool {
        let lower = name.lowercased()
        return (1...256).contains(name.utf8.count) && !name.hasPrefix(".") && !name.hasSuffix(".") && !name.contains("..")
            && !lower.hasPrefix("aws.") && !lower.hasPrefix("amazon.")
            && name.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: ".") }
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    // MARK: Storing

    /// The form in which they lie in the queue; empty for none.
    var stored: [UInt8] { isEmpty ? [] : Array(json().text().utf8) }

    /// - Parameter stored: of `stored`; anything else counts as no attributes.
    init(stored: [UInt8]) {
        guard !stored.isEmpty, let json = try? JSON(parsing: stored), let read = try? MessageAttributes(json.members) else {
            attributes = []
            return
        }
        self = read
    }

    private init(chosen: [Attribute]) { attributes = chosen }

    // MARK: Answering

    /// - Parameter names: as `ReceiveMessage` names them: exact, `All`, `.*`, or `prefix.*`.
    func chosen(_ names: [String]) -> MessageAttributes {
        if names.contains("All") || names.contains(".*") { return self }
        return MessageAttributes(
            chosen: attributes.filter { attribute in
                names.contains { $0 == attribute.name || ($0.hasSuffix(".*") && attribute.name.hasPrefix($0.dropLast(2))) }
            })
    }

    func json() -> JSON {
        .object(
            attributes.map { attribute in
                let value =
                    switch attribute.value {
                    case .string(let text): JSON.Member("StringValue", .string(text))
                    case .binary(let bytes): JSON.Member("BinaryValue", .string(Data(bytes).base64EncodedString()))
                    }
                return .init(attribute.name, .object([value, .init("DataType", .string(attribute.type))]))
            })
    }

    /// Source: SQS developer guide, "Calculating the MD5 message digest for message attributes".
    var md5: String? {
        guard !isEmpty else { return nil }
        var hash = Insecure.MD5()
        func update(_ bytes: some Sequence<UInt8>) {
            let bytes = Array(bytes)
            let count = UInt32(bytes.count)
            hash.update(data: [UInt8(truncatingIfNeeded: count >> 24), UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)])
            hash.update(data: bytes)
        }
        for attribute in attributes {
            update(attribute.name.utf8)
            update(attribute.type.utf8)
            switch attribute.value {
            case .string(let text):
                hash.update(data: [1])
                update(text.utf8)
            case .binary(let bytes):
                hash.update(data: [2])
                update(bytes)
            }
        }
        return hash.finalize().hexadecimal
    }
}

enum MessageBody {
    static func md5(_ body: some DataProtocol) -> String { Insecure.MD5.hash(data: body).hexadecimal }

    static func sha256(_ body: some DataProtocol) -> String { SHA256.hash(data: body).hexadecimal }

    /// Source: SendMessage: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF
    static func isAllowed(_ text: String) -> Bool {
        // Ordinary text is decided by its bytes: U+FFFE and U+FFFF are EF BF BE and EF BF BF.
        var previous: (UInt8, UInt8) = (0, 0)
        for byte in text.utf8 {
            if byte < 0x20, byte != 0x09, byte != 0x0A, byte != 0x0D { return false }
            if byte >= 0xBE, byte <= 0xBF, previous == (0xEF, 0xBF) { return false }
            previous = (previous.1, byte)
        }
        return true
    }
}

extension Digest {
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self { text += [digits[Int(byte >> 4)], digits[Int(byte & 0xF)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
