import JSONValues
import NIOCore

extension ByteBuffer {
    /// A JSON string in quotes. Runs of ordinary bytes are copied as they are.
    mutating func writeJSON(_ text: some StringProtocol) {
        writeStaticString("\"")
        writeJSONContent(text)
        writeStaticString("\"")
    }

    /// As `writeJSON`, for joining several texts into one string.
    mutating func writeJSONContent(_ text: some StringProtocol) {
        let done: Void? = text.utf8.withContiguousStorageIfAvailable { writeJSONContent(UnsafeRawBufferPointer($0)) }
        if done == nil {
            var copy = String(text)
            copy.withUTF8 { writeJSONContent(UnsafeRawBufferPointer($0)) }
        }
    }

    /// - Parameter bytes: valid UTF-8.
    mutating func writeJSONContent(_ bytes: UnsafeRawBufferPointer) {
        var start = 0
        for index in 0..<bytes.count {
            let byte = bytes[index]
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
            writeBytes(bytes[start..<index])
            start = index + 1
            switch byte {
            case UInt8(ascii: "\""): writeStaticString("\\\"")
            case UInt8(ascii: "\\"): writeStaticString("\\\\")
            case 0x0A: writeStaticString("\\n")
            case 0x0D: writeStaticString("\\r")
            case 0x09: writeStaticString("\\t")
            default:
                writeStaticString("\\u00")
                writeInteger(Self.hexadecimal(byte >> 4))
                writeInteger(Self.hexadecimal(byte & 0xF))
            }
        }
        writeBytes(bytes[start...])
    }

    mutating func writeDecimal(_ value: Int) {
        if value < 0 {
            writeString(String(value))
            return
        }
        var digits: (UInt64, UInt64, UInt32) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { digits in
            var rest = value
            var index = 20
            repeat {
                index -= 1
                digits[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            writeBytes(UnsafeRawBufferPointer(rebasing: digits[index..<20]))
        }
    }

    mutating func writeBase64(_ bytes: UnsafeRawBufferPointer) {
        let size = (bytes.count + 2) / 3 * 4
        writeWithUnsafeMutableBytes(minimumWritableBytes: size) { output in
            Self.alphabet.withUTF8Buffer { letters in
                var written = 0
                var index = 0
                while index < bytes.count {
                    let remaining = bytes.count - index
                    let word =
                        UInt32(bytes[index]) << 16 | (remaining > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
                        | (remaining > 2 ? UInt32(bytes[index + 2]) : 0)
                    output[written] = letters[Int(word >> 18)]
                    output[written + 1] = letters[Int(word >> 12 & 63)]
                    output[written + 2] = remaining > 1 ? letters[Int(word >> 6 & 63)] : UInt8(ascii: "=")
                    output[written + 3] = remaining > 2 ? letters[Int(word & 63)] : UInt8(ascii: "=")
                    written += 4
                    index += 3
                }
            }
            return size
        }
    }

    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    private static func hexadecimal(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }

    /// `Name: value`, both already known to be free of line breaks.
    mutating func writeField(_ name: StaticString, _ value: some StringProtocol) {
        writeStaticString(name)
        writeStaticString(": ")
        writeSubstring(Substring(value))
        writeStaticString("\r\n")
    }
}

enum ASCIIText {
    static func equalIgnoringCase(_ text: some StringProtocol, _ lowercase: StaticString) -> Bool {
        guard text.utf8.count == lowercase.utf8CodeUnitCount else { return false }
        var index = 0
        for byte in text.utf8 {
            let folded = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
            if folded != lowercase.utf8Start[index] { return false }
            index += 1
        }
        return true
    }

    /// nil for broken escapes or bytes that are not UTF-8.
    static func percentDecoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        let utf8 = text.utf8
        guard utf8.contains(where: { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }) else { return String(text) }
        var result: [UInt8] = []
        result.reserveCapacity(utf8.count)
        var iterator = utf8.makeIterator()
        while let byte = iterator.next() {
            if byte == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(JSONScanner.hexadecimal), let low = iterator.next().flatMap(JSONScanner.hexadecimal)
                else { return nil }
                result.append(high << 4 | low)
            } else {
                result.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(validating: result, as: UTF8.self)
    }
}
