import Crypto
public import FunctionModel

/// A key of 256 bits for AES-GCM, with a fresh nonce for each text.
public struct SealingKey: TextSealer {
    public struct Fault: Error, CustomStringConvertible {
        public let description: String
    }

    /// So that a later form can be told from this one.
    private static let mark = "v1:"
    private let key: SymmetricKey

    /// nil for anything but 64 hexadecimal digits.
    public init?(hexadecimal text: String) {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue.map(UInt8.init) }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        key = SymmetricKey(data: stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
    }

    /// A new one as text, 64 hexadecimal digits.
    public static func randomHexadecimal() -> String {
        SymmetricKey(size: .bits256).withUnsafeBytes { HexadecimalText.lowercase(Array($0)) }
    }

    public func seal(_ text: String, for context: String) throws -> String {
        let box = try AES.GCM.seal(Array(text.utf8), using: key, authenticating: Array(context.utf8))
        guard let combined = box.combined else { throw Fault(description: "the text could not be sealed") }
        return Self.mark + HexadecimalText.lowercase(Array(combined))
    }

    public func open(_ sealed: String, for context: String) throws -> String {
        let digits = sealed.utf8.dropFirst(Self.mark.utf8.count).compactMap { Character(UnicodeScalar($0)).hexDigitValue.map(UInt8.init) }
        guard sealed.hasPrefix(Self.mark), digits.count == sealed.utf8.count - Self.mark.utf8.count, digits.count.isMultiple(of: 2) else {
            throw Fault(description: "it is no sealed text")
        }
        let bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        guard let box = try? AES.GCM.SealedBox(combined: bytes), let opened = try? AES.GCM.open(box, using: key, authenticating: Array(context.utf8)) else {
            throw Fault(description: "it was sealed with another key, or was changed")
        }
        return String(decoding: opened, as: UTF8.self)
    }
}
