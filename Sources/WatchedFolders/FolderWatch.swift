import FunctionModel

/// What the watcher knows of one folder: what was there, what was seen to change, what is wrong. Times are milliseconds of a
/// clock that only goes forward.
struct FolderWatch {
    /// A file is looked at so long after it was seen to change: a second write within a file system's tick cannot be told
    /// from the first.
    static let settling: Int64 = 25
    /// A file that is written again and again is looked at all the same.
    static let longestSettling: Int64 = 1_000
    private static let firstRetry: Int64 = 500
    private static let longestRetry: Int64 = 60_000

    private struct Mark {
        let first: Int64
        var due: Int64
    }

    let folder: WatchedFolder
    let tree: FolderTree
    var known: [String: FileState]
    /// Its first files are on the disk: what is not among them is news.
    var isLive: Bool
    /// Whether all is to be looked up.
    var needsScan = true
    /// Nothing is tried before.
    private(set) var retryAt: Int64 = 0
    private var retry = firstRetry
    private var marks: [String: Mark] = [:]
    private(set) var problem: String?
    /// Of the last scan: it said what the bounds or rights leave out.
    var gap: String?

    init(_ folder: WatchedFolder, known: [String: FileState], isLive: Bool) {
        self.folder = folder
        self.known = known
        self.isLive = isLive
        tree = FolderTree(path: folder.path)
    }

    var pending: Int { marks.count }

    mutating func mark(_ file: String, now: Int64) {
        guard known[file] != nil || marks[file] != nil || known.count + marks.count < WatchedFolder.maximumFiles else {
            gap = "it has more than \(WatchedFolder.maximumFiles) files; those beyond are not looked at"
            return
        }
        marks[file] = Mark(first: marks[file]?.first ?? now, due: now + Self.settling)
    }

    /// Everything that is known below a folder that went away.
    mutating func markAll(below folder: String, now: Int64) {
        for file in known.keys where file.hasPrefix(folder + "/") { mark(file, now: now) }
    }

    /// Files that are to be looked at now, at most so many; they are marked no more.
    mutating func takeDue(_ limit: Int, now: Int64) -> [(file: String, first: Int64)] {
        guard isLive, retryAt <= now else { return [] }
        let due = marks.filter { $0.value.due <= now }.prefix(limit)
        for (file, _) in due { marks[file] = nil }
        return due.map { ($0.key, $0.value.first) }
    }

    /// Not now: it was written a moment ago, or its event found no way.
    mutating func putBack(_ file: String, first: Int64, now: Int64) {
        marks[file] = Mark(first: min(first, marks[file]?.first ?? first), due: now + Self.settling)
    }

    mutating func failed(_ reason: String, now: Int64) {
        problem = reason
        retryAt = now + retry
        retry = min(retry * 2, Self.longestRetry)
    }

    mutating func succeeded() {
        problem = nil
        retry = Self.firstRetry
    }

    /// When there is something to do.
    func due() -> Int64? {
        guard isLive else { return nil }
        if needsScan { return retryAt }
        return marks.values.map(\.due).min().map { max($0, retryAt) }
    }
}
