import FunctionLogs
import FunctionModel
import Glibc
import Testing

struct SetUpFailure: Error {}

/// Numbers that a printed seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// A folder that goes away with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SetUpFailure() }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in files().keys { unlink("\(path)/\(name)") }
        removeFolders(path)
    }

    private func removeFolders(_ folder: String) {
        if let stream = opendir(folder) {
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                if !name.hasPrefix(".") { removeFolders("\(folder)/\(name)") }
            }
            closedir(stream)
        }
        rmdir(folder)
    }

    /// Regular files below, with their sizes.
    func files(below folder: String = ".") -> [String: Int] {
        guard let stream = opendir("\(path)/\(folder)") else { return [:] }
        defer { closedir(stream) }
        var found: [String: Int] = [:]
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard !name.hasPrefix(".") else { continue }
            var status = stat()
            stat("\(path)/\(folder)/\(name)", &status)
            if status.st_mode & S_IFMT == S_IFDIR {
                found.merge(files(below: "\(folder)/\(name)")) { first, _ in first }
            } else {
                found["\(folder)/\(name)"] = Int(status.st_size)
            }
        }
        return found
    }
}

extension FunctionLogWriter {
    func append(_ function: FunctionKey, _ text: String, request: RequestID? = nil, time: Int64 = 1_000) throws {
        try append(function: function, requestID: request, timeMilliseconds: time, text: text)
    }
}

@Suite struct FunctionLogTests {
    private let temporary: TemporaryFolder
    private let hello = FunctionKey(account: "123456789012", region: "us-east-1", name: "hello")
    private let other = FunctionKey(account: "123456789012", region: "us-east-1", name: "other")
    private let request = RequestID("8a1f2c3d-0000-4000-8000-00000000002a")!

    init() throws {
        temporary = try TemporaryFolder()
    }

    private func writer(fileBytes: Int = 4 << 10, files: Int = 4, total: Int = 256 << 20, open: Int = 256) throws -> FunctionLogWriter {
        try FunctionLogWriter(
            directory: temporary.path,
            configuration: .init(fileBytes: fileBytes, filesPerFunction: files, totalBytes: total, openFiles: open))
    }

    private func reader() throws -> FunctionLogReader { try FunctionLogReader(directory: temporary.path) }

    @Test func linesComeBackWithTimeAndRequest() async throws {
        let writer = try writer()
        try writer.append(hello, "started", time: 5)
        try writer.append(hello, "one\ntwo\n\nthree", request: request, time: 6)
        let page = try await reader().lines(of: hello)
        #expect(
            page.lines == [
                LogLine(timeMilliseconds: 5, requestID: nil, text: "started"),
                LogLine(timeMilliseconds: 6, requestID: request, text: "one"),
                LogLine(timeMilliseconds: 6, requestID: request, text: "two"),
                LogLine(timeMilliseconds: 6, requestID: request, text: ""),
                LogLine(timeMilliseconds: 6, requestID: request, text: "three"),
            ])
        #expect(!page.hasGap && !page.isPartial)
    }

    @Test func functionWithoutLogHasNoLines() async throws {
        let page = try await reader().lines(of: hello)
        #expect(page.lines.isEmpty && !page.hasGap)
    }

    @Test(arguments: [
        ("tab\tback\\slash \\n \\x41", "tab\tback\\slash \\n \\x41"), ("\u{1B}[31mred\u{7F}\r\u{0}", "\u{1B}[31mred\u{7F}\r\u{0}"),
        ("ä\u{20AC}\u{1F426}\u{E000}", "ä\u{20AC}\u{1F426}\u{E000}"),
    ])
    func anyTextComesBack(written: String, read: String) async throws {
        try writer().append(hello, written)
        #expect(try await reader().lines(of: hello).lines.map(\.text) == [read])
    }

    @Test func bytesThatAreNoTextAreRepairedAndNeverBreakTheLog() async throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        let writer = try writer(fileBytes: 1 << 20)
        var expected: [String] = []
        let pieces: [[UInt8]] = [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82], Array("ä".utf8), Array("\u{1F426}".utf8),
            [0x09], [0x00], Array("plain".utf8), [0x5C], [0xF0, 0x9F],
        ]
        for _ in 0..<300 {
            let bytes = (0..<Int.random(in: 1...8, using: &generator)).flatMap { _ in pieces.randomElement(using: &generator)! }
            try bytes.withUnsafeBytes {
                try writer.append(function: hello, requestID: nil, timeMilliseconds: 1, bytes: $0)
            }
            expected.append(String(decoding: bytes, as: UTF8.self).filter { $0 != "\u{FFFD}" })
        }
        let lines = try await reader().lines(of: hello).lines.map { $0.text.filter { $0 != "\u{FFFD}" } }
        #expect(lines == expected, "seed \(seed)")
    }

    @Test func functionCannotForgeAnotherRequestsLine() async throws {
        try writer().append(hello, "9\t\(request)\tforged\r\n9\t\(request)\tagain")
        let reader = try reader()
        #expect(try await reader.lines(of: hello, requestID: request).lines.isEmpty)
        #expect(try await reader.lines(of: hello).lines.count == 2)
    }

    @Test func filtersByTimeAndRequest() async throws {
        let writer = try writer()
        for time in 1...10 { try writer.append(hello, "\(time)", request: time % 2 == 0 ? request : nil, time: Int64(time)) }
        let reader = try reader()
        #expect(try await reader.lines(of: hello, since: 8).lines.map(\.text) == ["8", "9", "10"])
        #expect(try await reader.lines(of: hello, requestID: request).lines.map(\.text) == ["2", "4", "6", "8", "10"])
        #expect(try await reader.lines(of: hello, since: 7, requestID: request).lines.map(\.text) == ["8", "10"])
    }

    @Test(arguments: [1, 7, 10_000])
    func pagesGiveEveryLineOnceAcrossRotation(limit: Int) async throws {
        let writer = try writer(files: 50)
        let expected = (0..<400).map { "line \($0) " + String(repeating: "x", count: $0 % 90) }
        for text in expected { try writer.append(hello, text) }
        #expect(temporary.files().count > 5)
        let reader = try reader()
        var lines: [String] = []
        var cursor: LogCursor?
        while true {
            let page = try await reader.lines(of: hello, after: cursor, limit: limit)
            #expect(!page.hasGap && page.lines.count <= limit)
            lines += page.lines.map(\.text)
            cursor = page.next
            if !page.isPartial { break }
        }
        #expect(lines == expected)
        #expect(try await reader.lines(of: hello, after: cursor).lines.isEmpty)
    }

    @Test func followingSeesEveryLineWhileFilesRotate() async throws {
        let writer = try writer()
        let reader = try reader()
        var cursor: LogCursor?
        var seen: [String] = []
        for index in 0..<600 {
            try writer.append(hello, "line \(index)", time: Int64(index))
            if index % 20 == 0 {
                let page = try await reader.lines(of: hello, after: cursor)
                #expect(!page.hasGap)
                seen += page.lines.map(\.text)
                cursor = page.next
            }
        }
        seen += try await reader.lines(of: hello, after: cursor).lines.map(\.text)
        #expect(seen == (0..<600).map { "line \($0)" })
    }

    @Test func cursorThatWasRotatedAwayTellsTheGap() async throws {
        let writer = try writer()
        try writer.append(hello, "first")
        let reader = try reader()
        let cursor = try await reader.lines(of: hello).next
        for index in 0..<3_000 { try writer.append(hello, "line \(index)") }
        let page = try await reader.lines(of: hello, after: cursor, limit: 10_000)
        #expect(page.hasGap)
        #expect(page.lines.last?.text == "line 2999")
        #expect(page.lines.count < 3_000)
        #expect(try await !reader.lines(of: hello, after: page.next).hasGap)
    }

    @Test func spaceOfOneFunctionIsBounded() throws {
        let writer = try writer(fileBytes: 4 << 10, files: 3)
        for index in 0..<2_000 { try writer.append(hello, "line \(index)") }
        #expect(temporary.files().count == 3)
        #expect(temporary.files().values.allSatisfy { $0 <= 4 << 10 })
        #expect(writer.totalBytes == temporary.files().values.reduce(0, +))
    }

    @Test func spaceOfAllFunctionsIsBoundedAndTheSilentLoseFirst() async throws {
        let writer = try writer(fileBytes: 4 << 10, files: 4, total: 40 << 10)
        func key(_ index: Int) -> FunctionKey { FunctionKey(account: "1", region: "r", name: "f\(index)") }
        let text = String(repeating: "x", count: 500)
        for index in 0..<30 {
            for _ in 0..<12 { try writer.append(key(index), text) }
            try writer.append(key(0), "still here")
            let total = temporary.files().values.reduce(0, +)
            #expect(total == writer.totalBytes && total <= 40 << 10)
        }
        let reader = try reader()
        #expect(try await reader.lines(of: key(29)).lines.count == 12)
        #expect(try await reader.lines(of: key(0)).lines.last?.text == "still here")
        #expect(try await reader.lines(of: key(5)).lines.isEmpty)
    }

    @Test func boundHoldsAfterARestart() async throws {
        do {
            let writer = try writer(files: 4)
            for index in 0..<400 { try writer.append(hello, "line \(index)") }
            for index in 0..<400 { try writer.append(other, "line \(index)") }
        }
        let writer = try writer(files: 2)
        #expect(temporary.files().count == 4)
        #expect(writer.totalBytes == temporary.files().values.reduce(0, +))
        try writer.append(hello, "after", time: 2)
        #expect(try await reader().lines(of: hello).lines.last?.text == "after")
        #expect(writer.totalBytes == temporary.files().values.reduce(0, +))
    }

    @Test func descriptorsAreBounded() async throws {
        func descriptors() -> Int {
            guard let stream = opendir("/proc/self/fd") else { return 0 }
            defer { closedir(stream) }
            var own = 0
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                var target = [UInt8](repeating: 0, count: 512)
                let count = target.withUnsafeMutableBytes {
                    readlink("/proc/self/fd/\(name)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
                if count > 0, String(decoding: target[..<count], as: UTF8.self).hasPrefix("\(temporary.path)/") { own += 1 }
            }
            return own
        }
        let writer = try writer(open: 5)
        for round in 0..<3 {
            for index in 0..<20 { try writer.append(FunctionKey(account: "1", region: "r", name: "f\(index)"), "round \(round)") }
            #expect(descriptors() == 5)
        }
        let reader = try reader()
        for index in 0..<20 {
            let lines = try await reader.lines(of: FunctionKey(account: "1", region: "r", name: "f\(index)")).lines
            #expect(lines.map(\.text) == ["round 0", "round 1", "round 2"])
        }
    }

    @Test func deletedLogIsGoneAndANewOneIsNotMistakenForIt() async throws {
        let writer = try writer()
        try writer.append(hello, "old", time: 1_000)
        try writer.append(other, "kept", time: 1_000)
        let reader = try reader()
        let cursor = try await reader.lines(of: hello).next
        try writer.delete(hello)
        try writer.delete(hello)
        #expect(try await reader.lines(of: hello).lines.isEmpty)
        try writer.append(hello, "new", time: 2_000)
        let page = try await reader.lines(of: hello, after: cursor)
        #expect(page.lines.map(\.text) == ["new"])
        #expect(page.hasGap)
        #expect(try await reader.lines(of: other).lines.map(\.text) == ["kept"])
    }

    @Test func tornLineOfACrashHidesNothingElse() async throws {
        do { try writer().append(hello, "before") }
        let name = try #require(temporary.files().keys.first)
        let descriptor = open("\(temporary.path)/\(name)", O_WRONLY | O_APPEND)
        _ = Array("1000\t8a1f2c3d-00".utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        let reader = try reader()
        let page = try await reader.lines(of: hello)
        #expect(page.lines.map(\.text) == ["before"])
        try writer().append(hello, "after")
        #expect(try await reader.lines(of: hello, after: page.next).lines.map(\.text) == ["after"])
    }

    @Test func largeOutputIsSplitIntoLinesAndFiles() async throws {
        let writer = try writer(fileBytes: 64 << 10, files: 50)
        let long = String(repeating: "y", count: 100_000)
        try writer.append(hello, long + "\nshort")
        let lines = try await reader().lines(of: hello).lines.map(\.text)
        #expect(lines.joined() == long + "short")
        #expect(lines.last == "short")
        #expect(lines.allSatisfy { $0.utf8.count <= 8 << 10 })
        #expect(temporary.files().values.allSatisfy { $0 <= 64 << 10 })
    }

    @Test(arguments: ["..", "", "a/b", ".hidden"])
    func nameThatLeavesTheFolderIsRefused(name: String) async throws {
        let writer = try writer()
        let reader = try reader()
        let key = FunctionKey(account: "1", region: "r", name: name)
        #expect(throws: FunctionLogError.self) { try writer.append(key, "text") }
        await #expect(throws: FunctionLogError.self) { try await reader.lines(of: key) }
    }

    @Test func cursorComesBackFromItsText() {
        let cursor = LogCursor(file: .max, offset: 7)
        #expect(LogCursor(cursor.description) == cursor)
        for text in ["", "1", "1-", "-1", "1-2-3", "a-b"] { #expect(LogCursor(text) == nil) }
    }

    @Test func piecesOfAStreamBecomeWholeLines() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let text = Array((0..<Int.random(in: 0...300, using: &generator)).map { _ in "ab\n\ncd".utf8.randomElement(using: &generator)! })
            var buffer = LogLineBuffer(limit: 40)
            var passed: [UInt8] = []
            func pass(_ bytes: UnsafeRawBufferPointer) {
                #expect(bytes.last == UInt8(ascii: "\n") || bytes.count > 40, "seed \(seed)")
                passed += bytes
            }
            var position = 0
            while position < text.count {
                let end = min(position + Int.random(in: 1...60, using: &generator), text.count)
                Array(text[position..<end]).withUnsafeBytes { buffer.append($0, pass) }
                // Nothing but an unfinished line is held back.
                #expect(!text[passed.count..<end].contains(UInt8(ascii: "\n")), "seed \(seed)")
                position = end
            }
            buffer.finish { passed += $0 }
            #expect(passed == text, "seed \(seed)")
        }
    }
}

/// On a small file system of its own, which only root may mount.
@Suite(.enabled(if: geteuid() == 0, "needs root to mount a small tmpfs"))
struct FullDiskTests {
    private typealias Mount =
        @convention(c) (UnsafePointer<CChar>?, UnsafePointer<CChar>, UnsafePointer<CChar>?, UInt, UnsafePointer<CChar>?) -> Int32
    private typealias Unmount = @convention(c) (UnsafePointer<CChar>, Int32) -> Int32

    @Test func fullDiskRefusesLinesAndKeepsTheEarlierOnesWhole() async throws {
        let temporary = try TemporaryFolder()
        let mount = unsafeBitCast(try #require(dlsym(nil, "mount")), to: Mount.self)
        let unmount = unsafeBitCast(try #require(dlsym(nil, "umount2")), to: Unmount.self)
        try #require(mount("tmpfs", temporary.path, "tmpfs", 0, "size=64k") == 0)
        defer { _ = unmount(temporary.path, 2) }

        let hello = FunctionKey(account: "1", region: "r", name: "hello")
        let writer = try FunctionLogWriter(directory: temporary.path)
        var written: [String] = []
        var refusal: FunctionLogError?
        while refusal == nil {
            let text = "line \(written.count) " + String(repeating: "x", count: 3_000)
            do {
                try writer.append(function: hello, requestID: nil, timeMilliseconds: 1, text: text)
                written.append(text)
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.description.contains("free space") == true)
        let reader = try FunctionLogReader(directory: temporary.path)
        #expect(try await reader.lines(of: hello).lines.map(\.text) == written)
        #expect(writer.totalBytes == temporary.files().values.reduce(0, +))
        try writer.delete(hello)
        try writer.append(function: hello, requestID: nil, timeMilliseconds: 2, text: "again")
        #expect(try await reader.lines(of: hello).lines.map(\.text) == ["again"])
    }
}

@Suite struct PlatformLogTests {
    private let request = RequestID("8a1f2c3d-0000-4000-8000-00000000002a")!

    private func record(_ outcome: Outcome = .success, initialization: UInt32 = 0, peak: UInt32 = 30_000) -> UsageRecord {
        UsageRecord(
            requestID: request, key: FunctionKey(account: "1", region: "r", name: "f"), version: "1", revision: 1, trigger: .invoke,
            startKind: .ready, outcome: outcome, startMilliseconds: 0, initMicroseconds: initialization, handlerMicroseconds: 27_550,
            billedMilliseconds: 28, memorySize: 128, peakMemoryKiB: peak)
    }

    @Test func linesReadAsLambdasDo() {
        #expect(PlatformLog.start(requestID: request, version: "$LATEST") == "START RequestId: \(request) Version: $LATEST")
        #expect(PlatformLog.end(requestID: request) == "END RequestId: \(request)")
        #expect(
            PlatformLog.report(record())
                == "REPORT RequestId: \(request)\tDuration: 27.55 ms\tBilled Duration: 28 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB")
        #expect(
            PlatformLog.timedOut(requestID: request, timeoutSeconds: 3) == "RequestId: \(request) Error: Task timed out after 3.00 seconds")
        #expect(
            PlatformLog.exited(requestID: request, reason: "Runtime exited with error: exit status 1")
                == "RequestId: \(request) Error: Runtime exited with error: exit status 1\nRuntime.ExitError")
    }

    @Test func reportNamesInitFailureAndUnknownMemory() {
        #expect(PlatformLog.report(record(initialization: 397_684)).hasSuffix("\tInit Duration: 397.68 ms"))
        #expect(PlatformLog.report(record(.timeout)).hasSuffix("\tStatus: timeout"))
        #expect(PlatformLog.report(record(.crash)).hasSuffix("\tStatus: error"))
        #expect(!PlatformLog.report(record(peak: 0)).contains("Max Memory Used"))
        #expect(PlatformLog.report(record(peak: 1)).contains("Max Memory Used: 1 MB"))
    }

    @Test(arguments: [(UInt32(0), "0.00"), (4, "0.00"), (5, "0.01"), (9_994, "9.99"), (9_995, "10.00"), (1_000, "1.00")])
    func durationsHaveTwoDecimals(microseconds: UInt32, text: String) {
        var record = record()
        record.handlerMicroseconds = microseconds
        #expect(PlatformLog.report(record).contains("\tDuration: \(text) ms\t"))
    }
}
