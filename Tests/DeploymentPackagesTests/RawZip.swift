@testable import DeploymentPackages

/// Writes archives field by field, so that every lie a hostile one may tell can be told.
struct RawZip {
    struct Entry {
        var name: [UInt8]
        var content: [UInt8] = []
        var mode: UInt32 = 0o100644
        var method: UInt16 = 0
        var flags: UInt16 = 0
        /// What the headers declare, where it is not the truth.
        var declaredSize: UInt32?
        var declaredCompressed: UInt32?
        var declaredChecksum: UInt32?
        var localName: [UInt8]?
        var localOffset: UInt32?
        var extra: [UInt8] = []
        /// Compressed data put in as they are.
        var rawData: [UInt8]?

        init(_ name: String, _ content: String = "", mode: UInt32 = 0o100644) {
            self.name = Array(name.utf8)
            self.content = Array(content.utf8)
            self.mode = mode
        }
    }

    var entries: [Entry] = []
    var declaredCount: UInt16?
    var comment: [UInt8] = []

    init(_ entries: Entry...) { self.entries = entries }
    init(entries: [Entry]) { self.entries = entries }

    func bytes() -> [UInt8] {
        var data: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let stored = entry.rawData ?? (entry.method == 8 ? Deflater.deflate(entry.content) ?? [] : entry.content)
            var checksum = Checksum()
            entry.content.withUnsafeBytes { checksum.update($0) }
            let offset = entry.localOffset ?? UInt32(data.count)
            let middle =
                le16(entry.flags) + le16(entry.method) + le16(0) + le16(0x21) + le32(entry.declaredChecksum ?? checksum.value)
                + le32(entry.declaredCompressed ?? UInt32(stored.count)) + le32(entry.declaredSize ?? UInt32(entry.content.count))
            if entry.localOffset == nil {
                let name = entry.localName ?? entry.name
                data += le32(0x0403_4B50) + le16(20) + middle + le16(UInt16(name.count)) + le16(0) + name + stored
            }
            directory += le32(0x0201_4B50) + le16(0x0314) + le16(20) + middle
            directory += le16(UInt16(entry.name.count)) + le16(UInt16(entry.extra.count)) + le16(0) + le16(0) + le16(0)
            directory += le32(entry.mode << 16) + le32(offset) + entry.name + entry.extra
        }
        let count = declaredCount ?? UInt16(entries.count)
        return data + directory + le32(0x0605_4B50) + le16(0) + le16(0) + le16(count) + le16(count)
            + le32(UInt32(directory.count)) + le32(UInt32(data.count)) + le16(UInt16(comment.count)) + comment
    }
}

func le16(_ value: UInt16) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8)] }
func le32(_ value: UInt32) -> [UInt8] { le16(UInt16(value & 0xFFFF)) + le16(UInt16(value >> 16)) }
func le64(_ value: UInt64) -> [UInt8] { le32(UInt32(value & 0xFFFF_FFFF)) + le32(UInt32(value >> 32)) }
