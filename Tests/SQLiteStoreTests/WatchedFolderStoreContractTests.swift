import FunctionModel
import ObjectEvents
import SQLiteStore
import Testing
import WatchedFolders

@Suite struct WatchedFolderStoreContractTests {
    private func folder(_ id: String, _ name: String) throws -> WatchedFolder {
        WatchedFolder(
            id: id, name: name, function: FunctionKey(account: "111111111111", region: "us-east-1", name: "f"), qualifier: "3", path: "/srv/in",
            filter: try ObjectFilter(events: ["s3:ObjectCreated:*"], prefix: "a", suffix: "é"), isRecursive: true, hasContent: true, created: 7)
    }

    @Test func foldersAndFilesComeBackAndGoTogether() async throws {
        let temporary = try TemporaryFolder()
        let first = try await SQLiteStore.open(path: temporary.database)
        let second = try await SQLiteStore.open(path: temporary.database)
        let inbox = try folder("1", "inbox")
        let files = ["a/b é": FileState(size: 1, modified: .max, inode: .min), "c": FileState(size: 0, modified: -1, inode: 2)]
        try await first.save(inbox, files: files)
        #expect(try await second.loadWatchedFolders() == [inbox])
        #expect(try await second.loadFiles(of: "1") == files)
        let new = FileState(size: 9, modified: 9, inode: 9)
        try await second.saveFiles(["c": nil, "d": new, "a/b é": new], of: "1")
        #expect(try await first.loadFiles(of: "1") == ["a/b é": new, "d": new])
        await #expect(throws: (any Error).self, "names are unique") { try await first.save(folder("2", "inbox"), files: ["x": new]) }
        #expect(try await first.loadFiles(of: "2").isEmpty)
        try await first.deleteWatchedFolder(id: "1")
        // What was on its way when it was deleted.
        try await second.saveFiles(["late": new], of: "1")
        #expect(try await second.loadWatchedFolders().isEmpty)
        #expect(try await second.loadFiles(of: "1").isEmpty)
    }
}
