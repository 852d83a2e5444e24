internal import Crypto

public enum PackageDigest {
    /// 64 lower-case hexadecimal digits.
    public static func sha256(_ bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

    static func sha256(_ bytes: ArchiveBytes) -> String {
        bytes.withUnsafeBytes { bytes in
            var hash = SHA256()
            hash.update(bufferPointer: bytes)
            return hexadecimal(hash.finalize())
        }
    }

    /// Whether the text may be used as a digest, and therefore as a file name.
    public static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
        let alphabet = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [alphabet[Int($0 >> 4)], alphabet[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// A digest over several pieces, for what is too large or too scattered to be one array.
public struct RunningDigest {
    private var hash = SHA256()
    public init() {}
    public mutating func update(_ bytes: [UInt8]) { hash.update(data: bytes) }
    /// Length first, so that no two sequences of texts give the same bytes.
    public mutating func update(_ text: String) { update(Array("\(text.utf8.count):\(text)".utf8)) }
    public func finish() -> String { PackageDigest.hexadecimal(hash.finalize()) }
}
