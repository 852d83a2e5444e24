import HTTPRoutes
import JSONValues
import LambdaAPI
import NIOCore
import NIOHTTP1

/// The HTTP answer that a handler's return value stands for.
///
/// Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html for format 2.0,
/// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html for format 1.0.
struct FunctionURLResponse {
    /// What made a return value unusable, told in a header of the 502.
    struct Invalid: Error, Equatable {
        let reason: String
    }

    var status = 200
    /// Complete lines, each closed by CR LF; free of framing and hop-by-hop fields.
    var fields = ByteBuffer()
    var body = ByteBuffer()

    static let maximumFieldBytes = 64 * 1024

    /// - Parameters:
    ///   - payload: what the handler returned, as JSON text.
    ///   - dropsCORS: whether the handler's fields for web pages are left out, because the URL has its own.
    ///   - isPrelude: it is what goes before a streamed body: every member may be missing, and none is the body.
    ///   - format: in format 1.0 nothing is inferred from a value that has no `statusCode`.
    init(
        payload: ByteBuffer, maximumDepth: Int, dropsCORS: Bool = false, isPrelude: Bool = false, format: PayloadFormat = .v2
    ) throws(Invalid) {
        let members: Members
        do {
            members = try payload.withUnsafeReadableBytes { bytes throws(JSONFault) in try Members(bytes, maximumDepth: maximumDepth) }
        } catch {
            throw Invalid(reason: "the answer is not JSON: \(error.description)")
        }
        guard members.statusCode != nil || isPrelude else {
            if format == .v1 { throw Invalid(reason: "the answer is no object with a statusCode, as payload format 1.0 needs it") }
            fields.writeStaticString("Content-Type: application/json\r\n")
            body = payload
            return
        }
        if let range = members.statusCode { status = try Self.status(payload, range) }
        var hasContentType = false
        var several: [Field] = []
        if format == .v1, let range = members.multiValueHeaders {
            several = try Self.multiValueFields(payload, range, maximumDepth: maximumDepth)
            hasContentType = write(several, dropsCORS: dropsCORS)
        }
        if let range = members.headers {
            // Of a pair that is in both, one is meant.
            let single = try Self.singleValueFields(payload, range, maximumDepth: maximumDepth)
                .filter { one in !several.contains { $0.value == one.value && $0.name.lowercased() == one.name.lowercased() } }
            hasContentType = write(single, dropsCORS: dropsCORS) || hasContentType
        }
        if format == .v2, let range = members.cookies { try writeCookies(payload, range, maximumDepth: maximumDepth) }
        if !hasContentType {
            fields.writeStaticString(isPrelude ? "Content-Type: application/octet-stream\r\n" : "Content-Type: application/json\r\n")
        }
        guard fields.readableBytes <= Self.maximumFieldBytes else {
            throw Invalid(reason: "the headers have more than \(Self.maximumFieldBytes) bytes")
        }
        if isPrelude { return }
        let isBase64 = try members.isBase64Encoded.map { range throws(Invalid) in try Self.boolean(payload, range) } ?? false
        if let range = members.body { body = try Self.body(payload, range, isBase64: isBase64) }
    }

    // MARK: Members

    private static func slice(_ payload: ByteBuffer, _ range: Range<Int>) -> ByteBufferView {
        payload.readableBytesView[payload.readerIndex + range.lowerBound..<payload.readerIndex + range.upperBound]
    }

    private static func status(_ payload: ByteBuffer, _ range: Range<Int>) throws(Invalid) -> Int {
        var text = slice(payload, range)
        if text.first == UInt8(ascii: "\"") { text = text.dropFirst().dropLast() }
        guard text.count == 3, let value = Int(String(decoding: text, as: UTF8.self)), (200...599).contains(value) else {
            throw Invalid(reason: "statusCode must be a number from 200 to 599")
        }
        return value
    }

    private static func boolean(_ payload: ByteBuffer, _ range: Range<Int>) throws(Invalid) -> Bool {
        let text = slice(payload, range)
        if text.elementsEqual("true".utf8) { return true }
        if text.elementsEqual("false".utf8) || text.elementsEqual("null".utf8) { return false }
        throw Invalid(reason: "isBase64Encoded must be true or false")
    }

    private static func body(_ payload: ByteBuffer, _ range: Range<Int>, isBase64: Bool) throws(Invalid) -> ByteBuffer {
        let text = slice(payload, range)
        if text.elementsEqual("null".utf8) { return ByteBuffer() }
        guard text.first == UInt8(ascii: "\"") else { throw Invalid(reason: "body must be a string") }
        let content = range.lowerBound + 1..<range.upperBound - 1
        let decoded = unescaped(payload, content)
        guard isBase64 else { return decoded }
        guard let bytes = decoded.withUnsafeReadableBytes({ Base64.decode($0) }) else {
            throw Invalid(reason: "isBase64Encoded is true, but body is not base64")
        }
        return ByteBuffer(bytes: bytes)
    }

    private typealias Field = (name: String, value: String)

    /// - Returns: whether one of them is the content type.
    private mutating func write(_ all: [Field], dropsCORS: Bool) -> Bool {
        var hasContentType = false
        for (name, value) in all where !Self.isHopByHop(name) && !(dropsCORS && CORSAnswer.isOverridden(name)) {
            if ASCIIText.equalIgnoringCase(name, "content-type") { hasContentType = true }
            fields.writeString(name)
            fields.writeStaticString(": ")
            fields.writeString(value)
            fields.writeStaticString("\r\n")
        }
        return hasContentType
    }

    private static func singleValueFields(_ payload: ByteBuffer, _ range: Range<Int>, maximumDepth: Int) throws(Invalid) -> [Field] {
        var result: [Field] = []
        for pair in try pairs(payload, range, "headers", maximumDepth: maximumDepth) {
            let name = try fieldName(payload, pair.name)
            if let value = try fieldValue(payload, pair.value, of: name) { result.append((name, value)) }
        }
        return result
    }

    private static func multiValueFields(_ payload: ByteBuffer, _ range: Range<Int>, maximumDepth: Int) throws(Invalid) -> [Field] {
        var result: [Field] = []
        for pair in try pairs(payload, range, "multiValueHeaders", maximumDepth: maximumDepth) {
            let name = try fieldName(payload, pair.name)
            switch slice(payload, pair.value).first {
            case UInt8(ascii: "n"): continue
            case UInt8(ascii: "["):
                for element in Members.elements(payload, pair.value, maximumDepth: maximumDepth) {
                    if let value = try fieldValue(payload, element, of: name) { result.append((name, value)) }
                }
            default: throw Invalid(reason: "the values of multiValueHeaders '\(name.prefix(64))' must be an array of strings")
            }
        }
        return result
    }

    private static func pairs(
        _ payload: ByteBuffer, _ range: Range<Int>, _ member: String, maximumDepth: Int
    ) throws(Invalid) -> [(name: Range<Int>, value: Range<Int>)] {
        let first = slice(payload, range).first
        if first == UInt8(ascii: "n") { return [] }
        guard first == UInt8(ascii: "{") else { throw Invalid(reason: "\(member) must be an object") }
        return Members.pairs(payload, range, maximumDepth: maximumDepth)
    }

    private static func fieldName(_ payload: ByteBuffer, _ range: Range<Int>) throws(Invalid) -> String {
        let name = String(buffer: unescaped(payload, range))
        guard isToken(name) else { throw Invalid(reason: "header name '\(name.prefix(64))' has characters that HTTP forbids") }
        return name
    }

    private mutating func writeCookies(_ payload: ByteBuffer, _ range: Range<Int>, maximumDepth: Int) throws(Invalid) {
        let first = Self.slice(payload, range).first
        if first == UInt8(ascii: "n") { return }
        guard first == UInt8(ascii: "[") else { throw Invalid(reason: "cookies must be an array of strings") }
        for element in Members.elements(payload, range, maximumDepth: maximumDepth) {
            guard let value = try Self.fieldValue(payload, element, of: "set-cookie") else { continue }
            fields.writeStaticString("Set-Cookie: ")
            fields.writeString(value)
            fields.writeStaticString("\r\n")
        }
    }

    /// Strings as they are, numbers and booleans as their JSON text, null as nothing.
    private static func fieldValue(_ payload: ByteBuffer, _ range: Range<Int>, of name: String) throws(Invalid) -> String? {
        let text = slice(payload, range)
        switch text.first {
        case UInt8(ascii: "\""):
            let value = String(buffer: unescaped(payload, range.lowerBound + 1..<range.upperBound - 1))
            guard value.utf8.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }) else {
                throw Invalid(reason: "the value of header '\(name.prefix(64))' has a control character")
            }
            return value
        case UInt8(ascii: "n"): return nil
        case UInt8(ascii: "{"), UInt8(ascii: "["): throw Invalid(reason: "the value of header '\(name.prefix(64))' must be a string")
        default: return String(decoding: text, as: UTF8.self)
        }
    }

    private static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    /// Framing and the connection belong to the server, not to a function.
    private static func isHopByHop(_ name: String) -> Bool {
        switch name.lowercased() {
        case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade",
            "content-length", "date", "x-amzn-requestid":
            true
        default: false
        }
    }

    /// The text between a string's quotes without its escapes; without a copy where there are none.
    static func unescaped(_ payload: ByteBuffer, _ range: Range<Int>) -> ByteBuffer {
        let bytes = slice(payload, range)
        guard let escape = bytes.firstIndex(of: UInt8(ascii: "\\")) else {
            return payload.getSlice(at: payload.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
        }
        var result = ByteBuffer()
        result.reserveCapacity(bytes.count)
        result.writeBytes(bytes[..<escape])
        var rest = bytes[escape...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst() else {
                let plain = rest.prefix { $0 != UInt8(ascii: "\\") }
                result.writeInteger(byte)
                result.writeBytes(plain)
                rest = rest[plain.endIndex...]
                continue
            }
            switch kind {
            case UInt8(ascii: "b"): result.writeInteger(UInt8(8))
            case UInt8(ascii: "f"): result.writeInteger(UInt8(12))
            case UInt8(ascii: "n"): result.writeInteger(UInt8(10))
            case UInt8(ascii: "r"): result.writeInteger(UInt8(13))
            case UInt8(ascii: "t"): result.writeInteger(UInt8(9))
            case UInt8(ascii: "u"): writeScalar(&rest, into: &result)
            default: result.writeInteger(kind)
            }
        }
        return result
    }

    private static func writeScalar(_ rest: inout ByteBufferView, into result: inout ByteBuffer) {
        let high = codeUnit(rest)
        rest = rest.dropFirst(4)
        var value = UInt32(high)
        if (0xD800...0xDBFF).contains(high), rest.starts(with: "\\u".utf8) {
            let low = codeUnit(rest.dropFirst(2))
            if (0xDC00...0xDFFF).contains(low) {
                rest = rest.dropFirst(6)
                value = 0x10000 + (UInt32(high) - 0xD800) << 10 + (UInt32(low) - 0xDC00)
            }
        }
        // A lone surrogate has no UTF-8 form.
        result.writeBytes(Character(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
    }

    private static func codeUnit(_ bytes: ByteBufferView) -> UInt16 {
        bytes.prefix(4).reduce(0) { $0 << 4 | UInt16(JSONScanner.hexadecimal($1) ?? 0) }
    }
}

/// Where a return value's members lie. Also checks that the whole of it is JSON.
private struct Members {
    var statusCode: Range<Int>?
    var headers: Range<Int>?
    var multiValueHeaders: Range<Int>?
    var cookies: Range<Int>?
    var body: Range<Int>?
    var isBase64Encoded: Range<Int>?

    init(_ bytes: UnsafeRawBufferPointer, maximumDepth: Int) throws(JSONFault) {
        var scanner = JSONScanner(bytes, maximumDepth: maximumDepth)
        guard scanner.peek() == UInt8(ascii: "{") else {
            try JSONScanner.validate(bytes, maximumDepth: maximumDepth)
            return
        }
        try Self.walkObject(&scanner) { name, value in
            switch String(decoding: bytes[name].prefix(18), as: UTF8.self) {
            case "statusCode": statusCode = value
            case "headers": headers = value
            case "multiValueHeaders": multiValueHeaders = value
            case "cookies": cookies = value
            case "body": body = value
            case "isBase64Encoded": isBase64Encoded = value
            default: break
            }
        }
        scanner.skipSpace()
        if !scanner.isAtEnd { throw JSONFault(reason: .trailing, offset: scanner.position) }
    }

    private static func walkObject(
        _ scanner: inout JSONScanner, _ visit: (Range<Int>, Range<Int>) -> Void
    ) throws(JSONFault) {
        try scanner.take(UInt8(ascii: "{"))
        if scanner.takeIf(UInt8(ascii: "}")) { return }
        repeat {
            let name = try scanner.takeString().range
            try scanner.take(UInt8(ascii: ":"))
            scanner.skipSpace()
            let start = scanner.position
            try scanner.skipValue()
            visit(name, start..<scanner.position)
        } while scanner.takeIf(UInt8(ascii: ","))
        try scanner.take(UInt8(ascii: "}"))
    }

    /// Of an object inside a payload that has been checked.
    static func pairs(_ payload: ByteBuffer, _ range: Range<Int>, maximumDepth: Int) -> [(name: Range<Int>, value: Range<Int>)] {
        var result: [(name: Range<Int>, value: Range<Int>)] = []
        payload.withUnsafeReadableBytes { bytes in
            var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: bytes[range]), maximumDepth: maximumDepth)
            let base = range.lowerBound
            try? walkObject(&scanner) { name, value in
                result.append(
                    (name.lowerBound + base..<name.upperBound + base, value.lowerBound + base..<value.upperBound + base))
            }
        }
        return result
    }

    static func elements(_ payload: ByteBuffer, _ range: Range<Int>, maximumDepth: Int) -> [Range<Int>] {
        var result: [Range<Int>] = []
        payload.withUnsafeReadableBytes { bytes in
            var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: bytes[range]), maximumDepth: maximumDepth)
            guard scanner.takeIf(UInt8(ascii: "[")), !scanner.takeIf(UInt8(ascii: "]")) else { return }
            repeat {
                scanner.skipSpace()
                let start = scanner.position
                guard (try? scanner.skipValue()) != nil else { return }
                result.append(start + range.lowerBound..<scanner.position + range.lowerBound)
            } while scanner.takeIf(UInt8(ascii: ","))
        }
        return result
    }
}
