import Foundation
import FunctionModel
import ObjectEvents
import Testing

@testable import WatchedFolders

private func state(_ number: Int64) -> FileState { FileState(size: number, modified: number, inode: 1) }

private func folder(_ path: String = "/srv", recursive: Bool = true) throws -> WatchedFolder {
    WatchedFolder(
        id: "id", name: "inbox", function: FunctionKey(account: "123456789012", region: "us-east-1", name: "f"), qualifier: nil, path: path,
        filter: try ObjectFilter(), isRecursive: recursive, hasContent: false, created: 0)
}

@Suite struct FolderChangeTests {
    @Test func fileThatIsNewOrOtherIsCreatedAndOneThatIsGoneRemoved() {
        #expect(FolderChange("a", known: nil, found: state(1))?.kind == .created)
        #expect(FolderChange("a", known: state(1), found: state(2))?.kind == .created)
        #expect(FolderChange("a", known: state(1), found: nil)?.kind == .removed)
        #expect(FolderChange("a", known: state(1), found: nil)?.state == state(1))
        #expect(FolderChange("a", known: state(1), found: state(1)) == nil)
        #expect(FolderChange("a", known: nil, found: nil) == nil)
    }

    @Test func scanTellsNothingOfWhatItCouldNotRead() {
        let known = ["same": state(1), "other": state(1), "gone": state(1), "closed/a": state(1), "in/b": state(1)]
        var contents = FolderTree.Contents()
        contents.files = ["same": state(1), "other": state(2), "new": state(1)]
        contents.unread = ["closed/"]
        #expect(FolderChange.differences(known, contents, below: "").sorted() == ["gone", "in/b", "new", "other"])
        contents.isTruncated = true
        #expect(FolderChange.differences(known, contents, below: "").sorted() == ["new", "other"])
        #expect(FolderChange.differences(known, FolderTree.Contents(), below: "in") == ["in/b"])
    }

    @Test func sameChangeHasTheSameKeyAndAnotherOne() throws {
        let folder = try folder()
        let change = try #require(FolderChange("a", known: nil, found: state(1)))
        #expect(change.key(folder) == FolderChange("a", known: state(7), found: state(1))?.key(folder))
        #expect(change.key(folder) != FolderChange("a", known: nil, found: state(2))?.key(folder))
        #expect(change.key(folder) != FolderChange("a", known: state(1), found: nil)?.key(folder))
        let event = change.event(folder, now: 1_795_273_200_000, content: nil)
        #expect(event.bucket == "inbox" && event.key == "a" && event.size == 1 && event.time == "2026-11-21T15:00:00.000Z")
        #expect(event.sequencer.count == 16)
    }
}

@Suite struct FolderWatchTests {
    @Test func fileIsLookedAtWhenItHasSettled() throws {
        var watch = FolderWatch(try folder(), known: [:], isLive: true)
        watch.needsScan = false
        watch.mark("a", now: 1_000)
        #expect(watch.due() == 1_025)
        #expect(watch.takeDue(10, now: 1_024).isEmpty)
        // Written once more: a little later, but counted from the first time.
        watch.mark("a", now: 1_020)
        #expect(watch.takeDue(10, now: 1_025).isEmpty)
        let due = watch.takeDue(10, now: 1_045)
        #expect(due.map(\.file) == ["a"] && due.first?.first == 1_000)
        #expect(watch.pending == 0 && watch.due() == nil)
    }

    @Test func faultWaitsLongerEachTimeAndIsForgottenAfterASuccess() throws {
        var watch = FolderWatch(try folder(), known: [:], isLive: true)
        watch.needsScan = false
        watch.mark("a", now: 0)
        var pauses: [Int64] = []
        var now: Int64 = 100
        for _ in 0..<10 {
            watch.failed("full", now: now)
            pauses.append(watch.retryAt - now)
            #expect(watch.takeDue(10, now: watch.retryAt - 1).isEmpty)
            now = watch.retryAt
        }
        #expect(pauses.prefix(3) == [500, 1_000, 2_000] && pauses.last == 60_000)
        #expect(watch.problem == "full")
        watch.succeeded()
        #expect(watch.problem == nil && watch.takeDue(10, now: now).count == 1)
    }

    @Test func nothingIsNewsBeforeTheFirstFilesAreKnown() throws {
        var watch = FolderWatch(try folder(), known: [:], isLive: false)
        watch.mark("a", now: 0)
        #expect(watch.due() == nil && watch.takeDue(10, now: 1_000).isEmpty)
        watch.isLive = true
        #expect(watch.takeDue(10, now: 1_000).count == 1)
    }

    @Test func filesBeyondTheBoundAreLeftOutAndSaidSo() throws {
        let known = Dictionary(uniqueKeysWithValues: (0..<WatchedFolder.maximumFiles).map { ("f\($0)", state(1)) })
        var watch = FolderWatch(try folder(), known: known, isLive: true)
        watch.mark("one more", now: 0)
        #expect(watch.pending == 0 && watch.gap?.contains("100000 files") == true)
        watch.mark("f7", now: 0)
        #expect(watch.pending == 1)
        watch.markAll(below: "f7", now: 0)
        #expect(watch.pending == 1, "f7 is no folder")
    }
}

@Suite struct FolderTreeTests {
    private let root: URL

    init() throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("tree-\(UUID().uuidString)").resolvingSymlinksInPath()
        try FileManager.default.createDirectory(at: root.appendingPathComponent("a/b"), withIntermediateDirectories: true)
        try Data("one".utf8).write(to: root.appendingPathComponent("one"))
        try Data("two".utf8).write(to: root.appendingPathComponent("a/b/two"))
    }

    private var tree: FolderTree { FolderTree(path: root.path) }

    @Test func plainFilesAreFoundAndLinksAreNot() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        try FileManager.default.createSymbolicLink(at: root.appendingPathComponent("link"), withDestinationURL: root.appendingPathComponent("one"))
        try FileManager.default.createSymbolicLink(at: root.appendingPathComponent("dir"), withDestinationURL: root.appendingPathComponent("a"))
        var entered: [String] = []
        let all = try tree.contents(of: "", isRecursive: true) { _, folder in entered.append(folder) }
        #expect(all.files.keys.sorted() == ["a/b/two", "one"] && entered.sorted() == ["", "a", "a/b"])
        #expect(try tree.contents(of: "", isRecursive: false) { _, _ in }.files.keys.sorted() == ["one"])
        #expect(try tree.contents(of: "a", isRecursive: true) { _, _ in }.files.keys.sorted() == ["a/b/two"])
        #expect(tree.state(of: "one")?.size == 3 && tree.state(of: "a/b/two") == all.files["a/b/two"])
        #expect(tree.state(of: "link") == nil && tree.state(of: "dir/b/two") == nil && tree.state(of: "a") == nil && tree.state(of: "none") == nil)
        #expect(tree.content(of: "a/b/two", limit: 3) == Array("two".utf8))
        #expect(tree.content(of: "a/b/two", limit: 2) == nil && tree.content(of: "link", limit: 9) == nil)
    }

    @Test func descriptorsAreGivenBack() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        func open() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter { path in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(path)"))?.hasPrefix(root.path) == true
        }.count }
        _ = try tree.contents(of: "a/b", isRecursive: true) { _, _ in }
        _ = tree.state(of: "a/b/two")
        _ = tree.content(of: "a/b/none", limit: 3)
        #expect(throws: (any Error).self) { try tree.contents(of: "a/none", isRecursive: true) { _, _ in } }
        #expect(try open() == 0)
    }

    @Test func foldersBeyondTheDepthAreSaid() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let deep = (0..<WatchedFolder.maximumDepth).map { _ in "d" }.joined(separator: "/")
        try FileManager.default.createDirectory(at: root.appendingPathComponent(deep), withIntermediateDirectories: true)
        try Data().write(to: root.appendingPathComponent(deep + "/file"))
        let contents = try tree.contents(of: "", isRecursive: true) { _, _ in }
        #expect(contents.isTruncated && contents.files.count == 2)
    }
}
