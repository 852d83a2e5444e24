internal import CZlib
internal import FunctionModel

/// Makes zip archives whose bytes depend on nothing but names, contents and execute bits: the same files give the same
/// SHA-256 on every machine and day (with the same zlib).
public struct ZipWriter: Sendable {
    private enum Content: Sendable {
        case file([UInt8], executable: Bool)
        case link(String)
        case directory
    }

    private var contents: [String: Content] = [:]

    public init() {}

    /// Changes whenever the same files may give other bytes than before.
    public static var identity: String { "2 zlib \(String(cString: zlibVersion()))" }

    /// - Parameter path: relative, with forward slashes. A second entry of the same path replaces the first.
    public mutating func addFile(_ path: String, contents bytes: [UInt8], executable: Bool = false) {
        contents[path] = .file(bytes, executable: executable)
    }

    public mutating func addLink(_ path: String, target: String) { contents[path] = .link(target) }

    /// Only needed for folders that would be empty.
    public mutating func addDirectory(_ path: String) { contents[path] = .directory }

    /// Bytes of files that fit under the upload limit however little they shrink.
    private static let compressedFast = 48 << 20

    /// - Throws: `ServiceError` `.requestTooLarge` beyond 65,534 entries or 4 GB (no zip64 is written).
    public func finish() throws -> [UInt8] {
        guard contents.count < 0xFFFF else {
            throw ServiceError(.requestTooLarge, "the package has \(contents.count) files, and at most 65534 fit into a zip archive")
        }
        var archive: [UInt8] = []
        var directory: [UInt8] = []
        let total = contents.values.reduce(0) { if case .file(let data, _) = $1 { $0 + data.count } else { $0 } }
        // A deployment waits for this: the better compression, three times slower, only for what may otherwise not fit.
        let level: Int32 = total <= Self.compressedFast ? 1 : 6
        for (path, content) in contents.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            let bytes: [UInt8]
            let mode: UInt32
            var name = Array(path.utf8)
            switch content {
            case .file(let data, let executable): (bytes, mode) = (data, executable ? 0o100755 : 0o100644)
            case .link(let target): (bytes, mode) = (Array(target.utf8), 0o120777)
            case .directory:
                (bytes, mode) = ([], 0o040755)
                name.append(UInt8(ascii: "/"))
            }
            let deflated = Deflater.deflate(bytes, level: level)
            let stored = deflated ?? bytes
            guard bytes.count < 0xFFFF_FFFF, archive.count + stored.count < 0xFFF0_0000, name.count <= 0xFFFF else {
                throw ServiceError(.requestTooLarge, "the package is larger than a zip archive may be: \(path) does not fit")
            }
            var checksum = Checksum()
            bytes.withUnsafeBytes { checksum.update($0) }
            let offset = UInt32(archive.count)
            var common: [UInt8] = []
            common.append16(20)
            common.append16(0x0800)
            common.append16(deflated == nil ? 0 : 8)
            common.append16(0)
            common.append16(0x0021)
            common.append32(checksum.value)
            common.append32(UInt32(stored.count))
            common.append32(UInt32(bytes.count))
            common.append16(UInt16(name.count))
            common.append16(0)

            archive.append32(0x0403_4B50)
            archive.append(contentsOf: common)
            archive.append(contentsOf: name)
            archive.append(contentsOf: stored)

            directory.append32(0x0201_4B50)
            directory.append16(0x0314)
            directory.append(contentsOf: common)
            directory.append16(0)
            directory.append16(0)
            directory.append16(0)
            directory.append32(mode << 16)
            directory.append32(offset)
            directory.append(contentsOf: name)
        }
        let start = archive.count
        guard start + directory.count < 0xFFFF_FFFF else {
            throw ServiceError(.requestTooLarge, "the package is larger than a zip archive may be")
        }
        archive.append(contentsOf: directory)
        archive.append32(0x0605_4B50)
        archive.append16(0)
        archive.append16(0)
        archive.append16(UInt16(contents.count))
        archive.append16(UInt16(contents.count))
        archive.append32(UInt32(directory.count))
        archive.append32(UInt32(start))
        archive.append16(0)
        return archive
    }
}

extension [UInt8] {
    fileprivate mutating func append16(_ value: UInt16) {
        append(UInt8(truncatingIfNeeded: value))
        append(UInt8(truncatingIfNeeded: value >> 8))
    }

    fileprivate mutating func append32(_ value: UInt32) {
        append16(UInt16(truncatingIfNeeded: value))
        append16(UInt16(truncatingIfNeeded: value >> 16))
    }
}
