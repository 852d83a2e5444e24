import FunctionModel
import Testing

@testable import DeploymentPackages

/// The message of the refusal; nil when the archive is accepted and unpacks.
private func refusal(_ zip: RawZip, limits: UnpackLimits = .lambda) -> ServiceError? { refusal(zip.bytes(), limits: limits) }

private func refusal(_ bytes: [UInt8], limits: UnpackLimits = .lambda) -> ServiceError? {
    do {
        let archive = try ZipArchive(bytes, limits: limits)
        for entry in archive.entries { try archive.extract(entry) { _ in } }
        return nil
    } catch {
        return error as? ServiceError ?? ServiceError(.internalFailure, "\(error)")
    }
}

@Suite struct ZipArchiveTests {
    @Test func ordinaryArchiveIsAccepted() throws {
        var text = RawZip.Entry("lib/data.txt", String(repeating: "abc", count: 1_000))
        text.method = 8
        let archive = try ZipArchive(
            RawZip(.init("bootstrap", "#!/bin/sh\n", mode: 0o104755), text, .init("empty/", mode: 0o040755)).bytes(),
            limits: .lambda)
        #expect(archive.entries.map(\.path) == ["bootstrap", "lib/data.txt", "empty"])
        #expect(archive.entries[0].kind == .file(executable: true), "the setuid bit is dropped, the execute bit kept")
        #expect(archive.directories == ["empty", "lib"])
        var content: [UInt8] = []
        try archive.extract(archive.entries[1]) { content.append(contentsOf: $0) }
        #expect(content == Array(String(repeating: "abc", count: 1_000).utf8))
    }

    @Test func emptyArchiveAndCommentAreAccepted() {
        var zip = RawZip()
        zip.comment = Array("made by hand".utf8)
        #expect(refusal(zip) == nil)
    }

    @Test(arguments: [
        ("../evil", "leaves the package"), ("a/../../evil", "leaves the package"), ("/etc/passwd", "absolute path"),
        ("a\\..\\b", "backslash"), ("a//b", "empty part"), (".", "own folder"), ("", "has no name"),
    ])
    func pathThatCouldLeadAnywhereElseIsRefused(name: String, reason: String) throws {
        let error = try #require(refusal(RawZip(.init(name, "x"))))
        #expect(error.code == .invalidZipFile)
        #expect(error.message.contains(reason), "\(error.message)")
    }

    @Test func nameWithControlCharactersOrOverTheLengthIsRefused() {
        #expect(refusal(RawZip(.init("a\u{0}b")))?.message.contains("control character") == true)
        #expect(refusal(RawZip(.init("a\nb")))?.message.contains("control character") == true)
        let long = RawZip(.init(String(repeating: "n", count: 256)))
        #expect(refusal(long)?.message.contains("more than 255 bytes") == true)
        let deep = RawZip(.init(String(repeating: "n/", count: 600) + "n"))
        #expect(refusal(deep)?.message.contains("at most 1024") == true)
    }

    @Test func linksThatCostTooMuchToFollowAreRefused() {
        let path = (0..<200).map { _ in "d" }.joined(separator: "/")
        let target = (0..<500).map { _ in "x" }.joined(separator: "/")
        let links = (0..<500).map { RawZip.Entry("\(path)/l\($0)", target, mode: 0o120777) }
        #expect(refusal(RawZip(entries: links))?.message.contains("too many folders") == true)
    }

    @Test func nameThatIsNotUTF8IsRefused() {
        var entry = RawZip.Entry("x")
        entry.name = [0xFF, 0xFE]
        entry.localName = entry.name
        #expect(refusal(RawZip(entry))?.message.contains("not UTF-8") == true)
    }

    @Test(arguments: [
        (UInt32(0o020666), "device"), (0o060660, "device"), (0o010644, "named pipe"), (0o140755, "socket"),
    ])
    func specialFileIsRefused(mode: UInt32, reason: String) {
        #expect(refusal(RawZip(.init("dev/thing", mode: mode)))?.message.contains("\"dev/thing\" is a \(reason)") == true)
    }

    @Test(arguments: ["/etc/passwd", "../outside", "lib/../../outside", "a/up/../../outside", ""])
    func linkThatLeavesThePackageIsRefused(target: String) {
        let zip = RawZip(.init("a/up", "..", mode: 0o120777), .init("lib/x", "x"), .init("link", target, mode: 0o120777))
        #expect(refusal(zip)?.code == .invalidZipFile)
    }

    @Test func linkThatLeavesThePackageOnlyThroughAnotherLinkIsRefused() {
        // The text x/y/up/../.. stays inside; the kernel goes x/y/up → x, then two folders up.
        let zip = RawZip(
            .init("x/y/up", "..", mode: 0o120777), .init("link", "x/y/up/../../etc", mode: 0o120777))
        #expect(refusal(zip)?.message.contains("leaves the package") == true)
    }

    @Test func linkLoopIsRefused() {
        let zip = RawZip(.init("a", "b", mode: 0o120777), .init("b", "a", mode: 0o120777))
        #expect(refusal(zip)?.message.contains("too many others") == true)
    }

    @Test func linkInsideThePackageIsAccepted() throws {
        let zip = RawZip(
            .init("lib/libx.so.1", "x"), .init("lib/libx.so", "libx.so.1", mode: 0o120777),
            .init("bin/libx", "../lib/libx.so", mode: 0o120777))
        let archive = try ZipArchive(zip.bytes(), limits: .lambda)
        #expect(archive.entries[2].kind == .link(target: "../lib/libx.so"))
    }

    @Test func entryBelowALinkOrAFileIsRefused() {
        #expect(refusal(RawZip(.init("d", "e", mode: 0o120777), .init("d/f", "x")))?.message.contains("which is a link") == true)
        #expect(refusal(RawZip(.init("d/f", "x"), .init("d", "x")))?.message.contains("which is a file") == true)
    }

    @Test func sameNameTwiceIsRefused() {
        #expect(refusal(RawZip(.init("a", "1"), .init("a", "2")))?.message.contains("\"a\" is in it twice") == true)
        #expect(refusal(RawZip(.init("a/b", "1"), .init("a/./b", "2")))?.message.contains("twice") == true)
    }

    @Test func encryptedEntryAndUnknownMethodAreRefused() {
        var secret = RawZip.Entry("a", "x")
        secret.flags = 1
        #expect(refusal(RawZip(secret))?.message.contains("\"a\" is encrypted") == true)
        var packed = RawZip.Entry("a", "x")
        packed.method = 12
        #expect(refusal(RawZip(packed))?.message.contains("method 12") == true)
    }

    @Test func declaredSizeOverTheLimitIsRefusedBeforeUnpacking() throws {
        var entry = RawZip.Entry("big", "x")
        entry.method = 8
        entry.rawData = [0]
        entry.declaredSize = 262_144_001
        let error = try #require(refusal(RawZip(entry)))
        #expect(error.code == .invalidParameterValue)
        #expect(error.message == "Unzipped size must be smaller than 262144000 bytes")
    }

    @Test func bombThatDeclaresLessStopsAtTheDeclaredSize() throws {
        var entry = RawZip.Entry("bomb", String(repeating: "\u{0}", count: 1_000_000))
        entry.method = 8
        entry.declaredSize = 1_000
        let archive = try ZipArchive(RawZip(entry).bytes(), limits: .lambda)
        var written = 0
        #expect(throws: ServiceError.self) { try archive.extract(archive.entries[0]) { written += $0.count } }
        #expect(written <= 1_000)
    }

    @Test func overlappingEntriesAreRefused() {
        // The second directory entry points at the first one's data: Fifield's bomb in its simplest form.
        let first = RawZip.Entry("a", "0123456789")
        var second = RawZip.Entry("a", "0123456789")
        second.localOffset = 0
        #expect(refusal(RawZip(first, second)) != nil)
        second.name = Array("b".utf8)
        #expect(refusal(RawZip(first, second))?.message.contains("says otherwise") == true)
    }

    @Test func dataThatContainAnotherEntryAreRefusedAsOverlap() {
        let inner = RawZip(.init("in", "payload")).bytes()
        let headerLength = 30 + 2 + 7
        var outer = RawZip.Entry("out", "")
        outer.content = Array(inner[..<headerLength])
        var second = RawZip.Entry("in", "payload")
        second.localOffset = UInt32(30 + 3)
        #expect(refusal(RawZip(outer, second))?.message.contains("overlap") == true)
    }

    @Test func localHeaderThatDisagreesIsRefused() {
        var entry = RawZip.Entry("good", "x")
        entry.localName = Array("evil".utf8)
        #expect(refusal(RawZip(entry))?.message.contains("says otherwise") == true)
    }

    @Test func damagedContentIsRefused() {
        var wrong = RawZip.Entry("a", "content")
        wrong.declaredChecksum = 1
        #expect(refusal(RawZip(wrong))?.message.contains("checksum") == true)
        var nonsense = RawZip.Entry("a", "content")
        nonsense.method = 8
        nonsense.rawData = [0xFF, 0xFF, 0xFF]
        #expect(refusal(RawZip(nonsense))?.message.contains("damaged") == true)
        var short = RawZip.Entry("a", String(repeating: "x", count: 100))
        short.method = 8
        short.rawData = Array((Deflater.deflate(short.content) ?? []).dropLast(2))
        #expect(refusal(RawZip(short))?.message.contains("damaged") == true)
    }

    @Test func tooManyEntriesAreRefused() throws {
        let limits = UnpackLimits(entries: 10)
        let many = RawZip(entries: (0..<11).map { RawZip.Entry("f\($0)") })
        #expect(try #require(refusal(many, limits: limits)).message.contains("11 entries, and at most 10") == true)
        let deep = RawZip(.init((0..<20).map { "d\($0)" }.joined(separator: "/"), "x"))
        #expect(refusal(deep, limits: limits)?.message.contains("more than 10 files and folders") == true)
    }

    @Test func millionEntriesOfAZip64DirectoryAreRefusedByTheirCount() {
        let record =
            le32(0x0606_4B50) + le64(44) + le16(45) + le16(45) + le32(0) + le32(0) + le64(1_000_000) + le64(1_000_000)
            + le64(0) + le64(0)
        let bytes =
            record + le32(0x0706_4B50) + le32(0) + le64(0) + le32(1) + le32(0x0605_4B50) + le16(0) + le16(0) + le16(0xFFFF)
            + le16(0xFFFF) + le32(0xFFFF_FFFF) + le32(0xFFFF_FFFF) + le16(0)
        #expect(refusal(bytes)?.message.contains("1000000 entries, and at most 20000") == true)
    }

    @Test func zip64SizesAreRead() throws {
        var entry = RawZip.Entry("a", "content")
        entry.declaredSize = 0xFFFF_FFFF
        entry.declaredCompressed = 0xFFFF_FFFF
        entry.extra = le16(1) + le16(16) + le64(7) + le64(7)
        #expect(refusal(RawZip(entry)) == nil)
        entry.extra = []
        #expect(refusal(RawZip(entry))?.message.contains("zip64") == true)
    }

    @Test func everyTruncationAndEveryFlippedByteIsRefusedOrHarmless() throws {
        var text = RawZip.Entry("dir/file.txt", String(repeating: "hello ", count: 20))
        text.method = 8
        let bytes = RawZip(text, .init("link", "dir/file.txt", mode: 0o120777)).bytes()
        for length in 0..<bytes.count { #expect(refusal(Array(bytes[..<length])) != nil) }
        for position in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[position] ^= 1 << UInt8(bit)
                if let error = refusal(damaged) { #expect(error.code != .internalFailure) }
            }
        }
    }

    @Test func archiveOverTheUploadLimitIsRefused() {
        let error = refusal(RawZip(.init("a", String(repeating: "x", count: 100))), limits: UnpackLimits(archiveBytes: 50))
        #expect(error?.code == .requestTooLarge)
    }
}

@Suite struct ZipWriterTests {
    @Test func sameFilesGiveTheSameBytesInAnyOrder() throws {
        var first = ZipWriter()
        first.addFile("b", contents: [1, 2, 3])
        first.addFile("a/c", contents: Array(repeating: 7, count: 10_000), executable: true)
        first.addLink("l", target: "b")
        var second = ZipWriter()
        second.addLink("l", target: "b")
        second.addFile("a/c", contents: Array(repeating: 7, count: 10_000), executable: true)
        second.addFile("b", contents: [1, 2, 3])
        #expect(try first.finish() == second.finish())
    }

    @Test func whatIsWrittenIsRead() throws {
        var writer = ZipWriter()
        writer.addFile("bootstrap", contents: Array("#!/bin/sh".utf8), executable: true)
        writer.addFile("data/ümlaut.bin", contents: Array(repeating: 9, count: 100_000))
        writer.addDirectory("empty")
        writer.addLink("data/again", target: "../bootstrap")
        let archive = try ZipArchive(writer.finish(), limits: .lambda)
        #expect(archive.entries.map(\.path) == ["bootstrap", "data/again", "data/ümlaut.bin", "empty"])
        #expect(archive.entries.map(\.kind) == [
            .file(executable: true), .link(target: "../bootstrap"), .file(executable: false), .directory,
        ])
        var content: [UInt8] = []
        try archive.extract(archive.entries[2]) { content.append(contentsOf: $0) }
        #expect(content == Array(repeating: 9, count: 100_000))
    }

    @Test func executeBitChangesTheDigest() throws {
        var plain = ZipWriter()
        plain.addFile("f", contents: [1])
        var executable = ZipWriter()
        executable.addFile("f", contents: [1], executable: true)
        #expect(try plain.finish() != executable.finish())
    }
}
