import Glibc

/// Several packages as one folder: a file of a later one takes the place of an earlier one's.
///
/// Files are hard links to the packages' own, which nobody changes: a merge takes no space for content.
enum LayerMerge {
    /// The name of a merge: layers in another order are another folder.
    static func digest(_ packages: [String]) -> String {
        PackageDigest.sha256(Array("layers\n\(packages.joined(separator: "\n"))\n".utf8))
    }

    /// - Parameter folder: is made.
    static func merge(_ sources: [String], into folder: String) throws {
        try Files.makeDirectory(folder, mode: 0o755)
        for source in sources { try lay(source, over: folder) }
    }

    private static func lay(_ source: String, over target: String) throws {
        for name in try Files.names(in: source) {
            let (from, to) = ("\(source)/\(name)", "\(target)/\(name)")
            let old = Files.kind(to)
            if Files.kind(from) == S_IFDIR {
                if let old, old != S_IFDIR { try Files.removeTree(to) }
                try Files.makeDirectory(to, mode: 0o755)
                try lay(from, over: to)
            } else {
                if old != nil { try Files.removeTree(to) }
                try Files.makeHardLink(from, to: to)
            }
        }
    }

    /// Bytes of all files below a folder.
    static func size(of folder: String) throws -> Int {
        try Files.names(in: folder).reduce(0) { sum, name in
            let path = "\(folder)/\(name)"
            switch Files.kind(path) {
            case S_IFDIR?: return sum + (try size(of: path))
            case S_IFREG?: return sum + (Files.status(path)?.size ?? 0)
            default: return sum
            }
        }
    }
}
