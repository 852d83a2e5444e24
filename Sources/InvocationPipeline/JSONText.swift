import NIOCore

/// Writes small JSON texts of our own making without a reflection-based encoder.
struct JSONText {
    private(set) var buffer = ByteBuffer()
    private var needsComma = false

    mutating func object(_ body: (inout JSONText) -> Void) {
        buffer.writeInteger(UInt8(ascii: "{"))
        needsComma = false
        body(&self)
        buffer.writeInteger(UInt8(ascii: "}"))
        needsComma = true
    }

    mutating func key(_ name: String) {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        string(name)
        buffer.writeInteger(UInt8(ascii: ":"))
        needsComma = false
    }

    mutating func field(_ name: String, _ value: String) {
        key(name)
        string(value)
        needsComma = true
    }

    mutating func field(_ name: String, _ value: Int) {
        key(name)
        buffer.writeString(String(value))
        needsComma = true
    }

    private mutating func string(_ text: String) {
        buffer.writeInteger(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            var clean = 0
            for (index, byte) in bytes.enumerated() where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                buffer.writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[clean..<index]))
                clean = index + 1
                switch byte {
                case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
                case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
                case UInt8(ascii: "\n"): buffer.writeStaticString("\\n")
                default: buffer.writeString("\\u" + InvocationPipeline.hex(UInt64(byte), 4))
                }
            }
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[clean...]))
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }
}

/// Lambda's shape of a function error that the platform found.
enum ErrorPayload {
    static func make(type: String, message: String) -> ByteBuffer {
        var json = JSONText()
        json.object {
            $0.field("errorType", type)
            $0.field("errorMessage", message)
        }
        return json.buffer
    }
}
