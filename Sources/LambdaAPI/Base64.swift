/// RFC 4648 base64, fast enough for the 70 MB of text that a full-size archive makes.
public enum Base64 {
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        var word: UInt32 = 0
        var count = 0
        for byte in bytes {
            word = word << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                append(word, 4, to: &result)
                (word, count) = (0, 0)
            }
        }
        if count > 0 {
            append(word << UInt32((3 - count) * 8), count + 1, to: &result)
            result += [UInt8](repeating: UInt8(ascii: "="), count: 3 - count)
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func append(_ word: UInt32, _ digits: Int, to result: inout [UInt8]) {
        for index in 0..<digits { result.append(alphabet[Int(word >> UInt32(18 - index * 6)) & 63]) }
    }

    /// nil for anything but base64 with correct padding; line breaks are allowed.
    public static func decode(_ text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { decode(UnsafeRawBufferPointer($0)) }
    }

    public static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var valid = false
        let result = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3 + 3) { output, written in
            reverse.withUnsafeBufferPointer { table in
                var word: UInt32 = 0
                var digits = 0
                var padding = 0
                for byte in text {
                    let value = table[Int(byte)]
                    if value < 64 {
                        guard padding == 0 else { return }
                        word = word << 6 | UInt32(value)
                        digits += 1
                        if digits == 4 {
                            output[written] = UInt8(truncatingIfNeeded: word >> 16)
                            output[written + 1] = UInt8(truncatingIfNeeded: word >> 8)
                            output[written + 2] = UInt8(truncatingIfNeeded: word)
                            written += 3
                            (word, digits) = (0, 0)
                        }
                    } else if byte == UInt8(ascii: "=") {
                        padding += 1
                    } else if byte != UInt8(ascii: "\n") && byte != UInt8(ascii: "\r") {
                        return
                    }
                }
                switch (digits, padding) {
                case (0, 0): valid = true
                case (2, 2):
                    output[written] = UInt8(truncatingIfNeeded: word >> 4)
                    written += 1
                    valid = true
                case (3, 1):
                    output[written] = UInt8(truncatingIfNeeded: word >> 10)
                    output[written + 1] = UInt8(truncatingIfNeeded: word >> 2)
                    written += 2
                    valid = true
                default: break
                }
            }
        }
        return valid ? result : nil
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let reverse: [UInt8] = {
        var table = [UInt8](repeating: 255, count: 256)
        for (value, byte) in alphabet.enumerated() { table[Int(byte)] = UInt8(value) }
        return table
    }()
}
