import FunctionModel
package import NIOCore

/// Writes small JSON texts of our own making without a reflection-based encoder.
package struct JSONText {
    package var buffer: ByteBuffer
    private var needsComma = false

    /// - Parameter buffer: what the text is appended to.
    package init(_ buffer: ByteBuffer = ByteBuffer()) { self.buffer = buffer }

    package mutating func object(_ body: (inout JSONText) -> Void) {
        buffer.writeInteger(UInt8(ascii: "{"))
        needsComma = false
        body(&self)
        buffer.writeInteger(UInt8(ascii: "}"))
        needsComma = true
    }

    package mutating func key(_ name: String) {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
        string(name)
        buffer.writeInteger(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func field(_ name: String, _ value: String) {
        key(name)
        string(value)
        needsComma = true
    }

    package mutating func field(_ name: String, _ value: Int) {
        key(name)
        buffer.writeString(String(value))
        needsComma = true
    }

    mutating func field(_ name: String, _ value: RequestID) {
        key(name)
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: RequestID.textLength) {
            value.write(to: $0)
            return RequestID.textLength
        }
        buffer.writeInteger(UInt8(ascii: "\""))
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
                default: buffer.writeString("\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))")
                }
            }
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[clean...]))
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }
}
