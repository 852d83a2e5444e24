import Foundation
import Testing

@testable import DeploymentPackages

@Suite struct LayerMergeTests {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-merge-\(UUID().uuidString)").path

    private func make(_ name: String, _ files: [String: String]) throws -> String {
        for (path, text) in files {
            let whole = "\(folder)/\(name)/\(path)"
            try FileManager.default.createDirectory(atPath: (whole as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try text.write(toFile: whole, atomically: false, encoding: .utf8)
        }
        return "\(folder)/\(name)"
    }

    private func text(_ path: String) -> String? { try? String(contentsOfFile: "\(folder)/merged/\(path)", encoding: .utf8) }

    @Test func laterPackagesLieOverEarlierOnes() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try make("1", ["python/a.py": "first", "python/b.py": "first", "lib": "a file", "etc/x/y": "deep"])
        let second = try make("2", ["python/b.py": "second", "lib/z.so": "a folder now", "etc/x": "a file now"])
        try FileManager.default.createSymbolicLink(atPath: "\(second)/link", withDestinationPath: "python/b.py")
        try LayerMerge.merge([first, second], into: "\(folder)/merged")
        #expect(text("python/a.py") == "first" && text("python/b.py") == "second")
        #expect(text("lib/z.so") == "a folder now" && text("etc/x") == "a file now")
        #expect(text("link") == "second")
        // What was merged is as it was.
        #expect(try String(contentsOfFile: "\(first)/python/b.py", encoding: .utf8) == "first")
        #expect(try LayerMerge.size(of: "\(folder)/merged") == ["first", "second", "a folder now", "a file now"].reduce(0) { $0 + $1.utf8.count })
    }

    @Test func eachOrderHasADigestOfItsOwn() {
        let (a, b) = (String(repeating: "a", count: 64), String(repeating: "b", count: 64))
        #expect(LayerMerge.digest([a, b]) == LayerMerge.digest([a, b]))
        #expect(LayerMerge.digest([a, b]) != LayerMerge.digest([b, a]))
        #expect(PackageDigest.isDigest(LayerMerge.digest([a, b])))
    }
}
