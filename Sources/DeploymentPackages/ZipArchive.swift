internal import FunctionModel

/// Bounds on what an archive may unpack to.
public struct UnpackLimits: Hashable, Sendable {
    /// Bytes of the archive itself. Lambda: 50 MB for a direct upload.
    public var archiveBytes: Int
    /// Bytes of an archive that is not uploaded but fetched.
    public var fetchedBytes: Int
    /// Bytes of all files together once unpacked. Lambda: 262,144,000.
    public var unpackedBytes: Int
    /// Files, links and folders together, folders that only paths imply included.
    public var entries: Int
    /// UTF-8 bytes of one entry's whole path.
    public var pathBytes: Int

    public init(
        archiveBytes: Int = 52_428_800, fetchedBytes: Int = 262_144_000, unpackedBytes: Int = 262_144_000, entries: Int = 20_000, pathBytes: Int = 1_024
    ) {
        self.archiveBytes = archiveBytes
        self.fetchedBytes = fetchedBytes
        self.unpackedBytes = unpackedBytes
        self.entries = entries
        self.pathBytes = pathBytes
    }

    public static let lambda = UnpackLimits()
}

/// A zip archive whose directory has been checked in full: every entry may be written below a fresh folder as it is.
///
/// Only the central directory is believed, and only where the local headers say the same. Sources: PKWARE
/// APPNOTE.TXT 6.3.10 §4.3–4.5; for overlapping entries D. Fifield, "A better zip bomb" (2019).
struct ZipArchive: Sendable {
    enum Kind: Equatable, Sendable {
        case file(executable: Bool)
        case directory
        case link(target: String)
    }

    struct Entry: Sendable {
        /// Relative, without empty, `.` or `..` parts and without a closing slash.
        let path: String
        var kind: Kind
        let size: Int
        let checksum: UInt32
        let isDeflated: Bool
        /// Where the entry's (compressed) bytes lie in the archive.
        let data: Range<Int>
    }

    let bytes: ArchiveBytes
    let limits: UnpackLimits
    /// In the archive's order; no path twice, no file or link above another entry.
    private(set) var entries: [Entry] = []
    /// Every folder, also those that only paths imply; parents come before what they hold.
    private(set) var directories: [String] = []

    /// - Throws: `ServiceError` `.invalidZipFile`, `.invalidParameterValue` (too large unpacked) or `.requestTooLarge`.
    init(_ bytes: [UInt8], limits: UnpackLimits) throws { try self.init(.memory(bytes), limits: limits) }

    init(_ bytes: ArchiveBytes, limits: UnpackLimits) throws {
        guard bytes.count <= limits.archiveBytes else {
            throw ServiceError(
                .requestTooLarge,
                "the deployment package has \(bytes.count) bytes, and at most \(limits.archiveBytes) are accepted")
        }
        self.bytes = bytes
        self.limits = limits
        let directory = try locateDirectory()
        let headers = try readDirectory(directory)
        entries = try headers.map { try checkedEntry($0, directoryStart: directory.range.lowerBound) }
        try refuseOverlap(headers)
        let tree = try buildTree()
        try checkLinks(tree)
    }

    // MARK: - Directory

    private struct Directory {
        let range: Range<Int>
        let count: Int
    }

    private struct Header {
        let index: Int
        let name: ArraySlice<UInt8>
        let flags: UInt16
        let method: UInt16
        let checksum: UInt32
        let compressedSize: Int
        let size: Int
        let mode: UInt16
        let localOffset: Int
    }

    private func locateDirectory() throws -> Directory {
        guard bytes.count >= 22 else { throw invalid("it has only \(bytes.count) bytes") }
        // The record ends with a comment of at most 65,535 bytes; it counts only where that comment ends the file.
        var end: Int?
        var position = bytes.count - 22
        let lowest = max(0, bytes.count - 22 - 65_535)
        while position >= lowest {
            if try bytes.word32(at: position) == 0x0605_4B50,
                position + 22 + Int(try bytes.word16(at: position + 20)) == bytes.count
            {
                end = position
                break
            }
            position -= 1
        }
        guard let end else { throw invalid("it has no end record: the file is no zip archive or was cut off") }

        var disk = UInt32(try bytes.word16(at: end + 4))
        var directoryDisk = UInt32(try bytes.word16(at: end + 6))
        var countHere = UInt64(try bytes.word16(at: end + 8))
        var count = UInt64(try bytes.word16(at: end + 10))
        var size = UInt64(try bytes.word32(at: end + 12))
        var offset = UInt64(try bytes.word32(at: end + 16))
        var directoryEnd = end
        if countHere == 0xFFFF || count == 0xFFFF || size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF,
            end >= 20, try bytes.word32(at: end - 20) == 0x0706_4B50
        {
            let start = try bytes.word64(at: end - 20 + 8)
            guard let record = Int(exactly: start), record >= 0, record <= end - 20 - 56,
                try bytes.word32(at: record) == 0x0606_4B50
            else { throw invalid("its zip64 end record is not where its locator says") }
            disk = try bytes.word32(at: record + 16)
            directoryDisk = try bytes.word32(at: record + 20)
            countHere = try bytes.word64(at: record + 24)
            count = try bytes.word64(at: record + 32)
            size = try bytes.word64(at: record + 40)
            offset = try bytes.word64(at: record + 48)
            directoryEnd = record
        }
        guard disk == 0, directoryDisk == 0, count == countHere else {
            throw invalid("it is one part of an archive in several parts")
        }
        guard count <= UInt64(limits.entries) else {
            throw invalid("it has \(count) entries, and at most \(limits.entries) are accepted")
        }
        guard let start = Int(exactly: offset), let length = Int(exactly: size), start <= directoryEnd,
            length == directoryEnd - start
        else { throw invalid("its directory does not lie where its end record says") }
        return Directory(range: start..<directoryEnd, count: Int(count))
    }

    private func readDirectory(_ directory: Directory) throws -> [Header] {
        var headers: [Header] = []
        headers.reserveCapacity(directory.count)
        var position = directory.range.lowerBound
        for index in 0..<directory.count {
            guard directory.range.upperBound - position >= 46, try bytes.word32(at: position) == 0x0201_4B50 else {
                throw invalid("its directory ends before entry \(index + 1) of \(directory.count)")
            }
            let nameLength = Int(try bytes.word16(at: position + 28))
            let extraLength = Int(try bytes.word16(at: position + 30))
            let commentLength = Int(try bytes.word16(at: position + 32))
            let next = position + 46 + nameLength + extraLength + commentLength
            guard next <= directory.range.upperBound else {
                throw invalid("entry \(index + 1) of \(directory.count) reaches past the end of the directory")
            }
            let name = bytes[(position + 46)..<(position + 46 + nameLength)]
            let extra = (position + 46 + nameLength)..<(position + 46 + nameLength + extraLength)
            var compressedSize = UInt64(try bytes.word32(at: position + 20))
            var size = UInt64(try bytes.word32(at: position + 24))
            var offset = UInt64(try bytes.word32(at: position + 42))
            try readZip64(
                extra, of: name, size: &size, compressedSize: &compressedSize, offset: &offset)
            guard try bytes.word16(at: position + 34) == 0 else {
                throw invalid("\(quoted(name)) lies in another part of the archive")
            }
            guard let plainSize = Int(exactly: size), let plainCompressed = Int(exactly: compressedSize),
                let plainOffset = Int(exactly: offset)
            else { throw invalid("\(quoted(name)) declares an impossible size") }
            headers.append(
                Header(
                    index: index, name: name, flags: try bytes.word16(at: position + 8),
                    method: try bytes.word16(at: position + 10), checksum: try bytes.word32(at: position + 16),
                    compressedSize: plainCompressed, size: plainSize,
                    mode: UInt16(truncatingIfNeeded: try bytes.word32(at: position + 38) >> 16), localOffset: plainOffset))
            position = next
        }
        guard position == directory.range.upperBound else {
            throw invalid("its directory holds more than the \(directory.count) entries its end record counts")
        }
        return headers
    }

    /// APPNOTE §4.5.3: only the fields that are all ones in the header are there, in this order.
    private func readZip64(
        _ extra: Range<Int>, of name: ArraySlice<UInt8>, size: inout UInt64, compressedSize: inout UInt64,
        offset: inout UInt64
    ) throws {
        guard size == 0xFFFF_FFFF || compressedSize == 0xFFFF_FFFF || offset == 0xFFFF_FFFF else { return }
        var position = extra.lowerBound
        while extra.upperBound - position >= 4 {
            let tag = try bytes.word16(at: position)
            let end = position + 4 + Int(try bytes.word16(at: position + 2))
            guard end <= extra.upperBound else { break }
            if tag == 1 {
                var field = position + 4
                func take(_ value: inout UInt64) throws {
                    guard value == 0xFFFF_FFFF else { return }
                    guard end - field >= 8 else { throw invalid("\(quoted(name)) has a short zip64 field") }
                    value = try bytes.word64(at: field)
                    field += 8
                }
                try take(&size)
                try take(&compressedSize)
                try take(&offset)
                return
            }
            position = end
        }
        throw invalid("\(quoted(name)) needs a zip64 field and has none")
    }

    // MARK: - Entries

    private func checkedEntry(_ header: Header, directoryStart: Int) throws -> Entry {
        let (path, endsWithSlash) = try checkedPath(header)
        guard header.flags & 0x2041 == 0 else { throw invalid("\(quoted(path)) is encrypted") }
        guard header.method == 0 || header.method == 8 else {
            throw invalid("\(quoted(path)) is compressed by method \(header.method); use deflate or store")
        }
        let data = try dataRange(header, path: path, directoryStart: directoryStart)
        if header.method == 0, header.compressedSize != header.size {
            throw invalid("\(quoted(path)) is stored as it is, yet declares two different sizes")
        }
        var kind: Kind
        switch header.mode & 0o170000 {
        case 0o040000: kind = .directory
        case 0o120000: kind = .link(target: "")
        case 0, 0o100000: kind = endsWithSlash ? .directory : .file(executable: header.mode & 0o111 != 0)
        case 0o020000, 0o060000: throw invalid("\(quoted(path)) is a device")
        case 0o010000: throw invalid("\(quoted(path)) is a named pipe")
        case 0o140000: throw invalid("\(quoted(path)) is a socket")
        default: throw invalid("\(quoted(path)) has the unknown file type \(String(header.mode & 0o170000, radix: 8))")
        }
        if kind == .directory, header.size != 0 { throw invalid("\(quoted(path)) is a folder, yet has content") }
        if case .link = kind, endsWithSlash { throw invalid("\(quoted(path)) is a link named like a folder") }
        let entry = Entry(
            path: path, kind: kind, size: header.size, checksum: header.checksum, isDeflated: header.method == 8, data: data)
        if case .link = kind {
            kind = .link(target: try linkTarget(entry))
            return Entry(
                path: path, kind: kind, size: header.size, checksum: header.checksum, isDeflated: entry.isDeflated, data: data)
        }
        return entry
    }

    private func checkedPath(_ header: Header) throws -> (path: String, endsWithSlash: Bool) {
        let raw = header.name
        guard !raw.isEmpty else { throw invalid("entry \(header.index + 1) has no name") }
        guard raw.count <= limits.pathBytes else {
            throw invalid(
                "the name of entry \(header.index + 1) has \(raw.count) bytes, and at most \(limits.pathBytes) are accepted")
        }
        guard let name = String(validating: raw, as: UTF8.self) else {
            throw invalid("the name of entry \(header.index + 1) is not UTF-8")
        }
        guard !raw.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw invalid("the name of entry \(header.index + 1) has a control character: \(quoted(name))")
        }
        guard !raw.contains(UInt8(ascii: "\\")) else {
            throw invalid("\(quoted(name)) has a backslash in its name; use forward slashes")
        }
        guard raw.first != UInt8(ascii: "/") else { throw invalid("\(quoted(name)) is an absolute path") }
        let endsWithSlash = raw.last == UInt8(ascii: "/")
        var parts: [Substring] = []
        for part in name.split(separator: "/", omittingEmptySubsequences: false).dropLast(endsWithSlash ? 1 : 0) {
            switch part {
            case "": throw invalid("\(quoted(name)) has an empty part in its path")
            case ".": continue
            case "..": throw invalid("\(quoted(name)) leaves the package by \"..\"")
            default:
                guard part.utf8.count <= 255 else {
                    throw invalid("\(quoted(name)) has a part of more than 255 bytes")
                }
                parts.append(part)
            }
        }
        if parts.isEmpty, !endsWithSlash { throw invalid("\(quoted(name)) names the package's own folder") }
        return (parts.joined(separator: "/"), endsWithSlash)
    }

    /// Where the entry's bytes lie, after its local header has been found to agree with the directory.
    private func dataRange(_ header: Header, path: String, directoryStart: Int) throws -> Range<Int> {
        let start = header.localOffset
        guard start >= 0, start <= directoryStart - 30, try bytes.word32(at: start) == 0x0403_4B50 else {
            throw invalid("\(quoted(path)) has no local header where the directory says")
        }
        let nameLength = Int(try bytes.word16(at: start + 26))
        let dataStart = start + 30 + nameLength + Int(try bytes.word16(at: start + 28))
        guard dataStart <= directoryStart, header.compressedSize <= directoryStart - dataStart else {
            throw invalid("\(quoted(path)) reaches past the end of the archive's data")
        }
        let flags = try bytes.word16(at: start + 6)
        guard bytes[(start + 30)..<(start + 30 + nameLength)].elementsEqual(header.name),
            try bytes.word16(at: start + 8) == header.method, flags & 0x2041 == header.flags & 0x2041
        else { throw invalid("\(quoted(path)) has a local header that says otherwise than the directory") }
        // With bit 3 the sizes follow the data, and the local header has zeros.
        if flags & 0x0008 == 0 {
            let size = try bytes.word32(at: start + 22)
            let compressed = try bytes.word32(at: start + 18)
            guard try bytes.word32(at: start + 14) == header.checksum,
                size == 0xFFFF_FFFF || Int(size) == header.size,
                compressed == 0xFFFF_FFFF || Int(compressed) == header.compressedSize
            else { throw invalid("\(quoted(path)) has a local header that says otherwise than the directory") }
        }
        return dataStart..<(dataStart + header.compressedSize)
    }

    private func refuseOverlap(_ headers: [Header]) throws {
        let order = headers.indices.sorted { headers[$0].localOffset < headers[$1].localOffset }
        for (first, second) in zip(order, order.dropFirst())
        where entries[first].data.upperBound > headers[second].localOffset {
            throw invalid("\(quoted(entries[first].path)) and \(quoted(entries[second].path)) overlap")
        }
    }

    // MARK: - Tree

    private mutating func buildTree() throws -> [String: Kind] {
        var tree: [String: Kind] = [:]
        var total = 0
        // An entry "./" is the package's folder itself, which is there already.
        entries.removeAll { $0.path.isEmpty }
        for entry in entries {
            guard tree.updateValue(entry.kind, forKey: entry.path) == nil else {
                throw invalid("\(quoted(entry.path)) is in it twice")
            }
            let (sum, overflow) = total.addingReportingOverflow(entry.size)
            guard !overflow, sum <= limits.unpackedBytes else { throw tooLarge() }
            total = sum
        }
        for entry in entries {
            var path = Substring(entry.path)
            climb: while let slash = path.lastIndex(of: "/") {
                path = path[..<slash]
                let parent = String(path)
                switch tree[parent] {
                // What lies above it is checked on its own turn or was checked when it was first implied.
                case .directory?: break climb
                case nil: tree[parent] = .directory
                case .file?: throw invalid("\(quoted(entry.path)) lies below \(quoted(parent)), which is a file")
                case .link?: throw invalid("\(quoted(entry.path)) lies below \(quoted(parent)), which is a link")
                }
            }
            guard tree.count <= limits.entries else {
                throw invalid("it unpacks to more than \(limits.entries) files and folders")
            }
        }
        directories = tree.compactMap { $0.value == .directory ? $0.key : nil }.sorted()
        return tree
    }

    /// Follows every link as the kernel would, other links included: `a/up -> ..` makes `a/up/..` leave the package
    /// although the text alone does not.
    private func checkLinks(_ tree: [String: Kind]) throws {
        // Links through links through long paths are work that grows much faster than the archive.
        var steps = 0
        for entry in entries {
            guard case .link(let target) = entry.kind else { continue }
            guard !target.isEmpty, target.utf8.first != UInt8(ascii: "/") else {
                throw invalid("\(quoted(entry.path)) is a link to \(quoted(target)); only relative links are accepted")
            }
            var place = entry.path
            removeLastPart(&place)
            var rest = target.split(separator: "/").reversed().map(String.init)
            var followed = 1
            while let part = rest.popLast() {
                steps += 1
                guard steps <= 100_000 else { throw invalid("its links lead through too many folders") }
                switch part {
                case ".": continue
                case "..":
                    guard !place.isEmpty else {
                        throw invalid("\(quoted(entry.path)) is a link that leaves the package: \(quoted(target))")
                    }
                    removeLastPart(&place)
                default:
                    if !place.isEmpty { place += "/" }
                    place += part
                    guard case .link(let inner)? = tree[place] else { continue }
                    followed += 1
                    guard followed <= 40, inner.utf8.first != UInt8(ascii: "/") else {
                        throw invalid("\(quoted(entry.path)) is a link that leads through too many others")
                    }
                    removeLastPart(&place)
                    rest.append(contentsOf: inner.split(separator: "/").reversed().map(String.init))
                }
            }
        }
    }

    private func removeLastPart(_ path: inout String) {
        path.removeSubrange((path.lastIndex(of: "/") ?? path.startIndex)...)
    }

    private func linkTarget(_ entry: Entry) throws -> String {
        guard entry.size <= limits.pathBytes else {
            throw invalid("\(quoted(entry.path)) is a link whose target has more than \(limits.pathBytes) bytes")
        }
        var target: [UInt8] = []
        try extract(entry) { target.append(contentsOf: $0) }
        guard !target.contains(0), let text = String(validating: target, as: UTF8.self) else {
            throw invalid("\(quoted(entry.path)) is a link whose target is no path")
        }
        return text
    }

    // MARK: - Content

    /// Hands the entry's content to `write` piece by piece and stops at the first byte more than it declared.
    ///
    /// - Throws: `ServiceError` `.invalidZipFile`, or what `write` throws.
    func extract(_ entry: Entry, _ write: (UnsafeRawBufferPointer) throws -> Void) throws {
        var checksum = Checksum()
        var written = 0
        try bytes.withUnsafeBytes { all in
            let source = UnsafeRawBufferPointer(rebasing: all[entry.data])
            func pass(_ piece: UnsafeRawBufferPointer) throws {
                written += piece.count
                guard written <= entry.size else {
                    throw invalid("\(quoted(entry.path)) unpacks to more than the \(entry.size) bytes it declares")
                }
                checksum.update(piece)
                try write(piece)
            }
            guard entry.isDeflated else { return try pass(source) }
            switch try Inflater.inflate(source, pass) {
            case .complete: break
            case .corrupt: throw invalid("\(quoted(entry.path)) is damaged: its compressed data make no sense")
            case .truncated: throw invalid("\(quoted(entry.path)) is damaged: its compressed data end too early")
            case .trailing: throw invalid("\(quoted(entry.path)) is damaged: more data follow its end")
            }
        }
        guard written == entry.size else {
            throw invalid("\(quoted(entry.path)) unpacks to \(written) bytes and declares \(entry.size)")
        }
        guard checksum.value == entry.checksum else { throw invalid("\(quoted(entry.path)) is damaged: its checksum differs") }
    }

    private func tooLarge() -> ServiceError {
        ServiceError(.invalidParameterValue, "Unzipped size must be smaller than \(limits.unpackedBytes) bytes")
    }
}

private func invalid(_ what: String) -> ServiceError {
    ServiceError(.invalidZipFile, "Could not unzip uploaded file: \(what)")
}

/// A name as it may be shown: in quotes, control characters escaped, cut at 200 characters.
private func quoted(_ name: String) -> String {
    var text = "\""
    for scalar in name.unicodeScalars.prefix(200) {
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
            text += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            text.unicodeScalars.append(scalar)
        }
    }
    return text + (name.unicodeScalars.count > 200 ? "…\"" : "\"")
}

private func quoted(_ name: ArraySlice<UInt8>) -> String { quoted(String(decoding: name, as: UTF8.self)) }

extension ArchiveBytes {
    fileprivate func word16(at position: Int) throws -> UInt16 {
        guard position >= 0, count - position >= 2 else { throw invalid("it ends in the middle of a record") }
        return UInt16(self[position]) | UInt16(self[position + 1]) << 8
    }

    fileprivate func word32(at position: Int) throws -> UInt32 {
        UInt32(try word16(at: position)) | UInt32(try word16(at: position + 2)) << 16
    }

    fileprivate func word64(at position: Int) throws -> UInt64 {
        UInt64(try word32(at: position)) | UInt64(try word32(at: position + 4)) << 32
    }
}
